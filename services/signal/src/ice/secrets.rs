//! What credentials are minted with. A file of secrets may be written again at any time.

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock, Weak},
};

use daemon::reload::{self, FileError, Watched};
use turn_credentials::Secret;

/// Live secrets at most.
const MAX_SECRETS: usize = 16;

/// The live secrets, of which the first mints where nothing else is known.
#[derive(Clone, Debug, Default)]
pub struct MintSecrets(Arc<Live>);

#[derive(Debug, Default)]
struct Live {
    fixed: Vec<Secret>,
    of_file: RwLock<Vec<Secret>>,
}

impl MintSecrets {
    /// Those of the file, and then the given ones. Must be called in a tokio runtime: it reads the file again.
    ///
    /// # Errors
    /// When the file of `--turn-secret-file` cannot be used.
    pub fn open(given: &[String], file: Option<&Path>) -> Result<Self, FileError> {
        let mut live = Live {
            fixed: secrets(given),
            of_file: RwLock::default(),
        };
        let Some(path) = file else {
            return Ok(Self(Arc::new(live)));
        };
        let (file, read) = Watched::open("turn-secret-file", path, lines)?;
        live.of_file = RwLock::new(secrets(&read));
        let live = Arc::new(live);
        tokio::spawn(follow(file, Arc::downgrade(&live)));
        Ok(Self(live))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// All that are live now, the first first.
    pub(super) fn all(&self) -> Vec<Secret> {
        let of_file = self
            .0
            .of_file
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        of_file.iter().chain(&self.0.fixed).cloned().collect()
    }
}

async fn follow(mut file: Watched<Vec<String>>, live: Weak<Live>) {
    loop {
        let read = file.changed().await;
        let Some(live) = live.upgrade() else { return };
        *live.of_file.write().unwrap_or_else(PoisonError::into_inner) = secrets(&read);
    }
}

fn lines(text: &str) -> Result<Vec<String>, String> {
    reload::lines(text, MAX_SECRETS)
}

fn secrets(texts: &[String]) -> Vec<Secret> {
    let secrets = texts.iter().map(|text| Secret::new(text.as_bytes()));
    secrets.collect()
}
