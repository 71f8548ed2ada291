use std::{mem, time::Instant};

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use protocol::{ClientMessage, PeerId, RoomId, native::server::Reason};

use crate::{
    ClusterEvent, Config, ConnectionId, DropReason, Listing, NodeId, Output,
    connection::{Connection, Seat},
    directory::Lookups,
    effects::{Effects, Timer},
    requests::Requests,
    room::{Holder, Member, Room},
};

/// The state machine of one node; see the crate's documentation for how it is driven.
#[derive(Debug)]
pub struct Switchboard {
    pub(crate) node: NodeId,
    pub(crate) connections: HashMap<ConnectionId, Connection, FixedState>,
    pub(crate) rooms: HashMap<RoomId, Room, FixedState>,
    pub(crate) effects: Effects,
    pub(crate) lookups: Lookups,
    pub(crate) requests: Requests,
    /// Connections that are told who is in their room.
    pub(crate) told_members: HashSet<ConnectionId, FixedState>,
    /// Whether other nodes can be reached, as far as is known.
    pub(crate) is_reachable: bool,
    /// Probes that were sent so far.
    pub(crate) probes: u64,
}

/// How much a switchboard holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections, announced or not.
    pub connections: usize,
    /// Rooms in which this node has a peer, and entries of directories that its peers have addressed.
    pub rooms: usize,
    /// Those entries.
    pub lookups: usize,
    /// Peers of this node in rooms, suspended ones included.
    pub members: usize,
    /// Those of them whose connection is lost.
    pub suspended: usize,
    /// Bytes held for connections and for suspended peers.
    pub held_bytes: usize,
    /// Requests that are not answered yet.
    pub requests: usize,
}

/// What has not fitted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Changes that overtook a roster and were more than are kept for it: the room is compared instead.
    pub changes_overrun: u64,
    /// Flushes that were more than wait for one peer or in one room, and nodes that a peer left on its way, beyond those
    /// that are flushed: what was sent before may arrive after what is sent then.
    pub handovers_overrun: u64,
}

impl Switchboard {
    /// `seed` makes the hash of the clients' ids unpredictable; the same seed and inputs give the same
    /// outputs.
    pub fn new(node: NodeId, config: Config, seed: u64) -> Self {
        let state = FixedState::with_seed(seed);
        Self {
            node,
            connections: HashMap::with_hasher(state.clone()),
            rooms: HashMap::with_hasher(state.clone()),
            effects: Effects::new(config),
            lookups: Lookups::default(),
            requests: Requests::default(),
            told_members: HashSet::with_hasher(state),
            is_reachable: true,
            probes: 0,
        }
    }

    /// A socket opened. `connection` must be new.
    pub fn handle_connect(&mut self, connection: ConnectionId, listing: Listing) {
        self.connections.insert(connection, Connection::waiting());
        if listing == Listing::Members {
            self.told_members.insert(connection);
        }
    }

    /// Other nodes can be reached from now on, or cannot: told apart in answers alone.
    pub fn handle_reachable(&mut self, is_reachable: bool) {
        self.is_reachable = is_reachable;
    }

    /// A client said something.
    pub fn handle_message(
        &mut self,
        connection: ConnectionId,
        message: &ClientMessage,
        now: Instant,
    ) {
        let Some(state) = self.connections.get_mut(&connection) else {
            return;
        };
        match state {
            Connection::Member(seat) => {
                let seat = seat.clone();
                self.handle_member(connection, &seat, message, now);
            }
            Connection::Waiting { held, until } => {
                if let ClientMessage::Announce {
                    room,
                    peer,
                    attributes,
                } = message
                {
                    self.join(connection, room, peer, attributes, now);
                    return;
                }
                let is_leave = matches!(message, ClientMessage::Leave { .. });
                if is_leave || self.told_members.contains(&connection) {
                    // Kept, a leave would undo the announce that follows it; and native clients announce themselves before
                    // they say anything.
                    self.turn_away(connection, message);
                    return;
                }
                held.push(message, &mut self.effects);
                if until.is_none() {
                    let end = now + self.effects.config.announce_window;
                    *until = Some(end);
                    let timer = Timer::AnnounceWindow(connection);
                    self.effects.timers.insert((end, timer));
                }
            }
            Connection::Joining { held, closed, .. } => {
                if !*closed && !held.push(message, &mut self.effects) {
                    self.answer_unheard(connection, message, Reason::Overloaded);
                }
            }
            Connection::Muted { seat, elsewhere } => {
                let (seat, elsewhere) = (seat.clone(), *elsewhere);
                match message {
                    ClientMessage::Announce {
                        room,
                        peer,
                        attributes,
                    } if seat != Seat::new(room, peer) || self.is_free(&seat, elsewhere) => {
                        self.join(connection, room, peer, attributes, now);
                    }
                    ClientMessage::Announce { .. }
                    | ClientMessage::Leave { .. }
                    | ClientMessage::Send { .. }
                    | ClientMessage::Broadcast { .. }
                    | ClientMessage::Request { .. } => self.effects.dropped(DropReason::Muted),
                }
            }
        }
    }

    /// Whether nobody speaks for a muted connection's peer any more. Of a room that is not here this node cannot
    /// say; where the newer connection is at another node, it still holds the id as far as is known.
    fn is_free(&self, seat: &Seat, elsewhere: bool) -> bool {
        match self.rooms.get(&seat.room) {
            Some(room) => !room.members.contains_key(&seat.peer),
            None => !elsewhere,
        }
    }

    /// A message of a connection that has a seat in a room, or of one that had it when it was sent.
    pub(crate) fn handle_member(
        &mut self,
        connection: ConnectionId,
        seat: &Seat,
        message: &ClientMessage,
        now: Instant,
    ) {
        match message {
            ClientMessage::Announce {
                room,
                peer,
                attributes,
            } => {
                if *seat != Seat::new(room, peer) {
                    self.leave(connection, seat, now);
                }
                self.join(connection, room, peer, attributes, now);
            }
            ClientMessage::Leave { sender } => {
                if self.is_own(sender.as_deref(), seat) {
                    self.leave(connection, seat, now);
                }
            }
            ClientMessage::Send {
                sender,
                to,
                payload,
            } => {
                if self.is_own(sender.as_deref(), seat) {
                    self.send(seat, to, payload, now);
                }
            }
            ClientMessage::Broadcast { sender, payload } => {
                if self.is_own(sender.as_deref(), seat) {
                    self.broadcast(seat, payload);
                }
            }
            ClientMessage::Request {
                id,
                wanted,
                timeout,
            } => self.request(seat, id, wanted, *timeout, now),
        }
    }

    /// The sender written in a frame must be the connection's own id, where one is written.
    fn is_own(&mut self, sender: Option<&str>, seat: &Seat) -> bool {
        let own = sender.is_none_or(|sender| sender == seat.peer.as_str());
        if !own {
            self.effects.dropped(DropReason::ForeignSender);
        }
        own
    }

    /// A socket closed without its client having said that it leaves: its peer may return.
    pub fn handle_disconnect(&mut self, connection: ConnectionId, now: Instant) {
        self.told_members.remove(&connection);
        match self.connections.remove(&connection) {
            Some(Connection::Member(seat)) => self.suspend(connection, &seat, now),
            Some(Connection::Joining {
                seat,
                attributes,
                held,
                closed: false,
            }) => {
                // Already in the room under this id, if this was an update.
                self.suspend(connection, &seat, now);
                let joining = Connection::Joining {
                    seat,
                    attributes,
                    held,
                    closed: true,
                };
                self.connections.insert(connection, joining);
            }
            Some(Connection::Waiting { held, until }) => {
                for _ in held.release(&mut self.effects) {
                    self.effects.dropped(DropReason::NotAnnounced);
                }
                if let Some(until) = until {
                    let timer = Timer::AnnounceWindow(connection);
                    self.effects.timers.remove(&(until, timer));
                }
            }
            Some(joining @ Connection::Joining { .. }) => {
                self.connections.insert(connection, joining);
            }
            Some(Connection::Muted { .. }) | None => {}
        }
    }

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
                self.join_failed(connection, &room, now);
            }
            ClusterEvent::JoinRefused { connection, room } => {
                self.join_refused(connection, &room, now);
                self.settle(&room, now);
            }
            ClusterEvent::Changed(change) => self.changed(change, now),
            ClusterEvent::Asserted {
                room,
                epoch,
                version,
                roster,
            } => self.asserted(&room, (epoch, version), roster, now),
            ClusterEvent::AssertFailed { room } => self.assert_later(&room, now),
            ClusterEvent::Gap { room } => self.gap(&room),
            ClusterEvent::Confirmed { room, node } => self.confirmed(&room, node),
            ClusterEvent::Received {
                room,
                from,
                to,
                payload,
                hops,
            } => self.receive(&room, from, to, payload, hops, now),
            ClusterEvent::Passed(flush) => self.pass_on(flush, now),
            ClusterEvent::HandedOver { room, peer } => self.handed_over(&room, &peer, now),
            ClusterEvent::Heard {
                room,
                from,
                payload,
            } => self.hear(&room, from, payload),
            ClusterEvent::Unsent {
                room,
                from,
                to,
                payload,
            } => self.unsent(&room, &from, &to, &payload, now),
        }
    }

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.effects.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called, if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.effects.timers.first().map(|(at, _)| *at)
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, _)) = self.effects.timers.first()
            && *at <= now
            && let Some((_, timer)) = self.effects.timers.pop_first()
        {
            match timer {
                Timer::AnnounceWindow(connection) => self.end_announce_window(connection),
                Timer::SuspendWindow(room, peer) => self.expire(&room, &peer, now),
                Timer::Assert(room) => self.assert_now(&room),
                Timer::Confirm(room) => self.ask_to_confirm(&room),
                Timer::Handover(room, peer) => self.probe(&room, &peer, now),
                Timer::Forget(room) => {
                    if let Some(room) = self.rooms.get_mut(&room) {
                        room.kept_until = None;
                    }
                    self.forget_if_empty(&room, now);
                }
                Timer::Lookup(entry) => self.review_lookup(&entry, now),
                Timer::Request(key) => self.review_request(&key, now),
            }
        }
    }

    /// What the client sent without announcing itself is dropped; it may still announce itself later.
    fn end_announce_window(&mut self, connection: ConnectionId) {
        let Some(state @ Connection::Waiting { .. }) = self.connections.get_mut(&connection) else {
            return;
        };
        if let Connection::Waiting { held, .. } = mem::replace(state, Connection::waiting()) {
            for _ in held.release(&mut self.effects) {
                self.effects.dropped(DropReason::NotAnnounced);
            }
        }
    }

    /// Who is in a room in which this node has a peer, and at which node; suspended peers included.
    pub fn members(&self, room: &RoomId) -> impl Iterator<Item = (&PeerId, &NodeId)> {
        let members = self
            .rooms
            .get(room)
            .into_iter()
            .flat_map(|room| &room.members);
        members.map(|(peer, member)| match &member.holder {
            Holder::Remote(node) => (peer, node),
            Holder::Local(_) | Holder::Suspended { .. } => (peer, &self.node),
        })
    }

    pub(crate) fn member(&self, room: &RoomId, peer: &PeerId) -> Option<&Member> {
        self.rooms.get(room)?.members.get(peer)
    }

    /// What has not fitted so far.
    pub fn counters(&self) -> Counters {
        self.effects.counters
    }

    /// How much is held now.
    pub fn stats(&self) -> Stats {
        Stats {
            connections: self.connections.len(),
            rooms: self.rooms.len(),
            lookups: self.lookups.len(),
            members: self.effects.members,
            suspended: self.effects.suspended,
            held_bytes: self.effects.held_bytes,
            requests: self.requests.len(),
        }
    }
}
