//! How much an allocation may relay in a second, and how many new peers it may gain.

use std::time::{Duration, Instant};

use crate::{DropReason, Relay, token_bucket::TokenBucket};

/// As much as this time allows may be relayed at once.
const TRAFFIC_SPAN: Duration = Duration::from_secs(1);

/// As many peers as this time allows may be gained at once: a call has all its candidates at its start.
const NEW_PEERS_SPAN: Duration = Duration::from_secs(10);

/// What each allocation may do in a second; 0 is any amount. What flows in connections with peers, RFC 6062, is
/// counted by who carries it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Packets to its peers, and as many to its client; a second's worth at once.
    pub packets_per_second: u64,
    /// Bits of data to its peers, and as many to its client; a second's worth at once. A packet that is longer than
    /// what is left passes, and those after it wait for its time.
    pub bits_per_second: u64,
    /// Peers' IP addresses for which it gets a permission while it has none, and connections that it asks for with
    /// Connect, to whichever peer; ten seconds' worth at once. A request that asks for more than is left is answered
    /// 403 as a whole, and costs nothing. A new allocation begins anew.
    pub new_peers_per_second: u64,
}

/// What an allocation has used of its limits. Nothing of it is on the heap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    /// What the buckets count from.
    start: Instant,
    to_peers: Flow,
    to_client: Flow,
    new_peers: TokenBucket,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    packets: TokenBucket,
    bits: TokenBucket,
}

impl Meter {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            start: now,
            to_peers: Flow::default(),
            to_client: Flow::default(),
            new_peers: TokenBucket::default(),
        }
    }

    /// Counts a packet to a peer, unless there were too many.
    pub(crate) fn pass_to_peer(
        &mut self,
        bytes: usize,
        limits: &Limits,
        now: Instant,
    ) -> Result<(), DropReason> {
        let now = self.nanos(now);
        self.to_peers.pass(bytes, limits, now)
    }

    /// The same for a packet to the client.
    pub(crate) fn pass_to_client(
        &mut self,
        bytes: usize,
        limits: &Limits,
        now: Instant,
    ) -> Result<(), DropReason> {
        let now = self.nanos(now);
        self.to_client.pass(bytes, limits, now)
    }

    /// Counts `number` peers that there was no permission for, unless there were too many.
    pub(crate) fn gain_peers(&mut self, number: usize, limits: &Limits, now: Instant) -> bool {
        let (rate, now) = (limits.new_peers_per_second, self.nanos(now));
        if rate == 0 || number == 0 {
            return true;
        }
        let number = number as u64;
        let admitted = self.new_peers.has(number, rate, NEW_PEERS_SPAN, now);
        if admitted {
            self.new_peers.take(number, rate, now);
        }
        admitted
    }

    fn nanos(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Flow {
    fn pass(&mut self, bytes: usize, limits: &Limits, now: u64) -> Result<(), DropReason> {
        let (packets, bits) = (limits.packets_per_second, limits.bits_per_second);
        // Both are asked before either is charged.
        if packets > 0 && !self.packets.has_any(TRAFFIC_SPAN, now) {
            return Err(DropReason::PacketRate);
        }
        if bits > 0 && !self.bits.has_any(TRAFFIC_SPAN, now) {
            return Err(DropReason::BitRate);
        }
        if packets > 0 {
            self.packets.take(1, packets, now);
        }
        if bits > 0 {
            self.bits.take(8 * bytes as u64, bits, now);
        }
        Ok(())
    }
}

impl Relay {
    /// How many requests were answered 403 because their allocation had gained
    /// [too many peers](Limits::new_peers_per_second) lately.
    pub fn new_peers_refused(&self) -> u64 {
        self.new_peers_refused
    }
}
