use std::time::Instant;

use relay::Client;

use super::{Worker, time, tokens};
use crate::streams::{Ended, Introduced, STRANGERS_BYTES};

/// The way of messages from clients over TCP and TLS; the way back is through their outboxes.
impl Worker {
    /// Writes to a connection what waits, and reads from it as much as is its turn; tells whether there may be more.
    pub(super) fn serve_stream(&mut self, place: usize) -> bool {
        let mut input = self.streams.take_input();
        let served = self.read_stream(place, &mut input);
        self.streams.return_input(input);
        served.unwrap_or_else(|ended| {
            self.end_stream(place, ended);
            false
        })
    }

    fn read_stream(&mut self, place: usize, input: &mut [u8]) -> Result<bool, Ended> {
        if self.streams.connection(place)?.is_pipe() {
            return self.pump(place, input);
        }
        let client = match self.streams.introduce(place)? {
            Introduced::NotYet => return Ok(false),
            Introduced::As(client) => client,
            Introduced::Again(client, older) => {
                self.end_stream(older, Ended::Replaced);
                // It had an allocation in the name of the same client.
                self.relay.handle_disconnected(client);
                self.carry_out(Instant::now());
                client
            }
        };
        self.streams.connection(place)?.flush(Instant::now())?;
        if !self.streams.may_go_on(place) {
            return Ok(true);
        }
        let Some(bytes) = self.streams.connection(place)?.receive(input)? else {
            return Ok(false);
        };
        self.handle_bytes(place, client, &input[..bytes])?;
        Ok(true)
    }

    /// Moves data between a client and its peer.
    fn pump(&mut self, place: usize, input: &mut [u8]) -> Result<bool, Ended> {
        let connection = self.streams.connection(place)?;
        let moved = connection.pump(input, Instant::now())?;
        self.counters.relayed_to_peers(0, moved.to_peer);
        self.counters.relayed_to_clients(0, moved.to_client);
        if let (false, Some(until)) = (moved.has_more, moved.waits_until) {
            self.streams.held_up.add(place, until);
        }
        Ok(moved.has_more)
    }

    fn handle_bytes(&mut self, place: usize, client: Client, bytes: &[u8]) -> Result<(), Ended> {
        let mut deframer = self.streams.connection(place)?.take_deframer();
        let (mut rest, mut messages) = (bytes, 0);
        let end = loop {
            match deframer.next_message(&mut rest) {
                Ok(Some(message)) => self.handle_client(client, message, time()),
                Ok(None) => break Ok(()),
                Err(_) => break Err(Ended::NotTurn),
            }
            messages += 1;
            let connection = self.streams.connection(place)?;
            if connection.is_pipe() {
                connection.begin_with(rest);
                return Ok(());
            }
        };
        let now = Instant::now();
        // No message of somebody without an allocation is long.
        let is_long = deframer.kept_bytes() > STRANGERS_BYTES;
        if is_long && !self.relay.has_allocation(client, now) {
            return Err(Ended::Unauthenticated);
        }
        let connection = self.streams.connection(place)?;
        connection.return_deframer(deframer, messages, now);
        match connection.has_failed() {
            true => Err(Ended::Slow),
            false => end,
        }
    }

    /// Ends a round: writes what was queued in it, closes what has to be closed, and gives those a turn that were held up.
    pub(super) fn tend_streams(&mut self, now: Instant) {
        while let Some(place) = self.streams.held_up.next(now) {
            self.turns.add(tokens::stream(place));
        }
        let relay = &self.relay;
        let overdue = self
            .streams
            .overdue(now, |client| relay.has_allocation(client, now));
        for (place, ended) in overdue {
            self.end_stream(place, ended);
        }
        while let Some(place) = self.streams.next_unflushed() {
            if let Ok(connection) = self.streams.connection(place)
                && let Err(ended) = connection.flush(now)
            {
                self.end_stream(place, ended);
            }
        }
    }

    fn end_stream(&mut self, place: usize, ended: Ended) {
        tracing::debug!(?ended, "connection ended");
        if let Some(client) = self.streams.remove(place, ended) {
            self.relay.handle_disconnected(client);
            self.carry_out(Instant::now());
        }
    }
}
