//! Clients over TCP: what they may do, and that those who do something else harm nobody.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use stun::message::{METHOD_BINDING, METHOD_CHANNEL_BIND, METHOD_REFRESH};
use trunkline_tests::{PATIENCE, Process, metric, until};

use crate::stream_client::{StreamClient, channel_data, connect, is_closed, mapped};

const USER: &[&str] = &["--turn-user", "u:p", "--turn-allow-peers", "127.0.0.0/8"];

fn relay(options: &[&str]) -> Process {
    Process::turn(&[USER, options].concat())
}

/// A peer on loopback, below the relay's own ports.
pub(crate) fn peer() -> UdpSocket {
    let free = (20_000..30_000).find_map(|port| UdpSocket::bind(("127.0.0.1", port)).ok());
    let peer = free.unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    peer
}

/// A client with an allocation, and a peer that it has a channel to.
pub(crate) struct Call<S> {
    pub(crate) client: StreamClient<S>,
    pub(crate) relayed: SocketAddr,
    pub(crate) peer: UdpSocket,
}

impl<S: Read + Write> Call<S> {
    pub(crate) fn new(mut client: StreamClient<S>) -> Self {
        let relayed = client.allocate();
        let peer = peer();
        let address = peer.local_addr().unwrap();
        let channel: &[(u16, &[u8])] = &[(0x000C, &[0x40, 0, 0, 0])];
        client
            .ask(METHOD_CHANNEL_BIND, channel, Some(address))
            .unwrap();
        Self {
            client,
            relayed,
            peer,
        }
    }

    /// Data goes both ways.
    pub(crate) fn goes_on(&mut self, data: &[u8]) {
        self.client.send_channel_data(0x4000, data).unwrap();
        let mut buffer = vec![0; 65_536];
        let (length, from) = self.peer.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (data, self.relayed));
        self.peer.send_to(data, self.relayed).unwrap();
        let message = self.client.read_message().unwrap();
        assert_eq!(message[4..], *data);
    }
}

async fn ended(relay: &Process, reason: &str) -> f64 {
    let name = format!("trunkline_turn_connections_closed_total{{reason=\"{reason}\"}}");
    metric(relay.admin, &name).await
}

async fn until_metric(relay: &Process, name: &str, value: f64) {
    until(&format!("{value} of {name}"), async || {
        metric(relay.admin, name).await == value
    })
    .await;
}

#[test]
fn data_of_every_length_goes_both_ways() {
    let relay = relay(&[]);
    let mut call = Call::new(StreamClient::tcp(relay.public));
    for length in [0, 1, 2, 3, 4, 5, 1200, 9000, 65_000] {
        call.goes_on(&vec![7; length]);
    }
}

#[test]
fn messages_that_are_split_byte_by_byte_are_understood() {
    let relay = relay(&[]);
    let call = Call::new(StreamClient::tcp(relay.public));
    let mut stream = call.client.stream.try_clone().unwrap();
    for byte in channel_data(0x4000, b"in pieces") {
        stream.write_all(&[byte]).unwrap();
    }
    let mut buffer = [0; 100];
    let (length, _) = call.peer.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"in pieces");
    // Many at a time, and the first half of one more.
    let many = [channel_data(0x4000, b"one"), channel_data(0x4000, b"two")].concat();
    stream.write_all(&many[..9]).unwrap();
    stream.write_all(&many[9..]).unwrap();
    for expected in [b"one", b"two"] {
        let (length, _) = call.peer.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], expected);
    }
}

#[tokio::test]
async fn checklist_03_who_makes_no_allocation_in_time_is_closed_though_it_talks() {
    let relay = relay(&["--turn-connection-timeout", "1s"]);
    let mut silent = connect(relay.public);
    let mut talks = StreamClient::tcp(relay.public);
    let mut stays = Call::new(StreamClient::tcp(relay.public));
    let mut asked = 0;
    let address = talks.stream.local_addr().unwrap();
    loop {
        let binding = talks.request(METHOD_BINDING, &[]);
        if talks.stream.write_all(&binding.raw).is_err() {
            break;
        }
        match talks.answer() {
            Ok(answer) => assert_eq!(mapped(&answer.unwrap()), address),
            Err(_) => break,
        }
        asked += 1;
        assert!(asked < 200, "it is still open");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(asked > 5, "closed at once");
    assert!(is_closed(&mut silent));
    assert_eq!(ended(&relay, "unauthenticated").await, 2.0);
    stays.goes_on(b"who has an allocation stays");
    // It gives it back, and is of no more use.
    let lifetime: &[(u16, &[u8])] = &[(0x000D, &[0; 4])];
    stays.client.ask(METHOD_REFRESH, lifetime, None).unwrap();
    assert!(is_closed(&mut stays.client.stream));
    until_metric(&relay, "trunkline_turn_connections", 0.0).await;
}

#[tokio::test]
async fn checklist_03_of_who_has_no_allocation_no_long_message_is_kept() {
    let relay = relay(&["--turn-connection-timeout", "60s"]);
    let mut stranger = connect(relay.public);
    let long = channel_data(0x4000, &[7; 60_000]);
    // It may be closed before all of it is written.
    let _ = stranger.write_all(&long[..30_000]);
    assert!(is_closed(&mut stranger));
    assert_eq!(ended(&relay, "unauthenticated").await, 1.0);
    let mut call = Call::new(StreamClient::tcp(relay.public));
    call.goes_on(&[7; 60_000]);
}

#[tokio::test]
async fn checklist_03_who_has_no_allocation_and_reads_no_answers_is_closed() {
    let relay = relay(&["--turn-connection-timeout", "60s"]);
    let mut deaf = StreamClient::tcp(relay.public);
    let binding = deaf.request(METHOD_BINDING, &[]);
    let many = binding.raw.repeat(1000);
    let patience = Some(Duration::from_secs(10));
    deaf.stream.set_write_timeout(patience).unwrap();
    // What the kernel keeps of the answers is some megabytes.
    let written = (0..500).take_while(|_| deaf.stream.write_all(&many).is_ok());
    assert!(written.count() < 500, "it is still open");
    until("it to be closed", async || {
        ended(&relay, "slow").await == 1.0
    })
    .await;
}

#[tokio::test]
async fn checklist_03_a_message_that_is_never_finished_ends_its_connection() {
    let relay = relay(&["--turn-connection-timeout", "1s"]);
    let mut call = Call::new(StreamClient::tcp(relay.public));
    let mut bystander = Call::new(StreamClient::tcp(relay.public));
    let mut stream = call.client.stream.try_clone().unwrap();
    stream.write_all(&[0x40, 0, 0xFF, 0xFF]).unwrap();
    let mut sent = 0;
    while stream.write_all(&[1]).is_ok() && sent < 200 {
        sent += 1;
        bystander.goes_on(b"between the drops");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(is_closed(&mut call.client.stream));
    assert_eq!(ended(&relay, "slow").await, 1.0);
    until_metric(&relay, "trunkline_turn_allocations", 1.0).await;
    bystander.goes_on(b"after");
}

#[tokio::test]
async fn checklist_03_what_is_no_message_ends_its_connection_and_no_other() {
    let relay = relay(&[]);
    let mut bystander = Call::new(StreamClient::tcp(relay.public));
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\x80\x00\x00\x00",
        b"\x00\x03\x00\x00GARBAGE.GARBAGE.",
        b"\x00\x03\x00\x01\x21\x12\xA4\x42",
        &[0xFF; 100_000],
    ] {
        let mut stream = connect(relay.public);
        let _ = stream.write_all(garbage);
        assert!(is_closed(&mut stream));
        bystander.goes_on(garbage.get(..4).unwrap());
    }
    assert_eq!(ended(&relay, "not-turn").await, 5.0);
    let mut call = Call::new(StreamClient::tcp(relay.public));
    call.client.stream.write_all(&[0xFF]).unwrap();
    assert!(is_closed(&mut call.client.stream));
    until_metric(&relay, "trunkline_turn_allocations", 1.0).await;
}

#[tokio::test]
async fn the_end_of_a_connection_gives_its_allocation_back_though_a_message_was_cut() {
    let relay = relay(&["--turn-user-quota", "1"]);
    for _ in 0..5 {
        let mut call = Call::new(StreamClient::tcp(relay.public));
        let mut other = StreamClient::tcp(relay.public);
        assert_eq!(other.allocate_of(17), Err(486));
        call.client.stream.write_all(&[0x40, 0, 0xFF]).unwrap();
        drop(call);
        until_metric(&relay, "trunkline_turn_allocations", 0.0).await;
    }
    until_metric(&relay, "trunkline_turn_connections", 0.0).await;
    let opened = metric(relay.admin, "trunkline_turn_allocations_opened_total").await;
    let closed = metric(relay.admin, "trunkline_turn_allocations_closed_total").await;
    assert_eq!((opened, closed), (5.0, 5.0));
}

#[tokio::test]
async fn checklist_03_ten_thousand_connections_above_the_cap_are_refused_and_harm_nobody() {
    const TRIED: usize = 10_000;
    let relay = relay(&["--turn-source-connections", "5"]);
    let mut bystander = Call::new(StreamClient::tcp(relay.public));
    let mut held: Vec<TcpStream> = (0..4).map(|_| connect(relay.public)).collect();
    until_metric(&relay, "trunkline_turn_connections", 5.0).await;
    let before = relay.resident_bytes();
    for n in 0..TRIED {
        // Those that the relay has not closed yet wait with it.
        let refused = connect(relay.public);
        if n % 100 == 0 {
            bystander.goes_on(&n.to_be_bytes());
            assert!(is_closed(&mut &refused));
        }
    }
    let refused = "trunkline_turn_connections_refused_total{reason=\"source\"}";
    until_metric(&relay, refused, TRIED as f64).await;
    assert_eq!(metric(relay.admin, "trunkline_turn_connections").await, 5.0);
    let grown = relay.resident_bytes().saturating_sub(before) / 1024;
    println!("resident memory grew by {grown} KiB");
    assert!(grown <= 1024, "resident memory grew by {grown} KiB");
    // What is given back may be had again, and another address has its own.
    held.pop();
    until_metric(&relay, "trunkline_turn_connections", 4.0).await;
    Call::new(StreamClient::tcp(relay.public)).goes_on(b"again");
    bystander.goes_on(b"after");
}

#[tokio::test]
async fn checklist_03_who_connects_again_and_again_is_refused_and_may_again_after_a_while() {
    let relay = relay(&["--turn-source-connection-rate", "2"]);
    let mut bystander = Call::new(StreamClient::tcp(relay.public));
    let taken = "trunkline_turn_connections_opened_total{transport=\"tcp\"}";
    let refused = "trunkline_turn_connections_refused_total{reason=\"source\"}";
    let begin = Instant::now();
    for _ in 0..100 {
        drop(connect(relay.public));
    }
    let end = begin + PATIENCE;
    loop {
        let (taken, refused) = (
            metric(relay.admin, taken).await,
            metric(relay.admin, refused).await,
        );
        if taken + refused >= 101.0 {
            // The bystander's is one of them.
            let at_most = 20.0 + 1.0 + 2.0 * begin.elapsed().as_secs_f64();
            assert!((20.0..=at_most).contains(&taken), "{taken} were taken");
            break;
        }
        assert!(Instant::now() < end, "{taken} + {refused}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bystander.goes_on(b"meanwhile");
    let before = metric(relay.admin, taken).await;
    while metric(relay.admin, taken).await == before {
        assert!(Instant::now() < end, "still refused");
        drop(connect(relay.public));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn checklist_03_connections_leave_descriptors_to_clients_over_udp() {
    // 256 are kept for everything else, and four for the thread.
    let options = ["--turn-threads", "1", "--turn-source-connections", "0"];
    let relay = Process::turn_with_descriptors("-n 268", &[USER, &options].concat());
    let held: Vec<TcpStream> = (0..20).map(|_| connect(relay.public)).collect();
    let refused = "trunkline_turn_connections_refused_total{reason=\"full\"}";
    until_metric(&relay, refused, 16.0).await;
    for _ in 0..4 {
        let allocation = crate::Allocation::new(relay.public, "u").await.unwrap();
        std::mem::forget(allocation);
    }
    drop(held);
}

#[tokio::test]
async fn checklist_03_who_does_not_read_costs_little_memory_and_nobody_else_anything() {
    let relay = relay(&["--turn-connection-timeout", "60s"]);
    let mut deaf = Call::new(StreamClient::tcp(relay.public));
    let mut bystander = Call::new(StreamClient::tcp(relay.public));
    deaf.goes_on(b"it could hear once");
    let before = relay.resident_bytes();
    for n in 0..40_u32 {
        for _ in 0..1000 {
            deaf.peer.send_to(&[5; 1000], deaf.relayed).unwrap();
        }
        bystander.goes_on(&n.to_be_bytes());
    }
    let grown = relay.resident_bytes().saturating_sub(before) / 1024;
    println!("resident memory grew by {grown} KiB");
    assert!(grown <= 2048, "resident memory grew by {grown} KiB");
    let unsent = "trunkline_turn_dropped_packets_total{reason=\"unsent\"}";
    assert!(metric(relay.admin, unsent).await > 0.0);
    // It asks without reading what it is answered.
    let mut asked = 0;
    while asked < 10_000 {
        let binding = deaf.client.request(METHOD_BINDING, &[]);
        deaf.client
            .stream
            .set_write_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let many = binding.raw.repeat(100);
        if deaf.client.stream.write_all(&many).is_err() {
            break;
        }
        asked += 100;
    }
    until("an end of it", async || ended(&relay, "slow").await == 1.0).await;
    bystander.goes_on(b"after");
}

#[tokio::test]
async fn an_idle_connection_costs_little_memory() {
    const CONNECTIONS: u64 = 400;
    let relay = relay(&[]);
    let call = |_| Call::new(StreamClient::tcp(relay.public));
    let mut calls: Vec<_> = (0..2).map(call).collect();
    let before = relay.resident_bytes();
    let idle: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect(relay.public)).collect();
    until_metric(&relay, "trunkline_turn_connections", 402.0).await;
    let grown = relay.resident_bytes().saturating_sub(before);
    println!("{} bytes for a connection over TCP", grown / CONNECTIONS);
    assert!(grown / CONNECTIONS < 10_240);
    drop(idle);
    calls[0].goes_on(b"after");
}
