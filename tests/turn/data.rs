//! Many datagrams at once: all arrive, whole, and each flow's in order, however they are received and sent together.

use std::{io::IoSlice, net::UdpSocket, os::fd::AsRawFd};

use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};
use trunkline_tests::{PATIENCE, Process, TurnClient, metric};

use crate::namespace;

/// The first of a client's channels.
const CHANNEL: u16 = 0x4000;

/// Most data that a ChannelData message has room for in a UDP datagram of IPv4.
const MOST: usize = 65_507 - 4;

fn relay() -> Process {
    Process::turn(&[
        "--turn-user",
        "u:p",
        "--turn-user-quota",
        "0",
        "--turn-allow-peers",
        "127.0.0.0/8",
        // All that is sent together is on one thread.
        "--turn-threads",
        "1",
    ])
}

/// A client and its peers, each with a channel.
struct Flows {
    client: TurnClient,
    peers: Vec<UdpSocket>,
}

impl Flows {
    fn new(relay: &Process, peers: u16) -> Self {
        let mut client = TurnClient::allocate(relay.public);
        client.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let peers = (0..peers).map(|n| {
            let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
            peer.connect(client.relayed).unwrap();
            peer.set_read_timeout(Some(PATIENCE)).unwrap();
            client.bind(CHANNEL + n, peer.local_addr().unwrap());
            peer
        });
        let peers = peers.collect();
        Self { client, peers }
    }

    fn send_to_peer(&self, peer: usize, data: &[u8]) {
        let message = channel_data(CHANNEL + peer as u16, data);
        self.client.socket.send(&message).unwrap();
    }

    #[track_caller]
    fn peer_receives(&self, peer: usize, expected: &[u8]) {
        assert!(receive(&self.peers[peer]) == expected, "peer {peer}");
    }

    fn send_to_client(&self, peer: usize, data: &[u8]) {
        self.peers[peer].send(data).unwrap();
    }

    /// The peer's number, and its data.
    fn client_receives(&self) -> (usize, Vec<u8>) {
        let message = receive(&self.client.socket);
        let number = u16::from_be_bytes([message[0], message[1]]);
        let length = u16::from_be_bytes([message[2], message[3]]);
        assert_eq!(message.len(), 4 + usize::from(length));
        (usize::from(number - CHANNEL), message[4..].to_vec())
    }
}

fn channel_data(channel: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [&channel.to_be_bytes(), &length.to_be_bytes(), data].concat()
}

#[track_caller]
fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 70_000];
    let length = socket.recv(&mut buffer).expect("a datagram in time");
    buffer.truncate(length);
    buffer
}

/// Data that is told from any other: of this length, and by this number.
fn data(number: usize, length: usize) -> Vec<u8> {
    let bytes = (number..).map(|n| (n * 31 + n / 256) as u8);
    bytes.take(length).collect()
}

/// Several datagrams of `size` bytes as one (UDP_SEGMENT).
fn send_coalesced(socket: &UdpSocket, datagrams: &[u8], size: usize) {
    let size = size as u16;
    let segments = [ControlMessage::UdpGsoSegments(&size)];
    let fd = socket.as_raw_fd();
    let data = [IoSlice::new(datagrams)];
    sendmsg::<SockaddrStorage>(fd, &data, &segments, MsgFlags::empty(), None).unwrap();
}

async fn unsent(relay: &Process) -> f64 {
    let name = "trunkline_turn_dropped_packets_total{reason=\"unsent\"}";
    metric(relay.admin, name).await
}

#[tokio::test]
async fn each_flow_keeps_its_order_among_others_in_bursts() {
    let relay = relay();
    let flows: Vec<Flows> = (0..3).map(|_| Flows::new(&relay, 3)).collect();
    let lengths = [200, 200, 200, 80, 900, 900, 3, 0, 200];
    let mut number = 0;
    for _ in 0..30 {
        let mut sent = Vec::new();
        for n in 0..90 {
            let (flow, peer) = (n * 7 % 3, n * 11 % 8 % 3);
            let data = data(number, lengths[number % lengths.len()]);
            flows[flow].send_to_peer(peer, &data);
            flows[flow].send_to_client(peer, &data);
            sent.push((flow, peer, data));
            number += 1;
        }
        for (flow, peer, data) in &sent {
            flows[*flow].peer_receives(*peer, data);
        }
        for (number, flow) in flows.iter().enumerate() {
            // Order is kept for each peer.
            let mut expected: Vec<_> = (0..3)
                .map(|peer| {
                    let of_peer = sent.iter().filter(move |it| (it.0, it.1) == (number, peer));
                    of_peer.map(|it| &it.2)
                })
                .collect();
            for _ in sent.iter().filter(|it| it.0 == number) {
                let (peer, data) = flow.client_receives();
                assert_eq!(Some(&data), expected[peer].next(), "peer {peer}");
            }
        }
    }
    assert_eq!(unsent(&relay).await, 0.0);
}

#[tokio::test]
async fn datagrams_of_64_kib_pass_both_ways_and_longer_ones_harm_none() {
    let relay = relay();
    let flows = Flows::new(&relay, 1);
    for length in [MOST, MOST - 1, 40_000, MOST] {
        let data = data(length, length);
        flows.send_to_peer(0, &data);
        flows.peer_receives(0, &data);
        flows.send_to_client(0, &data);
        assert!(flows.client_receives() == (0, data));
    }
    // Has no room for a header.
    flows.send_to_client(0, &data(1, MOST + 1));
    flows.send_to_client(0, b"after it");
    assert_eq!(flows.client_receives(), (0, b"after it".to_vec()));
    assert_eq!(unsent(&relay).await, 1.0);
}

#[test]
fn a_burst_of_mixed_sizes_to_mixed_peers_arrives_whole() {
    let relay = relay();
    let flows = Flows::new(&relay, 5);
    for round in 0..20 {
        let lengths = [
            1200, 1200, 0, 1200, 1472, 1472, 1473, 1473, 3000, 9000, 9000, 1, 1,
        ];
        let sent: Vec<(usize, Vec<u8>)> = (0..26)
            .map(|n| {
                (
                    (n * n + round) % 5,
                    data(n, lengths[(n + round) % lengths.len()]),
                )
            })
            .collect();
        for (peer, data) in &sent {
            flows.send_to_peer(*peer, data);
        }
        for (peer, data) in &sent {
            flows.peer_receives(*peer, data);
        }
    }
}

#[test]
fn what_arrives_coalesced_is_relayed_one_by_one() {
    let relay = relay();
    let flows = Flows::new(&relay, 2);
    // The last one is shorter.
    let datagrams: Vec<Vec<u8>> = (0..40)
        .map(|n| data(n, if n == 39 { 500 } else { 1000 }))
        .collect();
    let encapsulated: Vec<Vec<u8>> = datagrams
        .iter()
        .map(|data| channel_data(CHANNEL + 1, data))
        .collect();
    send_coalesced(&flows.client.socket, &encapsulated.concat(), 1004);
    for data in &datagrams {
        flows.peer_receives(1, data);
    }
    send_coalesced(&flows.peers[1], &datagrams.concat(), 1000);
    for data in &datagrams {
        assert!(flows.client_receives() == (1, data.clone()));
    }
}

#[tokio::test]
async fn where_the_kernel_cannot_divide_what_is_sent_as_one_nothing_is_lost() {
    // Packets of such a length have to be fragmented there, and the kernel divides none that have.
    let setup = "ip link set lo mtu 1280";
    let test = "data::where_the_kernel_cannot_divide_what_is_sent_as_one_nothing_is_lost";
    if !namespace::is_inside(test, setup) {
        return;
    }
    let relay = relay();
    let flows = Flows::new(&relay, 2);
    for length in [1400, 100, 1400] {
        // More often than it is tried in vain.
        for round in 0..20 {
            let datagrams: Vec<Vec<u8>> = (0..32).map(|n| data(n + round, length)).collect();
            for data in &datagrams {
                flows.send_to_peer(1, data);
            }
            for data in &datagrams {
                flows.peer_receives(1, data);
            }
        }
    }
    assert_eq!(unsent(&relay).await, 0.0);
}
