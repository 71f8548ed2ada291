use std::{
    net::{TcpListener, TcpStream, UdpSocket as StdUdpSocket},
    os::fd::OwnedFd,
    sync::mpsc,
    thread,
};

use mio::net::UdpSocket;
use relay::{Config, Credentials, NonceKey};

use super::{
    batch::{Batch, Egress, Limits},
    offload::Offload,
    *,
};
use crate::{
    addresses::Addresses,
    quotas::Quotas,
    relay_sockets::{Ports, udp},
    reservations::Reservations,
    streams::{ListenersOfThread, SourceLimits, Sources},
};

fn worker(listener: UdpSocket) -> (Worker, Stop) {
    let credentials = Arc::new(Credentials::new("r").unwrap());
    let parts = Parts {
        listeners: ListenersOfThread {
            datagrams: vec![listener],
            ..ListenersOfThread::default()
        },
        stream_terms: Arc::new(Terms {
            patience: Duration::from_secs(10),
            trusted_proxies: Vec::new(),
            tls: None,
            certificates: None,
            sources: Arc::new(Sources::new(SourceLimits::default(), Instant::now())),
            quotas: Arc::new(Quotas::new(0, 1)),
            counts: Arc::default(),
        }),
        addresses: Addresses::default(),
        relay: Relay::new(Config::new(credentials, NonceKey::new(&[0; 32])), 1),
        openings: Openings::new(
            Ports::new(49_152..=65_535),
            Addresses::default(),
            Arc::new(Quotas::new(0, 1)),
            Arc::new(Reservations::new(Instant::now())),
        ),
        handovers: Arc::new(Handovers::new(Instant::now())),
        moves: Moves::between(1).remove(0),
        limits: relay::Limits::default(),
        keeps_icmp: false,
        counters: Arc::default(),
        oversight: Arc::default(),
    };
    Worker::new(parts).unwrap()
}

#[test]
fn a_listener_that_gives_nothing_but_errors_ends_its_thread() {
    // What is readable, and is no socket of datagrams.
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let _client = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
    tcp.set_nonblocking(true).unwrap();
    let listener = StdUdpSocket::from(OwnedFd::from(tcp));
    let (worker, _stop) = worker(UdpSocket::from_std(listener));
    let (done, ended) = mpsc::channel();
    thread::spawn(move || done.send(worker.run()));
    let ended = ended.recv_timeout(Duration::from_secs(10));
    assert!(ended.unwrap().is_err());
}

/// Sends so many datagrams through a batch, and receives them.
fn pass(
    (batch, offload): (&mut Batch, &mut Offload),
    receiver: &mut Receiver,
    (from, to): (&UdpSocket, &UdpSocket),
    datagrams: usize,
) -> usize {
    let address = to.local_addr().unwrap();
    for n in 0..datagrams {
        // Some of which go as one.
        let data = &[7; 300][..100 + n % 3 * 100];
        batch.push(
            Egress::Listener(0),
            address,
            &[b"head", data],
            Some(data.len()),
        );
    }
    batch.sort();
    let limits: Limits = offload.limits();
    while let Some(group) = batch.next(limits) {
        assert_eq!(offload.send(from, &group), group.messages);
    }
    batch.clear();
    let mut received = 0;
    // Loopback: what was sent is there.
    while let Ok((count, _)) = receiver.receive(&offload.state, to) {
        for at in 0..count {
            received += receiver.datagrams(at).1.count();
        }
    }
    received
}

#[test]
fn receiving_and_sending_cost_no_heap() {
    let [from, to] = [(), ()].map(|()| udp("127.0.0.1:0".parse().unwrap()).unwrap());
    let (mut batch, mut offload) = (Batch::new(1), Offload::new(false).unwrap());
    let mut receiver = Receiver::new();
    let heap = allocation_counter::measure(|| {
        for datagrams in [1, 2, 60] {
            let way = (&mut batch, &mut offload);
            assert_eq!(pass(way, &mut receiver, (&from, &to), datagrams), datagrams);
        }
    });
    assert_eq!(heap.count_total, 0);
}
