use std::time::Duration;

use crate::Family;

/// How long a port that was reserved is held at least, RFC 8656 §7.2.
pub const RESERVATION_LIFETIME: Duration = Duration::from_secs(30);

/// What stands for a port that was reserved, RFC 8656 §18.7: random, and good for the user alone who asked for it;
/// the bit that stands for its family is all that it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReservationToken([u8; 8]);

/// The bit of a token's first byte that is set in IPv6.
const IPV6: u8 = 0x80;

impl ReservationToken {
    /// A token of 63 of the bits of `random`.
    pub fn new(random: u64, family: Family) -> Self {
        let mut bytes = random.to_be_bytes();
        match family {
            Family::V4 => bytes[0] &= !IPV6,
            Family::V6 => bytes[0] |= IPV6,
        }
        Self(bytes)
    }

    /// The family of the port's address.
    pub fn family(self) -> Family {
        match self.0[0] & IPV6 {
            0 => Family::V4,
            _ => Family::V6,
        }
    }

    pub(crate) fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_its_family_and_nothing_else() {
        for random in [0, u64::MAX, 0x0123_4567_89AB_CDEF] {
            let [v4, v6] = Family::ALL.map(|family| ReservationToken::new(random, family));
            assert_eq!((v4.family(), v6.family()), (Family::V4, Family::V6));
            assert_eq!(v4.as_bytes()[1..], random.to_be_bytes()[1..]);
            assert_eq!(ReservationToken::from_bytes(*v6.as_bytes()), v6);
        }
    }
}
