//! ICMP errors of peers, RFC 8656 §11.5, as the kernel has them.

use std::net::{SocketAddr, UdpSocket};

use stun::{
    attributes::AttrType,
    message::{Getter, METHOD_DATA, Message},
};
use trunkline_tests::{PATIENCE, Process, TurnClient};
use turn::proto::peeraddr::PeerAddress;

const CHANNELS: [u16; 2] = [0x4000, 0x4001];
const ROUNDS: usize = 20;

/// How many packets wait for the relay in a round: it may read and send many at a time.
const BURST: u8 = 8;

fn socket(ip: &str) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The peer, and the value of ICMP, of the next Data indication.
fn next_error(client: &TurnClient) -> (SocketAddr, Vec<u8>) {
    let mut buffer = [0; 1500];
    let length = client.socket.recv(&mut buffer).unwrap();
    let mut message = Message::new();
    message.write(&buffer[..length]).unwrap();
    assert_eq!(message.typ.method, METHOD_DATA);
    let mut peer = PeerAddress::default();
    peer.get_from(&message).unwrap();
    let icmp = message.get(AttrType(0x8004)).unwrap();
    (SocketAddr::new(peer.ip, peer.port), icmp)
}

/// One peer is gone, another is there: the client is told of the one, and nothing that it says to the other is lost.
#[track_caller]
fn tells(ip: &str, network: &str, value: [u8; 8]) {
    let user = ["--turn-user", "u:p", "--turn-allow-peers", network];
    let relay = Process::turn_on(
        &SocketAddr::new(ip.parse().unwrap(), 0).to_string(),
        &[&user[..], &["--turn-icmp"]].concat(),
    );
    let own = socket(ip);
    own.connect(relay.public).unwrap();
    let mut client = TurnClient::allocate_by(own, false);
    let there = socket(ip);
    let gone = socket(ip).local_addr().unwrap();
    client.bind(CHANNELS[0], gone);
    client.bind(CHANNELS[1], there.local_addr().unwrap());
    for _ in 0..ROUNDS {
        relay.freeze();
        for number in 0..BURST {
            for channel in CHANNELS {
                let [high, low] = channel.to_be_bytes();
                client.socket.send(&[high, low, 0, 1, number]).unwrap();
            }
        }
        relay.thaw();
        for number in 0..BURST {
            let mut buffer = [0; 10];
            assert_eq!(there.recv(&mut buffer).unwrap(), 1);
            assert_eq!(buffer[0], number);
        }
        // There is one for each packet, unless the host that answers has a limit.
        assert_eq!(next_error(&client), (gone, value.to_vec()));
    }
}

#[test]
fn defect_20_a_port_that_is_closed_is_told_of_and_the_other_peer_loses_nothing() {
    // Destination unreachable: port unreachable.
    tells("127.0.0.1", "127.0.0.0/8", [0, 0, 6, 3, 0, 0, 0, 0]);
}

#[test]
fn defect_20_and_so_it_is_over_ipv6() {
    tells("::1", "::1/128", [0, 0, 2, 4, 0, 0, 0, 0]);
}
