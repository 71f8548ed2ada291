//! How much of the relay one allocation, one source and all together may have.

use std::{num::NonZeroU32, sync::Arc, time::Instant};

use clap::Args;
use relay::{ChallengeLimit, Limits};

/// Options of the relay's limits.
#[derive(Args, Clone, Debug)]
pub struct LimitArgs {
    /// How many relayed addresses one source may have at a time, whoever its users are: an IPv4 address, or a network
    /// (/64) of IPv6; 486 beyond. Behind one address there may be many clients. Not for this machine; 0 for any number
    #[arg(
        long,
        env = "TRUNKLINE_TURN_SOURCE_QUOTA",
        value_name = "NUMBER",
        default_value_t = 500
    )]
    pub turn_source_quota: usize,

    /// How many relayed addresses there may be at a time; 508 beyond. 0 for as many as the process may have descriptors
    /// for
    #[arg(
        long,
        env = "TRUNKLINE_TURN_MAX_ALLOCATIONS",
        value_name = "NUMBER",
        default_value_t = 0
    )]
    pub turn_max_allocations: usize,

    /// How many packets a second an allocation relays each way, a second's worth at once; what comes beyond that is
    /// lost. A video call has some hundreds; 0 for any number
    #[arg(
        long,
        env = "TRUNKLINE_TURN_MAX_PPS",
        value_name = "NUMBER",
        default_value_t = 10_000
    )]
    pub turn_max_pps: u32,

    /// How many bits a second an allocation relays each way, such as 500k, 100M or 1G, which are thousands of each
    /// other; a second's worth at once, and what comes beyond that is lost, or over TCP waits. 0 for any number
    #[arg(
        long,
        env = "TRUNKLINE_TURN_MAX_BPS",
        value_name = "BITS",
        value_parser = bits,
        default_value = "100M"
    )]
    pub turn_max_bps: u64,

    /// How many peers' addresses a second an allocation may add to those that it reaches, ten seconds' worth at once;
    /// 403 beyond. It is for who looks for hosts through the relay; a call has its candidates. A new allocation begins
    /// anew. 0 for any number
    #[arg(
        long,
        env = "TRUNKLINE_TURN_MAX_NEW_PEERS",
        value_name = "NUMBER",
        default_value_t = 5
    )]
    pub turn_max_new_peers: u32,

    /// How many requests a second are refused over UDP to clients of one network (/24, in IPv6 /56) of which none has
    /// ever shown that it hears the answers; more are not answered, since they may be sent in others' names. What
    /// --turn-discovery tells counts as well. Not for this machine; 0 for any number
    #[arg(
        long,
        env = "TRUNKLINE_TURN_MAX_CHALLENGES",
        value_name = "NUMBER",
        default_value_t = 50
    )]
    pub turn_max_challenges: u32,
}

impl LimitArgs {
    pub(crate) fn of_allocations(&self) -> Limits {
        Limits {
            packets_per_second: self.turn_max_pps.into(),
            bits_per_second: self.turn_max_bps,
            new_peers_per_second: self.turn_max_new_peers.into(),
        }
    }

    pub(crate) fn of_challenges(&self) -> Result<Option<Arc<ChallengeLimit>>, getrandom::Error> {
        let Some(per_second) = NonZeroU32::new(self.turn_max_challenges) else {
            return Ok(None);
        };
        let limit = ChallengeLimit::new(per_second, getrandom::u64()?, Instant::now());
        Ok(Some(Arc::new(limit)))
    }
}

/// Of what unit a number is says its last letter.
fn bits(text: &str) -> Result<u64, String> {
    let wrong = || "write a number of bits, such as 500k, 100M or 1G, or 0".to_owned();
    let last = text.chars().last().ok_or_else(wrong)?;
    let unit = match last {
        'k' | 'K' => 1_000,
        'M' => 1_000_000,
        'G' => 1_000_000_000,
        _ => 1,
    };
    let digits = if unit == 1 {
        text
    } else {
        &text[..text.len() - 1]
    };
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|_| is_plain);
    number
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_have_a_unit_or_none() {
        for (text, expected) in [
            ("0", 0),
            ("64", 64),
            ("500k", 500_000),
            ("100M", 100_000_000),
            ("2G", 2_000_000_000),
        ] {
            assert_eq!(bits(text), Ok(expected));
        }
        for text in [
            "",
            "M",
            "-1",
            "+1",
            "1.5M",
            "100Mbit",
            "10 M",
            "1é",
            "99999999999G",
        ] {
            assert!(bits(text).is_err(), "{text}");
        }
    }
}
