//! Where clients and peers are, and what clients come to.

use std::net::SocketAddr;

use relay::{Client, ListenerId, Transport};

/// How clients come to each listener. The first four answer in each other's stead, RFC 5780.
pub const LISTENERS: [Transport; 8] = [
    Transport::Udp,
    Transport::Udp,
    Transport::Udp,
    Transport::Udp,
    Transport::Tcp,
    Transport::Tls,
    Transport::Dtls,
    Transport::Udp,
];

/// Of the first listeners, by number.
pub const DISCOVERY: [&str; 4] = [
    "198.51.100.1:3478",
    "198.51.100.1:3479",
    "198.51.100.2:3478",
    "198.51.100.2:3479",
];

/// The third is one of a dual-stack socket, the same as the first.
const CLIENTS: [&str; 4] = [
    "192.0.2.10:4000",
    "192.0.2.10:4001",
    "[2001:db8:1::10]:4000",
    "[::ffff:192.0.2.10]:4000",
];

const PEERS: [&str; 12] = [
    "8.8.8.8:5000",
    "8.8.8.8:5001",
    "8.8.4.4:5000",
    "[2001:4860:4860::8888]:5000",
    "[::ffff:8.8.8.8]:5000",
    "127.0.0.1:80",
    "10.0.0.1:80",
    "[::1]:80",
    // A relay of the fleet behind its NAT, and the same one from within.
    "203.0.113.9:50000",
    "10.0.0.1:50000",
    "198.51.100.1:50000",
    "[64:ff9b::808:808]:5000",
];

/// Mostly one of a few, at any listener; a quarter of the numbers are a crowd, each at a port of its own.
pub fn client(number: u8) -> Client {
    let mut address: SocketAddr = address(CLIENTS[usize::from(number % 4)]);
    let mut listener = u16::from(number / 4 % 8);
    if number >= 192 {
        address.set_port(5000 + u16::from(number));
        listener = 0;
    }
    Client {
        listener: ListenerId(listener),
        address,
    }
}

/// Which relay of the two a client's packets come to: the kernel tells by the 5-tuple.
pub fn thread(client: Client) -> usize {
    usize::from(client.address.port() % 2)
}

/// However their addresses are written.
pub fn is_same(one: Client, other: Client) -> bool {
    one.listener == other.listener
        && one.address.port() == other.address.port()
        && one.address.ip().to_canonical() == other.address.ip().to_canonical()
}

pub fn transport(client: Client) -> Transport {
    LISTENERS[usize::from(client.listener.0)]
}

pub fn peer(number: u8) -> SocketAddr {
    address(PEERS[usize::from(number % 12)])
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}
