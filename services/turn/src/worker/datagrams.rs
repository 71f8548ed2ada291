use std::{io, net::SocketAddr, time::Instant};

use relay::{Action, ListenerId, MAX_PADDING_BYTES, MAX_PREFIX_BYTES, ToClient, ToPeer};

use super::{Worker, opened::RelaySocket, time, tokens::Source};
use crate::relay_sockets::send_whole;

/// Longest UDP payload.
const MAX_DATAGRAM: usize = 65_535;

/// Room for the longest datagram and what goes before and after it.
pub(super) const ROOM: usize = MAX_PREFIX_BYTES + MAX_DATAGRAM + MAX_PADDING_BYTES;

/// Packets read from a listener before the others have their turn: all clients' packets come there.
const LISTENER_BUDGET: usize = 512;

/// Packets read from a relay socket before the others have their turn.
const RELAY_SOCKET_BUDGET: usize = 16;

/// Errors in a row after which a socket is given up for now: what concerns single packets is over by then.
const MAX_ERRORS: usize = 8;

/// The way of datagrams, from listeners to relay sockets and back.
impl Worker {
    /// Reads a socket of datagrams to its end, or as much as is its turn; tells whether there may be more.
    ///
    /// # Errors
    /// When a listener gives nothing but errors: its clients must not wait for a thread that hears none of them.
    /// A relay socket that does is left alone until the kernel reports it again.
    pub(super) fn read_datagrams(&mut self, source: Source) -> io::Result<bool> {
        let budget = match source {
            Source::Listener(_) => LISTENER_BUDGET,
            Source::RelaySocket(_) => RELAY_SOCKET_BUDGET,
            Source::StreamListener(_) | Source::Stream(_) | Source::Waker => 0,
        };
        let mut errors = 0;
        for _ in 0..budget {
            let read = match source {
                Source::Listener(number) => self.read_client(number),
                Source::RelaySocket(place) => self.read_peer(place),
                Source::StreamListener(_) | Source::Stream(_) | Source::Waker => return Ok(false),
            };
            match read {
                Ok(()) => errors = 0,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                // An earlier packet's ICMP error, or a signal: of no concern to the next packet.
                Err(error) if errors < MAX_ERRORS => {
                    errors += 1;
                    tracing::trace!(%error, "while receiving");
                }
                Err(error) if matches!(source, Source::Listener(_)) => return Err(error),
                Err(error) => {
                    tracing::debug!(%error, "a relay socket cannot be read");
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn read_client(&mut self, number: usize) -> io::Result<()> {
        let Some(listener) = self.listeners.get(number) else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let (length, source) = listener.recv_from(&mut self.buffer)?;
        let now = time();
        let listener = ListenerId(u16::try_from(number).unwrap_or(u16::MAX));
        let payload = &self.buffer[..length];
        match self.relay.handle_client(listener, source, payload, now) {
            Action::ToPeer(to_peer) => self.relay_to_peer(&to_peer, length),
            action @ (Action::ToClient(_)
            | Action::Answer(_)
            | Action::Dropped(_)
            | Action::Pending) => self.act(action),
        }
        self.carry_out(now.monotonic);
        Ok(())
    }

    fn read_peer(&mut self, place: usize) -> io::Result<()> {
        let Some(RelaySocket { socket, allocation }) = self.opened.at(place) else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let room = &mut self.buffer[MAX_PREFIX_BYTES..MAX_PREFIX_BYTES + MAX_DATAGRAM];
        let (length, source) = socket.recv_from(room)?;
        let allocation = *allocation;
        let payload = &self.buffer[MAX_PREFIX_BYTES..MAX_PREFIX_BYTES + length];
        match self
            .relay
            .handle_peer(allocation, source, payload, Instant::now())
        {
            Action::ToClient(to_client) => self.relay_to_client(&to_client, length),
            action @ (Action::ToPeer(_)
            | Action::Answer(_)
            | Action::Dropped(_)
            | Action::Pending) => self.act(action),
        }
        Ok(())
    }

    fn relay_to_peer(&self, to_peer: &ToPeer, length: usize) {
        let data = to_peer.data(&self.buffer[..length]);
        self.send_to_peer(to_peer, data);
    }

    /// `data`, of whatever message it came in, goes to a peer.
    pub(super) fn send_to_peer(&self, to_peer: &ToPeer, data: &[u8]) {
        let relay_socket = self.opened.of(to_peer.allocation, to_peer.family());
        let Some(RelaySocket { socket, .. }) = relay_socket else {
            return;
        };
        let sent = match to_peer.dont_fragment {
            true => send_whole(socket, data, to_peer.peer),
            false => socket.send_to(data, to_peer.peer),
        };
        match sent {
            Ok(_) => self.counters.to_peer(data.len()),
            // No route, no room, nobody there: this packet is lost, and nothing else.
            Err(_) => self.counters.unsent.add(1),
        }
    }

    /// The peer's packet stands in the buffer with room around it: its encapsulation is written there.
    fn relay_to_client(&mut self, to_client: &ToClient, length: usize) {
        let (prefix, padding) = (to_client.prefix(), to_client.padding());
        let start = MAX_PREFIX_BYTES - prefix.len();
        let end = MAX_PREFIX_BYTES + length;
        self.buffer[start..MAX_PREFIX_BYTES].copy_from_slice(prefix);
        self.buffer[end..end + padding.len()].copy_from_slice(padding);
        let message = &self.buffer[start..end + padding.len()];
        let client = to_client.client;
        let is_sent = if self.streams.serve(client.listener) {
            self.streams.relay(client, message)
        } else {
            self.send_datagram(client.listener, client.address, message)
                .is_ok()
        };
        match is_sent {
            true => self.counters.to_client(length),
            false => self.counters.unsent.add(1),
        }
    }

    /// One datagram from a listener.
    pub(super) fn send_datagram(
        &self,
        listener: ListenerId,
        to: SocketAddr,
        message: &[u8],
    ) -> io::Result<usize> {
        match self.listeners.get(usize::from(listener.0)) {
            Some(listener) => listener.send_to(message, to),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
