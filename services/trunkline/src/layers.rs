//! Where values come from: flags, then `TRUNKLINE_*` variables, then the file of `--config`, then defaults.
//!
//! What the file says is put at the end of the command line where neither a flag nor a variable says anything, and the
//! whole is read once more: the parsers are the flags' own.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

use clap::{
    ArgMatches, Command, FromArgMatches,
    error::{ContextKind, ContextValue},
    parser::ValueSource,
};
use daemon::logs::LogArgs;

use crate::{
    cli::{self, Cli, Run},
    effective, environment, example,
    file::File,
    listeners,
    options::{self, CONFIG},
    reference, secret_files, subcommand,
};

/// What the command line asks for.
pub(crate) enum Task {
    Run(Box<Run>, LogArgs),
    Print(String),
}

/// Why nothing can be run.
pub(crate) enum Wrong {
    /// Said by clap; help and versions, which are no errors, among it.
    CommandLine(clap::Error),
    /// A line for each thing that is wrong with the file, the variables, or a file of secrets.
    Settings(Vec<String>),
}

/// Where the value of an option comes from.
pub(crate) enum Origin {
    Default,
    File { name: String, line: usize },
    SecretFile(&'static str),
    Variable,
    Flag,
}

/// What is known of an option before the file's values are read as flags'.
pub(crate) struct Source {
    pub(crate) origin: Origin,
    /// What a file says, this one or one of secrets.
    pub(crate) values: Vec<String>,
}

/// By key.
pub(crate) type Sources = BTreeMap<String, Source>;

/// Reads the command line and all that it leads to.
pub(crate) fn read(
    arguments: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Task, Wrong> {
    let definition = cli::definition();
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    subcommand::put_in_dev(&definition, &mut arguments);
    let matches = matches(&definition, &arguments)?;
    if let Some((CONFIG, config)) = matches.subcommand() {
        if config.get_flag("reference") {
            return Ok(Task::Print(reference::page(&definition)));
        }
        if config.get_flag("example") {
            let of = config.subcommand_name();
            return Ok(Task::Print(example::file(&definition, of)));
        }
    }
    environment::check(&definition, variables).map_err(Wrong::Settings)?;
    let file = matches.get_one::<PathBuf>(CONFIG);
    let file = file.map(|path| File::read(path, &definition));
    let file = file.transpose().map_err(Wrong::Settings)?;
    let (command, leaf) = subcommand::last(&matches);
    let mut sources = sources(&definition, command, leaf, file.as_ref());
    secret_files::read(&definition, command, leaf, &mut sources).map_err(Wrong::Settings)?;
    put_in(&mut arguments, &sources);
    let matches = settled(&definition, &arguments)?;
    let cli = Cli::from_arg_matches(&matches);
    let cli = cli.map_err(|error| Wrong::CommandLine(error.with_cmd(&definition)))?;
    Ok(match cli.command {
        cli::Command::Run(run) => Task::Run(Box::new(run), cli.logs),
        cli::Command::Config(_) => {
            let (command, leaf) = subcommand::last(&matches);
            Task::Print(effective::file(&definition, command, leaf, &sources))
        }
    })
}

fn matches(definition: &Command, arguments: &[OsString]) -> Result<ArgMatches, Wrong> {
    let matches = definition.clone().try_get_matches_from(arguments);
    matches.map_err(|error| Wrong::CommandLine(without_secret(definition, error)))
}

/// With the defaults that depend on the host and on other options.
fn settled(definition: &Command, arguments: &[OsString]) -> Result<ArgMatches, Wrong> {
    let unsettled = matches(definition, arguments)?;
    let path = subcommand::path(&unsettled);
    let (_, leaf) = subcommand::last(&unsettled);
    let definition = listeners::defaults(leaf).into_iter().fold(
        definition.clone(),
        |definition, (id, values)| {
            subcommand::change(definition, &path, id, |arg| arg.default_values(values))
        },
    );
    matches(&definition, arguments)
}

fn sources(
    definition: &Command,
    command: &str,
    matches: &ArgMatches,
    file: Option<&File>,
) -> Sources {
    let settings = options::settings(definition, command);
    let source = |setting: options::Setting<'_>| {
        let key = setting.key();
        let of = |origin| Source {
            origin,
            values: Vec::new(),
        };
        match matches.value_source(setting.id()) {
            Some(ValueSource::CommandLine) => of(Origin::Flag),
            Some(ValueSource::EnvVariable) => of(Origin::Variable),
            _ => match file.and_then(|file| Some((file.name(), file.find(command, key)?))) {
                None => of(Origin::Default),
                Some((name, entry)) => Source {
                    origin: Origin::File {
                        name: name.to_owned(),
                        line: entry.line,
                    },
                    values: entry.values.clone(),
                },
            },
        }
    };
    settings
        .into_iter()
        .map(|setting| (setting.key().to_owned(), source(setting)))
        .collect()
}

/// Adds what files say as flags.
fn put_in(arguments: &mut Vec<OsString>, sources: &Sources) {
    let flags = sources.iter().flat_map(|(key, source)| {
        let flag = move |value| OsString::from(format!("--{key}={value}"));
        source.values.iter().map(flag)
    });
    // No option comes after it.
    let end = arguments.iter().position(|word| word == "--");
    let end = end.unwrap_or(arguments.len());
    arguments.splice(end..end, flags.collect::<Vec<_>>());
}

/// What clap says of a wrong value shows the value; logs are read by others than who may know a secret.
fn without_secret(definition: &Command, mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let key = option.split([' ', '=', '[']).next();
    let key = key.and_then(|flag| flag.strip_prefix("--"));
    let all = options::all(definition);
    let mut named = all.iter().filter(|shared| Some(shared.key) == key);
    if named.any(|shared| shared.of.iter().any(|(_, setting)| setting.is_secret())) {
        error.insert(
            ContextKind::InvalidValue,
            ContextValue::String("…".to_owned()),
        );
    }
    error
}

#[cfg(test)]
mod tests;
