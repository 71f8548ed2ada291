//! Messages at a fixed rate, whether or not the server keeps up.

use std::{
    collections::VecDeque,
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    os::fd::AsRawFd,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, unix::SourceFd};

use super::{
    Measured, Span,
    client::{self, Client, Ear, Heard, Progress, READ_BYTES, names},
    frames,
};
use crate::cpu::Cpu;

/// Longest wait for what was sent last.
const LAST: Duration = Duration::from_secs(2);

/// A peer, and when what it is still to hear was to be sent.
#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    talk: Vec<Vec<u8>>,
    expected: Mutex<VecDeque<Instant>>,
}

/// One message every `1 / rate` seconds, of one peer after the other; latencies count from when it was to be sent.
pub(crate) fn paced(
    addresses: [SocketAddr; 2],
    pairs: usize,
    rate: u32,
    span: Span,
    cpu: impl Fn() -> Cpu,
) -> Measured {
    let (peers, mut ears): (Vec<Peer>, Vec<Ear>) = client::pairs(addresses, pairs)
        .into_iter()
        .enumerate()
        .map(|(at, client)| peer(at, client))
        .unzip();
    let stop = AtomicBool::new(false);
    let mut measured = Measured::default();
    let latencies = thread::scope(|scope| {
        let listening = scope.spawn(|| listen(&peers, &mut ears, &stop));
        let step = Duration::from_secs(1) / rate;
        let begin = Instant::now();
        let mut sent: u32 = 0;
        let mut send_until = |end: Instant| {
            let first = sent;
            loop {
                let due = begin + step * sent;
                if due >= end {
                    return u64::from(sent - first);
                }
                thread::sleep(due.saturating_duration_since(Instant::now()));
                send(&peers, sent as usize, due);
                sent += 1;
            }
        };
        send_until(begin + span.warm_up);
        let (before, from) = (cpu(), Instant::now());
        measured.units = send_until(begin + span.warm_up + span.measured);
        measured.seconds = from.elapsed().as_secs_f64();
        measured.cpu = cpu() - before;
        let end = Instant::now() + LAST;
        let left = || {
            peers
                .iter()
                .map(|peer| peer.expected.lock().expect("no panic").len())
        };
        while left().sum::<usize>() > 0 && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
        measured.lost = left().sum::<usize>() as u64;
        stop.store(true, Ordering::Relaxed);
        listening.join().expect("the listening thread")
    });
    // Those of the warm-up came first.
    let skipped = latencies.len().saturating_sub(measured.units as usize);
    measured.latencies = latencies[skipped..].to_vec();
    measured
}

fn peer(at: usize, client: Client) -> (Peer, Ear) {
    let (first, second, _) = names(at / 2);
    let talk = match at % 2 {
        0 => frames::talk(&first, &second),
        _ => frames::talk(&second, &first),
    };
    client.stream.set_nonblocking(true).expect("a socket");
    let peer = Peer {
        stream: client.stream,
        talk,
        expected: Mutex::default(),
    };
    (peer, client.ear)
}

fn send(peers: &[Peer], turn: usize, due: Instant) {
    let at = turn % peers.len();
    let sender = &peers[at];
    let receiver = &peers[at ^ 1];
    receiver.expected.lock().expect("no panic").push_back(due);
    let mut bytes = &sender.talk[turn / peers.len() % sender.talk.len()][..];
    while !bytes.is_empty() {
        match (&sender.stream).write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            // The server does not read: this thread has nothing better to do.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::yield_now(),
            Err(error) => panic!("while sending: {error}"),
        }
    }
}

fn listen(peers: &[Peer], ears: &mut [Ear], stop: &AtomicBool) -> Vec<u32> {
    let mut poll = Poll::new().expect("epoll");
    for (at, peer) in peers.iter().enumerate() {
        let descriptor = peer.stream.as_raw_fd();
        let registered =
            poll.registry()
                .register(&mut SourceFd(&descriptor), Token(at), Interest::READABLE);
        registered.expect("a registered socket");
    }
    let mut events = Events::with_capacity(256);
    let mut buffer = vec![0; READ_BYTES];
    let mut latencies = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        poll.poll(&mut events, Some(Duration::from_millis(50)))
            .expect("epoll");
        for event in &events {
            let at = event.token().0;
            let peer = &peers[at];
            let now = Instant::now();
            let mut messages = 0;
            let mut is_pinged = false;
            let mut hear = |heard| match heard {
                Heard::Message => messages += 1,
                Heard::Ping => is_pinged = true,
                Heard::Upgraded | Heard::Entered | Heard::Close => {}
            };
            while let Progress::More = ears[at]
                .read(&mut &peer.stream, &mut buffer, &mut hear)
                .expect("an open connection")
            {}
            if is_pinged {
                // The sending thread writes whole frames, this one too: six bytes are taken at once.
                let _ = (&peer.stream).write(&frames::pong());
            }
            let mut expected = peer.expected.lock().expect("no panic");
            for due in expected.drain(..messages) {
                let micros = now.saturating_duration_since(due).as_micros();
                latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
            }
        }
    }
    latencies
}
