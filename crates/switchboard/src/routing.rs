//! Who hears what a peer says.

use std::time::Instant;

use protocol::{
    Form, Payload, PeerId, RoomId, ServerMessage,
    native::{payload, server::Reason},
};

use crate::{
    ClusterCommand, DropReason, Switchboard,
    connection::Seat,
    room::{Holder, Told},
};

/// Nodes that pass on what is for a peer that has moved; more only while their rosters differ.
pub(crate) const MAX_HOPS: u8 = 4;

impl Switchboard {
    /// To one peer of the sender's room, never to anybody else; in a directory, to whomever has the id.
    pub(crate) fn send(&mut self, seat: &Seat, to: &PeerId, payload: &Payload, now: Instant) {
        if let Some(entry) = seat.room.entry_beside(to) {
            self.address(&entry, &seat.peer, to, payload, now);
            return;
        }
        let reason = match self.say(&seat.room, &seat.peer, to, payload, now) {
            None => {
                self.effects.dropped(DropReason::NoSuchPeer);
                self.absence()
            }
            Some(Told::Full) => Reason::Overloaded,
            // A notice: it is delivered if the peer returns.
            Some(Told::Waits) => Reason::Suspended,
            Some(Told::At(_)) if self.waits(&seat.room, to) => Reason::Suspended,
            Some(Told::Here | Told::At(_)) => return,
        };
        self.bounce(&seat.room, &seat.peer, to, payload, reason, now);
    }

    fn waits(&self, room: &RoomId, peer: &PeerId) -> bool {
        let member = self.member(room, peer);
        member.is_some_and(|member| member.waits())
    }

    /// Tells whoever has numbered a message what has become of it.
    pub(crate) fn bounce(
        &mut self,
        room: &RoomId,
        from: &PeerId,
        to: &PeerId,
        payload: &Payload,
        reason: Reason,
        now: Instant,
    ) {
        if let Some((session, n)) = payload::numbered(payload) {
            let undelivered = payload::undelivered(&session, n, reason);
            self.say(room, to, from, &undelivered, now);
        }
    }

    /// Tells a peer that is in the room, wherever; none when it is not.
    pub(crate) fn say(
        &mut self,
        room: &RoomId,
        from: &PeerId,
        to: &PeerId,
        payload: &Payload,
        now: Instant,
    ) -> Option<Told> {
        let effects = &mut self.effects;
        let member = self
            .rooms
            .get_mut(room)
            .and_then(|room| room.members.get_mut(to))?;
        if is_reply(payload) && !matches!(member.holder, Holder::Remote(_)) {
            self.replied(room, from, to, payload, now);
            return Some(Told::Here);
        }
        let message = ServerMessage::Message {
            from: from.clone(),
            payload: payload.clone(),
        };
        if let Some(handover) = &mut member.handover {
            return Some(match handover.held.push(&message, effects) {
                true => Told::Here,
                false => Told::Full,
            });
        }
        let told = member.tell(message, effects);
        if let Told::At(node) = &told {
            member.addressed = true;
            effects.cluster(ClusterCommand::Send {
                node: node.clone(),
                room: room.clone(),
                from: from.clone(),
                to: to.clone(),
                payload: payload.clone(),
                hops: 0,
            });
        }
        Some(told)
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
        now: Instant,
    ) {
        if payload.form() == Form::Suspension {
            self.hear_of_suspension(room, &from, payload.body());
            return;
        }
        let effects = &mut self.effects;
        let member = self
            .rooms
            .get_mut(room)
            .and_then(|room| room.members.get_mut(to));
        let Some(member) = member else {
            effects.dropped(DropReason::NoSuchPeer);
            self.bounce(room, &from, to, &payload, Reason::Gone, now);
            return;
        };
        if is_reply(&payload) && !matches!(member.holder, Holder::Remote(_)) {
            self.replied(room, &from, to, &payload, now);
            return;
        }
        let message = ServerMessage::Message {
            from: from.clone(),
            payload: payload.clone(),
        };
        match member.tell(message, effects) {
            Told::Here | Told::Waits => {}
            Told::Full => self.bounce(room, &from, to, &payload, Reason::Overloaded, now),
            Told::At(node) if hops < MAX_HOPS => {
                effects.cluster(ClusterCommand::Send {
                    node,
                    room: room.clone(),
                    from,
                    to: to.clone(),
                    payload,
                    hops: hops + 1,
                });
            }
            Told::At(_) => {
                effects.dropped(DropReason::NoSuchPeer);
                self.bounce(room, &from, to, &payload, Reason::Unreachable, now);
            }
        }
    }

    /// Delivers what a peer of another node says to the room.
    pub(crate) fn hear_all(&mut self, room: &RoomId, from: PeerId, payload: Payload) {
        if payload.form() == Form::Suspension {
            self.hear_of_suspension(room, &from, payload.body());
        } else if let Some(state) = self.rooms.get_mut(room) {
            let message = ServerMessage::Message {
                from: from.clone(),
                payload,
            };
            state.tell_others(&from, message, &mut self.effects);
        }
    }

    /// What was to be sent to another node was not taken.
    pub(crate) fn unsent(
        &mut self,
        room: &RoomId,
        from: &PeerId,
        to: &PeerId,
        payload: &Payload,
        now: Instant,
    ) {
        let reason = match self.is_reachable {
            true => Reason::Overloaded,
            false => Reason::Unreachable,
        };
        self.bounce(room, from, to, payload, reason, now);
    }
}

/// What a request's node hears itself.
fn is_reply(payload: &Payload) -> bool {
    matches!(payload.form(), Form::Accept | Form::Decline)
}
