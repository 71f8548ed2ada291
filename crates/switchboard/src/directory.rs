//! Finding an id of a directory when a peer of this node addresses it.
//!
//! The first message to an id opens its entry and compares it with the cluster: from then on this node hears where
//! the id is, as of any room. What is said meanwhile waits in order, and so does what is said to an id that is
//! nowhere: it may be about to come.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use protocol::{Payload, PeerId, RoomId};

use crate::{
    DropReason, Switchboard,
    effects::{Effects, Timer},
    room::Room,
};

/// An id that is addressed again within so long is not noted as addressed later.
const GRAIN: Duration = Duration::from_secs(1);

/// How many of the ids that were addressed longest ago are looked at when one must be forgotten.
const OLDEST: usize = 64;

/// What is kept of an id that peers of this node address.
#[derive(Debug)]
pub(crate) struct Lookup {
    waiting: VecDeque<Said>,
    bytes: usize,
    /// When it was last addressed.
    used: Instant,
    /// When it is looked at again.
    due: Instant,
}

/// Said to an id that was not there.
#[derive(Debug)]
struct Said {
    until: Instant,
    from: PeerId,
    payload: Payload,
}

/// Entries of directories that are remembered, by when they were last addressed.
#[derive(Debug, Default)]
pub(crate) struct Lookups(BTreeSet<(Instant, RoomId)>);

impl Lookups {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Lookup {
    /// Keeps a message; counts it as dropped when there is no room for it.
    fn push(&mut self, from: &PeerId, payload: &Payload, now: Instant, effects: &mut Effects) {
        let size = payload.size();
        if self.waiting.len() >= effects.config.hold_frames
            || self.bytes + size > effects.config.hold_bytes
            || !effects.hold(size)
        {
            effects.dropped(DropReason::HoldFull);
            return;
        }
        self.bytes += size;
        self.waiting.push_back(Said {
            until: now + effects.config.lookup_patience,
            from: from.clone(),
            payload: payload.clone(),
        });
    }

    /// The messages that have waited for as long as they may at `now`, or all of them.
    fn take(&mut self, over: Option<Instant>, effects: &mut Effects) -> Vec<Said> {
        let mut taken = Vec::new();
        while let Some(said) = self.waiting.front()
            && over.is_none_or(|now| said.until <= now)
            && let Some(said) = self.waiting.pop_front()
        {
            let size = said.payload.size();
            self.bytes -= size;
            effects.release(size);
            taken.push(said);
        }
        taken
    }
}

impl Switchboard {
    /// Tells whomever has the id, as soon as that is known.
    pub(crate) fn address(
        &mut self,
        entry: &RoomId,
        from: &PeerId,
        to: &PeerId,
        payload: &Payload,
        now: Instant,
    ) {
        let room = self.rooms.get(entry);
        let waits = room
            .and_then(|room| room.lookup.as_ref())
            .is_some_and(|lookup| !lookup.waiting.is_empty());
        self.touch_lookup(entry, now);
        if !waits && self.say(entry, from, to, payload, now).is_some() {
            return;
        }
        if !self.open_lookup(entry, now) {
            self.effects.dropped(DropReason::HoldFull);
            return;
        }
        if let Some(lookup) = self
            .rooms
            .get_mut(entry)
            .and_then(|room| room.lookup.as_mut())
        {
            lookup.push(from, payload, now, &mut self.effects);
        }
        self.schedule_lookup(entry);
    }

    fn touch_lookup(&mut self, entry: &RoomId, now: Instant) {
        if let Some(lookup) = self
            .rooms
            .get_mut(entry)
            .and_then(|room| room.lookup.as_mut())
            && lookup.used + GRAIN <= now
        {
            self.lookups.0.remove(&(lookup.used, entry.clone()));
            self.lookups.0.insert((now, entry.clone()));
            lookup.used = now;
        }
    }

    /// Follows the entry from now on; false when as many as may be are followed, and something waits for the
    /// oldest of them.
    fn open_lookup(&mut self, entry: &RoomId, now: Instant) -> bool {
        if let Some(room) = self.rooms.get(entry)
            && room.lookup.is_some()
        {
            return true;
        }
        if self.lookups.len() >= self.effects.config.lookups && !self.forget_oldest_lookup(now) {
            return false;
        }
        let is_new = !self.rooms.contains_key(entry);
        let room = self.rooms.entry(entry.clone()).or_insert_with(Room::new);
        let due = now + self.effects.config.lookup_memory;
        room.lookup = Some(Box::new(Lookup {
            waiting: VecDeque::new(),
            bytes: 0,
            used: now,
            due,
        }));
        self.lookups.0.insert((now, entry.clone()));
        self.effects
            .timers
            .insert((due, Timer::Lookup(entry.clone())));
        if is_new {
            self.assert_now(entry);
        }
        true
    }

    /// Makes room for another id.
    fn forget_oldest_lookup(&mut self, now: Instant) -> bool {
        let oldest = self.lookups.0.iter().take(OLDEST).find(|(_, entry)| {
            let room = self.rooms.get(entry);
            let lookup = room.and_then(|room| room.lookup.as_ref());
            lookup.is_none_or(|lookup| lookup.waiting.is_empty())
        });
        let Some((_, entry)) = oldest.cloned() else {
            return false;
        };
        self.close_lookup(&entry, now);
        true
    }

    /// The next look is when the first message has waited for long enough, or else when the id is forgotten.
    fn schedule_lookup(&mut self, entry: &RoomId) {
        let Some(lookup) = self
            .rooms
            .get_mut(entry)
            .and_then(|room| room.lookup.as_mut())
        else {
            return;
        };
        let due = match lookup.waiting.front() {
            Some(said) => said.until,
            None => lookup.used + self.effects.config.lookup_memory,
        };
        if due != lookup.due {
            let timers = &mut self.effects.timers;
            timers.remove(&(lookup.due, Timer::Lookup(entry.clone())));
            timers.insert((due, Timer::Lookup(entry.clone())));
            lookup.due = due;
        }
    }

    /// The id is where the cluster says it is: what waits is told.
    pub(crate) fn answer_lookup(&mut self, entry: &RoomId, now: Instant) {
        let Some(room) = self.rooms.get_mut(entry) else {
            return;
        };
        let Some(lookup) = room.lookup.as_mut().filter(|it| !it.waiting.is_empty()) else {
            return;
        };
        let found = entry
            .entry_id()
            .and_then(|id| room.members.get_key_value(id));
        let Some((peer, _)) = found else {
            return;
        };
        let peer = peer.clone();
        for Said { from, payload, .. } in lookup.take(None, &mut self.effects) {
            self.say(entry, &from, &peer, &payload, now);
        }
        self.schedule_lookup(entry);
    }

    /// Drops what has waited in vain; forgets an id that was not addressed for long.
    pub(crate) fn review_lookup(&mut self, entry: &RoomId, now: Instant) {
        let Some(lookup) = self
            .rooms
            .get_mut(entry)
            .and_then(|room| room.lookup.as_mut())
        else {
            return;
        };
        for _ in lookup.take(Some(now), &mut self.effects) {
            self.effects.dropped(DropReason::NoSuchPeer);
        }
        if lookup.waiting.is_empty() && lookup.used + self.effects.config.lookup_memory <= now {
            self.close_lookup(entry, now);
            return;
        }
        // Its timer has gone off: there is none until the next is set.
        lookup.due = now;
        self.schedule_lookup(entry);
    }

    /// Nothing waits for the id.
    fn close_lookup(&mut self, entry: &RoomId, now: Instant) {
        let lookup = self
            .rooms
            .get_mut(entry)
            .and_then(|room| room.lookup.take());
        if let Some(lookup) = lookup {
            self.lookups.0.remove(&(lookup.used, entry.clone()));
            let timer = Timer::Lookup(entry.clone());
            self.effects.timers.remove(&(lookup.due, timer));
        }
        self.forget_if_empty(entry, now);
    }
}
