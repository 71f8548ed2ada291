//! Secrets that stand in a file of their own: for each option that has them there is one that names the file.
//!
//! `--turn-secret-file` is not among those that are read here: it is read again whenever it has changed.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};
use daemon::reload;

use crate::{
    layers::{Origin, Source, Sources},
    options::{self, Kind, Setting},
};

/// The options, and those that name their files.
const FILES: [(&str, &str); 3] = [
    ("ice-server", "ice-server-file"),
    ("redis", "redis-file"),
    ("turn-user", "turn-user-file"),
];

/// Most values that a file may have.
const MAX_LINES: usize = 64;

/// Adds to a command what names the files of its secrets.
pub(crate) fn define(command: Command) -> Command {
    FILES.into_iter().fold(command, |command, (key, file)| {
        let of = command
            .get_arguments()
            .find(|arg| arg.get_long() == Some(key));
        let Some((of, setting)) = of.map(|arg| (arg.clone(), Setting::new(arg))) else {
            return command;
        };
        let lines = match setting.kind() {
            Kind::List => "one a line",
            Kind::One | Kind::Switch => "in one line",
        };
        let variable = format!("{}_FILE", setting.variable());
        let arg = Arg::new(file.replace('-', "_"))
            .long(file)
            .env(variable)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help(format!(
                "A file with what --{key} would say, {lines}; read at the start"
            ));
        command.arg(match of.get_help_heading() {
            Some(heading) => arg.help_heading(heading.to_owned()),
            None => arg,
        })
    })
}

/// Reads the files that are named, unless the option itself comes from a higher layer.
///
/// # Errors
/// A line for each that cannot be used.
pub(crate) fn read(
    definition: &Command,
    command: &str,
    matches: &ArgMatches,
    sources: &mut Sources,
) -> Result<(), Vec<String>> {
    let mut complaints = Vec::new();
    for setting in options::settings(definition, command) {
        let file = FILES.into_iter().find(|(key, _)| *key == setting.key());
        let Some((key, file)) = file else { continue };
        let Some(path) = path(sources, matches, file) else {
            continue;
        };
        let [own, named] = [key, file].map(|key| layer(sources, key));
        if own > named {
            continue;
        }
        let read = match own == named {
            true => Err(format!("--{key} and --{file}: give one of them")),
            false => values(setting, file, &path),
        };
        match read {
            Err(complaint) => complaints.push(complaint),
            Ok(values) => {
                let origin = Origin::SecretFile(file);
                sources.insert(key.to_owned(), Source { origin, values });
            }
        }
    }
    match complaints.is_empty() {
        true => Ok(()),
        false => Err(complaints),
    }
}

/// Those of a higher layer come first. A file that says none says nothing.
fn layer(sources: &Sources, key: &str) -> u8 {
    let Some(source) = sources.get(key) else {
        return 0;
    };
    match source.origin {
        Origin::Flag => 3,
        Origin::Variable => 2,
        Origin::File { .. } if !source.values.is_empty() => 1,
        Origin::File { .. } | Origin::SecretFile(_) | Origin::Default => 0,
    }
}

fn path(sources: &Sources, matches: &ArgMatches, file: &str) -> Option<PathBuf> {
    let in_file = sources.get(file)?.values.first().map(PathBuf::from);
    let given = || matches.get_one::<PathBuf>(&file.replace('-', "_")).cloned();
    in_file.or_else(given)
}

fn values(setting: Setting<'_>, file: &'static str, path: &Path) -> Result<Vec<String>, String> {
    let parse: fn(&str) -> Result<Vec<String>, String> = match setting.kind() {
        Kind::List => |text| reload::lines(text, MAX_LINES),
        Kind::One | Kind::Switch => |text| reload::lines(text, 1),
    };
    let values = reload::read_once(file, path, parse).map_err(|error| error.to_string())?;
    match values.iter().find_map(|value| setting.check(value).err()) {
        Some(what) => Err(format!("--{file} {}: {what}", path.display())),
        None => Ok(values),
    }
}
