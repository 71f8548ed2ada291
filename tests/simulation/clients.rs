//! What the clients do, left to chance.

use protocol::{ClientMessage, Payload, PeerId, RoomId};
use switchboard::ConnectionId;

use crate::{
    node::{Input, MILLISECOND, SECOND, Time},
    oracle::{Arrival, Lost, Receiver, Said, Seat, Who},
    world::World,
};

mod hearing;

pub(crate) use hearing::words;

/// Somebody with a browser.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) who: Who,
    /// The room that it likes.
    room: usize,
    pub(crate) session: Option<Session>,
    /// Where it is, or was until its connection was lost.
    pub(crate) place: Option<Place>,
    /// It does nothing before.
    pub(crate) away_until: Time,
    attributes: u64,
    /// Where it announced itself last.
    last_node: Option<usize>,
    /// Its connections that were lost.
    lost: Vec<Lost>,
}

/// One connection of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    pub(crate) node: usize,
    pub(crate) connection: u64,
    pub(crate) room: Option<usize>,
    /// Announces that were not answered yet.
    pub(crate) pending: usize,
    /// Answered at least once in this room, and not superseded since.
    pub(crate) speaks: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) room: usize,
    pub(crate) node: usize,
}

impl Client {
    pub(crate) fn new(client: usize, person: usize, room: usize) -> Self {
        Self {
            who: Who { client, person },
            room,
            session: None,
            place: None,
            away_until: 0,
            attributes: 0,
            last_node: None,
            lost: Vec::new(),
        }
    }

    /// Where it speaks for its id.
    pub(crate) fn speaks(&self) -> Option<(Seat, usize)> {
        let session = self.session.filter(|session| session.speaks)?;
        Some(((session.room?, self.who.person), session.node))
    }
}

pub(crate) fn peer_id(person: usize) -> PeerId {
    PeerId::new(format!("p{person}")).unwrap()
}

pub(crate) fn room_id(room: usize) -> RoomId {
    RoomId::new(format!("r{room}")).unwrap()
}

fn payload(text: String) -> Payload {
    Payload::new(text.into(), 0)
}

impl World {
    /// A client does something.
    pub(crate) fn act(&mut self, client: usize) {
        if self.clients[client].away_until > self.now {
            return;
        }
        self.last_act = self.now;
        let Some(session) = self.clients[client].session else {
            self.connect(client);
            return;
        };
        if session.pending > 0 || self.nodes[session.node].frozen {
            // A client that waits for an answer may still lose its connection.
            if self.random.percent(10) {
                self.drop_socket(client);
            }
            return;
        }
        let Some(room) = session.room else {
            self.announce(client);
            return;
        };
        match self.random.below(100) {
            0..=39 => {
                let mut known = self.oracle.known(client);
                if known.is_empty() || self.random.percent(10) {
                    known = (0..self.persons).collect();
                }
                let to = *self.random.pick(&known);
                self.say(client, Some(to));
            }
            40..=64 => self.say(client, None),
            65..=74 => self.announce(client),
            75..=80 => self.leave(client),
            81..=84 => {
                self.clients[client].room = (room + 1) % self.rooms;
                self.announce(client);
            }
            85..=97 => self.drop_socket(client),
            _ => {}
        }
    }

    /// Opens a socket at some node, and announces itself.
    fn connect(&mut self, client: usize) {
        let nodes: Vec<usize> = (0..self.nodes.len())
            .filter(|node| self.nodes[*node].is_alive)
            .collect();
        if nodes.is_empty() {
            return;
        }
        let old = self.clients[client].place.map(|place| place.node);
        let node = match old.filter(|old| nodes.contains(old)) {
            Some(old) if self.random.percent(50) => old,
            _ => *self.random.pick(&nodes),
        };
        self.connections += 1;
        let connection = self.connections;
        self.clients[client].session = Some(Session {
            node,
            connection,
            room: None,
            pending: 0,
            speaks: false,
        });
        self.owners.insert(connection, client);
        self.note(|| format!("client {client} opens {connection} at n{node}"));
        self.input(node, Input::Opened(ConnectionId(connection)));
        self.announce(client);
    }

    /// Says who it is, or says it again with other attributes.
    pub(crate) fn announce(&mut self, client: usize) {
        let at = self.now;
        let actor = &mut self.clients[client];
        let Some(session) = &mut actor.session else {
            return;
        };
        let who = actor.who;
        let seat = (actor.room, who.person);
        let node = session.node;
        let place = Place {
            room: actor.room,
            node,
        };
        let before = session.room.replace(actor.room);
        session.pending += 1;
        let connection = session.connection;
        if before != Some(actor.room) {
            session.speaks = false;
            if let Some(before) = before {
                self.oracle.leave((before, who.person), at);
            }
            // What was known in the window goes on, unless it is another node's or another room's.
            let old = actor.place.replace(place);
            let contested = self.oracle.is_contested(who.person);
            // Another node may have taken the seat of a suspended peer, for a connection that was lost before.
            let lost = self.clients[client].lost.iter().rev().take(4);
            let mut elsewhere = lost.filter(|lost| lost.node != node);
            let taken = elsewhere.any(|lost| self.oracle.may_be_late(*lost, at));
            let arrival = self.oracle.arrive(seat, node, at);
            let keep = arrival == Arrival::Resumed && old == Some(place) && !contested && !taken;
            if arrival == Arrival::New || before.is_some() {
                self.oracle.messages.stays.end(client, at);
            }
            self.oracle.messages.stays.come(client, node);
            let last = self.clients[client].last_node.replace(node);
            if last.is_some_and(|last| last != node) {
                let from = at.saturating_sub(self.window);
                self.oracle.messages.moved(client, from, at);
            }
            if !keep {
                self.oracle.messages.end_stretch(client, self.now);
            }
            if !contested {
                self.oracle
                    .listen(client, place.room, node, connection, keep);
                let window = self.window + 2 * SECOND;
                let mut lost = self.clients[client].lost.iter();
                if lost.any(|lost| lost.node == node && at <= lost.noticed + window) {
                    self.oracle.replay(client);
                }
            }
        }
        let actor = &mut self.clients[client];
        actor.attributes += 1;
        let text = format!("{client} {}", actor.attributes);
        self.note(|| {
            format!(
                "client {client} announces p{} in r{}",
                who.person, place.room
            )
        });
        let announce = ClientMessage::Announce {
            room: room_id(place.room),
            peer: peer_id(who.person),
            attributes: payload(text),
        };
        self.frame(client, announce);
    }

    fn frame(&mut self, client: usize, message: ClientMessage) {
        if let Some(session) = self.clients[client].session {
            let connection = ConnectionId(session.connection);
            self.input(session.node, Input::Frame(connection, message));
        }
    }

    /// Says something to one peer, or to all. Only a client that has been answered does.
    pub(crate) fn say(&mut self, client: usize, to: Option<usize>) {
        let actor = &self.clients[client];
        let Some(session) = actor
            .session
            .filter(|session| session.speaks && session.pending == 0)
        else {
            return;
        };
        let Some(room) = session.room.filter(|_| to != Some(actor.who.person)) else {
            return;
        };
        let number = self.oracle.messages.next();
        let receivers = match self.nodes[session.node].frozen {
            true => Vec::new(),
            false => self.receivers(client, room, session.node, to),
        };
        let said = Said {
            by: actor.who,
            connection: session.connection,
            node: session.node,
            room,
            to,
            at: self.now,
        };
        self.oracle.messages.said(said, &receivers);
        self.note(|| format!("client {client} says {number} to {to:?}, for {receivers:?}"));
        let said = payload(number.to_string());
        let message = match to {
            Some(to) => ClientMessage::Send {
                sender: None,
                to: peer_id(to),
                payload: said,
            },
            None => ClientMessage::Broadcast {
                sender: None,
                payload: said,
            },
        };
        self.frame(client, message);
    }

    /// Whom the sender's node knows, where it knows them: those must get it.
    fn receivers(
        &self,
        client: usize,
        room: usize,
        node: usize,
        to: Option<usize>,
    ) -> Vec<Receiver> {
        let roster = self.roster(node, room);
        let me = self.clients[client].who;
        if self.oracle.is_contested(me.person) {
            return Vec::new();
        }
        self.clients
            .iter()
            .filter(|other| other.who.person != me.person)
            .filter(|other| to.is_none_or(|to| to == other.who.person))
            .filter(|other| !self.oracle.is_contested(other.who.person))
            .filter_map(|other| {
                let place = other.place?;
                let answered = other.session.is_none_or(|session| session.speaks);
                let there = roster.get(&other.who.person)?;
                let known = *there == place.node && answered;
                let behind = !known && to.is_some() && self.is_behind(other, *there);
                (place.room == room && (known || behind)).then_some(Receiver {
                    client: other.who.client,
                    node: place.node,
                    behind,
                })
            })
            .collect()
    }

    /// Whether a peer was at this node in its stay, and has gone on to another.
    fn is_behind(&self, other: &Client, node: usize) -> bool {
        let stays = &self.oracle.messages.stays;
        let client = other.who.client;
        let settled = stays.since(client) + 2 * SECOND < self.now;
        settled && stays.nodes(client).contains(&node)
    }

    pub(crate) fn leave(&mut self, client: usize) {
        let at = self.now;
        let actor = &mut self.clients[client];
        let Some(session) = &mut actor.session else {
            return;
        };
        let Some(room) = session.room.take() else {
            return;
        };
        session.speaks = false;
        actor.place = None;
        self.oracle.leave((room, actor.who.person), at);
        self.oracle.forget(client);
        self.oracle.messages.end_stretch(client, self.now);
        self.oracle.messages.stays.end(client, self.now);
        self.note(|| format!("client {client} leaves"));
        self.frame(client, ClientMessage::Leave { sender: None });
    }

    /// The socket breaks; the node notices at once or later. The client comes back, or does not for long.
    pub(crate) fn drop_socket(&mut self, client: usize) {
        let at = self.now;
        let window = self.window;
        let away = match self.random.below(10) {
            0..=5 => self.random.between(0, 2 * SECOND),
            6 => self.random.between(2 * SECOND, window - 2 * SECOND),
            7 => self
                .random
                .between(window + 3 * SECOND, window + 6 * SECOND),
            _ if self.is_calm() => self.random.between(0, window - 2 * SECOND),
            _ => self
                .random
                .between(window - 2 * SECOND, window + 3 * SECOND),
        };
        let noticed = match self.random.percent(60) {
            true => 0,
            false => self.random.between(0, 2 * SECOND),
        };
        let actor = &mut self.clients[client];
        let Some(session) = actor.session.take() else {
            return;
        };
        actor.away_until = at + away;
        self.note(|| {
            format!(
                "client {client} loses {}, away for {away}",
                session.connection
            )
        });
        self.clients[client].lost.push(Lost {
            node: session.node,
            noticed: at + noticed,
            unanswered: session.pending > 0,
        });
        let lost = Input::Lost(ConnectionId(session.connection));
        if noticed == 0 {
            self.input(session.node, lost);
        } else {
            self.later(at + noticed, session.node, lost);
        }
        if let Some(room) = session.room {
            let person = self.clients[client].who.person;
            self.oracle.lose((room, person), session.node, at);
        }
        self.act_at(at + away + MILLISECOND, client);
    }
}
