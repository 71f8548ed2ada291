//! Who is alive: this node's beats and their echoes, other nodes' leases, and the sweep of those that are dead.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{Config, Event, Health, Link, Output, Partition, Pending, Request};
use crate::NodeId;

/// Beats without an echo after which the link counts as broken.
const SILENT_BEATS: u32 = 3;
/// Beats that come early to see whose lease has ended are at least this part of a beat apart.
const LOOKS: u32 = 8;
/// Beats after which a subscription that is not confirmed counts as one that never will be, and what was asked of the
/// store is not to be done any more: this node has given the link up, unless the store has been as slow as that before.
const UNCONFIRMED_BEATS: u32 = 5;
/// Rooms swept in one request.
const SWEEP_ROOMS: u64 = 64;

/// Only a beat that comes back says that this node is heard and hears.
#[derive(Debug, Default)]
pub(super) struct Liveness {
    life: u64,
    nonce: u64,
    beat_at: Option<Instant>,
    /// The last echo, or when the link came up.
    heard: Option<Instant>,
    /// Since when echoes have come without a pause.
    contact: Option<Instant>,
    /// Since when a subscription waits to be confirmed.
    subscribing: Option<Instant>,
    /// When a beat was sent, and what the store's clock showed when it was answered, in milliseconds.
    clock: Option<(Instant, u64)>,
    echoed: bool,
    ever_echoed: bool,
    /// Whether this node has had a lease.
    leased: bool,
    /// Nodes with a lapsed lease, and when that was seen first.
    suspects: BTreeMap<NodeId, Instant>,
    sweeping: BTreeSet<NodeId>,
    /// Nodes without a valid lease, of those that this node has to do with, and since when that is known.
    absent: BTreeMap<NodeId, Instant>,
    /// Nodes that have had a valid one, of those, in a store that has lost nothing since: when it is gone, it has lapsed.
    present: BTreeSet<NodeId>,
}

impl Liveness {
    pub(super) fn set_clock(&mut self, sent: Instant, shown: u64) {
        self.clock = Some((sent, shown));
    }

    /// Until when something that is asked now is to be done, by the store's clock in milliseconds. The time that a beat
    /// takes to get there is allowed for.
    pub(super) fn until(&self, config: &Config, now: Instant) -> u64 {
        let Some((sent, shown)) = self.clock else {
            return u64::MAX;
        };
        let patience = now.saturating_duration_since(sent) + config.beat * UNCONFIRMED_BEATS;
        let patience = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        shown.saturating_add(patience)
    }

    /// True when the store is another one than before.
    pub(super) fn connected(&mut self, life: u64, now: Instant) -> bool {
        let another = self.ever_echoed && life != self.life;
        self.life = life;
        self.heard = Some(now);
        self.beat_at = None;
        self.contact = None;
        self.clock = None;
        self.echoed = false;
        another
    }

    pub(super) fn disconnected(&mut self) {
        self.contact = None;
        self.subscribing = None;
        self.echoed = false;
        self.beat_at = None;
        self.sweeping.clear();
        self.suspects.clear();
        self.absent.clear();
        self.present.clear();
    }

    pub(super) fn health(&self) -> Health {
        match (self.echoed, self.ever_echoed) {
            (true, _) => Health::Healthy,
            (false, true) => Health::Degraded,
            (false, false) => Health::Starting,
        }
    }

    pub(super) fn beat_now(&mut self, now: Instant) {
        self.beat_at = Some(now);
    }

    pub(super) fn beat_due(&self, now: Instant) -> bool {
        self.beat_at.is_some_and(|at| at <= now)
    }

    pub(super) fn subscribing(&mut self, now: Instant) {
        self.subscribing = Some(now);
    }

    pub(super) fn subscribed(&mut self) {
        self.subscribing = None;
    }

    pub(super) fn poll_timeout(&self, config: &Config) -> Option<Instant> {
        let silent = self.silent_at(config);
        self.beat_at.into_iter().chain(silent).min()
    }

    /// When the link counts as broken, if nothing is heard before.
    fn silent_at(&self, config: &Config) -> Option<Instant> {
        let echo = self.heard.map(|at| at + config.beat * SILENT_BEATS);
        let confirmation = self.subscribing;
        let confirmation = confirmation.map(|at| at + config.beat * UNCONFIRMED_BEATS);
        echo.into_iter().chain(confirmation).min()
    }

    /// Whether echoes are missing though this node was awake to hear them. One that slept, or was stopped, first
    /// reads what has come meanwhile; its contact with the store is broken nonetheless.
    pub(super) fn is_silent(&mut self, config: &Config, now: Instant) -> bool {
        let asleep = self.beat_at.is_some_and(|at| at + config.beat * 2 < now);
        if asleep {
            self.heard = Some(now);
            self.subscribing = self.subscribing.map(|_| now);
            self.contact = None;
            return false;
        }
        self.silent_at(config).is_some_and(|at| at <= now)
    }

    /// Whether this node has been in touch with the store for a whole lease: only then may it say of others that
    /// they are gone, for after an outage each gets that long to come back.
    fn may_judge(&self, config: &Config, now: Instant) -> bool {
        self.contact
            .is_some_and(|since| since + config.lease <= now)
    }

    pub(super) fn sweep_ended(&mut self, dead: &NodeId) {
        self.sweeping.remove(dead);
    }

    /// What the store says of a node's lease. True when the node is gone: it has been without one for a whole one, or it
    /// had one that has lapsed, and has not come back for so long that it is no matter of clocks.
    fn is_gone(&mut self, node: &NodeId, valid: bool, config: &Config, now: Instant) -> bool {
        if valid {
            self.absent.remove(node);
            self.present.insert(node.clone());
            return false;
        }
        let since = *self.absent.entry(node.clone()).or_insert(now);
        let patience = match self.present.contains(node) {
            true => config.beat * 3 / 2,
            false => config.lease,
        };
        self.may_judge(config, now) && since + patience <= now
    }
}

impl Partition {
    pub(super) fn beat(&mut self, now: Instant) {
        self.liveness.nonce = self.random.next();
        let micros = u64::try_from(self.config.beat.as_micros()).unwrap_or(u64::MAX);
        // A fifth to either side, so that nodes started together do not stay together.
        let next = micros - micros / 5 + self.random.next() % (micros / 5 * 2 + 1);
        self.liveness.beat_at = Some(now + Duration::from_micros(next));
        let beat = Request::Beat {
            node: self.node.clone(),
            link: self.links,
            ttl: u64::try_from(self.config.lease.as_millis()).unwrap_or(u64::MAX),
            nonce: self.liveness.nonce,
            life: self.liveness.life,
            until: self.liveness.until(&self.config, now),
        };
        self.request(beat, Some(Pending::Beat { sent: now }));
    }

    /// A beat came back. Older ones count as well: a slow store is a working one.
    pub(super) fn echoed(&mut self, _nonce: u64, now: Instant) {
        let liveness = &mut self.liveness;
        let paused = liveness
            .heard
            .is_none_or(|at| at + self.config.beat * SILENT_BEATS < now);
        if paused || liveness.contact.is_none() {
            liveness.contact = Some(now);
        }
        liveness.heard = Some(now);
        liveness.echoed = true;
        liveness.ever_echoed = true;
        self.counters.beats += 1;
    }

    pub(super) fn beaten(
        &mut self,
        renewed: bool,
        lapsed: Vec<NodeId>,
        next: Option<u64>,
        now: Instant,
    ) {
        if !renewed {
            // Others may have swept this node's members. Or all leases were lost, not this node's alone: those of others
            // have not lapsed then.
            self.liveness.present.clear();
            self.counters.lapses += u64::from(self.liveness.leased);
            self.rooms.repair_all(now);
        }
        self.liveness.leased = true;
        self.assert_leftovers(now);
        self.liveness
            .suspects
            .retain(|node, _| lapsed.contains(node));
        if !self.liveness.may_judge(&self.config, now) {
            return;
        }
        // Who is dead is looked for when its lease ends, rather than with the next beat after that.
        if let Some(next) = next {
            let ends = now + Duration::from_millis(next.saturating_add(1));
            self.look_at(ends, now);
        }
        for node in lapsed {
            if node == self.node {
                continue;
            }
            let since = *self.liveness.suspects.entry(node.clone()).or_insert(now);
            // When the store's clock is set forward, every lease lapses; who lives beats before this passes.
            let certain = since + self.config.beat * 3 / 2;
            if certain > now {
                self.look_at(certain, now);
            } else if self.liveness.sweeping.insert(node.clone()) {
                self.sweep(node);
            }
        }
    }

    /// Beats earlier than planned: the answer tells of others' leases.
    fn look_at(&mut self, at: Instant, now: Instant) {
        let at = at.max(now + self.config.beat / LOOKS);
        if let Some(beat) = &mut self.liveness.beat_at {
            *beat = at.min(*beat);
        }
    }

    fn sweep(&mut self, dead: NodeId) {
        self.counters.sweeps += 1;
        let sweep = Request::Sweep {
            dead: dead.clone(),
            limit: SWEEP_ROOMS,
        };
        self.request(sweep, Some(Pending::Sweep { dead }));
    }

    pub(super) fn swept(&mut self, dead: NodeId, left: u64) {
        if left > 0 {
            self.sweep(dead);
        } else {
            self.liveness.sweep_ended(&dead);
        }
    }

    /// Asks after nodes that do not answer, and asks them again.
    pub(super) fn ask_again(&mut self, now: Instant) {
        let late = self.config.beat * SILENT_BEATS;
        let mut nodes: BTreeSet<NodeId> = self.streams.silent(late, now);
        nodes.extend(self.rooms.asked().cloned());
        nodes.remove(&self.node);
        self.liveness.absent.retain(|node, _| nodes.contains(node));
        self.liveness.present.retain(|node| nodes.contains(node));
        if !nodes.is_empty() {
            let nodes: Vec<NodeId> = nodes.into_iter().collect();
            let leases = Request::Leases {
                nodes: nodes.clone(),
            };
            self.request(leases, Some(Pending::Leases { nodes }));
        }
        self.repeat_questions();
    }

    /// The answer of the store, which has answered the beat before it.
    pub(super) fn leases(&mut self, leases: impl Iterator<Item = (NodeId, bool)>, now: Instant) {
        for (node, valid) in leases {
            if self.liveness.is_gone(&node, valid, &self.config, now) {
                self.gone(&node, now);
            }
        }
    }

    /// A node will not come back: it would have another name.
    fn gone(&mut self, node: &NodeId, now: Instant) {
        self.liveness.absent.remove(node);
        self.liveness.present.remove(node);
        let late = self.config.beat * SILENT_BEATS;
        self.counters.lost += self.streams.forget(node, late, now);
        for room in self.rooms.take_asked(node) {
            let node = node.clone();
            self.event(Event::Confirmed { room, node });
        }
    }

    /// A request that the link cannot carry is not made.
    pub(super) fn is_open(&self) -> bool {
        self.link == Link::Open
    }

    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }
}
