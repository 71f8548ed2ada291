//! One thread: its sockets, and the state machine between them.
//!
//! `worker.rs` waits, gives every socket its turn, and carries out what is not relaying: answers, and sockets to be
//! opened and closed. `datagrams` is the way of packets from sockets of datagrams, which `receiver` receives many at a
//! time, `dtls_clients` that of those which are encrypted, `stream_clients` that of messages from clients over TCP and
//! TLS, `moved` that between threads; `sending` has the sockets, and a `batch` of what is to be sent from them when a
//! round is over, as much as possible at once: `offload`. `opened` has the relay sockets; `turns` the sockets that
//! have more to be read; `tokens` says whose a token of the poll is.

mod batch;
mod datagrams;
mod dtls_clients;
mod icmp;
mod moved;
mod offload;
mod opened;
mod peer_connections;
mod receiver;
mod sending;
mod stream_clients;
mod tokens;
mod turns;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, Waker};
use relay::{Action, Bound, Limits, Open, Output, Protocol, Refusal, Relay, Time, ToClient};

use self::{opened::Opened, receiver::Receiver, sending::Sending, tokens::Source, turns::Turns};
use crate::{
    addresses::Addresses,
    audit::Audit,
    dtls::Associations,
    handovers::Handovers,
    metrics::Counters,
    moves::Moves,
    openings::Openings,
    orders::{Inbox, Stop},
    oversight::Oversight,
    peers::Peers,
    streams::{ListenersOfThread, Streams, Terms},
};

/// Sockets that the kernel reports as readable at a time.
const EVENTS: usize = 1024;

/// Longest sleep; nothing depends on it.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// One thread: its listeners, its allocations' sockets, and the state machine between them.
#[derive(Debug)]
pub(crate) struct Worker {
    poll: Poll,
    receiver: Receiver,
    streams: Streams,
    dtls: Associations,
    relay: Relay,
    sending: Sending,
    turns: Turns,
    openings: Openings,
    peers: Peers,
    moves: Moves,
    counters: Arc<Counters>,
    oversight: Arc<Oversight>,
    audit: Audit,
    inbox: Inbox,
    stop: Arc<AtomicBool>,
}

/// What a worker is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) listeners: ListenersOfThread,
    pub(crate) stream_terms: Arc<Terms>,
    pub(crate) addresses: Addresses,
    pub(crate) relay: Relay,
    pub(crate) openings: Openings,
    pub(crate) handovers: Arc<Handovers>,
    pub(crate) moves: Moves,
    pub(crate) limits: Limits,
    pub(crate) keeps_icmp: bool,
    pub(crate) counters: Arc<Counters>,
    pub(crate) oversight: Arc<Oversight>,
}

impl Worker {
    /// # Errors
    /// When the process is out of descriptors.
    pub(crate) fn new(parts: Parts) -> io::Result<(Self, Stop)> {
        let poll = Poll::new()?;
        let flag = Arc::new(AtomicBool::new(false));
        let waker = Arc::new(Waker::new(poll.registry(), tokens::WAKER)?);
        parts.moves.wake_with(waker.clone());
        let (stop, inbox) = Stop::new(flag.clone(), waker);
        let ListenersOfThread {
            datagrams: mut listeners,
            dtls,
            streams,
        } = parts.listeners;
        for (number, listener) in listeners.iter_mut().enumerate() {
            poll.registry()
                .register(listener, Token(number), Interest::READABLE)?;
        }
        let (terms, quotas) = (
            parts.stream_terms.clone(),
            parts.stream_terms.quotas.clone(),
        );
        let streams = Streams::new(
            listeners.len(),
            streams,
            parts.stream_terms,
            poll.registry().try_clone()?,
        )?;
        let opened = Opened::new(poll.registry().try_clone()?, parts.keeps_icmp);
        let peers = Peers::new(
            parts.handovers,
            quotas,
            poll.registry().try_clone()?,
            parts.limits.bits_per_second,
        );
        let worker = Self {
            poll,
            receiver: Receiver::new(),
            streams,
            dtls: Associations::new(dtls, terms)?,
            relay: parts.relay,
            sending: Sending::new(listeners, opened, parts.counters.clone())?,
            turns: Turns::default(),
            openings: parts.openings,
            peers,
            moves: parts.moves,
            counters: parts.counters,
            audit: Audit::new(parts.addresses, parts.oversight.clone(), Instant::now()),
            oversight: parts.oversight,
            inbox,
            stop: flag,
        };
        Ok((worker, stop))
    }

    /// Serves until it is stopped. In this order, which is a round: sockets, those that were not read to their end
    /// first; then what they have to send; then what was ordered, and what is over; then sleep.
    ///
    /// # Errors
    /// When there is no more to be had from the kernel.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut sleep = Duration::ZERO;
        while !self.stop.load(Ordering::Relaxed) {
            match self.poll.poll(&mut events, Some(sleep)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            for _ in 0..self.turns.len() {
                if let Some(token) = self.turns.next() {
                    self.read(token)?;
                }
            }
            for event in &events {
                let token = event.token();
                if event.is_error() {
                    self.read_icmp(tokens::source(token));
                }
                if !self.turns.contains(token) {
                    self.read(token)?;
                }
            }
            self.receive_moved();
            self.sending.flush();
            let now = time();
            self.inbox.carry_out(&mut self.relay, &self.oversight, now);
            let now = now.monotonic;
            self.relay.handle_timeout(now);
            self.openings.handle_timeout(now);
            self.end_late_connects(now);
            self.carry_out(now);
            self.tend_streams(now);
            self.tend_dtls(now);
            // Answers to what is opened, and to what was still to be read.
            self.sending.flush();
            self.moves.wake();
            sleep = self.sleep(now);
        }
        Ok(())
    }

    fn sleep(&self, now: Instant) -> Duration {
        if self.turns.len() > 0 {
            return Duration::ZERO;
        }
        let due = [
            self.relay.poll_timeout(),
            self.streams.next_sweep(),
            self.streams.held_up.first(),
            self.dtls.next_sweep(),
            self.peers.next_timeout(),
        ];
        let due = due.into_iter().flatten();
        due.map(|at| at.saturating_duration_since(now))
            .chain(self.openings.due_in(now))
            .chain(self.peers.handovers.due_in(now))
            .fold(LONGEST_SLEEP, Duration::min)
    }

    /// Gives a socket its turn.
    ///
    /// # Errors
    /// When the thread cannot go on.
    fn read(&mut self, token: Token) -> io::Result<()> {
        let has_more = match tokens::source(token) {
            source @ (Source::Listener(_) | Source::RelaySocket(_)) => {
                self.read_datagrams(source)?
            }
            Source::StreamListener(number) => self.streams.accept(number, Instant::now()),
            Source::Stream(place) | Source::Pipe(place) => self.serve_stream(place),
            Source::PeerListener(place) => self.accept_peers(place),
            Source::Connecting(place) => self.finish_connect(place),
            Source::Waker => false,
        };
        if has_more {
            self.turns.add(token);
        }
        Ok(())
    }

    /// Data for a client, with what goes before and after it, over whatever its listener is.
    fn relay_to_client(&mut self, to: &ToClient, data: &[u8]) {
        let parts = [to.prefix(), data, to.padding()];
        if !self.streams.serve(to.client.listener) {
            self.send_data(to.client, &parts, data.len());
        } else if self.streams.relay(to.client, &parts) {
            self.counters.relayed_to_clients(1, data.len() as u64);
        } else {
            self.counters.unsent.add(1);
        }
    }

    /// Everything but relaying.
    fn act(&mut self, action: Action) {
        match action {
            Action::Answer(answer) => {
                self.counters.answered(&answer);
                self.oversight.answered(self.relay.authentication());
                self.oversight.new_peers(self.relay.new_peers_refused());
                let client = answer.client;
                if !self.streams.serve(client.listener) {
                    self.send_answer(client);
                } else {
                    let message = self.relay.answer();
                    let is_known = self.relay.has_allocation(client, Instant::now());
                    if !self.streams.answer(client, message, is_known) {
                        self.counters.unsent.add(1);
                    }
                }
            }
            Action::Indication(client) => {
                let message = self.relay.answer();
                if !self.streams.serve(client.listener) {
                    self.send_answer(client);
                } else if !self.streams.answer(client, message, true) {
                    self.counters.unsent.add(1);
                }
            }
            Action::Dropped(reason) => self.counters.dropped(reason),
            Action::Pending | Action::ToPeer(_) | Action::ToClient(_) | Action::Elsewhere(_) => {}
        }
    }

    fn carry_out(&mut self, now: Instant) {
        while let Some(output) = self.relay.poll_output() {
            // What waits names sockets by their place, which may be another's soon.
            self.sending.flush();
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
                    self.sending.opened.close(close.allocation, close.family);
                    self.peers.close(close.allocation, close.family);
                    if !self.relay.has_relayed_addresses(close.allocation) {
                        self.moves.over(close.allocation);
                    }
                    self.counters.closed.add(1);
                    self.audit.closed(&close, now);
                    tracing::debug!(reason = close.reason.label(), "relayed address ended");
                }
                Output::Moved(moved) => self.follow(&moved, now),
                Output::Connect(wanted) => self.connect(wanted, now),
                Output::Bind(wanted) => self.bind(&wanted, now),
            }
        }
    }

    fn open(&mut self, open: &Open, now: Instant) -> Result<Bound, Refusal> {
        let (user, client) = (&open.user, open.client.address.ip());
        let (registered, bound) = match open.protocol {
            Protocol::Udp => {
                let opened = self
                    .openings
                    .open(open.family, open.port, user, client, now);
                let (socket, bound, charge) = opened?;
                let opened = &mut self.sending.opened;
                let inserted = opened.insert(open.allocation, open.family, socket, charge);
                (inserted, bound)
            }
            Protocol::Tcp => {
                let opened = self.openings.open_tcp(open.family, user, client);
                let (socket, bound, charge) = opened?;
                (self.peers.listen(open, socket, charge), bound)
            }
        };
        if let Err(error) = registered {
            self.openings.failed(&error);
            return Err(Refusal::InsufficientCapacity);
        }
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
