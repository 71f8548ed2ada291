use std::{
    io::{self, ErrorKind},
    mem,
    time::{Duration, Instant},
};

use mio::net::TcpStream;
use relay::{Client, Deframer};

use super::{
    Ended,
    channel::Channel,
    outbox::Outbox,
    pipe::{Ends, Moved, Pipe},
    sources::SourceSlot,
};
use crate::{proxy_protocol, quotas::DescriptorSlot};

/// Most bytes that wait to be written; an answer that does not fit ends the connection.
const OUTBOX_BYTES: usize = 256 * 1024;

/// Of these, most that media takes; what does not fit is lost, as a datagram would be.
const MEDIA_BYTES: usize = 192 * 1024;

/// Most bytes that wait for somebody who has no allocation, and that are kept of a message of theirs: it may be anybody.
pub(crate) const STRANGERS_BYTES: usize = 8 * 1024;

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) client: Client,
    socket: TcpStream,
    channel: Channel,
    deframer: Deframer,
    outbox: Outbox,
    /// The peer whose data it carries from now on.
    pipe: Option<Pipe>,
    /// Whether the proxy has yet to say who the client is.
    awaits_header: bool,
    /// Set when it must not go on.
    failed: bool,
    /// Whether it is to be flushed at the end of the round.
    is_unflushed: bool,
    without_allocation_since: Option<Instant>,
    in_message_since: Option<Instant>,
    blocked_since: Option<Instant>,
    slots: Slots,
}

/// What a connection is counted under, for as long as it lives.
#[derive(Debug)]
pub(super) struct Slots {
    #[expect(dead_code, reason = "it is held, and given back when it is dropped")]
    pub(super) descriptor: DescriptorSlot,
    /// None while a proxy has not said who it is.
    pub(super) source: Option<SourceSlot>,
}

impl Connection {
    pub(super) fn new(
        client: Client,
        socket: TcpStream,
        channel: Channel,
        slots: Slots,
        now: Instant,
    ) -> Self {
        Self {
            client,
            socket,
            channel,
            deframer: Deframer::default(),
            outbox: Outbox::default(),
            pipe: None,
            awaits_header: slots.source.is_none(),
            failed: false,
            is_unflushed: false,
            without_allocation_since: Some(now),
            in_message_since: None,
            blocked_since: None,
            slots,
        }
    }

    pub(super) fn socket_mut(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    pub(super) fn awaits_header(&self) -> bool {
        self.awaits_header
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.channel.is_handshaking()
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// What the proxy says of its client, when it has said it all; it is taken out of what is to be read.
    ///
    /// # Errors
    /// When it says something else.
    pub(super) fn read_header(&mut self) -> Result<Option<proxy_protocol::Header>, Ended> {
        proxy_protocol::read(&mut self.socket).map_err(|_| Ended::NoProxyHeader)
    }

    /// Goes on as `client`, whom the proxy has named.
    pub(super) fn introduce(&mut self, client: Client, source: SourceSlot) {
        self.client = client;
        self.slots.source = Some(source);
        self.awaits_header = false;
    }

    /// Reads into `buffer`; `None` when there is no more now.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Ended> {
        loop {
            let error = match self.channel.receive(&mut self.socket, buffer) {
                Ok(0) => return Err(Ended::Client),
                Ok(bytes) => return Ok(Some(bytes)),
                Err(error) => error,
            };
            if error.kind() == ErrorKind::WouldBlock {
                return Ok(None);
            }
            if error.kind() == ErrorKind::InvalidData {
                tracing::debug!(%error, "no TLS");
                return Err(Ended::NotTurn);
            }
            if error.kind() != ErrorKind::Interrupted {
                return Err(Ended::Client);
            }
        }
    }

    /// Carries a peer's data from now on.
    pub(super) fn carry(&mut self, pipe: Pipe) {
        self.pipe = Some(pipe);
    }

    pub(crate) fn is_pipe(&self) -> bool {
        self.pipe.is_some()
    }

    /// The peer's side of it.
    pub(super) fn peer_socket_mut(&mut self) -> Option<&mut TcpStream> {
        self.pipe.as_mut().map(|pipe| &mut pipe.peer.socket)
    }

    /// Takes what the client said for its peer already.
    pub(crate) fn begin_with(&mut self, bytes: &[u8]) {
        if let Some(pipe) = &mut self.pipe {
            pipe.begin_with(bytes);
        }
    }

    /// Moves what has arrived at either side.
    ///
    /// # Errors
    /// When it has to end.
    pub(crate) fn pump(&mut self, buffer: &mut [u8], now: Instant) -> Result<Moved, Ended> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(Moved::default());
        };
        let mut ends = Ends {
            socket: &mut self.socket,
            channel: &mut self.channel,
            outbox: &mut self.outbox,
        };
        pipe.pump(&mut ends, buffer, now)
    }

    /// Lends the deframer, so that messages can be handed on while they stand in it.
    pub(crate) fn take_deframer(&mut self) -> Deframer {
        mem::take(&mut self.deframer)
    }

    /// Takes it back; `messages` tells how many have come to their end since.
    pub(crate) fn return_deframer(&mut self, deframer: Deframer, messages: usize, now: Instant) {
        self.in_message_since = match (deframer.is_in_a_message(), messages) {
            (false, _) => None,
            (true, 0) => self.in_message_since.or(Some(now)),
            (true, _) => Some(now),
        };
        self.deframer = deframer;
    }

    /// Lets media wait to be written; false when it is lost instead.
    pub(super) fn relay(&mut self, parts: &[&[u8]]) -> bool {
        self.outbox.push(parts, MEDIA_BYTES)
    }

    /// Lets an answer wait to be written; false when the connection has to end, as it does not fit. Less fits where
    /// nobody knows who it is.
    pub(super) fn answer(&mut self, message: &[u8], is_known: bool) -> bool {
        let limit = if is_known {
            OUTBOX_BYTES
        } else {
            STRANGERS_BYTES
        };
        self.failed |= !self.outbox.push(&[message], limit);
        !self.failed
    }

    /// Whether it is to be flushed, and was not to be so far.
    pub(super) fn must_be_flushed(&mut self, is_queued: bool) -> bool {
        (is_queued || self.failed) && !mem::replace(&mut self.is_unflushed, true)
    }

    /// Writes what waits, as far as it is taken.
    ///
    /// # Errors
    /// When nobody will take it any more.
    pub(crate) fn flush(&mut self, now: Instant) -> Result<(), Ended> {
        self.is_unflushed = false;
        if self.failed {
            return Err(Ended::Slow);
        }
        let flushed = self.channel.flush(&mut self.socket, &mut self.outbox);
        let written = flushed.map_err(|_: io::Error| Ended::Client)?;
        let has_all = self.outbox.is_empty() && self.channel.has_written_all();
        self.blocked_since = match (has_all, written) {
            (true, _) => None,
            (false, 0) => self.blocked_since.or(Some(now)),
            (false, _) => Some(now),
        };
        Ok(())
    }

    pub(super) fn say_goodbye(&mut self) {
        self.channel.say_goodbye(&mut self.socket);
    }

    /// Why it is to end now, if it is: for longer than `patience` it has been without an allocation, a message has
    /// been unfinished, or nothing has been read of what was written.
    pub(super) fn overdue(
        &mut self,
        has_allocation: bool,
        patience: Duration,
        now: Instant,
    ) -> Option<Ended> {
        if let Some(pipe) = &self.pipe {
            return pipe.overdue(patience, now);
        }
        let lasts = |since: Option<Instant>| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= patience)
        };
        if has_allocation {
            self.without_allocation_since = None;
        } else {
            self.without_allocation_since.get_or_insert(now);
        }
        if lasts(self.without_allocation_since) {
            return Some(Ended::Unauthenticated);
        }
        let is_slow = lasts(self.in_message_since) || lasts(self.blocked_since);
        is_slow.then_some(Ended::Slow)
    }
}
