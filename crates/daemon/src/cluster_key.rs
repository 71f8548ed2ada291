//! The key that all processes of a cluster share, from a file. Each use of it derives a key of its own.

use std::path::Path;

use crate::reload::{self, FileError};

/// Fewest bytes of a key.
const MIN_KEY: usize = 16;

/// The key in the file that `--cluster-key-file` names.
///
/// # Errors
/// [`FileError`] when it cannot be read, or the key is too short.
pub fn read(path: &Path) -> Result<String, FileError> {
    reload::read_once("cluster-key-file", path, parse)
}

/// Editors end a file with a new line; the key is without it.
fn parse(text: &str) -> Result<String, String> {
    let key = text.trim_end();
    match key.len() {
        0..MIN_KEY => Err(format!("a key of at least {MIN_KEY} bytes is needed")),
        _ => Ok(key.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_the_cluster_is_long_and_without_the_new_line_at_its_end() {
        assert!(parse("0123456789abcde\n").is_err());
        assert_eq!(parse("0123456789abcdef\r\n").unwrap().len(), 16);
    }
}
