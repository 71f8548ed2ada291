//! The addresses that a default names: both families, on a host without IPv6 one; with `dev --open` every address.

use clap::ArgMatches;

/// Options with such defaults, and where `dev --open` serves and relays.
const OPTIONS: [(&str, u16); 2] = [("listen", 8080), ("turn_listen", 3478)];

/// The defaults that are in force here. Where somebody says something else, that comes before them as before others.
pub(crate) fn defaults(matches: &ArgMatches) -> Vec<(&'static str, Vec<String>)> {
    let is_open = matches!(matches.try_get_one("open"), Ok(Some(true)));
    let has_ipv6 = daemon::listen::has_ipv6_loopback();
    let found = OPTIONS.into_iter().filter_map(|(id, port)| {
        let values = matches.try_get_raw(id).ok().flatten()?;
        let values = values.map(|value| value.to_string_lossy().into_owned());
        let open = is_open.then_some(port);
        Some((id, settled(values.collect(), open, has_ipv6)))
    });
    found.collect()
}

fn settled(default: Vec<String>, open: Option<u16>, has_ipv6: bool) -> Vec<String> {
    let mut addresses = match open {
        Some(port) => vec![format!("0.0.0.0:{port}"), format!("[::]:{port}")],
        None => default,
    };
    addresses.retain(|address| has_ipv6 || !address.starts_with('['));
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_ipv6_still_works() {
        let both = || vec!["127.0.0.1:1".to_owned(), "[::1]:1".to_owned()];
        assert_eq!(settled(both(), None, true), both());
        assert_eq!(settled(both(), None, false), ["127.0.0.1:1"]);
        assert_eq!(settled(both(), Some(2), true), ["0.0.0.0:2", "[::]:2"]);
        assert_eq!(settled(both(), Some(2), false), ["0.0.0.0:2"]);
    }
}
