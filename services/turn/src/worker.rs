use std::{
    collections::{HashMap, HashSet, VecDeque},
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, Waker, net::UdpSocket};
use relay::{
    Action, AllocationId, Bound, Client, Family, ListenerId, MAX_PADDING_BYTES, MAX_PREFIX_BYTES,
    Open, Output, Refusal, Relay, Time, ToClient, ToPeer,
};
use slab::Slab;

use crate::{
    addresses::Addresses,
    audit::Audit,
    metrics::Counters,
    openings::Openings,
    orders::{Inbox, Stop},
    oversight::Oversight,
    relay_sockets::send_whole,
};

/// Longest UDP payload.
const MAX_DATAGRAM: usize = 65_535;

/// Packets read from a listener before the others have their turn: all clients' packets come there.
const LISTENER_BUDGET: usize = 512;

/// Packets read from a relay socket before the others have their turn.
const RELAY_SOCKET_BUDGET: usize = 16;

/// Errors in a row after which a socket is given up for now: what concerns single packets is over by then.
const MAX_ERRORS: usize = 8;

/// Sockets that the kernel reports as readable at a time.
const EVENTS: usize = 1024;

/// Longest sleep; nothing depends on it.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// The token of the waker; listeners have those from 0 on, relay sockets those from `RELAY_SOCKETS` on.
const WAKER: Token = Token(usize::MAX);

/// First token of relay sockets: a process has fewer listeners.
const RELAY_SOCKETS: usize = 1 << 16;

/// One thread: its listeners, its allocations' sockets, and the state machine between them.
#[derive(Debug)]
pub(crate) struct Worker {
    poll: Poll,
    listeners: Vec<UdpSocket>,
    relay: Relay,
    sockets: Slab<RelaySocket>,
    by_allocation: HashMap<(AllocationId, Family), usize>,
    /// Sockets that were not read to their end, in turn, and the same as a set.
    unread: VecDeque<Token>,
    is_unread: HashSet<Token>,
    openings: Openings,
    counters: Arc<Counters>,
    oversight: Arc<Oversight>,
    audit: Audit,
    inbox: Inbox,
    buffer: Box<[u8]>,
    stop: Arc<AtomicBool>,
}

#[derive(Debug)]
struct RelaySocket {
    socket: UdpSocket,
    allocation: AllocationId,
}

/// What a worker is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) listeners: Vec<UdpSocket>,
    pub(crate) addresses: Addresses,
    pub(crate) relay: Relay,
    pub(crate) openings: Openings,
    pub(crate) counters: Arc<Counters>,
    pub(crate) oversight: Arc<Oversight>,
}

impl Worker {
    /// # Errors
    /// When the process is out of descriptors.
    pub(crate) fn new(parts: Parts) -> io::Result<(Self, Stop)> {
        let poll = Poll::new()?;
        let flag = Arc::new(AtomicBool::new(false));
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (stop, inbox) = Stop::new(flag.clone(), waker);
        let mut listeners = parts.listeners;
        for (number, listener) in listeners.iter_mut().enumerate() {
            poll.registry()
                .register(listener, Token(number), Interest::READABLE)?;
        }
        let room = MAX_PREFIX_BYTES + MAX_DATAGRAM + MAX_PADDING_BYTES;
        let worker = Self {
            poll,
            listeners,
            relay: parts.relay,
            sockets: Slab::new(),
            by_allocation: HashMap::new(),
            unread: VecDeque::new(),
            is_unread: HashSet::new(),
            openings: parts.openings,
            counters: parts.counters,
            audit: Audit::new(parts.addresses, parts.oversight.clone(), Instant::now()),
            oversight: parts.oversight,
            inbox,
            buffer: vec![0; room].into_boxed_slice(),
            stop: flag,
        };
        Ok((worker, stop))
    }

    /// Serves until it is stopped. In this order: sockets, those that were not read to their end first; then
    /// what is over; then sleep.
    ///
    /// # Errors
    /// When there is no more to be had from the kernel.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while !self.stop.load(Ordering::Relaxed) {
            let sleep = self.sleep();
            match self.poll.poll(&mut events, Some(sleep)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            for _ in 0..self.unread.len() {
                if let Some(token) = self.unread.pop_front() {
                    self.is_unread.remove(&token);
                    self.read(token)?;
                }
            }
            for event in &events {
                let token = event.token();
                if token != WAKER && !self.is_unread.contains(&token) {
                    self.read(token)?;
                }
            }
            self.inbox
                .carry_out(&mut self.relay, &self.oversight, time());
            let now = Instant::now();
            self.relay.handle_timeout(now);
            self.openings.handle_timeout(now);
            self.carry_out(now);
        }
        Ok(())
    }

    fn sleep(&self) -> Duration {
        if !self.unread.is_empty() {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let due = self.relay.poll_timeout();
        let due = due.map(|at| at.saturating_duration_since(now));
        let reserved = self.openings.due_in(now);
        due.into_iter()
            .chain(reserved)
            .fold(LONGEST_SLEEP, Duration::min)
    }

    /// Reads a socket to its end, or as much as is its turn.
    ///
    /// # Errors
    /// When a listener gives nothing but errors: its clients must not wait for a thread that hears none of them.
    /// A relay socket that does is left alone until the kernel reports it again.
    fn read(&mut self, token: Token) -> io::Result<()> {
        let is_listener = token.0 < RELAY_SOCKETS;
        let budget = match is_listener {
            true => LISTENER_BUDGET,
            false => RELAY_SOCKET_BUDGET,
        };
        let mut errors = 0;
        for _ in 0..budget {
            let read = match is_listener {
                true => self.read_client(token.0),
                false => self.read_peer(token.0 - RELAY_SOCKETS),
            };
            match read {
                Ok(()) => errors = 0,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // An earlier packet's ICMP error, or a signal: of no concern to the next packet.
                Err(error) if errors < MAX_ERRORS => {
                    errors += 1;
                    tracing::trace!(%error, "while receiving");
                }
                Err(error) if is_listener => return Err(error),
                Err(error) => {
                    tracing::debug!(%error, "a relay socket cannot be read");
                    return Ok(());
                }
            }
        }
        self.unread.push_back(token);
        self.is_unread.insert(token);
        Ok(())
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

    fn read_peer(&mut self, key: usize) -> io::Result<()> {
        let Some(RelaySocket { socket, allocation }) = self.sockets.get(key) else {
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
        let socket = self
            .by_allocation
            .get(&(to_peer.allocation, to_peer.family()))
            .and_then(|key| self.sockets.get(*key));
        let Some(RelaySocket { socket, .. }) = socket else {
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
        match self.send_to_client(to_client.client, message) {
            Ok(_) => self.counters.to_client(length),
            Err(_) => self.counters.unsent.add(1),
        }
    }

    fn send_to_client(&self, client: Client, message: &[u8]) -> io::Result<usize> {
        match self.listeners.get(usize::from(client.listener.0)) {
            Some(listener) => listener.send_to(message, client.address),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Everything but relaying.
    fn act(&self, action: Action) {
        match action {
            Action::Answer(answer) => {
                self.counters.answered(&answer);
                self.oversight.answered(self.relay.authentication());
                if self
                    .send_to_client(answer.client, self.relay.answer())
                    .is_err()
                {
                    self.counters.unsent.add(1);
                }
            }
            Action::Dropped(reason) => self.counters.dropped(reason),
            Action::Pending | Action::ToPeer(_) | Action::ToClient(_) => {}
        }
    }

    fn carry_out(&mut self, now: Instant) {
        while let Some(output) = self.relay.poll_output() {
            match output {
                Output::Open(open) => {
                    let bound = self.open(&open, now);
                    if let Ok(bound) = bound {
                        self.audit.opened(&open, bound.address, now);
                    }
                    let (allocation, family) = (open.allocation, open.family);
                    let action = self.relay.handle_opened(allocation, family, bound, now);
                    self.act(action);
                }
                Output::Close(close) => {
                    let place = (close.allocation, close.family);
                    if let Some(key) = self.by_allocation.remove(&place)
                        && let Some(mut gone) = self.sockets.try_remove(key)
                    {
                        // Closing it would take it out of the poll as well; this says so.
                        let _ = self.poll.registry().deregister(&mut gone.socket);
                    }
                    self.openings.release(&close.user);
                    self.counters.closed.add(1);
                    self.audit.closed(&close, now);
                    tracing::debug!(reason = close.reason.label(), "relayed address ended");
                }
            }
        }
    }

    fn open(&mut self, open: &Open, now: Instant) -> Result<Bound, Refusal> {
        let opened = self.openings.open(open.family, open.port, &open.user, now);
        let (mut socket, bound) = opened?;
        let place = self.sockets.vacant_entry();
        let token = Token(RELAY_SOCKETS + place.key());
        let registry = self.poll.registry();
        if let Err(error) = registry.register(&mut socket, token, Interest::READABLE) {
            self.openings.release(&open.user);
            self.openings.failed(&error);
            return Err(Refusal::InsufficientCapacity);
        }
        self.by_allocation
            .insert((open.allocation, open.family), place.key());
        place.insert(RelaySocket {
            socket,
            allocation: open.allocation,
        });
        self.counters.opened.add(1);
        tracing::debug!("relayed address made");
        Ok(bound)
    }
}

fn time() -> Time {
    Time {
        monotonic: Instant::now(),
        unix: crate::unix(),
    }
}

#[cfg(test)]
mod tests;
