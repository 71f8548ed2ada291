//! The file of `--config`: TOML, keys as the flags are called, values that the flags' own parsers take.
//!
//! A key above all tables is for every command that has such an option; in a table `[dev]`, `[signal]` or `[turn]` it is
//! for that one, and comes before the other. The whole file is checked, whichever command reads it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use clap::Command;
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use crate::{
    nearest::nearest,
    options::{self, CONFIG, Kind, Setting, Shared},
};

/// What a file says.
pub(crate) struct File {
    name: String,
    entries: Vec<Entry>,
}

/// What it says of one option.
pub(crate) struct Entry {
    table: Option<String>,
    key: String,
    pub(crate) line: usize,
    /// As flags have them.
    pub(crate) values: Vec<String>,
}

type Pair<'t, 'i> = (&'t Spanned<DeString<'i>>, &'t Spanned<DeValue<'i>>);

impl File {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// A line for everything that is wrong with it.
    pub(crate) fn read(path: &Path, definition: &Command) -> Result<Self, Vec<String>> {
        let name = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(name, &text, definition),
            Err(error) => Err(vec![format!("--{CONFIG} {name}: {error}")]),
        }
    }

    fn parse(name: String, text: &str, definition: &Command) -> Result<Self, Vec<String>> {
        let mut reading = Reading {
            name: &name,
            text,
            known: options::all(definition),
            commands: options::commands(definition).collect(),
            entries: Vec::new(),
            complaints: BTreeMap::new(),
        };
        match DeTable::parse(text) {
            Ok(table) => reading.take_file(table.get_ref()),
            // Not with the line's text, which the whole error shows: there may be a secret in it.
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                reading.complain(at, error.message().to_owned());
            }
        }
        if !reading.complaints.is_empty() {
            return Err(reading.complaints.into_values().flatten().collect());
        }
        let entries = reading.entries;
        Ok(Self { name, entries })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What it says of an option of a command.
    pub(crate) fn find(&self, command: &str, key: &str) -> Option<&Entry> {
        let with_key = || self.entries.iter().filter(|entry| entry.key == key);
        let in_table = with_key().find(|entry| entry.table.as_deref() == Some(command));
        in_table.or_else(|| with_key().find(|entry| entry.table.is_none()))
    }
}

struct Reading<'a> {
    name: &'a str,
    text: &'a str,
    known: Vec<Shared<'a>>,
    commands: BTreeSet<&'a str>,
    entries: Vec<Entry>,
    /// By their places.
    complaints: BTreeMap<usize, Vec<String>>,
}

impl<'a> Reading<'a> {
    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    fn complain(&mut self, at: usize, what: String) {
        let complaint = format!("{}:{}: {what}", self.name, self.line(at));
        self.complaints.entry(at).or_default().push(complaint);
    }

    fn take_file(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let options = value.get_ref().as_table();
            match (self.commands.contains(name), options) {
                (false, _) => self.take(None, (key, value)),
                (true, Some(options)) => {
                    options.iter().for_each(|pair| self.take(Some(name), pair));
                }
                (true, None) => {
                    let what = format!("{name}: is a table of options: write [{name}]");
                    self.complain(key.span().start, what);
                }
            }
        }
    }

    fn take(&mut self, table: Option<&str>, (key, value): Pair<'_, '_>) {
        let at = key.span().start;
        let written = key.get_ref().as_ref();
        // Both are usual in TOML.
        let name = written.replace('_', "-");
        let settings = match self.settings(table, &name) {
            Ok(settings) => settings,
            Err(what) => return self.complain(at, format!("{written}: {what}")),
        };
        let is_same = |entry: &&Entry| entry.key == name && entry.table.as_deref() == table;
        if let Some(other) = self.entries.iter().find(is_same) {
            let what = format!("{written}: stands in line {} already", other.line);
            return self.complain(at, what);
        }
        let values = match values(settings[0], value) {
            Ok(values) => values,
            Err(what) => return self.complain(value.span().start, format!("{written}: {what}")),
        };
        for (at, value) in &values {
            let wrong = settings.iter().find_map(|it| it.check(value).err());
            if let Some(what) = wrong {
                self.complain(*at, format!("{written}: {what}"));
            }
        }
        self.entries.push(Entry {
            table: table.map(str::to_owned),
            key: name,
            line: self.line(at),
            values: values.into_iter().map(|(_, value)| value).collect(),
        });
    }

    /// The options that a key stands for: of the table's command, or of each command that has it.
    fn settings(&self, table: Option<&str>, name: &str) -> Result<Vec<Setting<'a>>, String> {
        let known = self.known.iter().find(|shared| shared.key == name);
        if let Some(shared) = known {
            let is_meant = |command: &str| table.is_none_or(|table| table == command);
            let meant = shared.of.iter().filter(|(command, _)| is_meant(command));
            let meant: Vec<_> = meant.map(|(_, setting)| *setting).collect();
            if !meant.is_empty() {
                return Ok(meant);
            }
            let others: Vec<_> = shared.of.iter().map(|(command, _)| *command).collect();
            let others = others.join("] and [");
            let table = table.unwrap_or_default();
            return Err(format!("is no option of [{table}], but of [{others}]"));
        }
        if name == CONFIG {
            return Err("a file names no other file".to_owned());
        }
        let tables = self.commands.iter().copied().filter(|_| table.is_none());
        let candidates = self.known.iter().map(|shared| shared.key).chain(tables);
        Err(match nearest(name, candidates) {
            Some(near) => format!("unknown key; did you mean {near}?"),
            None => "unknown key; `trunkline config --example` shows those that there are".into(),
        })
    }
}

/// The values as flags have them, and where they stand. A single value without a default is none when it is empty:
/// TOML has no other word for that.
fn values(
    setting: Setting<'_>,
    value: &Spanned<DeValue<'_>>,
) -> Result<Vec<(usize, String)>, String> {
    let at = value.span().start;
    let has_default = !setting.default().is_empty();
    match (setting.kind(), value.get_ref()) {
        (Kind::Switch, DeValue::Boolean(value)) => Ok(vec![(at, value.to_string())]),
        (Kind::Switch, _) => Err("must be true or false, without quotes".to_owned()),
        (Kind::One, DeValue::String(text)) if text.is_empty() && !has_default => Ok(Vec::new()),
        (Kind::List, DeValue::Array(values)) if values.is_empty() && has_default => {
            Err("must have a value; leave the key out for the default".to_owned())
        }
        (Kind::List, DeValue::Array(values)) => values
            .iter()
            .map(|value| Some((value.span().start, scalar(value.get_ref())?)))
            .collect::<Option<_>>()
            .ok_or_else(|| "must be an array of strings".to_owned()),
        (Kind::List, value) => scalar(value)
            .map(|value| vec![(at, value)])
            .ok_or_else(|| "must be an array of strings".to_owned()),
        (Kind::One, value) => {
            scalar(value)
                .map(|value| vec![(at, value)])
                .ok_or_else(|| match setting.is_number() {
                    true => "must be a whole number".to_owned(),
                    false => "must be a string, in quotes".to_owned(),
                })
        }
    }
}

/// A string, or a number as if it were in quotes: which of them is right the option's own parser knows.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            let number = i128::from_str_radix(number.as_str(), number.radix()).ok()?;
            Some(number.to_string())
        }
        DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    }
}

#[cfg(test)]
mod tests;
