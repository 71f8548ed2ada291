//! Connections with peers, RFC 6062, which the relays decide about and the world has.

use std::net::SocketAddr;

use relay::{Action, Bind, Connect, ConnectFailure, ConnectionId, Family, Protocol};
use stun::message::{METHOD_CONNECT, METHOD_CONNECTION_ATTEMPT, METHOD_CONNECTION_BIND, Message};

use super::{Place, World};
use crate::{
    messages::CONNECTION_ID,
    places::{is_same, transport},
};

impl World {
    pub(super) fn begin_to_connect(&mut self, thread: usize, connect: Connect) {
        let place = place(thread, &connect);
        let socket = self.sockets.get(&place).expect("the socket is open");
        assert_eq!(socket.protocol, Protocol::Tcp);
        assert_eq!(socket.user, connect.user);
        self.check_peer(connect.peer.ip());
        let mut all = self
            .connecting
            .iter()
            .map(|(at, other)| (*at, other.connect));
        let is_new = !all.any(|other| other == (thread, connect.connect))
            && !self.connected.contains(&(thread, connect.connect));
        assert!(is_new, "an id used again");
        self.connecting.push((thread, connect));
    }

    pub(super) fn begin_to_bind(&mut self, thread: usize, bind: Bind) {
        assert!(transport(bind.client).is_stream());
        // A second one of the same client is answered in place of the first.
        self.binding
            .retain(|(at, other)| (*at, other.client) != (thread, bind.client));
        self.binding.push((thread, bind));
    }

    /// Answers the Connect at `index`, however late.
    pub fn answer_connect(&mut self, index: u8, failure: Option<ConnectFailure>) {
        let Some(index) = usize::from(index).checked_rem(self.connecting.len()) else {
            return;
        };
        let (thread, connect) = self.connecting.remove(index);
        self.connected.push((thread, connect.connect));
        let id = self.draw();
        let outcome = failure.map_or(Ok(id), Err);
        self.answering = thread;
        let action = self.relays[thread].handle_connected(connect.connect, outcome);
        self.carry_out(thread).are_none();
        let place = place(thread, &connect);
        match (action, self.sockets.get(&place)) {
            (Action::Answer(answer), Some(socket)) => {
                assert!(is_same(answer.client, socket.client));
                assert_eq!(answer.error.is_none(), failure.is_none());
                let message = self.check_answer(true);
                assert_eq!(message.typ.method, METHOD_CONNECT);
                assert_eq!(message.contains(CONNECTION_ID), failure.is_none());
                if failure.is_none() {
                    self.hold(id, place, &message);
                }
            }
            // It is closed by who opened it.
            (Action::Dropped(_), None) => {}
            (action, _) => panic!("{action:?}"),
        }
        self.check(thread);
    }

    /// Answers for a Connect that nobody waits for.
    pub fn answer_connect_again(&mut self, index: u8) {
        let Some((thread, connect)) = self.connected.get(usize::from(index)).copied() else {
            return;
        };
        let id = self.draw();
        let action = self.relays[thread].handle_connected(connect, Ok(id));
        self.carry_out(thread).are_none();
        assert!(matches!(action, Action::Dropped(_)), "{action:?}");
        self.check(thread);
    }

    /// A peer connects to the relayed address at `index`.
    pub fn receive_connection(&mut self, index: u8, peer: SocketAddr) {
        let Some((place, socket)) = self.socket(index, Protocol::Tcp) else {
            return;
        };
        let (id, thread) = (self.draw(), place.thread);
        self.answering = thread;
        let relay = &mut self.relays[thread];
        let action = relay.handle_incoming(place.allocation, peer, id, self.now.monotonic);
        self.carry_out(thread).are_none();
        match action {
            Action::Indication(client) => {
                assert_eq!(client, socket.client);
                self.check_peer(peer.ip());
                let message = self.check_answer(false);
                assert_eq!(message.typ.method, METHOD_CONNECTION_ATTEMPT);
                self.hold(id, place, &message);
            }
            Action::Dropped(_) => {}
            action => panic!("{action:?}"),
        }
        self.check(thread);
    }

    /// Answers the ConnectionBind at `index`, however late: by what waits, or with no if it `is_refused`.
    pub fn answer_bind(&mut self, index: u8, is_refused: bool) {
        let Some(index) = usize::from(index).checked_rem(self.binding.len()) else {
            return;
        };
        let (thread, bind) = self.binding.remove(index);
        let waiting = self.waiting.get(&bind.connection);
        let is_own =
            waiting.is_some_and(|(place, user)| place.thread == thread && *user == bind.user);
        let is_bound = is_own && !is_refused;
        if is_bound {
            self.waiting.remove(&bind.connection);
        }
        self.answering = thread;
        let action = self.relays[thread].handle_bound(bind.client, is_bound);
        self.carry_out(thread).are_none();
        let Action::Answer(answer) = action else {
            panic!("{action:?}");
        };
        assert_eq!(answer.client, bind.client);
        assert_eq!(answer.error.is_none(), is_bound);
        let message = self.check_answer(true);
        assert_eq!(message.typ.method, METHOD_CONNECTION_BIND);
        // Nobody waits any more.
        let action = self.relays[thread].handle_bound(bind.client, is_bound);
        assert!(matches!(action, Action::Dropped(_)), "{action:?}");
        self.check(thread);
    }

    /// Keeps a connection until somebody brings its id, which its client was told.
    fn hold(&mut self, id: ConnectionId, place: Place, told: &Message) {
        let told = told.get(CONNECTION_ID).expect("a connection's id");
        assert_eq!(told, id.0.to_be_bytes());
        let user = self.sockets[&place].user.clone();
        self.waiting.insert(id, (place, user));
        self.told.connection = id.0;
    }

    fn draw(&mut self) -> ConnectionId {
        self.next_connection += 1;
        ConnectionId(self.next_connection)
    }
}

/// The relay socket that a connection is to come from.
fn place(thread: usize, connect: &Connect) -> Place {
    Place {
        thread,
        allocation: connect.allocation,
        family: Family::of(connect.peer),
    }
}
