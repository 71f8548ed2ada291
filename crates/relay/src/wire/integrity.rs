use aws_lc_rs::hmac;

use super::HEADER_BYTES;

/// With which hash a message is signed, RFC 8489 §14.5 and §14.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntegrityHash {
    /// MESSAGE-INTEGRITY.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256; never truncated, as TURN does not say that it may be.
    Sha256,
}

impl IntegrityHash {
    pub(crate) fn algorithm(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
        }
    }

    /// Bytes of the attribute, its header included.
    fn attribute_bytes(self) -> usize {
        match self {
            Self::Sha1 => 4 + 20,
            Self::Sha256 => 4 + 32,
        }
    }
}

/// The message integrity of a message and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Integrity<'a> {
    pub(crate) hash: IntegrityHash,
    /// All of the message before the attribute.
    pub(crate) protected: &'a [u8],
    pub(crate) mac: &'a [u8],
}

impl Integrity<'_> {
    /// Whether the holder of `key` wrote the message; compares in constant time.
    pub(crate) fn is_by(&self, key: &[u8]) -> bool {
        let mac = sign(self.protected, self.hash, key);
        mac.is_some_and(|mac| {
            aws_lc_rs::constant_time::verify_slices_are_equal(mac.as_ref(), self.mac).is_ok()
        })
    }
}

/// The message integrity that is to stand after `protected`, a message of less than 64 KiB with its header.
pub(crate) fn sign(protected: &[u8], hash: IntegrityHash, key: &[u8]) -> Option<hmac::Tag> {
    // The length that is protected is that of a message which ends with this attribute.
    let length = (protected.len() + hash.attribute_bytes()).checked_sub(HEADER_BYTES)?;
    let length = u16::try_from(length).ok()?;
    let key = hmac::Key::new(hash.algorithm(), key);
    let mut context = hmac::Context::with_key(&key);
    context.update(&protected[..2]);
    context.update(&length.to_be_bytes());
    context.update(protected.get(4..)?);
    Some(context.sign())
}
