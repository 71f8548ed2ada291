//! The rooms that this node is in: their channels, and whether what is known of them is all.

mod questions;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    time::{Duration, Instant},
};

use bytestring::ByteString;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{Channel, Config, RosterVersion, forgotten::Forgotten};
use crate::{Command, NodeId};

/// Channels subscribed at once.
const SUBSCRIBE_BATCH: usize = 512;
/// Rooms compared in one request.
const COMPARE_BATCH: usize = 128;
/// How long a version that the store has, and this node does not, may be on its way.
const DOUBT: Duration = Duration::from_millis(500);
/// Between two portions of rooms that are handed out for comparison.
const REPAIR_PACE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Rooms {
    rooms: HashMap<ByteString, Room, FixedState>,
    /// To be subscribed.
    wanted: VecDeque<ByteString>,
    /// About to be subscribed.
    asked_for: Vec<ByteString>,
    /// Forgotten, and when their channels may be given up.
    retiring: VecDeque<(Instant, ByteString)>,
    /// To be compared with the store's version.
    unsure: VecDeque<ByteString>,
    comparing: bool,
    /// When every room is compared again.
    compare_at: Option<Instant>,
    /// Rooms of which the store has another version.
    doubted: VecDeque<(Instant, ByteString, RosterVersion)>,
    /// To be asserted.
    broken: VecDeque<ByteString>,
    repair_at: Option<Instant>,
    /// Nodes that were asked to confirm what they have in rooms.
    questions: BTreeMap<NodeId, BTreeSet<ByteString>>,
    forgotten: Forgotten,
}

#[derive(Debug, Default)]
struct Room {
    /// Whether the node is in the room: from its first join to its forget.
    member: bool,
    subscription: Subscription,
    /// In order; they need the channel first.
    waiting: Vec<Command>,
    seen: Option<RosterVersion>,
    /// Nodes that want to know when the room has been asserted.
    askers: BTreeSet<NodeId>,
    retiring: bool,
    /// Not asserted since the store is another one.
    suspect: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Subscription {
    #[default]
    No,
    /// Wanted, or asked for.
    Coming,
    Active,
}

impl Rooms {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rooms: HashMap::with_hasher(FixedState::with_seed(seed)),
            wanted: VecDeque::new(),
            asked_for: Vec::new(),
            retiring: VecDeque::new(),
            unsure: VecDeque::new(),
            comparing: false,
            compare_at: None,
            doubted: VecDeque::new(),
            broken: VecDeque::new(),
            repair_at: None,
            questions: BTreeMap::new(),
            forgotten: Forgotten::default(),
        }
    }

    pub(super) fn has(&self, room: &ByteString) -> bool {
        self.rooms.get(room).is_some_and(|room| room.member)
    }

    /// The node is in the room from now on. True when the room's channel is subscribed and nothing waits for it.
    pub(super) fn enter(&mut self, name: &ByteString) -> bool {
        let room = self.rooms.entry(name.clone()).or_default();
        room.member = true;
        room.retiring = false;
        if room.subscription == Subscription::No {
            room.subscription = Subscription::Coming;
            self.wanted.push_back(name.clone());
        }
        room.subscription == Subscription::Active && room.waiting.is_empty()
    }

    /// Has a command wait for the room's channel, if anything does; else gives it back.
    pub(super) fn wait_behind(&mut self, name: &ByteString, command: Command) -> Option<Command> {
        match self.rooms.get_mut(name) {
            Some(room) if !room.waiting.is_empty() => {
                room.waiting.push(command);
                None
            }
            Some(_) | None => Some(command),
        }
    }

    pub(super) fn wait(&mut self, name: &ByteString, command: Command) {
        if let Some(room) = self.rooms.get_mut(name) {
            room.waiting.push(command);
        }
    }

    /// False when an older one cannot be remembered any more.
    pub(super) fn forget(&mut self, name: &ByteString, now: Instant, config: &Config) -> bool {
        let mut fits = true;
        match self.rooms.get(name) {
            Some(room) if room.suspect => self.forgotten.still_left(name.clone()),
            Some(_) | None => fits = self.forgotten.remember(name.clone(), now),
        }
        if let Some(room) = self.rooms.get_mut(name) {
            room.member = false;
            room.seen = None;
            room.suspect = false;
            if room.subscription == Subscription::No {
                self.rooms.remove(name);
            } else if !room.retiring {
                room.retiring = true;
                self.retiring.push_back((now + config.linger, name.clone()));
            }
        }
        fits
    }

    /// The store is another one: what it was told last it may not know.
    pub(super) fn suspect(&mut self, now: Instant) {
        self.forgotten.suspect(now);
        for room in self.rooms.values_mut() {
            room.suspect = room.member;
        }
    }

    /// The store knows what this node has in the room.
    pub(super) fn asserted(&mut self, name: &ByteString) {
        if let Some(room) = self.rooms.get_mut(name) {
            room.suspect = false;
        }
    }

    /// Rooms in which the store may have members of this node, and this node has none; some of them. One that the node
    /// has entered again is to be asserted.
    pub(super) fn leftovers(&mut self, now: Instant) -> Vec<ByteString> {
        let rooms = self.forgotten.leftovers().into_iter();
        let (entered, left): (Vec<_>, _) = rooms.partition(|room| self.has(room));
        if !entered.is_empty() {
            self.broken.extend(entered);
            self.repair_at.get_or_insert(now);
        }
        left
    }

    /// The store could not be asked about one.
    pub(super) fn still_left(&mut self, room: ByteString) {
        self.forgotten.still_left(room);
    }

    /// The next channels to subscribe to, unless some are about to be.
    pub(super) fn next_channels(&mut self) -> Option<Vec<Channel>> {
        if !self.asked_for.is_empty() || self.wanted.is_empty() {
            return None;
        }
        let count = self.wanted.len().min(SUBSCRIBE_BATCH);
        self.asked_for = self.wanted.drain(..count).collect();
        let channel = |room: &ByteString| Channel::Room(room.clone());
        Some(self.asked_for.iter().map(channel).collect())
    }

    /// The channels asked for are subscribed: what waited for them may go on.
    pub(super) fn subscribed(&mut self, config: &Config, now: Instant) -> Vec<Command> {
        let mut commands = Vec::new();
        for name in mem::take(&mut self.asked_for) {
            if let Some(room) = self.rooms.get_mut(&name) {
                room.subscription = Subscription::Active;
                commands.append(&mut room.waiting);
                if !room.member && !room.retiring {
                    // Forgotten while the channel was coming.
                    room.retiring = true;
                    self.retiring.push_back((now + config.linger, name.clone()));
                }
                if room.member && room.seen.is_some() {
                    // The link is new: something may have been missed.
                    self.unsure.push_back(name);
                }
            }
        }
        commands
    }

    /// No channel is subscribed any more; returns what waited. Rooms in which the node is will be again.
    pub(super) fn unsubscribed(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        self.wanted.clear();
        self.asked_for.clear();
        self.retiring.clear();
        self.unsure.clear();
        self.comparing = false;
        self.doubted.clear();
        self.rooms.retain(|name, room| {
            commands.append(&mut room.waiting);
            room.retiring = false;
            room.askers.clear();
            room.subscription = Subscription::No;
            if room.member {
                room.subscription = Subscription::Coming;
                self.wanted.push_back(name.clone());
            }
            room.member
        });
        commands
    }

    /// Notes the version of a change or an answer. True when the node is in the room.
    pub(super) fn see(&mut self, name: &ByteString, version: RosterVersion) -> bool {
        let Some(room) = self.rooms.get_mut(name).filter(|room| room.member) else {
            return false;
        };
        let older = room
            .seen
            .is_some_and(|seen| seen.epoch == version.epoch && seen.version >= version.version);
        if !older {
            room.seen = Some(version);
        }
        true
    }

    /// The next rooms whose version is to be compared with the store's.
    pub(super) fn next_comparison(&mut self) -> Option<Vec<ByteString>> {
        if self.comparing {
            return None;
        }
        let mut rooms = Vec::new();
        while rooms.len() < COMPARE_BATCH
            && let Some(name) = self.unsure.pop_front()
        {
            if self
                .rooms
                .get(&name)
                .is_some_and(|room| room.member && room.seen.is_some())
            {
                rooms.push(name);
            }
        }
        self.comparing = !rooms.is_empty();
        self.comparing.then_some(rooms)
    }

    /// What the store has. What differs may be on its way still.
    pub(super) fn compare(
        &mut self,
        versions: impl Iterator<Item = (ByteString, RosterVersion)>,
        now: Instant,
    ) {
        self.comparing = false;
        for (name, version) in versions {
            if self.is_behind(&name, version) {
                self.doubted.push_back((now + DOUBT, name, version));
            }
        }
    }

    /// Whether the store's version is not one that this node had.
    fn is_behind(&self, name: &ByteString, version: RosterVersion) -> bool {
        let seen = self
            .rooms
            .get(name)
            .filter(|room| room.member)
            .and_then(|room| room.seen);
        seen.is_some_and(|seen| seen.epoch != version.epoch || seen.version < version.version)
    }

    pub(super) fn compare_later(&mut self, rooms: Vec<ByteString>, now: Instant) {
        self.comparing = false;
        for name in rooms {
            let never = RosterVersion {
                epoch: 0,
                version: 0,
            };
            self.doubted.push_back((now + DOUBT, name, never));
        }
    }

    /// Every room is to be asserted.
    pub(super) fn repair_all(&mut self, now: Instant) {
        let members = self.rooms.iter().filter(|(_, room)| room.member);
        self.broken = members.map(|(name, _)| name.clone()).collect();
        self.repair_at = Some(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let doubted = self.doubted.front().map(|(at, ..)| *at);
        let retiring = self.retiring.front().map(|(at, _)| *at);
        [self.repair_at, self.compare_at, doubted, retiring]
            .into_iter()
            .flatten()
            .min()
    }

    /// The rooms to be asserted now: those found broken, as many as may be at once.
    pub(super) fn due(&mut self, config: &Config, now: Instant) -> Vec<ByteString> {
        if self.compare_at.is_none_or(|at| at <= now) {
            if self.compare_at.is_some() && self.unsure.is_empty() {
                let members = self.rooms.iter().filter(|(_, room)| room.member);
                self.unsure = members.map(|(name, _)| name.clone()).collect();
            }
            self.compare_at = Some(now + config.compare);
        }
        while let Some((at, ..)) = self.doubted.front()
            && *at <= now
            && let Some((_, name, version)) = self.doubted.pop_front()
        {
            if self.is_behind(&name, version) {
                self.broken.push_back(name);
                self.repair_at.get_or_insert(now);
            }
        }
        let mut rooms = Vec::new();
        if self.repair_at.is_some_and(|at| at <= now) {
            let count = self.broken.len().min(config.repairs);
            rooms.extend(self.broken.drain(..count));
            self.repair_at = (!self.broken.is_empty()).then(|| now + REPAIR_PACE);
        }
        rooms.retain(|name| self.has(name));
        rooms
    }

    /// The channels to give up now.
    pub(super) fn retired(&mut self, now: Instant) -> Vec<Channel> {
        let mut channels = Vec::new();
        while let Some((at, _)) = self.retiring.front()
            && *at <= now
            && let Some((_, name)) = self.retiring.pop_front()
        {
            let Some(room) = self.rooms.get_mut(&name).filter(|room| room.retiring) else {
                continue;
            };
            room.retiring = false;
            if room.subscription == Subscription::Active {
                self.rooms.remove(&name);
                channels.push(Channel::Room(name));
            }
        }
        channels
    }

    /// A node wants to know when the room has been asserted; false when this node is not in the room.
    pub(super) fn add_asker(&mut self, name: &ByteString, asker: NodeId) -> bool {
        match self.rooms.get_mut(name) {
            Some(room) if room.member => {
                room.askers.insert(asker);
                true
            }
            Some(_) | None => false,
        }
    }

    pub(super) fn take_askers(&mut self, name: &ByteString) -> BTreeSet<NodeId> {
        self.rooms
            .get_mut(name)
            .map(|room| mem::take(&mut room.askers))
            .unwrap_or_default()
    }
}
