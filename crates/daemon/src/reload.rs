//! Files that are read again when they have changed: secrets that are rotated without a restart.
//!
//! A file is looked at every two seconds, and at SIGHUP. One that is gone, empty or wrong changes nothing: what was
//! read last stays in force, and the log says why. Replace files by renaming a new one over them.

use std::{
    fmt, fs,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};

/// Between two looks at a file.
const LOOK: Duration = Duration::from_secs(2);

/// A file that was changed just now is read when it has stayed the same for so long: it may be half written.
const SETTLED: Duration = Duration::from_millis(100);

/// Longest file that is read, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("--{option} {}: {reason}", path.display())]
pub struct FileError {
    option: &'static str,
    path: PathBuf,
    reason: String,
}

/// A file, and how it is read.
pub struct Watched<T> {
    option: &'static str,
    path: PathBuf,
    parse: fn(&str) -> Result<T, String>,
    stamp: Stamp,
    text: String,
    /// What was wrong with it last, so that it is said once.
    trouble: String,
    hangups: Option<Signal>,
}

/// By what a file that was written again is told from what it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stamp([i64; 6]);

impl<T> Watched<T> {
    /// Reads the file that `option` names. Must be called in a tokio runtime. From now on SIGHUP does not end the
    /// process.
    ///
    /// # Errors
    /// [`FileError`] when it cannot be read, or `parse` says that it is wrong.
    pub fn open(
        option: &'static str,
        path: &Path,
        parse: fn(&str) -> Result<T, String>,
    ) -> Result<(Self, T), FileError> {
        let error = |reason| FileError {
            option,
            path: path.to_owned(),
            reason,
        };
        let stamp = Stamp::of(path).map_err(|error| error.to_string());
        let text = read(path);
        let value = text
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|text| parse(text))
            .map_err(error)?;
        let watched = Self {
            option,
            path: path.to_owned(),
            parse,
            stamp: stamp.map_err(error)?,
            text: text.map_err(error)?,
            trouble: String::new(),
            hangups: signal(SignalKind::hangup()).ok(),
        };
        Ok((watched, value))
    }

    /// What the file says, when it says something else than before.
    pub async fn changed(&mut self) -> T {
        loop {
            let asked = tokio::select! {
                () = sleep(LOOK) => false,
                true = hangup(&mut self.hangups) => true,
            };
            if let Some(value) = self.look(asked).await {
                return value;
            }
        }
    }

    async fn look(&mut self, asked: bool) -> Option<T> {
        let found = Stamp::of(&self.path);
        if !asked && matches!(found, Ok(stamp) if stamp == self.stamp) {
            return None;
        }
        sleep(SETTLED).await;
        let again = Stamp::of(&self.path);
        let stamp = match (found, again) {
            (Ok(before), Ok(now)) if before == now => now,
            // Still being written, or just renamed: the next look is soon.
            (Ok(_), Ok(_)) => return None,
            (Err(error), _) | (_, Err(error)) => return self.keep(&error.to_string()),
        };
        let text = match read(&self.path) {
            Ok(text) => text,
            Err(error) => return self.keep(&error),
        };
        self.stamp = stamp;
        match (self.parse)(&text) {
            Ok(_) if text == self.text => {
                self.trouble.clear();
                None
            }
            Ok(value) => {
                tracing::info!(option = self.option, "the file was read again");
                self.text = text;
                self.trouble.clear();
                Some(value)
            }
            Err(error) => self.keep(&error),
        }
    }

    fn keep(&mut self, error: &str) -> Option<T> {
        if self.trouble != error {
            tracing::warn!(
                option = self.option,
                error,
                "the file cannot be used; what it said before stays in force"
            );
            error.clone_into(&mut self.trouble);
        }
        None
    }
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("option", &self.option)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

async fn hangup(hangups: &mut Option<Signal>) -> bool {
    match hangups {
        Some(hangups) => hangups.recv().await.is_some(),
        None => std::future::pending().await,
    }
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let data = fs::metadata(path)?;
        Ok(Self([
            data.mtime(),
            data.mtime_nsec(),
            data.ctime(),
            data.ctime_nsec(),
            data.size().cast_signed(),
            data.ino().cast_signed(),
        ]))
    }
}

/// The text of a file that is not read again.
///
/// # Errors
/// [`FileError`] when it cannot be read, or `parse` says that it is wrong.
pub fn read_once<T>(
    option: &'static str,
    path: &Path,
    parse: fn(&str) -> Result<T, String>,
) -> Result<T, FileError> {
    read(path)
        .and_then(|text| parse(&text))
        .map_err(|reason| FileError {
            option,
            path: path.to_owned(),
            reason,
        })
}

fn read(path: &Path) -> Result<String, String> {
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    let data = file.metadata().map_err(|error| error.to_string())?;
    if !data.is_file() {
        return Err("not a file".to_owned());
    }
    let mut text = String::new();
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    match u64::try_from(text.len()) {
        Ok(length) if length <= MAX_BYTES => Ok(text),
        Ok(_) | Err(_) => Err("longer than 64 KiB".to_owned()),
    }
}

/// One secret a line, without the white space at its end; empty lines are none.
///
/// # Errors
/// When there is none, or more than `max`.
pub fn lines(text: &str, max: usize) -> Result<Vec<String>, String> {
    let lines = text.lines().map(str::trim_end);
    let lines: Vec<String> = lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    match lines.len() {
        0 => Err("it holds nothing".to_owned()),
        count if count > max => Err(format!("it holds {count} lines; {max} are read at most")),
        _ => Ok(lines),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A file of its own for each test.
    struct File(PathBuf);

    impl File {
        fn new(name: &str, text: &str) -> Self {
            let name = format!("trunkline-reload-{}-{name}", std::process::id());
            let file = Self(std::env::temp_dir().join(name));
            file.replace(text);
            file
        }

        /// By renaming, as is told above.
        fn replace(&self, text: &str) {
            let new = self.0.with_extension("new");
            fs::write(&new, text).unwrap();
            fs::rename(&new, &self.0).unwrap();
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn two(text: &str) -> Result<Vec<String>, String> {
        lines(text, 2)
    }

    #[test]
    fn a_file_holds_a_secret_on_each_line() {
        assert_eq!(
            two("a b\r\n\n #c \n").unwrap(),
            ["a b", " #c"].map(str::to_owned)
        );
        assert!(two("\n \n").is_err());
        assert!(two("a\nb\nc").is_err());
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_is_read_and_one_that_is_wrong_changes_nothing() {
        let file = File::new("replaced", "one");
        let (mut watched, first) = Watched::open("secret-file", &file.0, two).unwrap();
        assert_eq!(first, ["one"]);
        for wrong in ["", "\n", "a\nb\nc"] {
            file.replace(wrong);
            assert_eq!(watched.look(false).await, None, "{wrong:?}");
            assert!(!watched.trouble.is_empty(), "{wrong:?}");
        }
        fs::remove_file(&file.0).unwrap();
        assert_eq!(watched.look(false).await, None);
        file.replace("two");
        assert_eq!(watched.look(false).await.unwrap(), ["two"]);
        // Written again as it was: nobody needs to know.
        file.replace("two");
        assert_eq!(watched.look(true).await, None);
    }

    #[tokio::test]
    async fn a_change_is_noticed_by_itself() {
        let file = File::new("noticed", "one");
        let (mut watched, _) = Watched::open("secret-file", &file.0, two).unwrap();
        let start = Instant::now();
        file.replace("two");
        assert_eq!(watched.changed().await, ["two"]);
        assert!(start.elapsed() < 10 * LOOK, "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn what_cannot_be_used_at_first_names_its_option() {
        let nowhere = Path::new("/nowhere/secrets");
        let folder = Path::new("/tmp");
        for path in [nowhere, folder] {
            let error = Watched::open("secret-file", path, two).unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with("--secret-file /"), "{text}");
        }
        let error = read_once("key-file", nowhere, two).unwrap_err();
        assert!(error.to_string().starts_with("--key-file "), "{error}");
    }
}
