//! Which command a command line is for.

use std::ffi::OsString;

use clap::{Arg, ArgMatches, Command};

use crate::options::CONFIG;

/// Puts `dev` in where no command stands: `trunkline` runs it, `trunkline config` is about it.
pub(crate) fn put_in_dev(definition: &Command, arguments: &mut Vec<OsString>) {
    let first = arguments.len().min(1);
    if !names_one(definition, &arguments[first..]) {
        arguments.insert(first, "dev".into());
        return;
    }
    let is_command = |word: &OsString| {
        word.to_str()
            .is_some_and(|it| definition.find_subcommand(it).is_some())
    };
    let Some(at) = arguments.iter().skip(first).position(is_command) else {
        return;
    };
    let at = first + at;
    let config = definition.find_subcommand(CONFIG);
    if let Some(config) = config.filter(|_| arguments[at] == CONFIG)
        && !names_one(config, &arguments[at + 1..])
    {
        arguments.insert(at + 1, "dev".into());
    }
}

/// Whether a command stands somewhere, or a question about them all.
fn names_one(definition: &Command, words: &[OsString]) -> bool {
    let words = || words.iter().filter_map(|word| word.to_str());
    let Some(first) = words().next() else {
        return false;
    };
    matches!(first, "help" | "-h" | "--help" | "-V" | "--version")
        // A word that is no option is a command that does not exist: clap says so.
        || !first.starts_with('-')
        || words().any(|word| definition.find_subcommand(word).is_some())
        || words().any(|word| matches!(word, "--example" | "--reference"))
}

/// The names of the commands, one within the other.
pub(crate) fn path(matches: &ArgMatches) -> Vec<String> {
    let mut path = Vec::new();
    let mut matches = matches;
    while let Some((name, inner)) = matches.subcommand() {
        path.push(name.to_owned());
        matches = inner;
    }
    path
}

/// The innermost command, and what was read for it.
pub(crate) fn last(matches: &ArgMatches) -> (&str, &ArgMatches) {
    match matches.subcommand() {
        None => ("", matches),
        Some((name, inner)) => match inner.subcommand() {
            None => (name, inner),
            Some(_) => last(inner),
        },
    }
}

/// Changes an option of the command that `path` leads to.
pub(crate) fn change(
    definition: Command,
    path: &[String],
    id: &str,
    change: impl FnOnce(Arg) -> Arg,
) -> Command {
    match path.split_first() {
        None => definition.mut_arg(id, change),
        Some((name, rest)) => {
            definition.mut_subcommand(name, |command| self::change(command, rest, id, change))
        }
    }
}
