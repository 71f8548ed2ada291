//! Who may use the relay: time-limited users by the secrets they were minted with, and static ones.

use std::{collections::BTreeMap, fmt, sync::Arc};

use turn_credentials::{Secret, Username};

use crate::{
    long_term_key::{LongTermKey, PasswordAlgorithm, sha256},
    nonce::Features,
};

/// RFC 8489 §14.3: a USERNAME has fewer than 509 bytes.
const MAX_USERNAME_BYTES: usize = 508;

/// Longest realm with which an answer to an unverified source is at most three times its request; `nonce` has the
/// budget.
pub const SHORT_REALM_BYTES: usize = 12;

/// Everybody the relay knows, and the realm in which it knows them.
#[derive(Clone)]
pub struct Credentials {
    realm: String,
    /// With their ids.
    secrets: Vec<(Secret, Arc<str>)>,
    static_users: BTreeMap<String, String>,
    /// The static users by the USERHASH of their names.
    static_names: BTreeMap<[u8; 32], String>,
}

impl Credentials {
    /// Nobody yet. `realm` has at most 127 characters, RFC 8489 §14.9; with up to
    /// [`SHORT_REALM_BYTES`] the answers to unverified sources are within three times their requests.
    ///
    /// # Errors
    /// [`InvalidRealm`] when it is empty or longer.
    pub fn new(realm: &str) -> Result<Self, InvalidRealm> {
        if realm.is_empty() || realm.chars().count() > 127 {
            return Err(InvalidRealm);
        }
        Ok(Self {
            realm: realm.to_owned(),
            secrets: Vec::new(),
            static_users: BTreeMap::new(),
            static_names: BTreeMap::new(),
        })
    }

    /// Lets in whom `secret` was used to mint a credential for; all secrets that were given are live.
    #[must_use]
    pub fn with_secret(mut self, secret: Secret) -> Self {
        let id = secret.id().into();
        self.secrets.push((secret, id));
        self
    }

    /// Lets in a user with a password that does not expire. A static name that looks time-limited is static.
    #[must_use]
    pub fn with_static_user(mut self, name: &str, password: &str) -> Self {
        self.static_names
            .insert(sha256([name, ":", &self.realm]), name.to_owned());
        self.static_users
            .insert(name.to_owned(), password.to_owned());
        self
    }

    /// What the relay answers to who has no credentials yet.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// What the nonces of these credentials announce. Whoever is told that usernames may be anonymous must send a
    /// USERHASH, RFC 8489 §9.2.5. That of a time-limited username cannot be looked up, as nothing is kept of
    /// what was minted: so it is announced only where all users are static.
    pub(crate) fn features(&self) -> Features {
        match self.secrets.is_empty() {
            true => Features::PasswordAlgorithmsAndUsernameAnonymity,
            false => Features::PasswordAlgorithms,
        }
    }

    /// Finds the key of `name` that satisfies `proof`; several are tried while secrets are rotated.
    pub(crate) fn verify<'a>(
        &'a self,
        name: Name<'a>,
        algorithm: PasswordAlgorithm,
        proof: impl Fn(&LongTermKey) -> bool,
    ) -> Option<(Claim<'a>, LongTermKey)> {
        let username = match name {
            Name::Plain(name) if name.len() > MAX_USERNAME_BYTES => return None,
            Name::Plain(name) => std::str::from_utf8(name).ok()?,
            Name::Hash(hash) => self.static_names.get(hash)?,
        };
        let key = |password: &str| LongTermKey::new(username, &self.realm, password, algorithm);
        if let Some(password) = self.static_users.get(username) {
            let key = key(password);
            return proof(&key).then_some((Claim::Static(username), key));
        }
        let parsed = Username::parse(username).ok()?;
        self.secrets.iter().find_map(|(secret, id)| {
            let key = key(secret.password(username).as_str());
            proof(&key).then_some((Claim::TimeLimited(parsed, id), key))
        })
    }

    /// Whether the secret with this [id](Secret::id) is live.
    pub(crate) fn has_secret(&self, id: &str) -> bool {
        self.secrets.iter().any(|(_, other)| **other == *id)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("realm", &self.realm)
            .field("secrets", &self.secrets.len())
            .field("static_users", &self.static_users.keys())
            .finish()
    }
}

/// The realm is empty, or longer than 127 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRealm;

impl fmt::Display for InvalidRealm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("realm empty or longer than 127 characters")
    }
}

impl std::error::Error for InvalidRealm {}

/// How a request names its user.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name<'a> {
    /// USERNAME.
    Plain(&'a [u8]),
    /// USERHASH, RFC 8489 §14.4: SHA-256(username ":" realm).
    Hash(&'a [u8]),
}

/// A username whose password was proved.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Claim<'a> {
    Static(&'a str),
    /// With the id of the secret that it was proved with.
    TimeLimited(Username<'a>, &'a Arc<str>),
}

impl Claim<'_> {
    pub(crate) fn is_expired_at(&self, unix: u64) -> bool {
        match self {
            Self::Static(_) => false,
            Self::TimeLimited(username, _) => username.is_expired_at(unix),
        }
    }

    pub(crate) fn username(&self) -> &str {
        match self {
            Self::Static(username) => username,
            Self::TimeLimited(username, _) => username.as_str(),
        }
    }

    /// The name of the user, as in [`UserId::as_str`].
    pub(crate) fn user_name(&self) -> &str {
        match self {
            Self::Static(name) => name,
            Self::TimeLimited(username, _) => username.user(),
        }
    }

    /// The id of the secret that it was proved with; `None` of a static user.
    pub(crate) fn secret(&self) -> Option<&Arc<str>> {
        match self {
            Self::Static(_) => None,
            Self::TimeLimited(_, secret) => Some(secret),
        }
    }

    pub(crate) fn is_of(&self, user: &UserId) -> bool {
        match (self, user) {
            (Self::Static(name), UserId::Static(user)) => **name == **user,
            (Self::TimeLimited(username, _), UserId::TimeLimited(user)) => {
                username.user() == &**user
            }
            (Self::Static(_), UserId::TimeLimited(_))
            | (Self::TimeLimited(..), UserId::Static(_)) => false,
        }
    }

    pub(crate) fn user(&self) -> UserId {
        match self {
            Self::Static(name) => UserId::Static(Arc::from(*name)),
            Self::TimeLimited(username, _) => UserId::TimeLimited(Arc::from(username.user())),
        }
    }
}

/// Whose an allocation is, and against whose quota it counts.
///
/// A time-limited username changes with every credential that a peer is given, so its expiry and trace are
/// no part of the user: the peer may go on with an allocation under a newer credential, and has one quota.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UserId {
    /// One of the configured users, by name.
    Static(Arc<str>),
    /// Somebody whom signalling minted a credential for; see [`Username::user`].
    TimeLimited(Arc<str>),
}

impl UserId {
    /// The name, which is of the client's choosing: not a metric's label, and not for a log line unescaped.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Static(name) | Self::TimeLimited(name) => name,
        }
    }
}
