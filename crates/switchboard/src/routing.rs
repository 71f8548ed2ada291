//! Who hears what a peer says.

use std::time::Instant;

use protocol::{Payload, PeerId, RoomId, ServerMessage};

use crate::{ClusterCommand, DropReason, Switchboard, connection::Seat};

/// Nodes that pass on what is for a peer that has moved; more only while their rosters differ.
pub(crate) const MAX_HOPS: u8 = 4;

impl Switchboard {
    /// To one peer of the sender's room, never to anybody else; in a directory, to whomever has the id.
    pub(crate) fn send(&mut self, seat: &Seat, to: &PeerId, payload: &Payload, now: Instant) {
        match seat.room.entry_beside(to) {
            Some(entry) => self.address(&entry, &seat.peer, to, payload, now),
            None if self.say(&seat.room, &seat.peer, to, payload) => {}
            None => self.effects.dropped(DropReason::NoSuchPeer),
        }
    }

    /// Tells a peer that is in the room, wherever; false when it is not.
    pub(crate) fn say(
        &mut self,
        room: &RoomId,
        from: &PeerId,
        to: &PeerId,
        payload: &Payload,
    ) -> bool {
        let effects = &mut self.effects;
        let Some(member) = self
            .rooms
            .get_mut(room)
            .and_then(|room| room.members.get_mut(to))
        else {
            return false;
        };
        let message = ServerMessage::Message {
            from: from.clone(),
            payload: payload.clone(),
        };
        if let Some(handover) = &mut member.handover {
            handover.held.push(&message, effects);
            return true;
        }
        if let Some(node) = member.tell(message, effects) {
            member.addressed = true;
            effects.cluster(ClusterCommand::Send {
                node,
                room: room.clone(),
                from: from.clone(),
                to: to.clone(),
                payload: payload.clone(),
                hops: 0,
            });
        }
        true
    }

    /// To everybody else in the sender's room.
    pub(crate) fn broadcast(&mut self, seat: &Seat, payload: &Payload) {
        let effects = &mut self.effects;
        let Some(room) = self.rooms.get_mut(&seat.room) else {
            return;
        };
        let message = ServerMessage::Message {
            from: seat.peer.clone(),
            payload: payload.clone(),
        };
        room.tell_others(&seat.peer, message, effects);
        let nodes = room.remote_nodes();
        if !nodes.is_empty() {
            effects.cluster(ClusterCommand::Broadcast {
                room: seat.room.clone(),
                nodes,
                from: seat.peer.clone(),
                payload: payload.clone(),
            });
        }
    }

    /// Delivers what a peer of another node says to one of this node, or passes it on to where that one is now.
    pub(crate) fn hear_one(
        &mut self,
        room: &RoomId,
        from: PeerId,
        to: &PeerId,
        payload: Payload,
        hops: u8,
    ) {
        let effects = &mut self.effects;
        let member = self
            .rooms
            .get_mut(room)
            .and_then(|room| room.members.get_mut(to));
        let Some(member) = member else {
            effects.dropped(DropReason::NoSuchPeer);
            return;
        };
        let message = ServerMessage::Message {
            from: from.clone(),
            payload: payload.clone(),
        };
        let Some(node) = member.tell(message, effects) else {
            return;
        };
        if hops < MAX_HOPS {
            effects.cluster(ClusterCommand::Send {
                node,
                room: room.clone(),
                from,
                to: to.clone(),
                payload,
                hops: hops + 1,
            });
        } else {
            effects.dropped(DropReason::NoSuchPeer);
        }
    }

    /// Delivers what a peer of another node says to the room.
    pub(crate) fn hear_all(&mut self, room: &RoomId, from: PeerId, payload: Payload) {
        if let Some(state) = self.rooms.get_mut(room) {
            let message = ServerMessage::Message {
                from: from.clone(),
                payload,
            };
            state.tell_others(&from, message, &mut self.effects);
        }
    }
}
