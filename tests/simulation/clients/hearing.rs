//! What clients hear, and what they do then.

use bytestring::ByteString;
use protocol::{PeerId, ServerMessage};

use crate::{
    node::{MILLISECOND, SECOND},
    world::{Happening, World},
};

impl World {
    /// A node writes something to a connection.
    pub(crate) fn tell(&mut self, node: usize, connection: u64, message: &ServerMessage) {
        let at = self.now;
        self.hash_message(connection, message);
        self.note(|| format!("n{node} tells {connection}: {message:?}"));
        if self.told_in_directory(connection, message)
            || self.told_native(node, connection, message)
        {
            return;
        }
        let Some(client) = self.owners.get(&connection).copied() else {
            return;
        };
        let actor = &mut self.clients[client];
        let who = actor.who;
        if let Some(session) = &mut actor.session
            && session.connection == connection
        {
            match message {
                ServerMessage::RoomInfo { .. } => {
                    session.pending = session.pending.saturating_sub(1);
                    session.speaks = session.room.is_some();
                }
                ServerMessage::Superseded => {
                    session.speaks = false;
                    let mut lost = actor.lost.iter().rev().take(4);
                    let by_itself = lost.any(|lost| self.oracle.may_be_late(*lost, at));
                    if !self.oracle.is_contested(who.person) {
                        if by_itself {
                            self.at(at + MILLISECOND, Happening::Drop(client, connection));
                        } else {
                            self.oracle
                                .wrong(at, || format!("{who:?} is superseded by itself"));
                        }
                    }
                }
                ServerMessage::Joined { .. }
                | ServerMessage::Updated { .. }
                | ServerMessage::Resumed { .. }
                | ServerMessage::Suspended { .. }
                | ServerMessage::Left { .. }
                | ServerMessage::Message { .. }
                // Of native clients, which have rooms of their own.
                | ServerMessage::Members { .. }
                | ServerMessage::IdInUse { .. }
                | ServerMessage::Answer { .. } => {}
            }
        }
        self.oracle.told(who, connection, message, at);
    }

    /// A client that knows that it is not heard on this connection any more makes another one.
    pub(crate) fn start_again(&mut self, client: usize, connection: u64) {
        let session = self.clients[client].session;
        if session.is_some_and(|session| session.connection == connection) {
            self.oracle.messages.end_stretch(client, self.now);
            self.oracle.messages.stays.end(client, self.now);
            self.drop_socket(client);
            self.clients[client].place = None;
            // The store has it where its connection before was: it moves, wherever it comes back.
            self.clients[client].last_node = Some(usize::MAX);
        }
    }

    /// Every client that speaks says something to all, and to each peer, and announces itself again.
    pub(crate) fn probe(&mut self) {
        for client in 0..self.clients.len() {
            for to in 0..self.persons {
                self.say(client, Some(to));
            }
            self.say(client, None);
            if self.clients[client].speaks().is_some() {
                self.announce(client);
            }
        }
    }

    /// A node stands still: who waits for its answer may have to wait beyond the window.
    pub(crate) fn lose_answers(&mut self, node: usize) {
        for client in 0..self.clients.len() {
            let Some(session) = self.clients[client].session else {
                continue;
            };
            let contested = self.oracle.is_contested(self.clients[client].who.person);
            if let Some(room) = session.room
                && session.node == node
                && session.pending > 0
                && !contested
            {
                self.oracle.messages.end_stretch(client, self.now);
                self.oracle.messages.stays.end(client, self.now);
                self.oracle.messages.stays.come(client, node);
                self.oracle
                    .listen(client, room, node, session.connection, false);
                self.oracle.replay(client);
            }
        }
    }

    /// A node is gone, and with it every socket that it had.
    pub(crate) fn lose_node(&mut self, node: usize) {
        for client in 0..self.clients.len() {
            let away = match self.random.percent(70) {
                true => self.random.between(0, 5 * SECOND),
                false => self.random.between(0, 25 * SECOND),
            };
            let actor = &mut self.clients[client];
            if actor.place.is_some_and(|place| place.node == node) {
                actor.place = None;
                self.oracle
                    .messages
                    .moved(client, self.now, self.now + away);
                self.oracle.forget(client);
                self.oracle.messages.end_stretch(client, self.now);
                self.oracle.messages.stays.end(client, self.now);
            }
            let actor = &mut self.clients[client];
            if actor.session.is_some_and(|session| session.node == node) {
                actor.session = None;
                actor.away_until = self.now + away;
                let back = actor.away_until + MILLISECOND;
                self.act_at(back, client);
            }
        }
    }
}

/// For hashing.
pub(crate) fn words(message: &ServerMessage) -> (u8, ByteString, ByteString) {
    let text = |peer: &PeerId| ByteString::from(peer.clone());
    match message {
        ServerMessage::RoomInfo { member_count } => {
            (0, member_count.to_string().into(), ByteString::new())
        }
        ServerMessage::Joined { peer, attributes } => (1, text(peer), attributes.text().clone()),
        ServerMessage::Updated { peer, attributes } => (2, text(peer), attributes.text().clone()),
        ServerMessage::Resumed { peer, attributes } => (3, text(peer), attributes.text().clone()),
        ServerMessage::Suspended { peer } => (4, text(peer), ByteString::new()),
        ServerMessage::Left { peer, .. } => (5, text(peer), ByteString::new()),
        ServerMessage::Message { from, payload } => (6, text(from), payload.text().clone()),
        ServerMessage::Superseded => (7, ByteString::new(), ByteString::new()),
        ServerMessage::Members { room, .. } => (8, room.to_string().into(), ByteString::new()),
        ServerMessage::IdInUse { peer } => (9, text(peer), ByteString::new()),
        ServerMessage::Answer { id, .. } => (10, id.clone(), ByteString::new()),
    }
}
