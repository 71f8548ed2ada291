//! As many messages as the server takes: each that arrives is answered by the next.

use std::{
    collections::VecDeque,
    io::{self, Write},
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};

use super::{
    Measured, Span,
    client::{self, Client, Ear, Heard, Progress, READ_BYTES, names},
    frames,
};
use crate::cpu::Cpu;

#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    ear: Ear,
    talk: Vec<Vec<u8>>,
    turn: usize,
    unsent: Vec<u8>,
    /// When what it has sent, and its pair has not heard, was sent.
    sent: VecDeque<Instant>,
}

/// What all threads have done.
#[derive(Debug, Default)]
struct Counted {
    messages: AtomicU64,
    is_measured: AtomicBool,
    stop: AtomicBool,
    latencies: Mutex<Vec<u32>>,
}

/// Keeps `window` messages of each pair under way.
pub(crate) fn saturated(
    addresses: [SocketAddr; 2],
    pairs: usize,
    window: usize,
    threads: usize,
    span: Span,
    cpu: impl Fn() -> Cpu,
) -> Measured {
    let mut peers: Vec<Peer> = client::pairs(addresses, pairs)
        .into_iter()
        .enumerate()
        .map(|(at, client)| peer(at, client))
        .collect();
    let counted = Counted::default();
    // Pairs stay together.
    let share = pairs.div_ceil(threads) * 2;
    let mut measured = Measured::default();
    thread::scope(|scope| {
        for peers in peers.chunks_mut(share) {
            scope.spawn(|| talk(peers, window, &counted));
        }
        thread::sleep(span.warm_up);
        counted.is_measured.store(true, Ordering::Relaxed);
        let units = || counted.messages.load(Ordering::Relaxed);
        let (before, first, from) = (cpu(), units(), Instant::now());
        thread::sleep(span.measured);
        measured.cpu = cpu() - before;
        measured.units = units() - first;
        measured.seconds = from.elapsed().as_secs_f64();
        counted.stop.store(true, Ordering::Relaxed);
    });
    measured.latencies = counted.latencies.into_inner().expect("no panic");
    measured
}

fn peer(at: usize, client: Client) -> Peer {
    let (first, second, _) = names(at / 2);
    let talk = match at % 2 {
        0 => frames::talk(&first, &second),
        _ => frames::talk(&second, &first),
    };
    client.stream.set_nonblocking(true).expect("a socket");
    Peer {
        stream: TcpStream::from_std(client.stream),
        ear: client.ear,
        talk,
        // Not all at the same size at the same time.
        turn: at,
        unsent: Vec::new(),
        sent: VecDeque::new(),
    }
}

fn talk(peers: &mut [Peer], window: usize, counted: &Counted) {
    let mut poll = Poll::new().expect("epoll");
    for (at, peer) in peers.iter_mut().enumerate() {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = poll
            .registry()
            .register(&mut peer.stream, Token(at), interest);
        registered.expect("a registered socket");
    }
    for (at, peer) in peers.iter_mut().enumerate() {
        peer.say(window / 2 + window % 2 * (at % 2), Instant::now());
    }
    let mut events = Events::with_capacity(256);
    let mut buffer = vec![0; READ_BYTES];
    let mut latencies = Vec::new();
    while !counted.stop.load(Ordering::Relaxed) {
        poll.poll(&mut events, Some(Duration::from_millis(50)))
            .expect("epoll");
        for event in &events {
            let at = event.token().0;
            let messages = peers[at].hear(&mut buffer);
            let now = Instant::now();
            for sent in peers[at ^ 1].sent.drain(..messages) {
                if counted.is_measured.load(Ordering::Relaxed) {
                    let micros = now.saturating_duration_since(sent).as_micros();
                    latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
                }
            }
            peers[at].say(messages, now);
            counted
                .messages
                .fetch_add(messages as u64, Ordering::Relaxed);
        }
    }
    counted
        .latencies
        .lock()
        .expect("no panic")
        .append(&mut latencies);
}

impl Peer {
    /// How many messages have arrived.
    fn hear(&mut self, buffer: &mut [u8]) -> usize {
        let mut messages = 0;
        let mut is_pinged = false;
        let mut hear = |heard| match heard {
            Heard::Message => messages += 1,
            Heard::Ping => is_pinged = true,
            Heard::Upgraded | Heard::Entered | Heard::Close => {}
        };
        while let Progress::More = self
            .ear
            .read(&mut self.stream, buffer, &mut hear)
            .expect("an open connection")
        {}
        if is_pinged {
            self.unsent.extend_from_slice(&frames::pong());
        }
        messages
    }

    /// Says so much more, in one write.
    fn say(&mut self, messages: usize, now: Instant) {
        for _ in 0..messages {
            self.unsent
                .extend_from_slice(&self.talk[self.turn % self.talk.len()]);
            self.sent.push_back(now);
            self.turn += 1;
        }
        if self.unsent.is_empty() {
            return;
        }
        match self.stream.write(&self.unsent) {
            Ok(written) => drop(self.unsent.drain(..written)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("while sending: {error}"),
        }
    }
}
