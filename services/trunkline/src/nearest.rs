//! What somebody may have meant who wrote a name that does not exist.

/// The known name that is nearest, if one is near enough to be meant.
pub(crate) fn nearest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let near = known
        .into_iter()
        .map(|name| (distance(written, name), name));
    let (distance, name) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= written.len() / 3).then_some(name)
}

/// How many characters are to be put in, left out or replaced to make one of the other.
pub(crate) fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, from) in from.chars().enumerate() {
        let mut corner = above;
        row[0] = above + 1;
        for (at, to) in to.iter().enumerate() {
            let replaced = corner + usize::from(from != *to);
            corner = row[at + 1];
            row[at + 1] = replaced.min(corner + 1).min(row[at] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_counts_what_is_put_in_left_out_and_replaced() {
        for (from, to, expected) in [
            ("", "", 0),
            ("lease", "lease", 0),
            ("lese", "lease", 1),
            ("leasse", "lease", 1),
            ("lebse", "lease", 1),
            ("", "lease", 5),
            ("saturday", "sunday", 3),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn what_is_like_nothing_known_is_not_guessed() {
        let known = ["listen", "lease", "region"];
        assert_eq!(nearest("lisen", known), Some("listen"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("lisen", []), None);
    }
}
