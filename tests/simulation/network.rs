//! Between the nodes and the store: two connections for each node, one for requests and one that is subscribed.
//!
//! What one connection carries in one direction stays in order. Everything else may be reordered.

use std::collections::{BTreeSet, VecDeque};

use backplane::{
    NodeId,
    partition::{Channel, Request, RequestId, repeat_wanted},
    store::{Defect, Delivery, Store},
};
use bytes::Bytes;

use crate::{
    node::{MILLISECOND, SECOND, Time},
    random::Random,
};

/// On its way to the store.
#[derive(Clone, Debug)]
pub(crate) enum ToStore {
    Request(RequestId, Request),
    Subscribe(Vec<Channel>),
    Unsubscribe(Vec<Channel>),
}

/// A node's connections to the store.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Which link it is; raised whenever one is made or broken.
    pub(crate) generation: u64,
    pub(crate) is_open: bool,
    pub(crate) subscriptions: BTreeSet<Channel>,
    /// Nothing can be connected before.
    pub(crate) refused_until: Time,
    /// What is sent waits until then.
    pub(crate) stalled_until: Time,
    /// So many messages of a hundred on the subscribed connection are lost until then.
    pub(crate) lossy: (Time, u64),
    /// The subscribed connection looks healthy, and nothing comes.
    pub(crate) is_deaf: bool,
    /// Requests on the way when the link broke are carried out then, however late; what comes after that is lost.
    pub(crate) last_words: (u64, Time),
    /// When the last thing arrives: requests, subscriptions, replies, what is published.
    arrivals: [Time; 4],
}

/// The four lanes of a link.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lane {
    Requests,
    Subscriptions,
    Replies,
    Published,
}

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delays {
    pub(crate) least: Time,
    pub(crate) most: Time,
}

impl Link {
    /// When something that is sent now arrives.
    pub(crate) fn arrival(
        &mut self,
        lane: Lane,
        now: Time,
        delays: Delays,
        random: &mut Random,
    ) -> Time {
        let earliest = now.max(self.stalled_until) + random.between(delays.least, delays.most);
        let arrival = &mut self.arrivals[lane as usize];
        *arrival = earliest.max(*arrival);
        *arrival
    }

    /// Both connections end; whoever is at the other end may learn of it later.
    pub(crate) fn sever(&mut self, now: Time, random: &mut Random) {
        // Nobody reads the answers, and the node's system sends again what was not acknowledged.
        let late = match random.percent(50) {
            true => random.between(0, 20 * MILLISECOND),
            false => random.between(0, 20 * SECOND),
        };
        self.last_words = (self.generation, now + late);
        self.generation += 1;
        self.is_open = false;
        self.subscriptions.clear();
    }

    /// New connections.
    pub(crate) fn open(&mut self) {
        self.generation += 1;
        self.is_open = true;
        self.is_deaf = false;
        self.arrivals = [0; 4];
    }

    /// Whether what was sent on the link of this generation reaches the store now.
    pub(crate) fn reaches(&self, generation: u64, now: Time) -> bool {
        (self.is_open && self.generation == generation)
            || (self.last_words.0 == generation && now <= self.last_words.1)
    }

    /// When what arrives now on a link that is broken gets through.
    pub(crate) fn held_up(&self, generation: u64, now: Time) -> Option<Time> {
        let (broken, at) = self.last_words;
        (broken == generation && now < at).then_some(at)
    }

    /// Nothing that was on its way arrives: one of the ends is no more.
    pub(crate) fn hush(&mut self) {
        self.last_words = (0, 0);
    }

    /// Whether a message on the subscribed connection is lost.
    pub(crate) fn loses(&self, now: Time, random: &mut Random) -> bool {
        self.is_deaf || (now < self.lossy.0 && random.percent(self.lossy.1))
    }
}

/// The server that the store runs in.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) store: Store,
    pub(crate) life: u64,
    /// Its clock, without the world's.
    pub(crate) clock: Time,
    pub(crate) is_up: bool,
    /// When it went last.
    pub(crate) gone: Time,
    pub(crate) frozen: bool,
    /// What has arrived while it was frozen: from which node, on which link.
    pub(crate) inbox: VecDeque<(usize, u64, ToStore)>,
}

impl Server {
    pub(crate) fn new(defect: Option<Defect>, random: &mut Random) -> Self {
        Self {
            store: Store::with_defect(defect),
            life: random.between(1, 1 << 20),
            clock: 1_700_000_000 * SECOND + random.between(0, 10 * SECOND),
            is_up: true,
            gone: 0,
            frozen: false,
            inbox: VecDeque::new(),
        }
    }
}

/// Swallows every request to repeat what is missing in one gap; the first gap of the first pair of nodes.
#[derive(Debug, Default)]
pub(crate) struct Swallower {
    gap: Option<(String, Channel, u64)>,
}

impl Swallower {
    pub(crate) fn swallows(&mut self, channel: &Channel, delivery: &Delivery) -> bool {
        let Delivery::Payload(payload) = delivery else {
            return false;
        };
        let Some((from, first)) = wanted(payload) else {
            return false;
        };
        let gap = (from.0.to_string(), channel.clone(), first);
        *self.gap.get_or_insert_with(|| gap.clone()) == gap
    }
}

fn wanted(payload: &Bytes) -> Option<(NodeId, u64)> {
    let (from, first) = repeat_wanted(payload)?;
    Some((NodeId(from.to_owned().into()), first))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAYS: Delays = Delays {
        least: 1,
        most: 1_000,
    };

    #[test]
    fn a_lane_keeps_its_order_and_two_lanes_need_not() {
        let mut random = Random::new(1);
        let mut link = Link::default();
        let mut before = 0;
        let mut overtaken = false;
        for now in 0..100 {
            let request = link.arrival(Lane::Requests, now, DELAYS, &mut random);
            assert!(request >= before && request > now);
            before = request;
            overtaken |= link.arrival(Lane::Subscriptions, now, DELAYS, &mut random) < request;
        }
        assert!(overtaken);
        link.stalled_until = 5_000;
        assert!(link.arrival(Lane::Replies, 100, DELAYS, &mut random) > 5_000);
    }

    #[test]
    fn what_is_on_the_way_when_a_link_breaks_arrives_or_does_not() {
        let mut random = Random::new(1);
        let mut link = Link::default();
        link.open();
        let old = link.generation;
        assert!(link.reaches(old, 0));
        link.sever(10, &mut random);
        assert!(link.reaches(old, 10));
        assert!(!link.reaches(old, 21 * SECOND));
        link.open();
        assert!(link.reaches(link.generation, 21 * SECOND));
        assert!(!link.reaches(old, 21 * SECOND));
        link.hush();
        assert!(!link.reaches(old, 10));
    }
}
