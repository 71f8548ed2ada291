//! How a connection's peer enters a room, is lost, returns and leaves.

use std::{collections::VecDeque, mem, time::Instant};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{
    ClientMessage, Form, LeaveReason, Payload, PeerId, RoomId, ServerMessage,
    native::server::Reason,
};

use crate::{
    ClusterCommand, ConnectionId, DropReason, Fence, Switchboard,
    connection::{Connection, Held, Seat},
    effects::{Effects, Timer},
    room::{Assert, Holder, Member, Previous, Room, RosterState},
    waiting::Waiting,
};

impl Switchboard {
    /// Asks the cluster to enter the peer; what the client says next waits for the answer.
    pub(crate) fn join(
        &mut self,
        connection: ConnectionId,
        room: &RoomId,
        peer: &PeerId,
        attributes: &Payload,
        now: Instant,
    ) {
        let seat = Seat::new(room, peer);
        let attributes = attributes.clone();
        let held = match self.connections.remove(&connection) {
            Some(Connection::Waiting { held, until }) => {
                if let Some(until) = until {
                    let timer = Timer::AnnounceWindow(connection);
                    self.effects.timers.remove(&(until, timer));
                }
                held
            }
            _ => Held::default(),
        };
        let place = self
            .rooms
            .entry(seat.room.clone())
            .or_insert_with(Room::new);
        if !place.has_local() {
            place.begin_anew();
        }
        place.joining += 1;
        if let Some(member) = place.members.get_mut(&seat.peer)
            && member.may_be_claimed(&attributes)
            && let Holder::Suspended { until, .. } = &mut member.holder
        {
            // It has returned, however long the cluster takes to answer.
            let timer = Timer::SuspendWindow(seat.room.clone(), seat.peer.clone());
            self.effects.timers.remove(&(*until, timer.clone()));
            *until = now + self.effects.config.suspend_window;
            self.effects.timers.insert((*until, timer));
        }
        let want_roster = matches!(place.roster, RosterState::Unknown { .. });
        self.effects.cluster(ClusterCommand::Join {
            connection,
            room: seat.room.clone(),
            peer: seat.peer.clone(),
            attributes: attributes.clone(),
            want_roster,
        });
        let joining = Connection::Joining {
            seat,
            attributes,
            held,
            closed: false,
        };
        self.connections.insert(connection, joining);
    }

    /// The cluster has answered a join: the peer is in the room, and everybody is told.
    pub(crate) fn enter(&mut self, connection: ConnectionId, fence: Fence, now: Instant) {
        let Some(Connection::Joining { .. }) = self.connections.get(&connection) else {
            return;
        };
        let Some(Connection::Joining {
            seat,
            attributes,
            held,
            closed,
        }) = self.connections.remove(&connection)
        else {
            return;
        };
        if let Some(room) = self.rooms.get_mut(&seat.room) {
            room.joining -= 1;
        }
        let held = held.release(&mut self.effects);
        if self.is_overtaken(&seat, fence) {
            if !closed {
                let superseded = ServerMessage::Superseded;
                self.effects.deliver(connection, superseded);
                let elsewhere = true;
                let muted = Connection::Muted { seat, elsewhere };
                self.connections.insert(connection, muted);
            }
            for _ in held {
                self.effects.dropped(DropReason::Muted);
            }
        } else if closed {
            self.enter_suspended(connection, &seat, attributes, fence, now);
            // The socket is gone, but what it said in this room still counts.
            for message in held {
                if matches!(message, ClientMessage::Announce { .. }) {
                    break;
                }
                self.handle_member(connection, &seat, &message, now);
                if matches!(message, ClientMessage::Leave { .. }) {
                    break;
                }
            }
        } else {
            let member = Connection::Member(seat.clone());
            self.connections.insert(connection, member);
            self.seat(connection, &seat, attributes, fence, now);
            for message in held {
                self.handle_message(connection, &message, now);
            }
        }
    }

    /// The seat that a connection is about to take, unless its peer is at this node already and hears all news.
    pub(crate) fn new_seat(&self, connection: ConnectionId) -> Option<Seat> {
        let (seat, attributes) = self.joining(connection)?;
        let member = self.rooms.get(&seat.room)?.members.get(&seat.peer);
        let hears = member.is_some_and(|member| !matches!(member.holder, Holder::Remote(_)));
        // Who is told who is there knows of them all.
        let hears = hears || attributes.form() == Form::Announcement;
        (!hears).then(|| seat.clone())
    }

    /// A peer has entered with the roster's `version`. Those who joined later have not heard its announcement, and
    /// would not answer it: it has to hear theirs, which came before the answer to its join.
    pub(crate) fn tell_of_newcomers(&mut self, seat: &Seat, version: (u64, u64)) {
        let Some(room) = self.rooms.get_mut(&seat.room) else {
            return;
        };
        let mut news = Vec::new();
        for (peer, joined) in &room.newcomers {
            let later = joined.0 == version.0 && joined.1 > version.1 && *peer != seat.peer;
            if let Some(newcomer) = room.members.get(peer).filter(|_| later)
                && matches!(newcomer.holder, Holder::Remote(_))
            {
                let (peer, attributes) = (peer.clone(), newcomer.attributes.clone());
                news.push(ServerMessage::Joined { peer, attributes });
            }
        }
        if let Some(member) = room.members.get_mut(&seat.peer) {
            for message in news {
                member.tell(message, &mut self.effects);
            }
        }
    }

    /// As [`Self::enter`], for a socket that closed meanwhile: what the peer missed waits on.
    fn enter_suspended(
        &mut self,
        connection: ConnectionId,
        seat: &Seat,
        attributes: Payload,
        fence: Fence,
        now: Instant,
    ) {
        if let Some(room) = self.rooms.get_mut(&seat.room)
            && let Some(member) = room.members.get_mut(&seat.peer)
            && let Holder::Suspended { until, .. } = &mut member.holder
        {
            let timer = Timer::SuspendWindow(seat.room.clone(), seat.peer.clone());
            self.effects.timers.remove(&(*until, timer.clone()));
            *until = now + self.effects.config.suspend_window;
            self.effects.timers.insert((*until, timer));
            member.claim(fence, &attributes);
            let peer = seat.peer.clone();
            let news = ServerMessage::Updated { peer, attributes };
            room.tell_others(&seat.peer, news, &mut self.effects);
            self.tell_of_suspension(&seat.room, &seat.peer);
        } else {
            self.seat(connection, seat, attributes, fence, now);
            self.suspend(connection, seat, now);
        }
    }

    /// Puts `connection` in its seat, whoever was in it, and tells the room.
    fn seat(
        &mut self,
        connection: ConnectionId,
        seat: &Seat,
        attributes: Payload,
        fence: Fence,
        now: Instant,
    ) {
        let is_told_members = self.told_members.contains(&connection);
        let effects = &mut self.effects;
        let Some(room) = self.rooms.get_mut(&seat.room) else {
            return;
        };
        let peer = seat.peer.clone();
        let holder = Holder::Local(connection);
        let mut was_suspended = false;
        let mut previous = match room.members.get_mut(&peer) {
            Some(member) => {
                was_suspended = member.is_suspended;
                member.claim(fence, &attributes);
                Some(member.move_to(holder, &seat.room, &peer, effects))
            }
            None => {
                effects.count(&holder);
                let member = Member::new(holder, fence, attributes.clone());
                room.members.insert(peer.clone(), member);
                None
            }
        };
        let mut missed = match &mut previous {
            Some(Previous::Suspended(missed)) => mem::take(missed),
            Some(Previous::Local(_) | Previous::Remote(_)) | None => VecDeque::new(),
        };
        if is_told_members {
            // Before the roster, which has all that they tell of.
            effects.deliver_each(connection, mem::take(&mut missed));
        }
        let is_update = matches!(previous, Some(Previous::Local(before)) if before == connection);
        room.answer_announce(connection, seat, (is_told_members, is_update), effects);
        effects.deliver_each(connection, missed);
        let is_back = previous.is_some();
        let news = match previous {
            None => ServerMessage::Joined {
                peer: peer.clone(),
                attributes,
            },
            Some(Previous::Suspended(_)) => ServerMessage::Resumed {
                peer: peer.clone(),
                attributes,
            },
            Some(Previous::Local(other)) => {
                if other != connection {
                    mute(&mut self.connections, other, seat, false, effects);
                }
                ServerMessage::Updated {
                    peer: peer.clone(),
                    attributes,
                }
            }
            Some(Previous::Remote(before)) => {
                if let Some(member) = room.members.get_mut(&peer) {
                    let (seat, this) = ((&seat.room, &peer), &self.node);
                    member.wait_for_handover(seat, before, this, now, effects);
                }
                let peer = peer.clone();
                match was_suspended {
                    true => ServerMessage::Resumed { peer, attributes },
                    false => ServerMessage::Updated { peer, attributes },
                }
            }
        };
        room.tell_others(&peer, news, effects);
        if is_back {
            self.ask_again(&seat.room, &seat.peer, now);
        }
        self.ask_newcomer(&seat.room, now);
    }

    /// The connection is gone: its peer, if it still speaks for it, has the window to return.
    pub(crate) fn suspend(&mut self, connection: ConnectionId, seat: &Seat, now: Instant) {
        let effects = &mut self.effects;
        let Some(room) = self.rooms.get_mut(&seat.room) else {
            return;
        };
        let Some(member) = room.members.get_mut(&seat.peer) else {
            return;
        };
        if !member.is_held_by(connection) {
            return;
        }
        let until = now + effects.config.suspend_window;
        let held = Waiting::default();
        let holder = Holder::Suspended { until, held };
        member.move_to(holder, &seat.room, &seat.peer, effects);
        let timer = Timer::SuspendWindow(seat.room.clone(), seat.peer.clone());
        effects.timers.insert((until, timer));
        let peer = seat.peer.clone();
        room.tell_others(&seat.peer, ServerMessage::Suspended { peer }, effects);
        self.tell_of_suspension(&seat.room, &seat.peer);
    }

    /// The client says that it leaves: at once, and once.
    pub(crate) fn leave(&mut self, connection: ConnectionId, seat: &Seat, now: Instant) {
        if self.connections.contains_key(&connection) {
            self.connections.insert(connection, Connection::waiting());
            self.refuse_requests(connection, &seat.room, &seat.peer);
        }
        self.remove(seat, LeaveReason::Left, now);
    }

    /// A suspended peer did not return.
    pub(crate) fn expire(&mut self, room: &RoomId, peer: &PeerId, now: Instant) {
        let seat = Seat {
            room: room.clone(),
            peer: peer.clone(),
        };
        self.remove(&seat, LeaveReason::Expired, now);
    }

    fn remove(&mut self, seat: &Seat, reason: LeaveReason, now: Instant) {
        let effects = &mut self.effects;
        let Some(room) = self.rooms.get_mut(&seat.room) else {
            return;
        };
        let Some(mut member) = room.members.remove(&seat.peer) else {
            return;
        };
        effects.discount(&member.holder);
        let flushes = member.take_flushes();
        member.end_handover(&seat.room, &seat.peer, effects);
        let mut unheard = Vec::new();
        if let Holder::Suspended { until, held } = member.holder {
            let timer = Timer::SuspendWindow(seat.room.clone(), seat.peer.clone());
            effects.timers.remove(&(until, timer));
            for message in held.release(effects) {
                if let ServerMessage::Message { from, payload } = message {
                    effects.dropped(DropReason::NoSuchPeer);
                    unheard.push((from, payload));
                }
            }
        }
        let peer = seat.peer.clone();
        if !member.unseen {
            room.departed.insert(peer.clone(), member.fence);
        }
        effects.cluster(ClusterCommand::Leave {
            room: seat.room.clone(),
            peer: peer.clone(),
            fence: member.fence,
            reason,
        });
        room.tell_others(&seat.peer, ServerMessage::Left { peer, reason }, effects);
        for flush in flushes {
            self.pass_on(flush, now);
        }
        for (from, payload) in unheard {
            self.bounce(&seat.room, &from, &seat.peer, &payload, Reason::Gone, now);
        }
        self.requests_end(&seat.room, &seat.peer, now);
        self.forget_if_empty(&seat.room, now);
    }

    /// Drops a room in which this node has nobody any more and addresses nobody, and nothing to repair.
    pub(crate) fn forget_if_empty(&mut self, room: &RoomId, now: Instant) {
        let Some(state) = self.rooms.get(room) else {
            return;
        };
        let is_free = state.kept_until.is_none() && state.lookup.is_none();
        if !state.has_local() && state.assert == Assert::No && is_free {
            // Nobody is here any more to wait until what was said before has arrived.
            let waiting: Vec<PeerId> = state
                .members
                .iter()
                .filter(|(_, member)| member.handover.is_some())
                .map(|(peer, _)| peer.clone())
                .collect();
            for peer in waiting {
                self.let_go(room, &peer);
            }
            self.drop_strangers(room, now);
            self.rooms.remove(room);
            self.effects
                .cluster(ClusterCommand::Forget { room: room.clone() });
        }
    }
}

/// Ends what a connection has to say for a peer, since a newer one speaks for it. One that is announcing the
/// peer again has the later claim, and wins when that is answered.
pub(crate) fn mute(
    connections: &mut HashMap<ConnectionId, Connection, FixedState>,
    connection: ConnectionId,
    seat: &Seat,
    elsewhere: bool,
    effects: &mut Effects,
) {
    if let Some(state) = connections.get_mut(&connection)
        && state.speaks_for(seat)
    {
        let seat = seat.clone();
        *state = Connection::Muted { seat, elsewhere };
        effects.deliver(connection, ServerMessage::Superseded);
    }
}
