use std::{io::ErrorKind, time::Instant};

use relay::{Action, Bind, Connect, ConnectFailure};

use super::Worker;

/// Connections of peers taken at one relayed address before other sockets have their turn.
const ACCEPT_BUDGET: usize = 16;

/// Connections with peers, RFC 6062: they are made and taken here, and go on in the streams of their clients.
impl Worker {
    pub(super) fn connect(&mut self, wanted: Connect, now: Instant) {
        let connect = wanted.connect;
        if let Some(outcome) = self.peers.connect(wanted, now) {
            let action = self.relay.handle_connected(connect, outcome);
            self.act(action);
        }
    }

    /// A connection that was being made is there, or is not to be had.
    pub(super) fn finish_connect(&mut self, place: usize) -> bool {
        if let Some((connect, outcome)) = self.peers.finish(place, Instant::now()) {
            let action = self.relay.handle_connected(connect, outcome);
            self.act(action);
        }
        false
    }

    /// Tells clients of connections whose time is up, and closes those that waited for them in vain.
    pub(super) fn end_late_connects(&mut self, now: Instant) {
        while let Some(connect) = self.peers.next_overdue(now) {
            let outcome = Err(ConnectFailure::TimeoutOrFailure);
            let action = self.relay.handle_connected(connect, outcome);
            self.act(action);
        }
        self.peers.handovers.handle_timeout(now);
    }

    /// Takes what waits at a relayed address; tells whether there may be more.
    pub(super) fn accept_peers(&mut self, place: usize) -> bool {
        for _ in 0..ACCEPT_BUDGET {
            let incoming = match self.peers.accept(place) {
                Ok(Some(incoming)) => incoming,
                // More than there may be: it is closed by now.
                Ok(None) => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error)
                    if [ErrorKind::Interrupted, ErrorKind::ConnectionAborted]
                        .contains(&error.kind()) =>
                {
                    continue;
                }
                Err(error) => {
                    tracing::debug!(%error, "a peer's connection cannot be taken");
                    return false;
                }
            };
            let Some(id) = self.peers.handovers.draw() else {
                continue;
            };
            let (allocation, peer, now) = (incoming.allocation, incoming.peer, Instant::now());
            let action = self.relay.handle_incoming(allocation, peer, id, now);
            if !matches!(action, Action::Indication(_)) || self.peers.hold(id, incoming, now) {
                self.act(action);
            }
        }
        true
    }

    /// Gives a client the connection that it has the id of. It carries data from behind the answer on.
    pub(super) fn bind(&mut self, wanted: &Bind, now: Instant) {
        let handovers = &self.peers.handovers;
        let peer = handovers.take(wanted.connection, &wanted.user, now);
        let is_bound = peer.is_some_and(|peer| self.streams.carry(wanted.client, peer));
        let action = self.relay.handle_bound(wanted.client, is_bound);
        self.act(action);
    }
}
