//! At which addresses the relay is, and what clients and operators are told there.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use tokio::time::timeout;
use trunkline_tests::{PATIENCE, Process, get};

use crate::{Allocation, namespace};

/// A Binding request, RFC 8489 §14: nothing but its header.
const BINDING: [u8; 20] = [
    0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
];

/// Where the answer to a client at `client` comes from.
fn answered_from(server: SocketAddr, client: &str) -> SocketAddr {
    let socket = UdpSocket::bind(client).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket.send_to(&BINDING, server).unwrap();
    let mut answer = [0; 100];
    let (length, source) = socket
        .recv_from(&mut answer)
        .unwrap_or_else(|error| panic!("no answer from {server}: {error}"));
    assert_eq!(answer[..2], [0x01, 0x01], "a Binding success response");
    assert!(length > 20);
    source
}

#[test]
fn a_wildcard_answers_from_the_address_that_was_asked() {
    let setup = "ip address add 127.0.0.2/32 dev lo
        ip address add fd77::2/128 dev lo
        ip link add name v0 type veth peer name v1
        ip link set v0 up
        ip link set v1 up
        ip address add 10.77.0.1/24 dev v0
        ip -6 address add fd77::1/64 dev v0 nodad
        ip -6 address add fe80::77/64 dev v0 nodad";
    let test = "addresses::a_wildcard_answers_from_the_address_that_was_asked";
    if !namespace::is_inside(test, setup) {
        return;
    }
    let relay = Process::turn(&[
        "--turn-user",
        "u:p",
        "--turn-relay-ip",
        "127.0.0.1,::1",
        "--turn-listen",
        "0.0.0.0:3478,[::]:3478",
    ]);
    for (server, client) in [
        ("127.0.0.1:3478", "127.0.0.1:0"),
        // From a client for which the kernel would prefer another way back.
        ("127.0.0.2:3478", "127.0.0.1:0"),
        ("10.77.0.1:3478", "127.0.0.1:0"),
        ("10.77.0.1:3478", "10.77.0.1:0"),
        ("[::1]:3478", "[::1]:0"),
        ("[fd77::1]:3478", "[::1]:0"),
        ("[fd77::2]:3478", "[::1]:0"),
    ] {
        let server: SocketAddr = server.parse().unwrap();
        assert_eq!(answered_from(server, client), server, "for {client}");
    }
    drop(relay);
}

#[test]
fn a_wildcard_at_a_free_port_has_one_port_for_all_addresses() {
    let test = "addresses::a_wildcard_at_a_free_port_has_one_port_for_all_addresses";
    if !namespace::is_inside(test, "ip address add 127.0.0.2/32 dev lo") {
        return;
    }
    let relay = Process::turn_on(
        "0.0.0.0:0",
        &["--turn-user", "u:p", "--turn-relay-ip", "127.0.0.1"],
    );
    for ip in ["127.0.0.1", "127.0.0.2"] {
        let server = SocketAddr::new(ip.parse().unwrap(), relay.public.port());
        assert_eq!(answered_from(server, "127.0.0.1:0"), server);
    }
}

#[tokio::test]
async fn a_relay_by_itself_says_whether_it_is_well() {
    let relay = Process::turn(&["--turn-user", "u:p"]);
    for path in ["/healthz", "/readyz"] {
        let answer = get(relay.admin, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn behind_a_nat_clients_are_told_its_address_and_reach_each_other_at_it() {
    // Of the documentation's: nothing is there, and the default policy refuses it to anybody but the relay.
    let relay = Process::turn(&["--turn-user", "u:p", "--turn-external-ip", "198.51.100.7"]);
    let ann = Allocation::new(relay.public, "u").await.unwrap();
    let bob = Allocation::new(relay.public, "u").await.unwrap();
    let told = |allocation: &Allocation| allocation.relayed.local_addr().unwrap();
    for allocation in [&ann, &bob] {
        assert_eq!(told(allocation).ip().to_string(), "198.51.100.7");
    }
    // Makes a permission; there may be none yet at the other end.
    bob.relayed.send_to(b"knock", told(&ann)).await.unwrap();
    for (from, to, text) in [(&ann, &bob, "to bob"), (&bob, &ann, "to ann")] {
        from.relayed
            .send_to(text.as_bytes(), told(to))
            .await
            .unwrap();
        let mut buffer = [0; 100];
        let (received, source) = loop {
            let received = timeout(PATIENCE, to.relayed.recv_from(&mut buffer)).await;
            let (length, source) = received.expect(text).unwrap();
            // The knock may have come late, when there was a permission.
            if &buffer[..length] != b"knock" {
                break (&buffer[..length], source);
            }
        };
        assert_eq!(received, text.as_bytes());
        // The address that it knows, and not the one that the packet came from.
        assert_eq!(source, told(from));
    }
    // What clients are not told is as private as it was.
    let internal = SocketAddr::new(relay.public.ip(), told(&bob).port());
    assert!(ann.relayed.send_to(b"x", internal).await.is_err());
}

#[test]
fn relays_at_free_ports_never_get_the_same_one() {
    // As many ports as relays, or two that share one would be a rare find.
    let test = "addresses::relays_at_free_ports_never_get_the_same_one";
    let setup = "echo 40000 40003 > /proc/sys/net/ipv4/ip_local_port_range";
    if !namespace::is_inside(test, setup) {
        return;
    }
    let options = ["--turn-user", "u:p", "--turn-threads", "2"];
    // Another address than that of the admin listeners, which have a port of TCP each.
    let relay = |_| Process::turn_on("127.0.0.2:0", &options);
    let relays: Vec<Process> = (0..4).map(relay).collect();
    let mut ports: Vec<u16> = relays.iter().map(|relay| relay.public.port()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [40_000, 40_001, 40_002, 40_003]);
}
