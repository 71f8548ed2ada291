//! Whole calls: two peers connect, announce themselves, exchange offer, answer and candidates, and leave.

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, event::Event, net::TcpStream};
use slab::Slab;

use super::{
    Measured, Span,
    client::{Ear, Heard, Progress, READ_BYTES, names, request},
    frames,
};
use crate::cpu::Cpu;

/// A call that takes longer is given up, and counted as lost.
const GIVE_UP: Duration = Duration::from_secs(3);

/// Every call begins after the one before, this long after it at most where time is coarse.
const TICK: Duration = Duration::from_millis(1);

#[derive(Debug)]
struct Side {
    stream: TcpStream,
    ear: Ear,
    unsent: Vec<u8>,
}

#[derive(Debug)]
struct Call {
    ids: [String; 2],
    room: String,
    sides: [Option<Side>; 2],
    messages: Vec<Vec<u8>>,
    /// Messages that have arrived.
    arrived: usize,
    begun: Instant,
}

/// `rate` calls a second, whether or not those before have ended.
pub(crate) fn calls(
    addresses: [SocketAddr; 2],
    rate: u32,
    span: Span,
    cpu: impl Fn() -> Cpu,
) -> Measured {
    let mut load = Calls {
        addresses,
        poll: Poll::new().expect("epoll"),
        calls: Slab::new(),
        ended: 0,
        lost: 0,
        latencies: Vec::new(),
        buffer: vec![0; READ_BYTES],
    };
    let step = Duration::from_secs(1) / rate;
    let begin = Instant::now();
    let mut started = 0;
    let mut run_until = |load: &mut Calls, end: Instant| {
        while Instant::now() < end {
            if Instant::now() >= begin + step * started {
                started += 1;
                load.start(started as usize);
            }
            load.turn();
        }
    };
    run_until(&mut load, begin + span.warm_up);
    let (before, ended, from) = (cpu(), load.ended, Instant::now());
    load.latencies.clear();
    run_until(&mut load, begin + span.warm_up + span.measured);
    Measured {
        units: load.ended - ended,
        cpu: cpu() - before,
        seconds: from.elapsed().as_secs_f64(),
        lost: load.lost,
        latencies: load.latencies,
    }
}

struct Calls {
    addresses: [SocketAddr; 2],
    poll: Poll,
    calls: Slab<Call>,
    ended: u64,
    lost: u64,
    latencies: Vec<u32>,
    buffer: Vec<u8>,
}

impl Calls {
    fn start(&mut self, number: usize) {
        let (first, second, room) = names(number);
        let messages = frames::call(&first, &second);
        let at = self.calls.insert(Call {
            ids: [first, second],
            room,
            sides: [None, None],
            messages,
            arrived: 0,
            begun: Instant::now(),
        });
        self.connect(at, 0);
    }

    fn connect(&mut self, at: usize, which: usize) {
        let address = self.addresses[which];
        let mut stream = TcpStream::connect(address).expect("a socket");
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered =
            self.poll
                .registry()
                .register(&mut stream, Token(at * 2 + which), interest);
        registered.expect("a registered socket");
        // The handshake is written once the connection is there.
        self.calls[at].sides[which] = Some(Side {
            stream,
            ear: Ear::default(),
            unsent: request(address).into_bytes(),
        });
    }

    fn turn(&mut self) {
        let mut events = Events::with_capacity(256);
        self.poll.poll(&mut events, Some(TICK)).expect("epoll");
        for event in &events {
            let (at, which) = (event.token().0 / 2, event.token().0 % 2);
            self.serve(at, which, event);
            if let Some(call) = self.calls.get_mut(at)
                && let Some(side) = &mut call.sides[which]
            {
                side.flush();
            }
        }
        let mut lost = 0;
        self.calls.retain(|_, call| {
            let is_lost = call.begun.elapsed() > GIVE_UP;
            lost += u64::from(is_lost);
            !is_lost
        });
        self.lost += lost;
    }

    fn serve(&mut self, at: usize, which: usize, event: &Event) {
        let Some(call) = self.calls.get_mut(at) else {
            return;
        };
        let Some(side) = &mut call.sides[which] else {
            return;
        };
        let mut heard = Vec::new();
        let mut is_open = true;
        while event.is_readable() && is_open {
            let hear = |what| heard.push(what);
            match side.ear.read(&mut side.stream, &mut self.buffer, hear) {
                Ok(Progress::More) => {}
                Ok(Progress::Drained) => break,
                // After the close frames a server may end a connection as it likes.
                Ok(Progress::End) | Err(_) => is_open = false,
            }
        }
        // Its end came with what was read, and is not reported again.
        is_open &= !event.is_read_closed();
        let mut second_wanted = false;
        for what in heard {
            match what {
                Heard::Upgraded => {
                    let _ = side.stream.set_nodelay(true);
                    side.say(&frames::announce(&call.ids[which], &call.room));
                }
                Heard::Entered if which == 0 => second_wanted = true,
                Heard::Entered => side.say(&call.messages[0]),
                Heard::Message => {
                    call.arrived += 1;
                    if let Some(next) = call.messages.get(call.arrived) {
                        side.say(next);
                    }
                }
                Heard::Close | Heard::Ping => {}
            }
        }
        if !is_open {
            call.sides[which] = None;
        }
        let is_talked_out = call.arrived == call.messages.len();
        if is_talked_out {
            // Once: nothing is left to be said afterwards.
            call.arrived += 1;
            for (side, id) in call.sides.iter_mut().zip(&call.ids) {
                if let Some(side) = side {
                    side.say(&[frames::leave(id), frames::close()].concat());
                    side.flush();
                }
            }
        }
        let is_over = call.arrived > call.messages.len() && call.sides.iter().all(Option::is_none);
        if is_over {
            let micros = call.begun.elapsed().as_micros();
            self.latencies
                .push(u32::try_from(micros).unwrap_or(u32::MAX));
            self.ended += 1;
            self.calls.remove(at);
        } else if second_wanted {
            self.connect(at, 1);
        }
    }
}

impl Side {
    fn say(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
    }

    fn flush(&mut self) {
        if self.unsent.is_empty() {
            return;
        }
        match self.stream.write(&self.unsent) {
            Ok(written) => drop(self.unsent.drain(..written)),
            // Not connected yet, or full: written when the socket says so.
            Err(error) if is_later(&error) => {}
            // It has ended: reading says so too.
            Err(_) => self.unsent.clear(),
        }
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
    )
}
