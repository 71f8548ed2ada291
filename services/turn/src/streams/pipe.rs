use std::{
    io::{ErrorKind, Read},
    net::Shutdown,
    time::{Duration, Instant},
};

use mio::net::TcpStream;

use super::{Ended, channel::Channel, outbox::Outbox};
use crate::{allowance::Way, handovers::Handover};

/// With so many bytes waiting for one side, nothing is read from the other.
const MAX_WAITING_BYTES: usize = 64 * 1024;

/// Times that both sides are read in one turn.
const READS: usize = 4;

/// A connection with a peer that a client's connection carries the data of, RFC 6062 §5.5.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) peer: Handover,
    to_peer: Outbox,
    client: Side,
    other: Side,
    /// Since when one side has said its last.
    half_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Side {
    /// It has said its last.
    is_over: bool,
    /// It was told that the other has.
    is_told: bool,
}

/// What was read, in bytes, and whether there may be more.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moved {
    pub(crate) to_peer: u64,
    pub(crate) to_client: u64,
    pub(crate) has_more: bool,
    /// When it may go on, if it has had all that its allocation may have now.
    pub(crate) waits_until: Option<Instant>,
}

/// The client's side of a pipe.
pub(super) struct Ends<'a> {
    pub(super) socket: &'a mut TcpStream,
    pub(super) channel: &'a mut Channel,
    pub(super) outbox: &'a mut Outbox,
}

impl Pipe {
    pub(super) fn new(peer: Handover) -> Self {
        Self {
            peer,
            to_peer: Outbox::default(),
            client: Side::default(),
            other: Side::default(),
            half_since: None,
        }
    }

    /// What the client said already, of which there is no more than was read at a time.
    pub(super) fn begin_with(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let (allowance, length) = (&self.peer.allowance, bytes.len() as u64);
            allowance.take(Way::ToPeer, length, Instant::now());
            let _ = self.to_peer.push(&[bytes], usize::MAX);
        }
    }

    /// Moves what has arrived at either side to the other, as much as that takes.
    ///
    /// # Errors
    /// When there is nothing more to move, ever.
    pub(super) fn pump(
        &mut self,
        client: &mut Ends<'_>,
        buffer: &mut [u8],
        now: Instant,
    ) -> Result<Moved, Ended> {
        let mut moved = Moved::default();
        let allowance = self.peer.allowance.clone();
        for _ in 0..READS {
            let waits = [Way::ToPeer, Way::ToClient].map(|way| allowance.waits_until(way, now));
            let to_peer = self.read_client(client, waits[0].is_none(), buffer)?;
            let to_client = self.read_peer(client, waits[1].is_none(), buffer)?;
            allowance.take(Way::ToPeer, to_peer, now);
            allowance.take(Way::ToClient, to_client, now);
            moved.waits_until = waits.into_iter().flatten().min();
            if let (Some(since), Some(until)) = (&mut self.half_since, moved.waits_until) {
                // What is held up here is not what a side is slow with.
                *since = until.max(*since);
            }
            moved.to_peer += to_peer;
            moved.to_client += to_client;
            self.pass_the_end_on(client, now)?;
            moved.has_more = to_peer + to_client > 0;
            if !moved.has_more {
                break;
            }
        }
        Ok(moved)
    }

    /// Writes what waits for the peer, and reads more if it may be.
    fn read_client(
        &mut self,
        client: &mut Ends<'_>,
        may_be: bool,
        buffer: &mut [u8],
    ) -> Result<u64, Ended> {
        let peer = &mut self.peer.socket;
        self.to_peer.write_to(peer).map_err(|_| Ended::Peer)?;
        if !may_be || self.client.is_over || self.to_peer.len() >= MAX_WAITING_BYTES {
            return Ok(0);
        }
        let read = match client.channel.receive(client.socket, buffer) {
            Ok(0) => {
                self.client.is_over = true;
                return Ok(0);
            }
            Ok(read) => read,
            Err(error) if is_delay(error.kind()) => return Ok(0),
            Err(_) => return Err(Ended::Client),
        };
        let _ = self.to_peer.push(&[&buffer[..read]], usize::MAX);
        self.to_peer.write_to(peer).map_err(|_| Ended::Peer)?;
        Ok(read as u64)
    }

    fn read_peer(
        &mut self,
        client: &mut Ends<'_>,
        may_be: bool,
        buffer: &mut [u8],
    ) -> Result<u64, Ended> {
        let flush = |client: &mut Ends<'_>| {
            let flushed = client.channel.flush(client.socket, client.outbox);
            flushed.map_err(|_| Ended::Client)
        };
        flush(client)?;
        if !may_be || self.other.is_over || client.outbox.len() >= MAX_WAITING_BYTES {
            return Ok(0);
        }
        let read = match self.peer.socket.read(buffer) {
            Ok(0) => {
                self.other.is_over = true;
                return Ok(0);
            }
            Ok(read) => read,
            Err(error) if is_delay(error.kind()) => return Ok(0),
            Err(_) => return Err(Ended::Peer),
        };
        let _ = client.outbox.push(&[&buffer[..read]], usize::MAX);
        flush(client)?;
        Ok(read as u64)
    }

    /// Tells a side that the other has said its last, once it has all of that.
    fn pass_the_end_on(&mut self, client: &mut Ends<'_>, now: Instant) -> Result<(), Ended> {
        if self.client.is_over && self.to_peer.is_empty() && !self.other.is_told {
            self.other.is_told = true;
            let _ = self.peer.socket.shutdown(Shutdown::Write);
        }
        let client_has_all = client.outbox.is_empty() && client.channel.has_written_all();
        if self.other.is_over && client_has_all && !self.client.is_told {
            self.client.is_told = true;
            client.channel.say_goodbye(client.socket);
            let _ = client.socket.shutdown(Shutdown::Write);
        }
        if self.client.is_over || self.other.is_over {
            self.half_since.get_or_insert(now);
        }
        match (self.client, self.other) {
            (client, other) if client.is_over && other.is_over => {
                match client.is_told && other.is_told {
                    true => Err(Ended::Peer),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Why it is to end now, if it is: its allocation has, or one side has said its last longer than `patience` ago.
    pub(super) fn overdue(&self, patience: Duration, now: Instant) -> Option<Ended> {
        if self.peer.link.has_ended() {
            return Some(Ended::Allocation);
        }
        let since = self.half_since?;
        let is_late = now.saturating_duration_since(since) >= patience;
        is_late.then_some(match self.client.is_over {
            true => Ended::Client,
            false => Ended::Peer,
        })
    }
}

fn is_delay(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
