//! Claims on an id that are not the last, or not the owner's.

use std::time::Instant;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{
    ClientMessage, LeaveReason, Outcome, Payload, RoomId, ServerMessage,
    native::{payload, server::Reason},
};

use crate::{
    ClusterCommand, ConnectionId, DropReason, Fence, RosterEntry, Switchboard,
    connection::{Connection, Seat},
    effects::Effects,
    room::{Holder, Member},
};

impl Member {
    /// Whether who announces this may have the id.
    pub(crate) fn may_be_claimed(&self, attributes: &Payload) -> bool {
        !is_guarded(&self.attributes, attributes)
    }

    /// Whether the peer that is here must not have been, now that the cluster has another that announces this: its claim was
    /// never seen, or is of after the roster was lost in which the other owner has been all the time. Without an owner an
    /// id may be lost to anybody.
    pub(crate) fn is_impostor_of(&self, attributes: &Payload) -> bool {
        let is_unseen = self.fence == 0;
        is_guarded(attributes, &self.attributes)
            && (is_unseen || !self.attributes.owner().is_empty())
    }
}

/// Whether an id that is announced thus is kept from who announces it otherwise.
pub(crate) fn is_guarded(held: &Payload, attributes: &Payload) -> bool {
    let owner = held.owner();
    !owner.is_empty() && owner != attributes.owner()
}

/// Ends what a connection has to say for a peer, since it is another owner's: it has not announced itself, and was not
/// there.
pub(crate) fn put_out(
    connections: &mut HashMap<ConnectionId, Connection, FixedState>,
    connection: ConnectionId,
    seat: &Seat,
    effects: &mut Effects,
) {
    if let Some(state) = connections.get_mut(&connection)
        && state.speaks_for(seat)
    {
        *state = Connection::waiting();
        let peer = seat.peer.clone();
        effects.deliver(connection, ServerMessage::IdInUse { peer });
    }
}

impl Switchboard {
    /// The seat that a connection is about to take, and with which announcement.
    pub(crate) fn joining(&self, connection: ConnectionId) -> Option<(&Seat, &Payload)> {
        match self.connections.get(&connection)? {
            Connection::Joining {
                seat, attributes, ..
            } => Some((seat, attributes)),
            Connection::Member(_) | Connection::Waiting { .. } | Connection::Muted { .. } => None,
        }
    }

    /// Whether the id that a connection is about to take is another owner's, as far as this node knows. The cluster looks
    /// itself, where it can be asked.
    pub(crate) fn is_anothers(&self, connection: ConnectionId) -> bool {
        let Some((seat, attributes)) = self.joining(connection) else {
            return false;
        };
        let member = self.member(&seat.room, &seat.peer);
        member.is_some_and(|member| !member.may_be_claimed(attributes))
    }

    /// The cluster has the id as another's. Whoever is in the room here all the same is so until the rosters are compared,
    /// which tells who is the owner.
    pub(crate) fn join_refused(&mut self, connection: ConnectionId, room: &RoomId, now: Instant) {
        let joining = self.joining(connection);
        let member = joining.and_then(|(seat, _)| self.member(&seat.room, &seat.peer));
        match member {
            Some(member) if member.is_held_by(connection) => {
                let fence = member.fence;
                self.enter(connection, fence, now);
                self.assert_now(room);
            }
            Some(_) | None => self.refuse(connection, now),
        }
    }

    /// The id is another's: the connection has not announced itself. If it has done so again since, that is another question.
    pub(crate) fn refuse(&mut self, connection: ConnectionId, now: Instant) {
        let (seat, held, closed) = match self.connections.remove(&connection) {
            Some(Connection::Joining {
                seat, held, closed, ..
            }) => (seat, held, closed),
            Some(other) => {
                self.connections.insert(connection, other);
                return;
            }
            None => return,
        };
        if let Some(room) = self.rooms.get_mut(&seat.room) {
            room.joining -= 1;
        }
        let held = held.release(&mut self.effects);
        if closed {
            for message in held {
                self.turn_away(connection, &message);
            }
            return;
        }
        self.connections.insert(connection, Connection::waiting());
        let peer = seat.peer;
        let message = ServerMessage::IdInUse { peer };
        self.effects.deliver(connection, message);
        for message in held {
            self.handle_message(connection, &message, now);
        }
    }

    /// The same, where the cluster has granted it the id: it is given back.
    pub(crate) fn refuse_granted(&mut self, connection: ConnectionId, fence: Fence, now: Instant) {
        let joining = self.joining(connection);
        let seat = joining.map(|(seat, _)| (seat.room.clone(), seat.peer.clone()));
        // An owner of this node's gets it back by the assert that follows, and is not told to have left.
        if let Some((room, peer)) = seat
            && let Some(member) = self.member(&room, &peer)
            && matches!(member.holder, Holder::Remote(_))
        {
            self.effects.cluster(ClusterCommand::Leave {
                room,
                peer,
                fence,
                reason: LeaveReason::Left,
            });
        }
        self.refuse(connection, now);
    }

    /// A peer that came here while the cluster could not be asked has an id that is another owner's.
    pub(crate) fn yield_to(&mut self, room: &RoomId, entry: RosterEntry, now: Instant) {
        let Some(member) = self
            .rooms
            .get_mut(room)
            .and_then(|room| room.members.get_mut(&entry.peer))
        else {
            return;
        };
        // Whatever the cluster has seen is later than nothing.
        member.unseen = false;
        member.fence = 0;
        self.remote_joined(room, entry, now);
    }

    /// Drops what somebody says who is in no room, and answers where there must be an answer.
    pub(crate) fn turn_away(&mut self, connection: ConnectionId, message: &ClientMessage) {
        self.effects.dropped(DropReason::NotAnnounced);
        self.answer_unheard(connection, message, Reason::NoMatch);
    }

    /// Answers what nobody hears, where there must be an answer.
    pub(crate) fn answer_unheard(
        &mut self,
        connection: ConnectionId,
        message: &ClientMessage,
        reason: Reason,
    ) {
        let answer = match message {
            ClientMessage::Request { id, .. } => ServerMessage::Answer {
                id: id.clone(),
                outcome: Outcome::failed(reason),
            },
            ClientMessage::Send { to, payload, .. } => {
                let Some((session, n)) = payload::numbered(payload) else {
                    return;
                };
                ServerMessage::Message {
                    from: to.clone(),
                    payload: payload::undelivered(&session, n, reason),
                }
            }
            ClientMessage::Announce { .. }
            | ClientMessage::Leave { .. }
            | ClientMessage::Broadcast { .. } => return,
        };
        self.effects.deliver(connection, answer);
    }

    /// Whether a later claim on the id, made at another node, is known already.
    pub(crate) fn is_overtaken(&self, seat: &Seat, fence: Fence) -> bool {
        let member = self.member(&seat.room, &seat.peer);
        member.is_some_and(|member| {
            matches!(member.holder, Holder::Remote(_)) && fence != 0 && member.fence > fence
        })
    }
}
