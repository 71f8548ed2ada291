//! Every option at its default, commented out: what a file begins as.

use clap::Command;

use crate::{
    options::{self, Setting, Shared},
    toml_text,
};

/// A file for a command; without one, for all of them.
pub(crate) fn file(definition: &Command, command: Option<&str>) -> String {
    let what = match command {
        Some(command) => format!("The options of `trunkline {command}`, each at its default."),
        None => "The options of all commands, each at its default.".to_owned(),
    };
    let mut text = toml_text::comment(&format!(
        "{what} Take the # from before those that are to be something else. A TRUNKLINE_* variable comes before what \
         stands here, and a flag before that; `trunkline config` prints what has come of it."
    ));
    match command {
        Some(command) => {
            for setting in options::settings(definition, command) {
                text += "\n";
                text += &toml_text::comment(&setting.doc());
                text += &commented_out(setting);
            }
        }
        None => text += &tables(definition),
    }
    text
}

/// Options that are the same wherever they are come first, the others in the tables of their commands.
fn tables(definition: &Command) -> String {
    let (same, different): (Vec<_>, Vec<_>) = options::all(definition)
        .into_iter()
        .partition(has_one_default);
    let mut text = String::new();
    for shared in &same {
        text += "\n";
        for (commands, doc) in shared.docs() {
            let doc = match commands.len() == shared.of.len() {
                true => doc,
                false => format!("{}: {doc}", commands.join(", ")),
            };
            text += &toml_text::comment(&doc);
        }
        text += &commented_out(shared.of[0].1);
    }
    for command in options::commands(definition) {
        text += &format!("\n[{command}]\n");
        let own = different.iter().flat_map(|shared| &shared.of);
        for (_, setting) in own.filter(|(of, _)| *of == command) {
            text += "\n";
            text += &toml_text::comment(&setting.doc());
            text += &commented_out(*setting);
        }
    }
    text
}

fn has_one_default(shared: &Shared<'_>) -> bool {
    let first = shared.of[0].1.default();
    shared
        .of
        .iter()
        .all(|(_, setting)| setting.default() == first)
}

fn commented_out(setting: Setting<'_>) -> String {
    let value = toml_text::value(setting, &setting.default());
    format!("#{} = {value}\n", setting.key())
}
