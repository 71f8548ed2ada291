//! The configuration that a command would run with, as a file.

use clap::{ArgMatches, Command};

use crate::{
    layers::{Origin, Source, Sources},
    options::{self, Kind, Setting},
    toml_text,
};

/// Every option of the command with what it is for, its value, and where that comes from.
pub(crate) fn file(
    definition: &Command,
    command: &str,
    matches: &ArgMatches,
    sources: &Sources,
) -> String {
    let mut text = toml_text::comment(&format!(
        "What `trunkline {command}` would run with. Each line ends with where its value comes from."
    ));
    for setting in options::settings(definition, command) {
        let Some(source) = sources.get(setting.key()) else {
            continue;
        };
        text += "\n";
        text += &toml_text::comment(&setting.doc());
        text += &line(setting, &values(setting, matches), source);
    }
    text
}

/// What is not shown is a comment: it is not what the option would be set to.
fn line(setting: Setting<'_>, values: &[String], source: &Source) -> String {
    let key = setting.key();
    let origin = match &source.origin {
        Origin::Default if values.is_empty() => "default: none".to_owned(),
        Origin::Default => "default".to_owned(),
        Origin::File { name, line } => format!("{name}:{line}"),
        Origin::SecretFile(key) => format!("from the file of {key}"),
        Origin::Variable => setting.variable().to_owned(),
        Origin::Flag => format!("--{key}"),
    };
    let is_from_secret_file = matches!(source.origin, Origin::SecretFile(_));
    let is_hidden = setting.is_secret() && values.iter().any(|value| !is_public(setting, value));
    if is_hidden || is_from_secret_file {
        let hidden = toml_text::value(setting, &vec!["…"; values.len()]);
        return format!("# {key} = {hidden} # {origin}, not shown\n");
    }
    let value = toml_text::value(setting, values);
    format!("{key} = {value} # {origin}\n")
}

/// A URL's secrets stand before an `@`.
fn is_public(setting: Setting<'_>, value: &str) -> bool {
    setting.placeholder() == "URL" && !value.contains('@')
}

/// As flags have them.
fn values(setting: Setting<'_>, matches: &ArgMatches) -> Vec<String> {
    if setting.kind() == Kind::Switch {
        let value = matches.get_one::<bool>(setting.id());
        return value.map(ToString::to_string).into_iter().collect();
    }
    let values = matches.get_raw(setting.id()).into_iter().flatten();
    values
        .map(|value| value.to_string_lossy().into_owned())
        .collect()
}
