use std::{net::SocketAddr, time::Instant};

use relay::{Client, ListenerId, Time};

use super::Worker;

/// The way of messages from clients over DTLS and to them: that of datagrams, with their association in between.
impl Worker {
    /// A datagram at a listener of DTLS.
    pub(super) fn decrypt(
        &mut self,
        listener: ListenerId,
        source: SocketAddr,
        datagram: &[u8],
        now: Time,
    ) {
        let client = Client {
            listener,
            address: source,
        };
        let mut messages = self.dtls.take_messages();
        let sending = &mut self.sending;
        let send = |datagram: &[u8]| sending.send_to_client(client, &[datagram], None);
        let is_over = self
            .dtls
            .receive(client, datagram, now.monotonic, &mut messages, send);
        for message in messages.iter() {
            self.handle_client(listener, source, message, now);
        }
        self.dtls.return_messages(messages);
        if is_over {
            self.relay.handle_disconnected(client);
            self.carry_out(now.monotonic);
        }
    }

    /// The answer that the state machine has made, to a client that came by datagrams.
    pub(super) fn send_answer(&mut self, client: Client) {
        let message = self.relay.answer();
        if !self.dtls.serve(client.listener) {
            self.sending.send_to_client(client, &[message], None);
            return;
        }
        let sending = &mut self.sending;
        let send = |datagram: &[u8]| sending.send_to_client(client, &[datagram], None);
        if !self.dtls.send(client, &[message], send) {
            self.counters.unsent.add(1);
        }
    }

    /// Data, with what goes before it, to a client that came by datagrams.
    pub(super) fn send_datagram(&mut self, client: Client, parts: &[&[u8]], data: Option<usize>) {
        if !self.dtls.serve(client.listener) {
            self.sending.send_to_client(client, parts, data);
            return;
        }
        let sending = &mut self.sending;
        let send = |datagram: &[u8]| sending.send_to_client(client, &[datagram], data);
        if !self.dtls.send(client, parts, send) {
            self.counters.unsent.add(1);
        }
    }

    /// Ends a round of theirs.
    pub(super) fn tend_dtls(&mut self, now: Instant) {
        let (relay, sending) = (&self.relay, &mut self.sending);
        let ended = self.dtls.overdue(
            now,
            |client| relay.has_allocation(client, now),
            |client, datagram| sending.send_to_client(client, &[datagram], None),
        );
        for client in ended {
            self.relay.handle_disconnected(client);
            self.carry_out(now);
        }
    }
}
