//! Connections with peers, RFC 6062: they carry what they are given, for who they belong to, and for nobody else.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use stun::{
    attributes::AttrType,
    message::{
        Getter, METHOD_ALLOCATE, METHOD_CONNECT, METHOD_CONNECTION_BIND, METHOD_CREATE_PERMISSION,
        METHOD_REFRESH, Message,
    },
};
use trunkline_tests::{Certificate, Process, Redis};
use turn::proto::peeraddr::PeerAddress;

use crate::{
    stream_client::{StreamClient, is_closed},
    tls,
};

const CONNECTION_ID: u16 = 0x002A;

const TCP: u8 = 6;

fn relay(options: &[&str]) -> Process {
    let own = [
        "--turn-user",
        "u:p",
        "--turn-user",
        "v:p",
        "--turn-tcp-peers",
        "--turn-max-bps",
        "0",
        "--turn-threads",
        "2",
    ];
    Process::turn(&[&own, options].concat())
}

const LOOPBACK: &[&str] = &["--turn-allow-peers", "127.0.0.0/8"];

/// A client with an allocation of TCP, and its relayed address.
fn client(relay: &Process) -> (StreamClient<TcpStream>, SocketAddr) {
    let mut client = StreamClient::tcp(relay.public);
    let relayed = client.allocate_of(TCP).unwrap();
    (client, relayed)
}

/// A peer below the relay's own ports, which are for relayed addresses alone.
fn peer() -> (TcpListener, SocketAddr) {
    let free = (20_000..30_000).find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    let peer = free.unwrap();
    let address = peer.local_addr().unwrap();
    (peer, address)
}

fn accept(peer: &TcpListener) -> TcpStream {
    let (stream, _) = peer.accept().unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

fn id_in(message: &Message) -> Vec<u8> {
    message.get(AttrType(CONNECTION_ID)).unwrap()
}

fn connect<S: Read + Write>(
    client: &mut StreamClient<S>,
    peer: SocketAddr,
) -> Result<Vec<u8>, u16> {
    let answer = client.ask(METHOD_CONNECT, &[], Some(peer))?;
    Ok(id_in(&answer))
}

/// Binds a connection to one of the client's own, which carries its data from then on.
fn bind<S: Read + Write>(mut data: StreamClient<S>, id: &[u8]) -> Result<S, u16> {
    data.ask_anew(METHOD_CONNECTION_BIND, &[(CONNECTION_ID, id)])?;
    Ok(data.stream)
}

/// A client, its peer, and the connection between them.
fn connected(relay: &Process) -> (StreamClient<TcpStream>, TcpStream, TcpStream) {
    let (mut client, _) = client(relay);
    let (listener, address) = peer();
    let id = connect(&mut client, address).unwrap();
    let data = bind(StreamClient::tcp(relay.public), &id).unwrap();
    (client, data, accept(&listener))
}

/// Not the same in any two places that are near.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 + n / 253) as u8).collect()
}

/// More than all buffers on the way hold, both ways at once.
fn carries(mut client: impl Read + Write, mut peer: TcpStream) {
    let sent = bytes(20_000_000);
    let echo = thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        loop {
            match peer.read(&mut buffer).unwrap() {
                0 => return peer.shutdown(Shutdown::Write).unwrap(),
                length => peer.write_all(&buffer[..length]).unwrap(),
            }
        }
    });
    let mut received = vec![0; 100_000];
    for chunk in sent.chunks(100_000) {
        client.write_all(chunk).unwrap();
        client.read_exact(&mut received).unwrap();
        assert!(received == chunk);
    }
    drop(client);
    echo.join().unwrap();
}

#[test]
fn a_connection_carries_both_ways_whichever_thread_it_is_bound_on() {
    let relay = relay(LOOPBACK);
    // The kernel spreads connections over two threads.
    for _ in 0..8 {
        let (_client, data, peer) = connected(&relay);
        carries(data, peer);
    }
}

#[test]
fn checklist_08_an_allocation_s_connections_carry_no_more_bits_together_than_it_may() {
    for way in 0..2 {
        carry_no_more_bits_than_they_may(way);
    }
}

/// To the peers, or to the client.
fn carry_no_more_bits_than_they_may(way: usize) {
    let own = ["--turn-user", "u:p", "--turn-tcp-peers"];
    let limit = ["--turn-max-bps", "8M", "--turn-threads", "2"];
    let relay = Process::turn(&[&own[..], &limit, LOOPBACK].concat());
    let (mut client, _) = client(&relay);
    let start = Instant::now();
    // A second's worth is carried at once, two more take their time, whichever threads the connections are on.
    let carrying: Vec<_> = (0..4)
        .map(|_| {
            let (listener, address) = peer();
            let id = connect(&mut client, address).unwrap();
            let data = bind(StreamClient::tcp(relay.public), &id).unwrap();
            let far = accept(&listener);
            let (mut one, mut other): (Box<dyn Write + Send>, Box<dyn Read + Send>) = match way {
                0 => (Box::new(data.try_clone().unwrap()), Box::new(far)),
                _ => (Box::new(far), Box::new(data.try_clone().unwrap())),
            };
            let sending = thread::spawn(move || {
                one.write_all(&bytes(750_000)).unwrap();
                (one, data)
            });
            let receiving = thread::spawn(move || {
                let mut received = vec![0; 750_000];
                other.read_exact(&mut received).unwrap();
                assert!(received == bytes(750_000));
            });
            // No other peer has its port meanwhile.
            (sending, receiving, listener)
        })
        .collect();
    for (sending, receiving, _) in carrying {
        receiving.join().unwrap();
        sending.join().unwrap();
    }
    let took = start.elapsed();
    assert!(took > Duration::from_millis(1900), "{took:?}");
}

#[test]
fn over_tls_a_connection_carries_both_ways() {
    let certificate = Certificate::new();
    let relay = tls::relay(&certificate, &["--turn-tcp-peers"]);
    let mut client = StreamClient::tls(relay.tls.unwrap());
    client.allocate_of(TCP).unwrap();
    let (listener, address) = peer();
    let id = connect(&mut client, address).unwrap();
    let data = bind(StreamClient::tls(relay.tls.unwrap()), &id).unwrap();
    carries(data, accept(&listener));
}

#[test]
fn who_does_not_read_holds_its_peer_up_and_loses_nothing() {
    let relay = relay(LOOPBACK);
    let (_client, mut data, mut peer) = connected(&relay);
    let before = relay.resident_bytes();
    let sent = bytes(50_000_000);
    let expected = sent.clone();
    let writing = thread::spawn(move || {
        peer.write_all(&sent).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert!(is_closed(&mut peer));
    });
    thread::sleep(Duration::from_secs(1));
    assert!(!writing.is_finished());
    let grown = relay.resident_bytes().saturating_sub(before) / 1024;
    assert!(grown < 2048, "{grown} KiB wait in the relay");
    let mut received = Vec::new();
    data.read_to_end(&mut received).unwrap();
    assert!(received == expected);
    drop(data);
    writing.join().unwrap();
}

#[test]
fn what_a_peer_said_before_it_was_bound_and_a_client_right_behind_its_request_arrives() {
    let relay = relay(LOOPBACK);
    let (mut client, _) = client(&relay);
    let (listener, address) = peer();
    let id = connect(&mut client, address).unwrap();
    let mut peer = accept(&listener);
    peer.write_all(b"from the peer").unwrap();
    let mut data = StreamClient::tcp(relay.public);
    let wrong = data.ask_anew(METHOD_CONNECTION_BIND, &[(CONNECTION_ID, &[0; 4])]);
    assert_eq!(wrong.unwrap_err(), 400);
    let bind = data.signed(METHOD_CONNECTION_BIND, &[(CONNECTION_ID, &id)], None);
    let together = [&bind.raw, &b"\xFFno STUN"[..]].concat();
    data.stream.write_all(&together).unwrap();
    data.answer().unwrap().unwrap();
    let mut said = [0; 13];
    data.stream.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"from the peer");
    let mut heard = [0; 8];
    peer.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"\xFFno STUN");
}

#[test]
fn a_peer_that_connects_is_announced_if_it_has_a_permission_and_closed_else() {
    let relay = relay(LOOPBACK);
    let (mut client, relayed) = client(&relay);
    let mut stranger = TcpStream::connect(relayed).unwrap();
    stranger
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    assert!(is_closed(&mut stranger));
    let any_port = "127.0.0.1:1".parse().unwrap();
    client
        .ask(METHOD_CREATE_PERMISSION, &[], Some(any_port))
        .unwrap();
    let mut peer = TcpStream::connect(relayed).unwrap();
    let mut attempt = Message::new();
    attempt.write(&client.read_message().unwrap()).unwrap();
    assert_eq!(attempt.raw[..2], [0x00, 0x1C]);
    let mut told = PeerAddress::default();
    told.get_from(&attempt).unwrap();
    let told = SocketAddr::new(told.ip, told.port);
    assert_eq!(told, peer.local_addr().unwrap());
    let mut data = bind(StreamClient::tcp(relay.public), &id_in(&attempt)).unwrap();
    peer.write_all(b"hello").unwrap();
    let mut heard = [0; 5];
    data.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hello");
}

#[test]
fn an_id_is_good_once_and_for_its_own_user_alone() {
    let relay = relay(LOOPBACK);
    let (mut client, _) = client(&relay);
    let (listener, address) = peer();
    let id = connect(&mut client, address).unwrap();
    let other = StreamClient::tcp(relay.public).named("v");
    assert_eq!(bind(other, &id).unwrap_err(), 400);
    // It controls an allocation.
    let asked = client.ask(METHOD_CONNECTION_BIND, &[(CONNECTION_ID, &id)], None);
    assert_eq!(asked.unwrap_err(), 400);
    let mut data = bind(StreamClient::tcp(relay.public), &id).unwrap();
    let again = bind(StreamClient::tcp(relay.public), &id);
    assert_eq!(again.unwrap_err(), 400);
    let mut peer = accept(&listener);
    peer.write_all(b"still there").unwrap();
    let mut heard = [0; 11];
    data.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"still there");
}

#[test]
fn a_connect_that_cannot_be_is_refused_for_what_it_is() {
    let closed = relay(&[]);
    let (_listener, address) = peer();
    let (mut of_closed, _) = client(&closed);
    assert_eq!(connect(&mut of_closed, address).unwrap_err(), 403);

    let relay = relay(LOOPBACK);
    let (mut client, _) = client(&relay);
    // Open otherwise, but ours.
    for own in [relay.public, relay.admin] {
        assert_eq!(connect(&mut client, own).unwrap_err(), 403, "{own}");
    }
    let nobody = "127.0.0.1:1".parse().unwrap();
    assert_eq!(connect(&mut client, nobody).unwrap_err(), 447);
    connect(&mut client, address).unwrap();
    assert_eq!(connect(&mut client, address).unwrap_err(), 446);
    // 31 more.
    let peers: Vec<_> = (0..32).map(|_| peer()).collect();
    for (_, address) in &peers[..31] {
        connect(&mut client, *address).unwrap();
    }
    let (_, last) = peers[31];
    assert_eq!(connect(&mut client, last).unwrap_err(), 508);

    let without = Process::turn(&["--turn-user", "u:p"]);
    let refused = StreamClient::tcp(without.public).allocate_of(TCP);
    assert_eq!(refused.unwrap_err(), 442);
}

#[test]
fn checklist_05_over_tls_a_connect_reaches_nothing_of_ours() {
    let redis = Redis::start();
    let certificate = Certificate::new();
    let relay = tls::relay(&certificate, &["--turn-tcp-peers", "--redis", &redis.url()]);
    let mut client = StreamClient::tls(relay.tls.unwrap());
    client.allocate_of(TCP).unwrap();
    let redis = SocketAddr::from(([127, 0, 0, 1], redis.port()));
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], redis.port()));
    let ours = [relay.public, relay.tls.unwrap(), relay.admin];
    for own in ours.into_iter().chain([redis, elsewhere]) {
        assert_eq!(connect(&mut client, own).unwrap_err(), 403, "{own}");
    }
    let (_listener, address) = peer();
    connect(&mut client, address).unwrap();
}

#[test]
fn over_ipv6_a_connection_carries_both_ways() {
    let own = ["--turn-user", "u:p", "--turn-tcp-peers"];
    let open = ["--turn-max-bps", "0", "--turn-allow-peers", "::1/128"];
    let relay = Process::turn_on("[::1]:0", &[&own[..], &open].concat());
    let mut client = StreamClient::tcp(relay.public);
    // What was asked for is IPv6, by REQUESTED-ADDRESS-FAMILY.
    let wanted: &[(u16, &[u8])] = &[(0x0019, &[TCP, 0, 0, 0]), (0x0017, &[2, 0, 0, 0])];
    client.ask_anew(METHOD_ALLOCATE, wanted).unwrap();
    let listener = (20_000..30_000).find_map(|port| TcpListener::bind(("::1", port)).ok());
    let listener = listener.unwrap();
    let id = connect(&mut client, listener.local_addr().unwrap()).unwrap();
    let data = bind(StreamClient::tcp(relay.public), &id).unwrap();
    carries(data, accept(&listener));
}

#[test]
fn the_end_of_an_allocation_ends_its_connections() {
    let relay = relay(LOOPBACK);
    // Before the other's is there, whose port is free soon.
    let (listener, address) = peer();
    let (mut client, mut data, mut peer) = connected(&relay);
    connect(&mut client, address).unwrap();
    let mut unbound = accept(&listener);
    client
        .ask(METHOD_REFRESH, &[(0x000D, &[0; 4])], None)
        .unwrap();
    assert!(is_closed(&mut data));
    assert!(is_closed(&mut peer));
    assert!(is_closed(&mut unbound));
}

#[test]
fn a_connection_that_nobody_binds_is_closed_after_half_a_minute() {
    let relay = relay(LOOPBACK);
    let (mut client, _) = client(&relay);
    let (listener, address) = peer();
    let start = Instant::now();
    let id = connect(&mut client, address).unwrap();
    let mut peer = accept(&listener);
    assert!(is_closed(&mut peer));
    assert!(start.elapsed() >= Duration::from_secs(30));
    let late = bind(StreamClient::tcp(relay.public), &id);
    assert_eq!(late.unwrap_err(), 400);
}
