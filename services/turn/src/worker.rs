//! One thread: its sockets, and the state machine between them.
//!
//! `worker.rs` waits, gives every socket its turn, and carries out what is not relaying: answers, and sockets to be
//! opened and closed. `datagrams` is the way of packets from and to sockets of datagrams, `stream_clients` that of
//! messages from clients over TCP and TLS; `opened` has the relay sockets; `turns` the sockets that have more to be read; `tokens` says whose a token of the poll is.

mod datagrams;
mod opened;
mod stream_clients;
mod tokens;
mod turns;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use mio::{
    Events, Interest, Poll, Token, Waker,
    net::{TcpListener, UdpSocket},
};
use relay::{Action, Open, Output, Refusal, Relay, Time, Transport};

use self::{opened::Opened, tokens::Source, turns::Turns};
use crate::{
    addresses::Addresses,
    metrics::Counters,
    quotas::Quotas,
    relay_sockets::Ports,
    streams::{Streams, Terms},
};

/// Sockets that the kernel reports as readable at a time.
const EVENTS: usize = 1024;

/// Longest sleep; nothing depends on it.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// One thread: its listeners, its allocations' sockets, and the state machine between them.
#[derive(Debug)]
pub(crate) struct Worker {
    poll: Poll,
    listeners: Vec<UdpSocket>,
    streams: Streams,
    relay: Relay,
    opened: Opened,
    turns: Turns,
    /// Whether the last relay socket could not be had for another reason than that its port was taken.
    failing: bool,
    quotas: Arc<Quotas>,
    counters: Arc<Counters>,
    buffer: Box<[u8]>,
    stop: Arc<AtomicBool>,
}

/// What a worker is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) listeners: Vec<UdpSocket>,
    /// Listeners of streams are numbered after those of datagrams.
    pub(crate) stream_listeners: Vec<(Transport, TcpListener)>,
    pub(crate) stream_terms: Arc<Terms>,
    pub(crate) relay: Relay,
    pub(crate) ports: Ports,
    pub(crate) addresses: Addresses,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) counters: Arc<Counters>,
}

/// Ends a worker.
#[derive(Debug)]
pub(crate) struct Stop {
    flag: Arc<AtomicBool>,
    waker: Waker,
}

impl Stop {
    pub(crate) fn stop(&self) {
        self.flag.store(true, Ordering::Relaxed);
        if let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "a relay thread cannot be woken");
        }
    }
}

impl Worker {
    /// # Errors
    /// When the process is out of descriptors.
    pub(crate) fn new(parts: Parts) -> io::Result<(Self, Stop)> {
        let poll = Poll::new()?;
        let flag = Arc::new(AtomicBool::new(false));
        let stop = Stop {
            flag: flag.clone(),
            waker: Waker::new(poll.registry(), tokens::WAKER)?,
        };
        let mut listeners = parts.listeners;
        for (number, listener) in listeners.iter_mut().enumerate() {
            poll.registry()
                .register(listener, Token(number), Interest::READABLE)?;
        }
        let streams = Streams::new(
            listeners.len(),
            parts.stream_listeners,
            parts.stream_terms,
            poll.registry().try_clone()?,
        )?;
        let opened = Opened::new(parts.ports, parts.addresses, poll.registry().try_clone()?);
        let worker = Self {
            poll,
            listeners,
            streams,
            relay: parts.relay,
            opened,
            turns: Turns::default(),
            failing: false,
            quotas: parts.quotas,
            counters: parts.counters,
            buffer: vec![0; datagrams::ROOM].into_boxed_slice(),
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
            for _ in 0..self.turns.len() {
                if let Some(token) = self.turns.next() {
                    self.read(token)?;
                }
            }
            for event in &events {
                let token = event.token();
                if !self.turns.contains(token) {
                    self.read(token)?;
                }
            }
            self.relay.handle_timeout(Instant::now());
            self.carry_out(Instant::now());
            self.tend_streams(Instant::now());
        }
        Ok(())
    }

    fn sleep(&self) -> Duration {
        if self.turns.len() > 0 {
            return Duration::ZERO;
        }
        let due = [self.relay.poll_timeout(), self.streams.next_sweep()];
        let due = due.into_iter().flatten().min();
        let due = due.map(|at| at.saturating_duration_since(Instant::now()));
        due.map_or(LONGEST_SLEEP, |due| due.min(LONGEST_SLEEP))
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
            Source::Stream(place) => self.serve_stream(place),
            Source::Waker => false,
        };
        if has_more {
            self.turns.add(token);
        }
        Ok(())
    }

    /// Everything but relaying.
    fn act(&mut self, action: Action) {
        match action {
            Action::Answer(answer) => {
                self.counters.answered(&answer);
                let (client, message) = (answer.client, self.relay.answer());
                let is_sent = if self.streams.serve(client.listener) {
                    self.streams.answer(client, message)
                } else {
                    self.send_datagram(client.listener, client.address, message)
                        .is_ok()
                };
                if !is_sent {
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
                    let bound = self.open(&open);
                    let action = self.relay.handle_opened(open.allocation, bound, now);
                    self.act(action);
                }
                Output::Close(close) => {
                    self.opened.close(close.allocation);
                    self.quotas.release(&close.user);
                    self.counters.closed.add(1);
                    tracing::debug!(reason = close.reason.label(), "allocation ended");
                }
            }
        }
    }

    fn open(&mut self, open: &Open) -> Result<SocketAddr, Refusal> {
        self.quotas.charge(&open.user)?;
        match self.opened.open(open) {
            Ok(address) => {
                self.failing = false;
                self.counters.opened.add(1);
                tracing::debug!("allocation made");
                Ok(address)
            }
            Err(error) => {
                self.quotas.release(&open.user);
                // Once, until it works again.
                if !self.failing && error.kind() != io::ErrorKind::AddrInUse {
                    self.failing = true;
                    tracing::warn!(%error, "relay sockets cannot be opened");
                }
                Err(Refusal::InsufficientCapacity)
            }
        }
    }
}

fn time() -> Time {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    Time {
        monotonic: Instant::now(),
        unix: unix.map_or(0, |since| since.as_secs()),
    }
}

#[cfg(test)]
mod tests;
