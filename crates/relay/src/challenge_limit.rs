//! How often strangers are told to prove who they are.
//!
//! A challenge, a 401, goes to whatever address stands in the request as its source: somebody may have asked in
//! another's name to have it flooded. So no more than a number a second goes to one network, an IPv4 /24 or an IPv6
//! /56, until a client there has returned a nonce that is good, which it can only have from an answer. From then on the
//! network is asked as often as it likes. Who comes in a stream, or from this machine, has nobody else's address.
//!
//! Both kinds of network are remembered in a table of a fixed size, which all threads share: four places for each hash.
//! Where all four are taken,
//!
//! - of those that asked, the one is forgotten whose time is over first. A newcomer is always answered, however many
//!   others there are; and a network that is flooded, which is much in debt, stays on the list;
//! - of those that are known, the one is forgotten that was heard of longest ago. It is limited until a client of it
//!   returns a nonce again.
//!
//! Both are counted, if the place was still of use. The table of those that are known is of no use to who floods: it
//! takes an answer to be on it.

use std::{
    hash::BuildHasher,
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use foldhash::quality::FixedState;

use crate::{Client, Relay, Time, wire::Message};

/// Networks that have asked lately and are remembered, at most.
const ASKED: usize = 4096;

/// Networks of which a client has returned a nonce and that are remembered, at most.
const KNOWN: usize = 16_384;

/// Places for each hash.
const WAYS: usize = 4;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// How often networks that nobody knows are challenged. All threads of a process share one; when two of them are at one
/// place at a time, the last writes.
#[derive(Debug)]
pub struct ChallengeLimit {
    /// Time in which one more may be challenged, in nanoseconds.
    cost: u64,
    hash: FixedState,
    start: Instant,
    /// Networks that asked, with the time at which their bucket is full again.
    asked: Table,
    /// Networks that are known, with the time at which they were last heard of.
    known: Table,
    forgotten: AtomicU64,
}

impl ChallengeLimit {
    /// `per_second` challenges to a network, a second's worth of them at once. `seed` is random: nobody can tell which
    /// networks share a hash.
    pub fn new(per_second: NonZeroU32, seed: u64, now: Instant) -> Self {
        Self {
            cost: NANOS_PER_SECOND / u64::from(per_second.get()),
            hash: FixedState::with_seed(seed),
            start: now,
            asked: Table::new(ASKED),
            known: Table::new(KNOWN),
            forgotten: AtomicU64::new(0),
        }
    }

    /// Networks that were forgotten while they were still of use, since there was no place for more.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// A client at `ip` has returned a nonce.
    fn know(&self, ip: IpAddr, now: Instant) {
        let tag = self.tag(ip);
        let place = self.known.find(tag).unwrap_or_else(|| {
            let place = self.known.least(tag);
            if self.known.is_taken(place) {
                self.forgotten.fetch_add(1, Ordering::Relaxed);
            }
            place
        });
        self.known.set(place, tag, self.nanos(now));
    }

    fn knows(&self, ip: IpAddr) -> bool {
        self.known.find(self.tag(ip)).is_some()
    }

    /// Whether one more may be challenged at `ip`, and counts it.
    fn admits(&self, ip: IpAddr, now: Instant) -> bool {
        let (tag, now) = (self.tag(ip), self.nanos(now));
        let (place, full_at) = match self.asked.find(tag) {
            Some(place) => (place, self.asked.value(place).max(now)),
            None => {
                let place = self.asked.least(tag);
                if self.asked.value(place) > now {
                    self.forgotten.fetch_add(1, Ordering::Relaxed);
                }
                (place, now)
            }
        };
        let admitted = full_at - now < NANOS_PER_SECOND;
        if admitted {
            self.asked.set(place, tag, full_at + self.cost);
        }
        admitted
    }

    /// What stands for a network, never 0.
    fn tag(&self, ip: IpAddr) -> u64 {
        let network = match ip.to_canonical() {
            IpAddr::V4(ip) => u64::from(ip.to_bits() >> 8) | (1 << 63),
            // 56 bits.
            IpAddr::V6(ip) => (ip.to_bits() >> 72) as u64,
        };
        self.hash.hash_one(network) | 1
    }

    /// Since the start, and never 0.
    fn nanos(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX / 2) + 1
    }
}

/// Tags with a value each. A tag of 0 is a place that is free.
#[derive(Debug)]
struct Table(Box<[(AtomicU64, AtomicU64)]>);

impl Table {
    fn new(size: usize) -> Self {
        Self((0..size).map(|_| Default::default()).collect())
    }

    /// The places that the tag may have.
    fn places(&self, tag: u64) -> std::ops::Range<usize> {
        let sets = self.0.len() / WAYS;
        // The lowest bit is the same in all tags.
        let set = (tag >> 1) as usize % sets.max(1);
        set * WAYS..(set + 1) * WAYS
    }

    fn find(&self, tag: u64) -> Option<usize> {
        let is_there = |place: &usize| self.0[*place].0.load(Ordering::Relaxed) == tag;
        self.places(tag).find(is_there)
    }

    /// Of the places that the tag may have, the one with the least value; a free one has 0.
    fn least(&self, tag: u64) -> usize {
        let places = self.places(tag);
        let first = places.start;
        let least = places.min_by_key(|place| self.value(*place));
        least.unwrap_or(first)
    }

    fn is_taken(&self, place: usize) -> bool {
        self.0[place].0.load(Ordering::Relaxed) != 0
    }

    fn value(&self, place: usize) -> u64 {
        self.0[place].1.load(Ordering::Relaxed)
    }

    fn set(&self, place: usize, tag: u64, value: u64) {
        let (of_tag, of_value) = &self.0[place];
        of_value.store(value, Ordering::Relaxed);
        of_tag.store(tag, Ordering::Relaxed);
    }
}

impl Relay {
    /// Whether a client that has proved nothing is answered, with a refusal or with what tells it of its NAT: not, if too
    /// much has been said to its network lately, and nobody there has shown that it heard.
    pub(crate) fn may_challenge(&self, client: Client, message: &Message<'_>, now: Time) -> bool {
        let Some(limit) = self.limit_of(client) else {
            return true;
        };
        let ip = client.address.ip();
        if limit.knows(ip) {
            return true;
        }
        let lifetime = self.config.nonce_lifetime;
        let features = self.config.credentials.features();
        let key = &self.config.nonce_key;
        let is_own = message
            .nonce
            .is_some_and(|nonce| key.is_valid(nonce, client.address, now.unix, lifetime, features));
        if is_own {
            limit.know(ip, now.monotonic);
        }
        is_own || limit.admits(ip, now.monotonic)
    }

    /// A client has returned a nonce, and proved who it is.
    pub(crate) fn know_network(&self, client: Client, now: Time) {
        if let Some(limit) = self.limit_of(client) {
            limit.know(client.address.ip(), now.monotonic);
        }
    }

    fn limit_of(&self, client: Client) -> Option<&ChallengeLimit> {
        let is_proven = self.config.transport(client.listener).proves_source();
        let is_here = client.address.ip().to_canonical().is_loopback();
        let limit = self.config.challenge_limit.as_deref();
        limit.filter(|_| !is_proven && !is_here)
    }
}

#[cfg(test)]
mod tests;
