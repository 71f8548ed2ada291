use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    Username,
    username::{NO_TRACE, is_trace},
};

/// Length of a password: the 20 bytes of an HMAC-SHA1 in base64.
pub const PASSWORD_BYTES: usize = 28;

/// What signalling and relay share.
#[derive(Clone)]
pub struct Secret(hmac::Key);

impl Secret {
    /// Any bytes, as coturn's `static-auth-secret`.
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, bytes))
    }

    /// By what nodes tell each other which secrets they have: eight hexadecimal digits. It proves nothing, and is the
    /// beginning of no password, since no username has this form.
    pub fn id(&self) -> String {
        let tag = hmac::sign(&self.0, b"trunkline: id of a secret");
        tag.as_ref()[..4]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The password that belongs to `username`, without heap.
    pub fn password(&self, username: &str) -> Password {
        let tag = hmac::sign(&self.0, username.as_bytes());
        let mut password = [0; PASSWORD_BYTES];
        STANDARD
            .encode_slice(tag.as_ref(), &mut password)
            .expect("20 bytes are 28 characters of base64");
        Password(password)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The password of a time-limited username.
#[derive(Clone)]
pub struct Password([u8; PASSWORD_BYTES]);

impl Password {
    /// The password's characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base64 is ASCII")
    }

    /// Compares in constant time.
    pub fn matches(&self, password: &str) -> bool {
        constant_time::verify_slices_are_equal(&self.0, password.as_bytes()).is_ok()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A username and its password.
#[derive(Clone, Debug)]
pub struct Credential {
    /// `expiry:id` or `expiry:id/trace`.
    pub username: String,
    /// To be told to whom the username is told, and to nobody else.
    pub password: Password,
}

/// Mints a credential for `user` that is valid up to and including the second `expires_at` of Unix time.
///
/// `trace` are the 32 lower-case hexadecimal digits of a trace id; anything else is left out, as it would
/// become a part of the user. A user that itself ends as if it were traced is closed with a trace of zeros where
/// there is none, so that it is not taken for the shorter one, whose quota it would use.
pub fn mint(secret: &Secret, expires_at: u64, user: &str, trace: Option<&str>) -> Credential {
    let looks_traced = user.rsplit('/').next().is_some_and(is_trace);
    let trace = trace.filter(|trace| is_trace(trace));
    let username = match trace.or_else(|| looks_traced.then_some(NO_TRACE)) {
        Some(trace) => format!("{expires_at}:{user}/{trace}"),
        None => format!("{expires_at}:{user}"),
    };
    let password = secret.password(&username);
    Credential { username, password }
}

/// Checks a username and its password against every live secret, at `unix` seconds.
///
/// # Errors
/// [`VerifyError`] says what is wrong with them.
pub fn verify<'a>(
    secrets: &[Secret],
    username: &'a str,
    password: &str,
    unix: u64,
) -> Result<Username<'a>, VerifyError> {
    let parsed = Username::parse(username).map_err(|_| VerifyError::NotTimeLimited)?;
    if !secrets
        .iter()
        .any(|secret| secret.password(username).matches(password))
    {
        return Err(VerifyError::WrongPassword);
    }
    if parsed.is_expired_at(unix) {
        return Err(VerifyError::Expired);
    }
    Ok(parsed)
}

/// Why a credential is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// Genuine, but its time is over.
    Expired,
    /// The username carries no expiry.
    NotTimeLimited,
    /// No live secret gives this password.
    WrongPassword,
}

impl VerifyError {
    /// A word for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotTimeLimited => "not-time-limited",
            Self::WrongPassword => "wrong-password",
        }
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "credential expired",
            Self::NotTimeLimited => "username without expiry",
            Self::WrongPassword => "wrong password",
        })
    }
}

impl std::error::Error for VerifyError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    /// What coturn's `use-auth-secret` computes, from an independent implementation:
    ///
    /// ```python
    /// import base64, hashlib, hmac
    /// base64.b64encode(hmac.new(secret, username, hashlib.sha1).digest())
    /// ```
    const KNOWN_ANSWERS: &[(&str, &str, &str)] = &[
        (
            "north",
            "1433895918:ninefingers",
            "jy8hTxmOO7UtEKXqSkSlvakPVYA=",
        ),
        (
            "north",
            "1700000000:alice/4bf92f3577b34da6a3ce929d0e0e4736",
            "XYVm172vdlLSvxEgeA6CYCPm+eA=",
        ),
        ("logen", "1", "jIoHGw6kevORTti3wyKysG2qKiw="),
        ("", "99:empty secret", "VD18yqa+5CJZyTYPIx5viFgxE0g="),
        (
            "a secret that is longer than the sixty-four bytes of one SHA-1 block, so it is hashed",
            "1700000000:Zoë 🎺",
            "Q0g7N0kSEUy/U26Ub5vFpNo8ONo=",
        ),
    ];

    #[test]
    fn passwords_are_those_of_coturns_use_auth_secret() {
        for (secret, username, password) in KNOWN_ANSWERS {
            let secret = Secret::new(secret.as_bytes());
            assert_eq!(secret.password(username).as_str(), *password, "{username}");
            assert!(verify(&[secret], username, password, 0).is_ok());
        }
    }

    #[test]
    fn every_live_secret_verifies_and_no_other() {
        let [old, new, foreign] = ["old", "new", "foreign"].map(|s| Secret::new(s.as_bytes()));
        let credential = mint(&old, 1000, "alice", None);
        let check = |secrets: &[Secret]| {
            let password = credential.password.as_str();
            verify(secrets, &credential.username, password, 0).map(|username| username.user())
        };
        assert_eq!(check(&[new.clone(), old]), Ok("alice"));
        assert_eq!(check(&[new, foreign]), Err(VerifyError::WrongPassword));
        assert_eq!(check(&[]), Err(VerifyError::WrongPassword));
    }

    #[test]
    fn a_credential_ends_with_its_last_second() {
        let secrets = [Secret::new(b"s")];
        let credential = mint(&secrets[0], 1000, "alice", None);
        let check = |unix| {
            let password = credential.password.as_str();
            verify(&secrets, &credential.username, password, unix).map(|_| ())
        };
        assert_eq!(check(1000), Ok(()));
        assert_eq!(check(1001), Err(VerifyError::Expired));
    }

    #[test]
    fn an_expired_username_with_a_wrong_password_is_wrong_rather_than_expired() {
        let error = verify(&[Secret::new(b"s")], "1:alice", "x", 1000);
        assert_eq!(error, Err(VerifyError::WrongPassword));
    }

    #[test]
    fn what_is_no_trace_is_not_written() {
        let secret = Secret::new(b"s");
        assert_eq!(mint(&secret, 7, "alice", Some("x")).username, "7:alice");
        let traced = mint(&secret, 7, "alice", Some(TRACE));
        assert_eq!(traced.username, format!("7:alice/{TRACE}"));
    }

    #[test]
    fn a_secret_has_an_id_that_is_the_same_everywhere_and_no_username() {
        let id = Secret::new(b"north").id();
        assert_eq!(id.len(), 8);
        assert_eq!(id, Secret::new(b"north").id());
        assert_ne!(id, Secret::new(b"south").id());
        assert!(Username::parse("trunkline: id of a secret").is_err());
    }

    #[test]
    fn neither_secret_nor_password_is_printed() {
        let secret = Secret::new(b"hush");
        let credential = mint(&secret, 7, "alice", None);
        let printed = format!("{secret:?} {credential:?}");
        assert!(!printed.contains("hush"));
        assert!(!printed.contains(credential.password.as_str()));
    }

    /// Users of whom many look traced, and traces of which many are none.
    fn traced() -> impl Strategy<Value = String> {
        let traces = prop_oneof![
            Just(TRACE.to_owned()),
            Just(NO_TRACE.to_owned()),
            "[0-9a-f]{31,33}"
        ];
        let part = prop_oneof![".{0,5}", Just("/".to_owned()), traces];
        let parts = proptest::collection::vec(part, 1..5);
        parts.prop_map(|parts| parts.join("/"))
    }

    proptest! {
        #[test]
        fn whoever_it_is_minted_for_is_its_user(
            user in traced().prop_filter("a user has a name", |user| !user.is_empty()),
            trace in proptest::option::of(prop_oneof![traced(), "[0-9a-f]{32}"]),
        ) {
            let username = mint(&Secret::new(b"s"), 7, &user, trace.as_deref()).username;
            let parsed = Username::parse(&username).unwrap();
            prop_assert_eq!(parsed.user(), &*user);
            let is_told = |trace: &&str| is_trace(trace) && *trace != NO_TRACE;
            prop_assert_eq!(parsed.trace(), trace.as_deref().filter(is_told));
        }

        #[test]
        fn what_is_minted_verifies_and_one_changed_character_does_not(
            secret: Vec<u8>,
            user in ".{1,40}",
            expires_at: u64,
            position in 0..PASSWORD_BYTES,
        ) {
            let secrets = [Secret::new(&secret)];
            let credential = mint(&secrets[0], expires_at, &user, Some(TRACE));
            let username = &credential.username;
            let verified = verify(&secrets, username, credential.password.as_str(), expires_at);
            prop_assert_eq!(verified.map(|username| username.user()), Ok(&*user));
            let mut wrong = credential.password.as_str().to_owned();
            let replacement = if wrong.as_bytes()[position] == b'A' { "B" } else { "A" };
            wrong.replace_range(position..=position, replacement);
            let verified = verify(&secrets, username, &wrong, expires_at);
            prop_assert_eq!(verified, Err(VerifyError::WrongPassword));
        }

        #[test]
        fn no_username_is_too_strange_to_parse(text: String) {
            let _ = Username::parse(&text);
        }
    }
}
