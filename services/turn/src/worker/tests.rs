use std::{
    net::{TcpListener, TcpStream, UdpSocket as StdUdpSocket},
    os::fd::OwnedFd,
    sync::mpsc,
    thread,
};

use relay::{Config, Credentials, NonceKey};

use super::*;
use crate::{
    addresses::Addresses, quotas::Quotas, relay_sockets::Ports, reservations::Reservations,
    streams::Sources,
};

fn worker(listener: UdpSocket) -> (Worker, Stop) {
    let credentials = Arc::new(Credentials::new("r").unwrap());
    let parts = Parts {
        listeners: vec![listener],
        stream_listeners: Vec::new(),
        stream_terms: Arc::new(Terms {
            patience: Duration::from_secs(10),
            trusted_proxies: Vec::new(),
            tls: None,
            sources: Arc::new(Sources::new(0)),
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
