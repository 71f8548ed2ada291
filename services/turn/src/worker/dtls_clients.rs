use std::time::Instant;

use relay::{Client, Time};

use super::{Worker, sending::Sending};
use crate::dtls::Associations;

/// The way of messages from clients over DTLS and to them: that of datagrams, with their association in between.
impl Worker {
    /// A datagram at a listener of DTLS.
    pub(super) fn decrypt(&mut self, client: Client, datagram: &[u8], now: Time) {
        let mut messages = self.dtls.take_messages();
        let sending = &mut self.sending;
        let send = |datagram: &[u8]| sending.send_to_client(client, &[datagram], None);
        let is_over = self
            .dtls
            .receive(client, datagram, now.monotonic, &mut messages, send);
        for message in messages.iter() {
            self.handle_client(client, message, now);
        }
        self.dtls.return_messages(messages);
        if is_over {
            self.relay.handle_disconnected(client);
            self.carry_out(now.monotonic);
        }
    }

    /// The answer that the state machine has made, to a client that came by datagrams.
    pub(super) fn send_answer(&mut self, client: Client) {
        let parts = [self.relay.answer()];
        if !send(&mut self.dtls, &mut self.sending, client, &parts, None) {
            self.counters.unsent.add(1);
        }
    }

    /// Data, with what goes before it, to a client that came by datagrams.
    pub(super) fn send_data(&mut self, client: Client, parts: &[&[u8]], data: usize) {
        if !send(&mut self.dtls, &mut self.sending, client, parts, Some(data)) {
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

/// Sends a message in parts, of which `data` bytes are relayed, if any: encrypted where its client speaks DTLS. False when
/// it is lost.
fn send(
    dtls: &mut Associations,
    sending: &mut Sending,
    client: Client,
    parts: &[&[u8]],
    data: Option<usize>,
) -> bool {
    if !dtls.serve(client.listener) {
        sending.send_to_client(client, parts, data);
        return true;
    }
    dtls.send(client, parts, |datagram| {
        sending.send_to_client(client, &[datagram], data);
    })
}
