//! What a password becomes before it signs anything, RFC 8489 §9.2.2 and §18.5.
//!
//! Names and passwords are taken byte for byte as they were configured or sent, not through OpaqueString.

use std::fmt;

use aws_lc_rs::digest;
use md5::{Digest, Md5};

use crate::wire::IntegrityHash;

/// The value of PASSWORD-ALGORITHMS in every challenge: the better one first, neither with parameters.
pub(crate) const PASSWORD_ALGORITHMS: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];

/// How the key is made of the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PasswordAlgorithm {
    Md5,
    Sha256,
}

impl PasswordAlgorithm {
    /// Reads the value of PASSWORD-ALGORITHM, which must be one of those that are offered.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        match value {
            [0, 1, 0, 0] => Some(Self::Md5),
            [0, 2, 0, 0] => Some(Self::Sha256),
            _ => None,
        }
    }
}

/// A hash of username, realm and password, with a colon between them.
#[derive(Clone)]
pub(crate) enum LongTermKey {
    Md5([u8; 16]),
    Sha256([u8; 32]),
}

impl LongTermKey {
    pub(crate) fn new(
        username: &str,
        realm: &str,
        password: &str,
        algorithm: PasswordAlgorithm,
    ) -> Self {
        let parts = [username, ":", realm, ":", password];
        match algorithm {
            PasswordAlgorithm::Md5 => {
                let mut hash = Md5::new();
                for part in parts {
                    hash.update(part);
                }
                Self::Md5(hash.finalize().into())
            }
            PasswordAlgorithm::Sha256 => Self::Sha256(sha256(parts)),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Md5(key) => key,
            Self::Sha256(key) => key,
        }
    }
}

impl fmt::Debug for LongTermKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LongTermKey(..)")
    }
}

/// With what the answers to a verified client are signed.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    pub(crate) key: LongTermKey,
    pub(crate) hash: IntegrityHash,
}

/// The hash of all of `parts`, one after the other.
pub(crate) fn sha256<const N: usize>(parts: [&str; N]) -> [u8; 32] {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in parts {
        hash.update(part.as_bytes());
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.finish().as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_that_is_offered_is_understood() {
        let offered = PASSWORD_ALGORITHMS.chunks(4).map(PasswordAlgorithm::parse);
        let expected = [PasswordAlgorithm::Sha256, PasswordAlgorithm::Md5];
        assert!(offered.eq(expected.map(Some)));
        for foreign in [&[0, 3, 0, 0][..], &[0, 1, 0, 4], &[0, 1], &[]] {
            assert_eq!(PasswordAlgorithm::parse(foreign), None);
        }
    }

    #[test]
    fn keys_are_those_of_the_rfc() {
        let key = |algorithm| LongTermKey::new("user", "realm", "pass", algorithm);
        // RFC 8489 §9.2.2.
        let md5 = [
            0x84, 0x93, 0xfb, 0xc5, 0x3b, 0xa5, 0x82, 0xfb, 0x4c, 0x04, 0x4c, 0x45, 0x6b, 0xdc,
            0x40, 0xeb,
        ];
        assert_eq!(key(PasswordAlgorithm::Md5).as_bytes(), md5);
        let sha256 = digest::digest(&digest::SHA256, b"user:realm:pass");
        assert_eq!(key(PasswordAlgorithm::Sha256).as_bytes(), sha256.as_ref());
    }
}
