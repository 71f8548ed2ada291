use aws_lc_rs::hmac;

use super::HEADER_BYTES;

/// Bytes of the attribute MESSAGE-INTEGRITY, its header included.
const ATTRIBUTE_BYTES: usize = 24;

/// The MESSAGE-INTEGRITY of a message and where it stands, RFC 8489 §14.5.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Integrity<'a> {
    /// All of the message before the attribute.
    pub(crate) protected: &'a [u8],
    pub(crate) mac: &'a [u8],
}

impl Integrity<'_> {
    /// Whether the holder of `key` wrote the message; compares in constant time.
    pub(crate) fn is_by(&self, key: &hmac::Key) -> bool {
        // The length that is protected is that of a message which ends with this attribute.
        let length = self.protected.len() + ATTRIBUTE_BYTES - HEADER_BYTES;
        let Ok(length) = u16::try_from(length) else {
            return false;
        };
        let mut protected = hmac::Context::with_key(key);
        protected.update(&self.protected[..2]);
        protected.update(&length.to_be_bytes());
        protected.update(&self.protected[4..]);
        let expected = protected.sign();
        aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_ref(), self.mac).is_ok()
    }
}
