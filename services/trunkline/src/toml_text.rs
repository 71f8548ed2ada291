//! How values and comments are written in TOML.

use std::fmt::Write;

use crate::options::{Kind, Setting};

/// Longest line of a comment, in characters.
const WIDTH: usize = 100;

/// What stands after `key =`.
pub(crate) fn value(setting: Setting<'_>, values: &[impl AsRef<str>]) -> String {
    let one = |value: &str| {
        let is_plain = setting.is_number()
            && value
                .parse::<u64>()
                .is_ok_and(|number| number.to_string() == value);
        match setting.kind() == Kind::Switch || is_plain {
            true => value.to_owned(),
            false => quoted(value),
        }
    };
    let mut values = values.iter().map(|value| one(value.as_ref()));
    match setting.kind() {
        Kind::List => format!("[{}]", values.collect::<Vec<_>>().join(", ")),
        Kind::Switch | Kind::One => values.next().unwrap_or_else(|| quoted("")),
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(character));
            }
            character => quoted.push(character),
        }
    }
    quoted + "\""
}

/// Text as lines of a comment.
pub(crate) fn comment(text: &str) -> String {
    let mut lines = String::new();
    for paragraph in text.lines() {
        let mut line = String::from("#");
        for word in paragraph.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH {
                lines += &line;
                lines += "\n";
                line.replace_range(1.., "");
            }
            line += " ";
            line += word;
        }
        lines += &line;
        lines += "\n";
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_read_as_it_was() {
        for text in ["", "a,b", "a\"b\\c", "tab\tnew\nline\u{1}\u{7f}", "ü € 😀"] {
            let file = format!("key = {}", quoted(text));
            let read = toml::de::DeTable::parse(&file).unwrap();
            let read = read.get_ref().iter().next().unwrap().1.get_ref();
            assert_eq!(read.as_str(), Some(text), "{file}");
        }
    }

    #[test]
    fn a_comment_is_broken_between_words_and_keeps_its_paragraphs() {
        let long = "word ".repeat(30);
        let text = comment(&format!("{long}\n\nend"));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines.iter().all(|line| line.len() <= WIDTH), "{text}");
        assert_eq!(lines[2..], ["#", "# end"]);
    }
}
