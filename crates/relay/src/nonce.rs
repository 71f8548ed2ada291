//! A nonce that needs no memory: its own time and a MAC of that time and of the client's address.
//!
//! ```text
//! 11 characters of base64 = 66 bits:   12 bits of time (4 s each) | 54 bits of HMAC-SHA256
//! ```
//!
//! The MAC covers the whole time, of which the 12 bits are the end: what is older than the 4.5 hours after
//! which they repeat is recognised by its MAC. 54 bits cannot be guessed over a network, and all that a guess
//! would gain is an answer to a source that is not the sender's.
//!
//! # The budget
//!
//! A 401 may be three times as long as the 28-byte Allocate that it answers, 84 bytes, with all that the
//! RFCs will add to it; so that answers are never worth being sent in another's name:
//!
//! ```text
//!               now   with SHA-256 offered
//! header         20   20
//! ERROR-CODE      8    8   no reason phrase
//! REALM          16   16   4 + up to 12 bytes of realm
//! NONCE          16   28   4 + 11 + 1 of padding; 4 + 13 ("obMatJos2" and four characters of features) + 11
//! PASSWORD-ALGS   -   12   4 + two algorithms without parameters
//!                --   --
//!                60   84
//! ```
//!
//! There is no SOFTWARE. FINGERPRINT adds 8 bytes to the answer where the request had it, and so was 8 longer.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use aws_lc_rs::{constant_time, hmac};
use base64::{Engine, engine::general_purpose::STANDARD};

/// Characters of a nonce.
pub(crate) const NONCE_BYTES: usize = 11;

const TIME_BITS: u32 = 12;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
const UNIT_SECONDS: u64 = 4;

/// How far ahead the clock of the node that minted a nonce may be.
const SKEW_UNITS: u64 = 15;

/// Longest a nonce may live: less than the time after which its 12 bits repeat.
pub(crate) const MAX_NONCE_LIFETIME: Duration = Duration::from_secs(4 * 60 * 60);

/// What makes nonces unforgeable. Nodes with the same key take each other's nonces.
#[derive(Clone)]
pub struct NonceKey(hmac::Key);

impl NonceKey {
    /// `bytes` are random, and the same on all nodes of a fleet.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The key that everybody who has `cluster_key`, of whatever length, derives from it.
    pub fn derive(cluster_key: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, cluster_key);
        let tag = hmac::sign(&key, b"trunkline: key of the relays' nonces, 1");
        Self(hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref()))
    }

    /// The nonce for `source` at `unix` seconds.
    pub(crate) fn mint(&self, source: SocketAddr, unix: u64) -> [u8; NONCE_BYTES] {
        self.at(source, unix / UNIT_SECONDS)
    }

    /// Whether `nonce` was minted for `source` less than `lifetime` before `unix` seconds.
    pub(crate) fn is_valid(
        &self,
        nonce: &[u8],
        source: SocketAddr,
        unix: u64,
        lifetime: Duration,
    ) -> bool {
        let Some(low_bits) = nonce.get(..2).and_then(decode_time) else {
            return false;
        };
        let latest = unix / UNIT_SECONDS + SKEW_UNITS;
        let age = latest.wrapping_sub(low_bits) & TIME_MASK;
        let Some(units) = latest.checked_sub(age) else {
            return false;
        };
        let lifetime = lifetime.min(MAX_NONCE_LIFETIME).as_secs();
        unix < units.saturating_mul(UNIT_SECONDS).saturating_add(lifetime)
            && constant_time::verify_slices_are_equal(nonce, &self.at(source, units)).is_ok()
    }

    fn at(&self, source: SocketAddr, units: u64) -> [u8; NONCE_BYTES] {
        let ip = match source.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let mut input = [0; 26];
        input[..8].copy_from_slice(&units.to_be_bytes());
        input[8..24].copy_from_slice(&ip.octets());
        input[24..].copy_from_slice(&source.port().to_be_bytes());
        let tag = hmac::sign(&self.0, &input);

        let [.., high, low] = (units << 4).to_be_bytes();
        let mut bits = [0; 9];
        bits.copy_from_slice(&tag.as_ref()[..9]);
        bits[0] = high;
        bits[1] = low | (bits[1] & 0x0F);
        let mut characters = [0; 12];
        STANDARD
            .encode_slice(bits, &mut characters)
            .expect("nine bytes are twelve characters of base64");
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&characters[..NONCE_BYTES]);
        nonce
    }
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKey(..)")
    }
}

/// The 12 bits that two characters of base64 stand for.
fn decode_time(characters: &[u8]) -> Option<u64> {
    let mut bytes = [0; 3];
    let [a, b] = characters.try_into().ok()?;
    STANDARD
        .decode_slice_unchecked([a, b, b'A', b'A'], &mut bytes)
        .ok()?;
    Some((u64::from(bytes[0]) << 4) | (u64::from(bytes[1]) >> 4))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn key() -> NonceKey {
        NonceKey::new(&[7; 32])
    }

    fn source(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    proptest! {
        #[test]
        fn a_nonce_is_valid_for_its_lifetime_and_not_after(
            minted in 1_000_000..u64::from(u32::MAX),
            age in 0..40_000_u64,
            lifetime in 60..=14_400_u64,
        ) {
            let client = source("192.0.2.1:1000");
            let nonce = key().mint(client, minted);
            let valid = key().is_valid(&nonce, client, minted + age, Duration::from_secs(lifetime));
            // The time in the nonce is rounded down to four seconds.
            if age < lifetime - 3 {
                prop_assert!(valid);
            } else if age >= lifetime {
                prop_assert!(!valid);
            }
        }

        #[test]
        fn a_nonce_of_a_clock_a_minute_ahead_is_valid_and_one_of_five_minutes_is_not(
            unix in 1_000_000..u64::from(u32::MAX),
        ) {
            let client = source("[2001:db8::1]:1000");
            let valid = |ahead| key().is_valid(&key().mint(client, unix + ahead), client, unix, HOUR);
            prop_assert!(valid(60));
            prop_assert!(!valid(300));
        }

        #[test]
        fn no_other_bytes_are_a_nonce(bytes: Vec<u8>, unix: u64) {
            prop_assert!(!key().is_valid(&bytes, source("192.0.2.1:1000"), unix / 8, HOUR));
        }

        #[test]
        fn a_changed_character_is_noticed(position in 0..NONCE_BYTES, by in 1..=255_u8) {
            let client = source("192.0.2.1:1000");
            let mut nonce = key().mint(client, 1_000_000);
            nonce[position] ^= by;
            prop_assert!(!key().is_valid(&nonce, client, 1_000_000, HOUR));
        }
    }

    #[test]
    fn a_nonce_is_bound_to_address_port_and_key() {
        let client = source("192.0.2.1:1000");
        let nonce = key().mint(client, 1_000_000);
        let valid = |key: NonceKey, at| key.is_valid(&nonce, source(at), 1_000_000, HOUR);
        assert!(valid(key(), "192.0.2.1:1000"));
        assert!(!valid(key(), "192.0.2.1:1001"));
        assert!(!valid(key(), "192.0.2.2:1000"));
        assert!(!valid(NonceKey::new(&[8; 32]), "192.0.2.1:1000"));
    }

    #[test]
    fn a_nonce_whose_twelve_bits_came_round_again_is_not_valid() {
        let client = source("192.0.2.1:1000");
        let minted = 1_000_000;
        let nonce = key().mint(client, minted);
        let round = (TIME_MASK + 1) * UNIT_SECONDS;
        assert_eq!(nonce[..2], key().mint(client, minted + round)[..2]);
        assert!(!key().is_valid(&nonce, client, minted + round, MAX_NONCE_LIFETIME));
    }

    #[test]
    fn a_nonce_needs_no_quoting() {
        for unix in 0..4096 {
            let nonce = key().mint(source("192.0.2.1:1000"), unix);
            assert!(
                nonce
                    .iter()
                    .all(|c| c.is_ascii_alphanumeric() || b"+/".contains(c))
            );
        }
    }
}
