//! Who may use the relay, as the options and a file say; the file may be written again at any time.

use std::fmt;

use daemon::reload::{self, FileError, Watched};
use relay::{Credentials, InvalidRealm};
use turn_credentials::Secret;

use crate::TurnArgs;

/// Live secrets at most: each is tried for every request that proves nothing.
const MAX_SECRETS: usize = 16;

/// The secrets that are live.
pub(crate) struct Secrets {
    realm: String,
    users: Vec<(String, String)>,
    fixed: Vec<String>,
    of_file: Vec<String>,
    file: Option<Watched<Vec<String>>>,
}

impl Secrets {
    /// # Errors
    /// When the file cannot be used.
    pub(crate) fn open(args: &TurnArgs) -> Result<Self, FileError> {
        let (file, of_file) = match &args.turn_secret_file {
            Some(path) => {
                let (file, secrets) = Watched::open("turn-secret-file", path, secrets_of)?;
                (Some(file), secrets)
            }
            None => (None, Vec::new()),
        };
        Ok(Self {
            realm: args.turn_realm.clone(),
            users: args.turn_user.clone(),
            fixed: args.turn_secret.clone(),
            of_file,
            file,
        })
    }

    /// Nobody could use the relay.
    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty() && self.live().next().is_none()
    }

    /// How many are live.
    pub(crate) fn count(&self) -> u64 {
        self.live().map(|_| 1).sum()
    }

    /// Those of the file, and then those of the command line.
    fn live(&self) -> impl Iterator<Item = Secret> {
        let secrets = self.of_file.iter().chain(&self.fixed);
        secrets.map(|secret| Secret::new(secret.as_bytes()))
    }

    /// By what signalling nodes know them.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.live()
            .map(|secret| secret.id())
            .take(MAX_SECRETS)
            .collect()
    }

    /// # Errors
    /// When the realm is none.
    pub(crate) fn credentials(&self) -> Result<Credentials, InvalidRealm> {
        let mut credentials = Credentials::new(&self.realm)?;
        for secret in self.live() {
            credentials = credentials.with_secret(secret);
        }
        for (name, password) in &self.users {
            credentials = credentials.with_static_user(name, password);
        }
        Ok(credentials)
    }

    /// Waits until the file holds other secrets, and takes them.
    pub(crate) async fn changed(&mut self) {
        match &mut self.file {
            Some(file) => self.of_file = file.changed().await,
            None => std::future::pending().await,
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

fn secrets_of(text: &str) -> Result<Vec<String>, String> {
    reload::lines(text, MAX_SECRETS)
}
