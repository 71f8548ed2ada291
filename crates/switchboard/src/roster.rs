//! Keeping this node's rosters equal to the cluster's.

use std::{collections::BTreeSet, mem, time::Instant};

use protocol::{LeaveReason, PeerId, RoomId};

use crate::{
    Change, ClusterCommand, ConnectionId, Fence, RosterChange, RosterEntry, Switchboard,
    claims::is_guarded,
    effects::Timer,
    room::{Assert, Holder, Member, Room, RosterState},
};

impl Switchboard {
    /// The cluster cannot be asked: the join counts here alone.
    pub(crate) fn join_failed(&mut self, connection: ConnectionId, room: &RoomId, now: Instant) {
        match self.is_anothers(connection) {
            true => self.refuse(connection, now),
            false => {
                self.enter(connection, 0, now);
                self.assert_later(room, now);
            }
        }
        self.settle(room, now);
    }

    /// The cluster has answered a join.
    pub(crate) fn joined(
        &mut self,
        connection: ConnectionId,
        room: &RoomId,
        fence: Fence,
        (epoch, version): (u64, u64),
        roster: Option<Vec<RosterEntry>>,
        now: Instant,
    ) {
        let mut early = Vec::new();
        if let Some(roster) = roster
            && let Some(state) = self.rooms.get(room)
            && matches!(state.roster, RosterState::Unknown { .. })
        {
            let joining = self.joining(connection);
            let entering = joining.map(|(seat, _)| seat.peer.clone());
            early = self.compare(room, (epoch, version), roster, entering, now);
        }
        if self.is_anothers(connection) {
            // The cluster has lost the owner's claim, or does not know yet that the owner is back.
            self.refuse_granted(connection, fence, now);
            for change in early {
                self.changed(change, now);
            }
            self.assert_now(room);
            self.settle(room, now);
            return;
        }
        let seat = self.new_seat(connection);
        self.enter(connection, fence, now);
        // Whoever joined after this peer is news to it, whether that was heard before the answer or is told now.
        if let Some(seat) = seat {
            self.tell_of_newcomers(&seat, (epoch, version));
        }
        for change in early {
            self.changed(change, now);
        }
        self.settle(room, now);
    }

    pub(crate) fn asserted(
        &mut self,
        room: &RoomId,
        version: (u64, u64),
        roster: Vec<RosterEntry>,
        now: Instant,
    ) {
        if let Some(state) = self.rooms.get_mut(room) {
            let too_old = state.assert == Assert::SentAgain;
            if matches!(state.assert, Assert::Sent | Assert::SentAgain) {
                state.assert = Assert::No;
            }
            // Left while the assert that entered it was under way: its leave did not name the claim that it got.
            let ghost = roster
                .iter()
                .any(|entry| entry.node == self.node && !state.members.contains_key(&entry.peer));
            for change in self.compare(room, version, roster, None, now) {
                self.changed(change, now);
            }
            if let Some(state) = self.rooms.get_mut(room) {
                state.confirmed.clear();
            }
            if ghost || too_old {
                self.assert_now(room);
            }
            self.settle(room, now);
        }
    }

    /// Does what had to wait until no join was under way.
    pub(crate) fn settle(&mut self, room: &RoomId, now: Instant) {
        if let Some(state) = self.rooms.get_mut(room)
            && state.joining == 0
        {
            state.newcomers.clear();
        }
        if let Some(state) = self.rooms.get(room)
            && state.joining == 0
            && state.assert == Assert::Wanted
        {
            self.assert_now(room);
        }
        self.hear_strangers(room, now);
        self.answer_lookup(room, now);
        self.forget_if_empty(room, now);
    }

    pub(crate) fn changed(&mut self, step: RosterChange, now: Instant) {
        let own = match &step.change {
            Change::Joined(entry) => entry.node == self.node,
            Change::Left { node, .. } => *node == self.node,
        };
        let own = own.then(|| step.clone());
        let Some(state) = self.rooms.get_mut(&step.room) else {
            return;
        };
        match &mut state.roster {
            RosterState::Known { epoch, version } => {
                if *epoch != step.epoch || step.version > *version + 1 {
                    // The roster that is asked for now has this step, and all before it.
                    self.assert_now(&step.room);
                    return;
                }
                if step.version <= *version {
                    return;
                }
                *version = step.version;
            }
            RosterState::Unknown { .. } => {
                state.keep_early(step, &mut self.effects);
                return;
            }
        }
        // This node's own changes are here already.
        match step.change {
            Change::Joined(entry) if entry.node != self.node => {
                if state.joining > 0 {
                    let version = (step.epoch, step.version);
                    state.newcomers.insert(entry.peer.clone(), version);
                }
                self.remote_joined(&step.room, entry, now);
                self.answer_lookup(&step.room, now);
            }
            Change::Left {
                peer,
                node,
                fence,
                reason,
            } if node != self.node => {
                self.remote_left(&step.room, &peer, &node, (fence, reason), now)
            }
            Change::Joined(_) | Change::Left { .. } => {}
        }
        if let Some(own) = own {
            self.check_own(&own);
        }
    }

    /// A change in this node's name is here already, or is none that it wanted: then the roster is told how it is.
    fn check_own(&mut self, step: &RosterChange) {
        let Some(state) = self.rooms.get_mut(&step.room) else {
            return;
        };
        if let Change::Left { peer, fence, .. } = &step.change
            && state.departed.get(peer).is_some_and(|of| of <= fence)
        {
            state.departed.remove(peer);
        }
        // Else it may be of a join whose answer is on its way.
        if state.joining > 0 {
            return;
        }
        let local = |member: &&mut Member| !matches!(member.holder, Holder::Remote(_));
        let is_wrong = match &step.change {
            Change::Joined(entry) => {
                match state.members.get_mut(&entry.peer).filter(local) {
                    // A departure must name this claim.
                    Some(member) if !member.unseen => {
                        member.fence = member.fence.max(entry.fence);
                        false
                    }
                    Some(_) => false,
                    // Or it was here, and has left since.
                    None => {
                        let departed = state.departed.get(&entry.peer);
                        !state.members.contains_key(&entry.peer)
                            && departed.is_none_or(|fence| *fence < entry.fence)
                    }
                }
            }
            Change::Left { peer, fence, .. } => {
                let member = state.members.get_mut(peer).filter(local);
                member.is_some_and(|member| !member.unseen && member.fence <= *fence)
            }
        };
        if is_wrong {
            self.assert_now(&step.room);
        }
    }

    /// Something of the room may have been missed, also after an assert that is under way was carried out.
    pub(crate) fn gap(&mut self, room: &RoomId) {
        match self.rooms.get_mut(room) {
            Some(state) if state.assert == Assert::Sent => state.assert = Assert::SentAgain,
            Some(_) | None => self.assert_now(room),
        }
    }

    /// Sends what this node has of the room, to get the roster in return, as soon as no join is under way.
    pub(crate) fn assert_now(&mut self, room: &RoomId) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        state.lose_track();
        match state.assert {
            Assert::Sent | Assert::SentAgain => return,
            Assert::At(at) => {
                let timer = Timer::Assert(room.clone());
                self.effects.timers.remove(&(at, timer));
            }
            Assert::No | Assert::Wanted => {}
        }
        if state.joining > 0 {
            state.assert = Assert::Wanted;
            return;
        }
        state.assert = Assert::Sent;
        let late = mem::take(&mut state.confirmed_late);
        state.confirmed.extend(late);
        let members = state
            .members
            .iter()
            .filter(|(_, member)| !matches!(member.holder, Holder::Remote(_)))
            .map(|(peer, member)| {
                // A connection that came here while the cluster could not be asked came later than any claim
                // that the cluster has seen; one that is lost again may have come back elsewhere.
                let fence = match member.holder {
                    Holder::Local(_) if member.unseen => 0,
                    Holder::Suspended { .. } => member.fence.max(1),
                    Holder::Local(_) | Holder::Remote(_) => member.fence,
                };
                (peer.clone(), fence, member.attributes.clone())
            })
            .collect();
        self.effects.cluster(ClusterCommand::Assert {
            room: room.clone(),
            members,
        });
    }

    /// Compares the room after a pause. A room that is not here any more is opened for it: the roster has
    /// something of this node that it must not keep.
    pub(crate) fn assert_later(&mut self, room: &RoomId, now: Instant) {
        let state = self.rooms.entry(room.clone()).or_insert_with(Room::new);
        if matches!(state.assert, Assert::No | Assert::Sent | Assert::SentAgain) {
            let at = now + self.effects.config.assert_interval;
            state.assert = Assert::At(at);
            let timer = Timer::Assert(room.clone());
            self.effects.timers.insert((at, timer));
        }
    }

    /// Makes this node's roster the one that came, and tells its peers of every difference. Returns the changes
    /// that came while it was on its way.
    fn compare(
        &mut self,
        room: &RoomId,
        (epoch, version): (u64, u64),
        roster: Vec<RosterEntry>,
        entering: Option<PeerId>,
        now: Instant,
    ) -> Vec<RosterChange> {
        let Some(state) = self.rooms.get_mut(room) else {
            return Vec::new();
        };
        state.departed.clear();
        let known = RosterState::Known { epoch, version };
        let (same_epoch, early) = match mem::replace(&mut state.roster, known) {
            RosterState::Known {
                epoch: old,
                version: newer,
            } if old == epoch && newer > version => {
                let version = newer;
                state.roster = RosterState::Known { epoch, version };
                return Vec::new();
            }
            RosterState::Known { epoch: old, .. } => (old == epoch, Vec::new()),
            RosterState::Unknown { epoch: old, early } => (old == Some(epoch), early),
        };
        if !same_epoch {
            // What nodes have confirmed is what the roster had in its life before.
            state.confirmed.clear();
            state.confirmed_late.clear();
        }
        let listed: BTreeSet<PeerId> = roster.iter().map(|entry| entry.peer.clone()).collect();
        let mut gone = Vec::new();
        let mut missing = false;
        for (peer, member) in &state.members {
            match &member.holder {
                _ if listed.contains(peer) => {}
                Holder::Remote(node) => gone.push((peer.clone(), node.clone(), member.fence)),
                Holder::Local(_) | Holder::Suspended { .. } => missing = true,
            }
        }
        if missing {
            self.assert_later(room, now);
        }
        // A roster of a new epoch may lack peers that their nodes have yet to assert.
        for (peer, node, fence) in gone {
            if self.has_left(room, &peer, &node, same_epoch, now) {
                self.remote_left(room, &peer, &node, (fence, LeaveReason::Expired), now);
            }
        }
        for entry in roster {
            let is_entering = entering.as_ref() == Some(&entry.peer);
            self.compare_entry(room, entry, (same_epoch, is_entering), now);
        }
        early
    }

    fn compare_entry(
        &mut self,
        room: &RoomId,
        entry: RosterEntry,
        (same_epoch, is_entering): (bool, bool),
        now: Instant,
    ) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        let Some(member) = state.members.get_mut(&entry.peer) else {
            if entry.node != self.node {
                self.remote_joined(room, entry, now);
            }
            return;
        };
        if entry.node == self.node {
            if is_entering {
                // It is not away under this claim.
                return;
            }
            // Entered while the cluster could not be asked: this is the claim it got. One that says something else is
            // of before, and so is one that is no later than the last, unless nobody has come after that.
            let is_away = matches!(member.holder, Holder::Suspended { .. });
            let is_later = is_away || entry.fence > member.fence;
            if !member.unseen || member.attributes == entry.attributes && is_later {
                let is_new = mem::replace(&mut member.fence, entry.fence) != entry.fence;
                if mem::take(&mut member.unseen) || is_new {
                    self.tell_of_suspension(room, &entry.peer);
                }
            }
            return;
        }
        if member.unseen && is_guarded(&entry.attributes, &member.attributes) {
            self.yield_to(room, entry, now);
            return;
        }
        match &member.holder {
            Holder::Remote(node) if *node == entry.node && entry.fence <= member.fence => {
                // If it is lower, the cluster has lost the later claim: a departure that it tells of will name this one.
                member.fence = entry.fence;
                member.unconfirmed = false;
            }
            Holder::Remote(node) if entry.fence <= member.fence => {
                // The later claim has ended, and an older one was entered again; or the cluster has lost it, and the node
                // will enter it again.
                let node = node.clone();
                if self.has_left(room, &entry.peer, &node, same_epoch, now) {
                    self.move_back(room, entry, now);
                }
            }
            Holder::Local(_) | Holder::Suspended { .. } if member.fence == entry.fence => {}
            Holder::Local(_) | Holder::Suspended { .. } | Holder::Remote(_) => {
                self.remote_joined(room, entry, now);
            }
        }
    }

    /// A peer is where an older claim than the one that is known has it.
    fn move_back(&mut self, room: &RoomId, entry: RosterEntry, now: Instant) {
        let member = self.rooms.get_mut(room);
        if let Some(member) = member.and_then(|room| room.members.get_mut(&entry.peer)) {
            member.fence = entry.fence;
            self.remote_joined(room, entry, now);
        }
    }
}
