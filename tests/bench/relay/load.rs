//! Puts a load on a contestant and measures what it does about it.

use std::{
    net::{Ipv4Addr, UdpSocket},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use trunkline_tests::TurnClient;

use crate::{
    cell::{Cell, Sender, Way},
    contestant::{CHANNEL, Contestant, Running},
    sending,
    server::PATIENCE,
    sink,
};

/// Bytes of a ChannelData header.
const HEADER: usize = 4;

/// In which a server does what it has begun.
const REST: Duration = Duration::from_millis(30);

/// Datagrams without which nothing can be said: where the machine is too busy for them, a measurement takes longer.
const FEWEST: u64 = 200;

/// What was relayed, and what it cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Nanoseconds on a processor for a datagram that arrived.
    pub(crate) nanos: f64,
    /// Datagrams a second that arrived.
    pub(crate) rate: f64,
    /// Share of those sent that did not.
    pub(crate) loss: f64,
}

impl Measured {
    pub(crate) fn line(&self) -> String {
        let (nanos, rate, loss) = (self.nanos, self.rate / 1000.0, self.loss * 100.0);
        format!("{nanos:.0} ns {rate:.0} k/s {loss:.1} %")
    }
}

/// What an allocation costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AllocationCost {
    /// Microseconds on a processor: the challenge and the Allocate.
    pub(crate) micros: f64,
    /// Those of a ChannelBind.
    pub(crate) bind_micros: f64,
    /// Resident bytes, with the channel.
    pub(crate) bytes: f64,
}

/// One cell.
pub(crate) fn relay(running: &Running, cell: Cell, measured: Duration) -> Measured {
    let is_floor = running.contestant == Contestant::Floor;
    let allocations = cell.allocations;
    let (mut senders, mut receivers) = (&running.clients[..], &running.peers[..]);
    let mut header = [0; HEADER];
    header[..2].copy_from_slice(&CHANNEL.to_be_bytes());
    header[2..].copy_from_slice(&(cell.size as u16).to_be_bytes());
    let mut datagram = [&header[..], &vec![7; cell.size]].concat();
    let mut arriving = cell.size;
    // The floor forwards to its one sink whichever way it is.
    if cell.way == Way::ToClients && !is_floor {
        (senders, receivers) = (receivers, senders);
        datagram.drain(..HEADER);
        arriving += HEADER;
    }
    let senders = &senders[..allocations];
    let receivers = &receivers[..allocations.min(receivers.len())];
    let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
    let (stop_sending, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    let coalesced = cell.sender == Sender::Coalesced;
    thread::scope(|threads| {
        threads.spawn(|| sink::count(receivers, arriving, coalesced, &received, &stop));
        threads.spawn(|| sending::send(cell, senders, &datagram, &sent, &stop_sending));
        let read = || {
            let counts = [&sent, &received].map(|count| count.load(Ordering::Relaxed));
            (running.server.cpu_nanos(), counts, Instant::now())
        };
        let until = |datagrams: u64| {
            let end = Instant::now() + PATIENCE;
            while received.load(Ordering::Relaxed) < datagrams && Instant::now() < end {
                thread::sleep(REST);
            }
        };
        thread::sleep(measured / 2);
        until(FEWEST);
        let (cpu, [sent_before, received_before], start) = read();
        thread::sleep(measured);
        until(received_before + FEWEST);
        let (cpu_after, [sent_after, received_after], end) = read();
        stop_sending.store(true, Ordering::Relaxed);
        thread::sleep(REST);
        stop.store(true, Ordering::Relaxed);
        let arrived = (received_after - received_before) as f64;
        Measured {
            nanos: (cpu_after - cpu) as f64 / arrived,
            rate: arrived / (end - start).as_secs_f64(),
            loss: 1.0 - arrived / (sent_after - sent_before) as f64,
        }
    })
}

/// So many allocations one after the other, and a channel for each. The floor has none.
pub(crate) fn allocations(running: &Running, number: usize) -> AllocationCost {
    let nothing = AllocationCost {
        micros: 0.0,
        bind_micros: 0.0,
        bytes: 0.0,
    };
    if running.contestant == Contestant::Floor {
        return nothing;
    }
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let peer = peer.local_addr().expect("the port's address");
    let server = &running.server;
    let allocate = |number: usize| -> Vec<TurnClient> {
        let clients = (0..number).map(|_| TurnClient::allocate(server.address));
        clients.collect()
    };
    let mut warm_up = allocate(number / 10);
    warm_up
        .iter_mut()
        .for_each(|client| client.bind(CHANNEL, peer));
    thread::sleep(REST);
    let (cpu, bytes) = (server.cpu_nanos(), server.resident_bytes());
    let mut clients = allocate(number);
    thread::sleep(REST);
    let allocated = server.cpu_nanos();
    clients
        .iter_mut()
        .for_each(|client| client.bind(CHANNEL, peer));
    thread::sleep(REST);
    let (bound, bytes_after) = (server.cpu_nanos(), server.resident_bytes());
    warm_up
        .into_iter()
        .chain(clients)
        .for_each(TurnClient::close);
    let each = |nanos: u64| nanos as f64 / 1000.0 / number as f64;
    AllocationCost {
        micros: each(allocated - cpu),
        bind_micros: each(bound - allocated),
        bytes: (bytes_after as f64 - bytes as f64) / number as f64,
    }
}
