//! `TRUNKLINE_*` variables that stand for no option.

use std::{collections::BTreeSet, ffi::OsString};

use clap::Command;

use crate::{
    nearest::{distance, nearest},
    options::{self, CONFIG},
};

const PREFIX: &str = "TRUNKLINE_";

/// Looks for a variable that was misspelt, of whatever command it may be for.
///
/// # Errors
/// A line for each.
pub(crate) fn check(
    definition: &Command,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(), Vec<String>> {
    let all = options::all(definition);
    let settings = all.iter().flat_map(|shared| &shared.of);
    let known = settings.filter_map(|(_, setting)| setting.variable().strip_prefix(PREFIX));
    let config = CONFIG.to_uppercase();
    let known: BTreeSet<&str> = known.chain([config.as_str()]).collect();
    let mut complaints = BTreeSet::new();
    for (name, value) in variables {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if !known.contains(rest) && !is_injected(&name, &value, &known) {
            complaints.insert(match nearest(rest, known.iter().copied()) {
                Some(near) => format!("{name}: unknown variable; did you mean {PREFIX}{near}?"),
                None => format!("{name}: unknown variable; --help shows those that there are"),
            });
        }
    }
    match complaints.is_empty() {
        true => Ok(()),
        false => Err(complaints.into_iter().collect()),
    }
}

/// Kubernetes describes every service of a namespace to every container in it, ours by names that begin as options'
/// do. One that is a letter from an option's is that option misspelt, unless it has the URL of a service.
fn is_injected(name: &str, value: &str, known: &BTreeSet<&str>) -> bool {
    let is_slip = || {
        let rest = name.strip_prefix(PREFIX).unwrap_or_default();
        known.iter().any(|known| distance(rest, known) == 1)
    };
    name.contains("_SERVICE_") || name.contains("_PORT") && (value.contains("://") || !is_slip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    fn complaints(variables: &[(&str, &str)]) -> Vec<String> {
        let variables = variables.iter();
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        check(&cli::definition(), variables)
            .err()
            .unwrap_or_default()
    }

    #[test]
    fn variables_of_every_command_and_those_of_others_are_known() {
        let known = [
            ("TRUNKLINE_CONFIG", "x"),
            ("TRUNKLINE_LOG", "info"),
            ("TRUNKLINE_DRAIN_WINDOW", "5s"),
            ("TRUNKLINE_PING_INTERVAL", "5s"),
            ("TRUNKLINE_OPEN", "1"),
            ("TRUNK", "x"),
            ("PATH", "/bin"),
        ];
        assert_eq!(complaints(&known), [""; 0]);
    }

    #[test]
    fn a_misspelt_variable_is_named_with_the_nearest() {
        assert_eq!(
            complaints(&[("TRUNKLINE_LISEN", "x"), ("TRUNKLINE_ABRACADABRA", "x")]),
            [
                "TRUNKLINE_ABRACADABRA: unknown variable; --help shows those that there are",
                "TRUNKLINE_LISEN: unknown variable; did you mean TRUNKLINE_LISTEN?",
            ]
        );
    }

    #[test]
    fn what_an_orchestrator_says_of_its_services_is_not_for_us() {
        let injected = [
            ("TRUNKLINE_SERVICE_HOST", "10.0.0.1"),
            ("TRUNKLINE_SIGNAL_SERVICE_HOST", "10.0.0.1"),
            ("TRUNKLINE_SIGNAL_SERVICE_PORT_HTTP", "8080"),
            ("TRUNKLINE_PORT", "tcp://10.0.0.1:8080"),
            ("TRUNKLINE_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("TRUNKLINE_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("TRUNKLINE_TURN_RELAY_PORT", "udp://10.0.0.1:3478"),
        ];
        assert_eq!(complaints(&injected), [""; 0]);
    }

    #[test]
    fn a_letter_too_few_is_a_slip_and_not_an_orchestrator() {
        let slip = complaints(&[("TRUNKLINE_TURN_RELAY_PORT", "1-2")]);
        assert!(
            slip[0].contains("mean TRUNKLINE_TURN_RELAY_PORTS?"),
            "{slip:?}"
        );
    }
}
