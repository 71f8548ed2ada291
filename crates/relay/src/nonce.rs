//! A nonce that needs no memory: the cookie of RFC 8489 §9.2, its own time, and a MAC of that time and of the
//! client's address.
//!
//! ```text
//! obMatJos2 | 4 characters of base64: the security features | 11 characters of base64, 66 bits:
//!                                      12 bits of time (4 s each) | 54 bits of HMAC-SHA256
//! ```
//!
//! A nonce is good only with the features that are offered now: who took a feature from the cookie on its way to
//! the client has made it stale.
//!
//! The MAC covers the whole time, of which the 12 bits are the end: what is older than the 4.5 hours after
//! which they repeat is recognised by its MAC. 54 bits cannot be guessed over a network, and all that a guess
//! would gain is an answer to a source that is not the sender's.
//!
//! # The budget
//!
//! A 401 may be three times as long as the request that it answers, so that answers are never worth being sent
//! in another's name. An Allocate with its REQUESTED-TRANSPORT has 28 bytes, a message without attributes 20:
//!
//! ```text
//! request                28   20
//!
//! header                 20   20
//! ERROR-CODE              8    8   no reason phrase
//! REALM                  16   16   4 + up to 12 bytes of realm
//! NONCE                  28   16   4 + 24; 4 + 11 and one of padding
//! PASSWORD-ALGORITHMS    12    -   4 + two algorithms without parameters
//!                        --   --
//!                        84   60
//! ```
//!
//! What nobody asks first is short: its nonce is without the cookie, and good for nothing but a 438 to the signed
//! request, which is longer. There is no SOFTWARE. FINGERPRINT adds 8 bytes to the answer where the request had
//! it, and so was 8 longer.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use aws_lc_rs::{constant_time, hmac};
use base64::{Engine, engine::general_purpose::STANDARD};

/// Characters of a nonce.
pub(crate) const NONCE_BYTES: usize = COOKIE_BYTES + TAG_BYTES;

/// RFC 8489 §9.2: says that the sender knows that RFC.
const COOKIE: &[u8; 9] = b"obMatJos2";

/// The cookie with its features.
const COOKIE_BYTES: usize = COOKIE.len() + 4;

/// Characters of time and MAC.
const TAG_BYTES: usize = 11;

const TIME_BITS: u32 = 12;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
const UNIT_SECONDS: u64 = 4;

/// How far ahead the clock of the node that minted a nonce may be.
const SKEW_UNITS: u64 = 15;

/// Longest a nonce may live: less than the time after which its 12 bits repeat.
pub(crate) const MAX_NONCE_LIFETIME: Duration = Duration::from_secs(4 * 60 * 60);

/// What a nonce's cookie says of its server, RFC 8489 §18.1: the first of 24 bits stands for password algorithms,
/// which are always offered, the second for anonymous usernames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Features {
    PasswordAlgorithms,
    PasswordAlgorithmsAndUsernameAnonymity,
}

impl Features {
    /// Three bytes in base64.
    fn characters(self) -> &'static [u8; 4] {
        match self {
            Self::PasswordAlgorithms => b"gAAA",
            Self::PasswordAlgorithmsAndUsernameAnonymity => b"wAAA",
        }
    }
}

/// Whether a nonce, anybody's, says that password algorithms are negotiated.
pub(crate) fn has_password_algorithms(nonce: &[u8]) -> bool {
    let mut features = [0; 3];
    nonce.strip_prefix(COOKIE).is_some_and(|rest| {
        rest.get(..4).is_some_and(|characters| {
            STANDARD
                .decode_slice_unchecked(characters, &mut features)
                .is_ok()
        })
    }) && features[0] & 0x80 != 0
}

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
    pub(crate) fn mint(
        &self,
        source: SocketAddr,
        unix: u64,
        features: Features,
    ) -> [u8; NONCE_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        nonce[..COOKIE.len()].copy_from_slice(COOKIE);
        nonce[COOKIE.len()..COOKIE_BYTES].copy_from_slice(features.characters());
        nonce[COOKIE_BYTES..].copy_from_slice(&self.mint_stale(source, unix));
        nonce
    }

    /// A nonce without the cookie, which is never valid.
    pub(crate) fn mint_stale(&self, source: SocketAddr, unix: u64) -> [u8; TAG_BYTES] {
        self.at(source, unix / UNIT_SECONDS)
    }

    /// Whether `nonce` was minted for `source`, with `features`, less than `lifetime` before `unix` seconds.
    pub(crate) fn is_valid(
        &self,
        nonce: &[u8],
        source: SocketAddr,
        unix: u64,
        lifetime: Duration,
        features: Features,
    ) -> bool {
        let tag = nonce
            .strip_prefix(COOKIE)
            .and_then(|rest| rest.strip_prefix(features.characters()));
        let Some(tag) = tag else {
            return false;
        };
        let Some(low_bits) = tag.get(..2).and_then(decode_time) else {
            return false;
        };
        let latest = unix / UNIT_SECONDS + SKEW_UNITS;
        let age = latest.wrapping_sub(low_bits) & TIME_MASK;
        let Some(units) = latest.checked_sub(age) else {
            return false;
        };
        let lifetime = lifetime.min(MAX_NONCE_LIFETIME).as_secs();
        unix < units.saturating_mul(UNIT_SECONDS).saturating_add(lifetime)
            && constant_time::verify_slices_are_equal(tag, &self.at(source, units)).is_ok()
    }

    fn at(&self, source: SocketAddr, units: u64) -> [u8; TAG_BYTES] {
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
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&characters[..TAG_BYTES]);
        tag
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
    const PLAIN: Features = Features::PasswordAlgorithms;
    const ANONYMOUS: Features = Features::PasswordAlgorithmsAndUsernameAnonymity;

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
            let nonce = key().mint(client, minted, PLAIN);
            let valid = key().is_valid(&nonce, client, minted + age, Duration::from_secs(lifetime), PLAIN);
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
            let valid = |ahead| {
                let nonce = key().mint(client, unix + ahead, PLAIN);
                key().is_valid(&nonce, client, unix, HOUR, PLAIN)
            };
            prop_assert!(valid(60));
            prop_assert!(!valid(300));
        }

        #[test]
        fn no_other_bytes_are_a_nonce(bytes: Vec<u8>, unix: u64) {
            prop_assert!(!key().is_valid(&bytes, source("192.0.2.1:1000"), unix / 8, HOUR, PLAIN));
        }

        #[test]
        fn a_changed_character_is_noticed(position in 0..NONCE_BYTES, by in 1..=255_u8) {
            let client = source("192.0.2.1:1000");
            let mut nonce = key().mint(client, 1_000_000, PLAIN);
            nonce[position] ^= by;
            prop_assert!(!key().is_valid(&nonce, client, 1_000_000, HOUR, PLAIN));
        }
    }

    #[test]
    fn a_nonce_is_bound_to_address_port_and_key() {
        let client = source("192.0.2.1:1000");
        let nonce = key().mint(client, 1_000_000, PLAIN);
        let valid = |key: NonceKey, at| key.is_valid(&nonce, source(at), 1_000_000, HOUR, PLAIN);
        assert!(valid(key(), "192.0.2.1:1000"));
        assert!(!valid(key(), "192.0.2.1:1001"));
        assert!(!valid(key(), "192.0.2.2:1000"));
        assert!(!valid(NonceKey::new(&[8; 32]), "192.0.2.1:1000"));
    }

    #[test]
    fn a_nonce_whose_twelve_bits_came_round_again_is_not_valid() {
        let client = source("192.0.2.1:1000");
        let minted = 1_000_000;
        let nonce = key().mint(client, minted, PLAIN);
        let round = (TIME_MASK + 1) * UNIT_SECONDS;
        let later = key().mint(client, minted + round, PLAIN);
        assert_eq!(nonce[..COOKIE_BYTES + 2], later[..COOKIE_BYTES + 2]);
        assert!(!key().is_valid(&nonce, client, minted + round, MAX_NONCE_LIFETIME, PLAIN));
    }

    #[test]
    fn a_nonce_needs_no_quoting() {
        for unix in 0..4096 {
            let nonce = key().mint(source("192.0.2.1:1000"), unix, PLAIN);
            assert!(
                nonce
                    .iter()
                    .all(|c| c.is_ascii_alphanumeric() || b"+/".contains(c))
            );
        }
    }

    #[test]
    fn a_nonce_starts_with_the_cookie_and_the_features_that_are_offered() {
        let client = source("192.0.2.1:1000");
        for (features, cookie) in [(PLAIN, b"obMatJos2gAAA"), (ANONYMOUS, b"obMatJos2wAAA")] {
            let nonce = key().mint(client, 7, features);
            assert!(nonce.starts_with(cookie));
            assert!(has_password_algorithms(&nonce));
        }
        for foreign in [
            &b"obMatJos2QAAA"[..],
            b"obMatJos2AAAAAAAA",
            b"obMatJos2gAA",
            b"obMatJos2????",
            b"obMatJos",
            b"",
        ] {
            assert!(!has_password_algorithms(foreign));
        }
    }

    #[test]
    fn a_nonce_with_other_features_or_without_its_cookie_is_not_valid() {
        let client = source("192.0.2.1:1000");
        let valid = |nonce: &[u8], features| key().is_valid(nonce, client, 7, HOUR, features);
        let nonce = key().mint(client, 7, PLAIN);
        assert!(valid(&nonce, PLAIN));
        assert!(!valid(&nonce, ANONYMOUS));
        assert!(!valid(&key().mint(client, 7, ANONYMOUS), PLAIN));
        assert!(!valid(&nonce[COOKIE_BYTES..], PLAIN));
        assert!(!valid(&key().mint_stale(client, 7), PLAIN));
    }
}
