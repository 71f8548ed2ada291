//! Who a native client is, also after its connection was lost: a session that it counts its messages in, and an owner that
//! its ids belong to. A resume token has both, under the cluster's key, so that any node can tell.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytestring::ByteString;
use serde::{Deserialize, Serialize};

/// Sets this use of the key apart from all others.
const PURPOSE: &[u8] = b"trunkline resume token 1";

const TAG_BYTES: usize = 32;

/// Bytes of a name that nobody guesses.
const NAME_BYTES: usize = 16;

/// Who a connection speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// Told to others: whoever hears a number twice of one session has heard a message twice.
    pub(crate) id: ByteString,
    /// Told to nodes: whoever has another one cannot take its ids.
    pub(crate) owner: ByteString,
}

#[derive(Serialize, Deserialize)]
struct Claims<'a> {
    session: &'a str,
    owner: &'a str,
}

impl Session {
    /// Of a client that has not been here before.
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let (id, owner) = (name()?, name()?);
        Ok(Self { id, owner })
    }

    /// Of a client that has the same ids, and counts anew.
    pub(crate) fn anew(&self) -> Result<Self, getrandom::Error> {
        let (id, owner) = (name()?, self.owner.clone());
        Ok(Self { id, owner })
    }
}

fn name() -> Result<ByteString, getrandom::Error> {
    let mut bytes = [0; NAME_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes).into())
}

/// What tokens are made with.
pub(crate) struct ResumeKey(hmac::Key);

impl std::fmt::Debug for ResumeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResumeKey")
    }
}

impl ResumeKey {
    /// The cluster's.
    pub(crate) fn derive(cluster_key: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, cluster_key);
        let own = hmac::sign(&key, PURPOSE);
        Self(hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()))
    }

    /// One that dies with the process.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut key = [0; TAG_BYTES];
        getrandom::fill(&mut key)?;
        Ok(Self::derive(&key))
    }

    /// What the session's client may come back with.
    pub(crate) fn token(&self, session: &Session) -> ByteString {
        let claims = Claims {
            session: &session.id,
            owner: &session.owner,
        };
        // Writing texts into memory cannot fail; were it to, the token would be good for nothing.
        let claims = postcard::to_extend(&claims, Vec::new()).unwrap_or_default();
        let tag = hmac::sign(&self.0, &claims);
        URL_SAFE_NO_PAD
            .encode([tag.as_ref(), &claims].concat())
            .into()
    }

    /// The session that a token is of; none where it is not one of ours.
    pub(crate) fn session(&self, token: &str) -> Option<Session> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (tag, claims) = bytes.split_at_checked(TAG_BYTES)?;
        hmac::verify(&self.0, claims, tag).ok()?;
        let claims: Claims<'_> = postcard::from_bytes(claims).ok()?;
        Some(Session {
            id: claims.session.into(),
            owner: claims.owner.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_with_the_key_knows_whose_a_token_is() {
        let session = Session::new().unwrap();
        let token = ResumeKey::derive(b"0123456789abcdef").token(&session);
        let other = ResumeKey::derive(b"0123456789abcdef");
        assert_eq!(other.session(&token), Some(session.clone()));
        let anew = session.anew().unwrap();
        assert_eq!(anew.owner, session.owner);
        assert_ne!(anew.id, session.id);
    }

    #[test]
    fn a_token_of_another_key_or_with_a_change_is_nobodys() {
        let key = ResumeKey::derive(b"0123456789abcdef");
        let token = key.token(&Session::new().unwrap());
        let other = ResumeKey::derive(b"0123456789abcdeF");
        assert_eq!(other.session(&token), None);
        for at in 0..token.len() {
            let mut changed = token.to_string().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(key.session(&changed), None, "{at}");
            assert_eq!(key.session(&token[..at]), None, "{at}");
        }
    }
}
