//! The page about all options, in Markdown: `services/signal/web/docs/configuration.md`, served at `/docs/configuration`.

use clap::Command;

use crate::{
    options::{self, Kind, Setting, Shared},
    toml_text,
};

/// What stands before the options. What follows is made from their definitions.
const INTRODUCTION: &str = include_str!("reference/introduction.md");

/// The page.
pub(crate) fn page(definition: &Command) -> String {
    let all = options::all(definition);
    let mut headings: Vec<&str> = Vec::new();
    for shared in &all {
        let heading = shared.heading();
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    let mut page = INTRODUCTION.to_owned();
    for heading in headings {
        page += &format!("\n## {heading}\n");
        for shared in all.iter().filter(|shared| shared.heading() == heading) {
            page += &option(shared);
        }
    }
    page
}

fn option(shared: &Shared<'_>) -> String {
    let (key, (_, first)) = (shared.key, shared.of[0]);
    let mut text = format!("\n### {key}\n\n");
    for (commands, doc) in shared.docs() {
        match commands.len() == shared.of.len() {
            true => text += &format!("{}.\n\n", escaped(&doc)),
            false => text += &format!("{}: {}.\n\n", names(&commands), escaped(&doc)),
        }
    }
    let flag = match first.kind() {
        Kind::Switch => format!("--{key}"),
        Kind::One | Kind::List => format!("--{key} {}", first.placeholder()),
    };
    text += "| flag | variable | default | of |\n| --- | --- | --- | --- |\n";
    text += &format!(
        "| `{flag}` | `{}` | {} | {} |\n",
        first.variable(),
        default(shared),
        names(&commands(shared))
    );
    text
}

fn default(shared: &Shared<'_>) -> String {
    let written = |setting: Setting<'_>| match setting.default() {
        values if values.is_empty() => "none".to_owned(),
        values => format!("`{}`", toml_text::value(setting, &values)),
    };
    let mut defaults: Vec<(String, Vec<&str>)> = Vec::new();
    for (command, setting) in &shared.of {
        let default = written(*setting);
        match defaults.iter_mut().find(|(other, _)| *other == default) {
            Some((_, commands)) => commands.push(command),
            None => defaults.push((default, vec![command])),
        }
    }
    match &defaults[..] {
        [(default, _)] => default.clone(),
        several => {
            let each = several.iter();
            let each = each.map(|(default, commands)| format!("{}: {default}", names(commands)));
            each.collect::<Vec<_>>().join("; ")
        }
    }
}

fn commands<'a>(shared: &Shared<'a>) -> Vec<&'a str> {
    shared.of.iter().map(|(command, _)| *command).collect()
}

fn names(commands: &[&str]) -> String {
    let names: Vec<_> = commands.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// So that what is no Markdown is not read as such; what stands between backticks is.
fn escaped(doc: &str) -> String {
    let parts = doc
        .split('`')
        .enumerate()
        .map(|(part, text)| match part % 2 {
            0 => text
                .replace('<', "&lt;")
                .replace('*', "\\*")
                .replace('_', "\\_"),
            _ => format!("`{text}`"),
        });
    parts.collect()
}
