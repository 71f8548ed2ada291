//! Options as files and pages speak of them: what the definition of the command line says of each.

use std::num::ParseIntError;

use clap::{Arg, ArgAction, Command, builder::ValueRange};

/// The option that names the file itself, and stands in none.
pub(crate) const CONFIG: &str = "config";

/// An option of a command.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a>(&'a Arg);

/// How many values an option has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// True or false.
    Switch,
    /// One value, or none where there is no default.
    One,
    /// Any number of them.
    List,
}

/// An option, and which commands have it.
pub(crate) struct Shared<'a> {
    pub(crate) key: &'a str,
    pub(crate) of: Vec<(&'a str, Setting<'a>)>,
}

/// The commands that have options.
pub(crate) fn commands(definition: &Command) -> impl Iterator<Item = &str> {
    let commands = definition.get_subcommands().map(Command::get_name);
    commands.filter(|name| *name != CONFIG)
}

/// The options of a command, those of the whole program among them. One that names a file with what another would say
/// comes after that.
pub(crate) fn settings<'a>(definition: &'a Command, command: &str) -> Vec<Setting<'a>> {
    let own = definition.find_subcommand(command);
    let own = own.into_iter().flat_map(Command::get_arguments);
    let whole = definition.get_arguments().filter(|arg| arg.is_global_set());
    let settings = own.chain(whole).map(Setting);
    let settings =
        settings.filter(|setting| setting.0.get_long().is_some() && setting.key() != CONFIG);
    let mut settings: Vec<_> = settings.collect();
    let keys: Vec<&str> = settings.iter().map(|setting| setting.key()).collect();
    settings.sort_by_key(|setting| {
        let place = |key: &str| keys.iter().position(|other| *other == key);
        let of = setting.key().strip_suffix("-file").and_then(place);
        of.or_else(|| place(setting.key()))
    });
    settings
}

/// Every option of every command once, as `--help` has them: the commands' own, then those of the whole program.
pub(crate) fn all(definition: &Command) -> Vec<Shared<'_>> {
    let mut all: Vec<Shared<'_>> = Vec::new();
    for command in commands(definition) {
        for setting in settings(definition, command) {
            let key = setting.key();
            match all.iter_mut().find(|shared| shared.key == key) {
                Some(shared) => shared.of.push((command, setting)),
                None => all.push(Shared {
                    key,
                    of: vec![(command, setting)],
                }),
            }
        }
    }
    // Those of the whole program are no command's own.
    all.sort_by_key(|shared| shared.of[0].1.0.is_global_set());
    all
}

impl<'a> Shared<'a> {
    /// What it is for, once where its commands say the same.
    pub(crate) fn docs(&self) -> Vec<(Vec<&'a str>, String)> {
        let mut docs: Vec<(Vec<&'a str>, String)> = Vec::new();
        for (command, setting) in &self.of {
            let doc = setting.doc();
            match docs.iter_mut().find(|(_, other)| *other == doc) {
                Some((commands, _)) => commands.push(command),
                None => docs.push((vec![command], doc)),
            }
        }
        docs
    }

    /// The part of `--help` that it stands in, where it stands first.
    pub(crate) fn heading(&self) -> &'a str {
        self.of[0].1.heading()
    }
}

impl<'a> Setting<'a> {
    pub(crate) fn new(arg: &'a Arg) -> Self {
        Self(arg)
    }

    /// Its name in a file: that of the flag.
    pub(crate) fn key(self) -> &'a str {
        self.0.get_long().unwrap_or_default()
    }

    /// Its name in what clap has read.
    pub(crate) fn id(self) -> &'a str {
        self.0.get_id().as_str()
    }

    pub(crate) fn variable(self) -> &'a str {
        let variable = self.0.get_env();
        variable.and_then(|name| name.to_str()).unwrap_or_default()
    }

    pub(crate) fn kind(self) -> Kind {
        let is_optional = |count: ValueRange| count.min_values() == 0;
        if matches!(self.0.get_action(), ArgAction::Append) {
            Kind::List
        } else if self.0.get_num_args().is_some_and(is_optional) {
            Kind::Switch
        } else {
            Kind::One
        }
    }

    /// What a value is, in one word.
    pub(crate) fn placeholder(self) -> &'a str {
        let names = self.0.get_value_names().unwrap_or_default();
        names.first().map_or("VALUE", |name| name.as_str())
    }

    pub(crate) fn is_number(self) -> bool {
        self.placeholder() == "NUMBER"
    }

    /// Whether its values may be, or have in them, what nobody else may know.
    pub(crate) fn is_secret(self) -> bool {
        self.0.is_hide_env_values_set()
    }

    /// The values it has when nobody says anything.
    pub(crate) fn default(self) -> Vec<&'a str> {
        let values = self.0.get_default_values().iter();
        let values = values.filter_map(|value| value.to_str());
        match self.0.get_value_delimiter() {
            Some(delimiter) => values.flat_map(|value| value.split(delimiter)).collect(),
            None => values.collect(),
        }
    }

    /// What it is for.
    pub(crate) fn doc(self) -> String {
        let doc = self.0.get_long_help().or_else(|| self.0.get_help());
        let mut doc = doc.map(ToString::to_string).unwrap_or_default();
        if self.kind() != Kind::Switch {
            let possible = self.0.get_possible_values();
            let named = possible.iter().filter_map(|value| {
                let help = value.get_help().map(ToString::to_string);
                Some(format!("`{}` ({})", value.get_name(), help?))
            });
            let named: Vec<_> = named.collect();
            if !named.is_empty() {
                doc += &format!(": {}", named.join(", "));
            }
        }
        doc
    }

    fn heading(self) -> &'a str {
        self.0.get_help_heading().unwrap_or("General")
    }

    /// What is wrong with a value, as the flag would say it.
    pub(crate) fn check(self, value: &str) -> Result<(), String> {
        let alone = self.0.clone().env(None).global(false);
        let command = Command::new("")
            .no_binary_name(true)
            .disable_help_flag(true)
            .arg(alone);
        let flag = format!("--{}={value}", self.key());
        match command.try_get_matches_from([flag]) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.reason(&error)),
        }
    }

    fn reason(self, error: &clap::Error) -> String {
        if let Some(source) = std::error::Error::source(error) {
            return match source.is::<ParseIntError>() {
                true => "must be a whole number, 0 or more".to_owned(),
                false => source.to_string(),
            };
        }
        let possible = self.0.get_possible_values();
        let possible: Vec<_> = possible.iter().map(|value| value.get_name()).collect();
        match possible.is_empty() {
            true => "must not be empty".to_owned(),
            false => format!("must be one of {}", possible.join(", ")),
        }
    }
}
