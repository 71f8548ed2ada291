//! Clients that take their allocations along, RFC 8016, from one of the relay's threads to another among others.

use std::{
    io::ErrorKind,
    net::UdpSocket,
    time::{Duration, Instant},
};

use trunkline_tests::{PATIENCE, Process, TurnClient, metric};

const CHANNEL: u16 = 0x4000;

/// Each move comes to one of two threads, of which one has the allocation: that all come to the same happens once in
/// sixteen millions.
const MOVES: u16 = 24;

fn relay() -> Process {
    let user = ["--turn-user", "u:p", "--turn-allow-peers", "127.0.0.1/32"];
    Process::turn(&[&user[..], &["--turn-mobility", "--turn-threads", "2"]].concat())
}

fn peer() -> UdpSocket {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer
}

fn channel_data(number: u16) -> Vec<u8> {
    [CHANNEL, 2, number].map(u16::to_be_bytes).concat()
}

#[track_caller]
fn sends(client: &TurnClient, peer: &UdpSocket, number: u16) {
    client.socket.send(&channel_data(number)).unwrap();
    let mut buffer = [0; 100];
    let (length, from) = peer.recv_from(&mut buffer).unwrap();
    assert_eq!(from, client.relayed);
    assert_eq!(buffer[..length], number.to_be_bytes());
}

#[track_caller]
fn receives(socket: &UdpSocket, client: &TurnClient, peer: &UdpSocket, number: u16) {
    peer.send_to(&number.to_be_bytes(), client.relayed).unwrap();
    let mut buffer = [0; 100];
    let length = socket.recv(&mut buffer).unwrap();
    assert_eq!(buffer[..length], channel_data(number));
}

#[tokio::test]
async fn an_allocation_goes_along_from_port_to_port_whichever_thread_they_come_to() {
    let (relay, peer) = (relay(), peer());
    let mut client = TurnClient::allocate_mobile(relay.public);
    client.bind(CHANNEL, peer.local_addr().unwrap());
    sends(&client, &peer, 0);
    for number in 1..=MOVES {
        let before = client.move_to_another_port();
        receives(&before, &client, &peer, number);
        sends(&client, &peer, number);
        receives(&client.socket, &client, &peer, number);
        before.set_nonblocking(true).unwrap();
        let nothing = before.recv(&mut [0; 100]).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    }
    // Requests as well.
    client.bind(CHANNEL + 1, "127.0.0.1:9".parse().unwrap());
    let moved = metric(relay.admin, "trunkline_turn_allocations_moved_total").await;
    assert_eq!(moved, f64::from(MOVES));
    let lost = "trunkline_turn_dropped_packets_total{reason=\"not-handed-on\"}";
    assert_eq!(metric(relay.admin, lost).await, 0.0);
    client.close();
}

#[tokio::test]
async fn where_a_client_had_taken_an_allocation_it_may_make_another_when_that_is_over() {
    let relay = relay();
    for _ in 0..MOVES {
        let mut client = TurnClient::allocate_mobile(relay.public);
        client.move_to_another_port();
        let socket = client.close_but_the_socket();
        let mut client = TurnClient::allocate_by(socket, true);
        let peer = peer();
        client.bind(CHANNEL, peer.local_addr().unwrap());
        sends(&client, &peer, 1);
        client.move_to_another_port();
        sends(&client, &peer, 2);
        client.close();
    }
    let end = Instant::now() + PATIENCE;
    while metric(relay.admin, "trunkline_turn_allocations").await > 0.0 {
        assert!(Instant::now() < end, "allocations are left");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
