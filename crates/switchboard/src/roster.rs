//! Keeping this node's rosters equal to the cluster's.

use std::{collections::BTreeSet, time::Instant};

use protocol::{LeaveReason, PeerId, RoomId, ServerMessage};

use crate::{
    Change, ClusterCommand, ClusterEvent, ConnectionId, Fence, NodeId, RosterChange, RosterEntry,
    Switchboard,
    connection::{Connection, Seat},
    effects::Timer,
    room::{Holder, Member, Previous, RosterState},
};

impl Switchboard {
    /// The cluster answered, or another node did something.
    pub fn handle_cluster(&mut self, event: ClusterEvent, now: Instant) {
        match event {
            ClusterEvent::Joined {
                connection,
                room,
                fence,
                epoch,
                version,
                roster,
            } => self.joined(connection, &room, fence, (epoch, version), roster, now),
            ClusterEvent::JoinFailed { connection, room } => {
                self.enter(connection, 0, now);
                self.assert_later(&room, now);
            }
            ClusterEvent::Changed(change) => self.changed(change, now),
            ClusterEvent::Asserted {
                room,
                epoch,
                version,
                roster,
            } => self.compare(&room, (epoch, version), roster, now),
            ClusterEvent::AssertFailed { room } => self.assert_later(&room, now),
            ClusterEvent::Gap { room } => self.assert(&room),
            ClusterEvent::Received {
                room,
                from,
                to,
                payload,
            } => self.receive(&room, from, &to, payload),
            ClusterEvent::Heard {
                room,
                from,
                payload,
            } => self.hear(&room, from, payload),
        }
    }

    fn joined(
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
            && let Some(state) = self.rooms.get_mut(room)
            && let RosterState::Unknown { early: changes } = &mut state.roster
        {
            early = std::mem::take(changes);
            state.roster = RosterState::Known { epoch, version };
            for entry in roster {
                if entry.node != self.node && !state.members.contains_key(&entry.peer) {
                    let member = Member {
                        holder: Holder::Remote(entry.node),
                        fence: entry.fence,
                        attributes: entry.attributes,
                    };
                    state.members.insert(entry.peer, member);
                }
            }
        }
        self.enter(connection, fence, now);
        for change in early {
            self.changed(change, now);
        }
    }

    fn changed(&mut self, step: RosterChange, now: Instant) {
        let Some(state) = self.rooms.get_mut(&step.room) else {
            return;
        };
        match &mut state.roster {
            RosterState::Known { epoch, version } => {
                if *epoch != step.epoch || step.version > *version + 1 {
                    self.assert(&step.room);
                    return;
                }
                if step.version <= *version {
                    return;
                }
                *version = step.version;
            }
            RosterState::Unknown { .. } => {
                let room = step.room.clone();
                if !state.keep_early(step) {
                    self.assert_later(&room, now);
                }
                return;
            }
        }
        // This node's own changes are here already.
        match step.change {
            Change::Joined(entry) if entry.node != self.node => {
                self.remote_joined(&step.room, entry);
            }
            Change::Left {
                peer,
                node,
                fence,
                reason,
            } if node != self.node => self.remote_left(&step.room, &peer, &node, fence, reason),
            Change::Joined(_) | Change::Left { .. } => {}
        }
    }

    /// A peer is at another node now, wherever it was.
    fn remote_joined(&mut self, room: &RoomId, entry: RosterEntry) {
        let effects = &mut self.effects;
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        let RosterEntry {
            peer,
            node,
            fence,
            attributes,
        } = entry;
        let holder = Holder::Remote(node.clone());
        let Some(member) = state.members.get_mut(&peer) else {
            let member = Member {
                holder,
                fence,
                attributes: attributes.clone(),
            };
            state.members.insert(peer.clone(), member);
            let news = ServerMessage::Joined {
                peer: peer.clone(),
                attributes,
            };
            state.tell_others(&peer, news, effects);
            return;
        };
        if fence < member.fence {
            return;
        }
        member.fence = fence;
        member.attributes = attributes.clone();
        let news = match member.move_to(holder, room, &peer, effects) {
            Previous::Remote => ServerMessage::Updated {
                peer: peer.clone(),
                attributes,
            },
            Previous::Local(connection) => {
                effects.deliver(connection, ServerMessage::Superseded);
                let seat = Seat {
                    room: room.clone(),
                    peer: peer.clone(),
                };
                self.connections.insert(connection, Connection::Muted(seat));
                ServerMessage::Updated {
                    peer: peer.clone(),
                    attributes,
                }
            }
            Previous::Suspended(missed) => {
                for message in missed {
                    if let ServerMessage::Message { from, payload } = message {
                        effects.cluster(ClusterCommand::Send {
                            node: node.clone(),
                            room: room.clone(),
                            from,
                            to: peer.clone(),
                            payload,
                        });
                    }
                }
                ServerMessage::Resumed {
                    peer: peer.clone(),
                    attributes,
                }
            }
        };
        state.tell_others(&peer, news, effects);
        self.forget_if_empty(room);
    }

    /// A peer of another node has left, unless a later claim on its id is known.
    fn remote_left(
        &mut self,
        room: &RoomId,
        peer: &PeerId,
        node: &NodeId,
        fence: Fence,
        reason: LeaveReason,
    ) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        let current = state.members.get(peer).is_some_and(|member| {
            member.fence <= fence && matches!(&member.holder, Holder::Remote(at) if at == node)
        });
        if current {
            state.members.remove(peer);
            let news = ServerMessage::Left {
                peer: peer.clone(),
                reason,
            };
            state.tell_others(peer, news, &mut self.effects);
        }
    }

    /// Sends what this node has of the room, to get the roster in return.
    pub(crate) fn assert(&mut self, room: &RoomId) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        if let Some(at) = state.assert_at.take() {
            self.effects
                .timers
                .remove(&(at, Timer::Assert(room.clone())));
        }
        let members = state
            .members
            .iter()
            .filter(|(_, member)| !matches!(member.holder, Holder::Remote(_)))
            .map(|(peer, member)| (peer.clone(), member.fence, member.attributes.clone()))
            .collect();
        self.effects.cluster(ClusterCommand::Assert {
            room: room.clone(),
            members,
        });
    }

    fn assert_later(&mut self, room: &RoomId, now: Instant) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        if state.assert_at.is_none() {
            let at = now + self.effects.config.assert_interval;
            state.assert_at = Some(at);
            self.effects
                .timers
                .insert((at, Timer::Assert(room.clone())));
        }
    }

    /// Makes this node's roster the one that came back, and tells its peers of every difference.
    fn compare(
        &mut self,
        room: &RoomId,
        (epoch, version): (u64, u64),
        roster: Vec<RosterEntry>,
        now: Instant,
    ) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        let mut early = Vec::new();
        let mut same_epoch = false;
        match &mut state.roster {
            RosterState::Known {
                epoch: known_epoch,
                version: known,
            } => {
                same_epoch = *known_epoch == epoch;
                if same_epoch && version < *known {
                    return;
                }
            }
            RosterState::Unknown { early: changes } => early = std::mem::take(changes),
        }
        state.roster = RosterState::Known { epoch, version };
        let listed: BTreeSet<PeerId> = roster.iter().map(|entry| entry.peer.clone()).collect();
        // A roster of a new epoch may lack peers that their nodes have yet to assert.
        let gone: Vec<_> = match same_epoch {
            true => state
                .members
                .iter()
                .filter(|(peer, _)| !listed.contains(*peer))
                .filter_map(|(peer, member)| match &member.holder {
                    Holder::Remote(node) => Some((peer.clone(), node.clone(), member.fence)),
                    Holder::Local(_) | Holder::Suspended { .. } => None,
                })
                .collect(),
            false => Vec::new(),
        };
        for (peer, node, fence) in gone {
            self.remote_left(room, &peer, &node, fence, LeaveReason::Expired);
        }
        for entry in roster {
            self.compare_entry(room, entry);
        }
        for change in early {
            self.changed(change, now);
        }
    }

    fn compare_entry(&mut self, room: &RoomId, entry: RosterEntry) {
        let Some(state) = self.rooms.get_mut(room) else {
            return;
        };
        match state.members.get_mut(&entry.peer) {
            // Entered while the cluster could not be asked: this is the claim it got.
            Some(member) if entry.node == self.node => member.fence = entry.fence,
            Some(member) if member.fence == entry.fence => {}
            None if entry.node == self.node => {}
            Some(_) | None => self.remote_joined(room, entry),
        }
    }
}
