/// Those of `all` whose name is wanted, any where none is, and that are here; of the others it is said why they are not.
pub(crate) fn participants<C: Copy>(
    all: impl IntoIterator<Item = C>,
    wanted: &[String],
    name: impl Fn(C) -> &'static str,
    absent: impl Fn(C) -> Option<&'static str>,
) -> Vec<C> {
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|it| name.contains(&**it));
    let mut participants = Vec::new();
    for contestant in all {
        match absent(contestant) {
            _ if !is_wanted(name(contestant)) => {}
            Some(reason) => eprintln!("{} does not take part: {reason}", name(contestant)),
            None => participants.push(contestant),
        }
    }
    participants
}
