//! Peers that are not there, or may not be reached: their packets are lost, and nothing else.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{net::UdpSocket, time::timeout};
use trunkline_tests::{
    PATIENCE, Process, TurnClient, free_udp_port, free_udp_ports, metric, until,
};

use crate::Allocation;

/// A peer on loopback, below the relay's own ports.
async fn peer() -> UdpSocket {
    peer_at(Ipv4Addr::LOCALHOST.into()).await
}

/// The same elsewhere.
pub(crate) async fn peer_at(ip: IpAddr) -> UdpSocket {
    UdpSocket::bind((ip, free_udp_port(ip))).await.unwrap()
}

/// The peer gets what the allocation sends, and the allocation what the peer answers.
pub(crate) async fn talks_with(allocation: &Allocation, peer: &UdpSocket, text: &str) {
    let address = peer.local_addr().unwrap();
    let mut buffer = [0; 100];
    allocation
        .relayed
        .send_to(text.as_bytes(), address)
        .await
        .unwrap();
    let (length, from) = timeout(PATIENCE, peer.recv_from(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&buffer[..length], text.as_bytes());
    peer.send_to(b"answer", from).await.unwrap();
    let received = timeout(PATIENCE, allocation.relayed.recv_from(&mut buffer)).await;
    let (length, from) = received.unwrap().unwrap();
    assert_eq!((&buffer[..length], from), (&b"answer"[..], address));
}

#[tokio::test]
async fn checklist_15_a_closed_port_or_an_unroutable_peer_costs_its_own_packets_alone() {
    let open = ["--turn-allow-peers", "127.0.0.0/8,240.0.0.0/4,192.0.2.0/24"];
    let relay = Process::turn(&[&["--turn-user", "u:p"][..], &open].concat());
    let allocation = Allocation::new(relay.public, "u").await.unwrap();
    let peer = peer().await;
    talks_with(&allocation, &peer, "before").await;
    // Nobody listens: each packet is answered by an ICMP error.
    let closed = UdpSocket::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let unroutable: SocketAddr = "240.0.0.1:9".parse().unwrap();
    for _ in 0..20 {
        for address in [closed, unroutable] {
            allocation.relayed.send_to(b"lost", address).await.unwrap();
        }
        talks_with(&allocation, &peer, "between").await;
    }
    assert_eq!(metric(relay.admin, "trunkline_turn_allocations").await, 1.0);
}

#[tokio::test]
async fn checklist_15_a_client_that_is_gone_costs_its_own_packets_alone() {
    let open = ["--turn-allow-peers", "127.0.0.0/8", "--turn-threads", "1"];
    let relay = Process::turn(&[&["--turn-user", "u:p"][..], &open].concat());
    let allocation = Allocation::new(relay.public, "u").await.unwrap();
    let peer = peer().await;
    talks_with(&allocation, &peer, "before").await;
    let mut gone = TurnClient::allocate(relay.public);
    let its_peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    gone.bind(0x4000, its_peer.local_addr().unwrap());
    let relayed = gone.relayed;
    // Its port is closed, and its allocation is there: each packet is answered by an ICMP error at the listener.
    drop(gone);
    for _ in 0..20 {
        for _ in 0..8 {
            its_peer.send_to(b"lost", relayed).await.unwrap();
        }
        talks_with(&allocation, &peer, "between").await;
    }
    let to_client = "trunkline_turn_relayed_packets_total{to=\"client\"}";
    assert!(metric(relay.admin, to_client).await > 21.0);
    assert_eq!(metric(relay.admin, "trunkline_turn_allocations").await, 2.0);
}

#[tokio::test]
async fn a_refused_peer_leaves_those_that_are_permitted_untouched() {
    let open = ["--turn-allow-peers", "127.0.0.0/8"];
    let relay = Process::turn(&[&["--turn-user", "u:p"][..], &open].concat());
    let allocation = Allocation::new(relay.public, "u").await.unwrap();
    let peer = peer().await;
    talks_with(&allocation, &peer, "before").await;
    let refused: SocketAddr = "169.254.169.254:80".parse().unwrap();
    assert!(
        allocation
            .relayed
            .send_to(b"metadata", refused)
            .await
            .is_err()
    );
    let forbidden = "trunkline_turn_answers_total{result=\"403\"}";
    assert!(metric(relay.admin, forbidden).await > 0.0);
    talks_with(&allocation, &peer, "after").await;
}

#[tokio::test]
async fn checklist_06_who_has_no_permission_reaches_no_client() {
    let open = ["--turn-allow-peers", "127.0.0.0/8"];
    let relay = Process::turn(&[&["--turn-user", "u:p"][..], &open].concat());
    let allocation = Allocation::new(relay.public, "u").await.unwrap();
    let stranger = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let relayed = allocation.relayed.local_addr().unwrap();
    stranger.send_to(b"hello", relayed).await.unwrap();
    let dropped = "trunkline_turn_dropped_packets_total{reason=\"no-permission\"}";
    until("dropped packet", async || {
        metric(relay.admin, dropped).await >= 1.0
    })
    .await;
    let mut buffer = [0; 100];
    let heard = timeout(
        Duration::from_millis(100),
        allocation.relayed.recv_from(&mut buffer),
    )
    .await;
    assert!(heard.is_err(), "{heard:?}");
    let relayed = "trunkline_turn_relayed_packets_total{to=\"client\"}";
    assert_eq!(metric(relay.admin, relayed).await, 0.0);
}

#[tokio::test]
async fn clients_reach_each_other_at_relay_ports_wherever_these_are() {
    // None of them is a relay port by default, and loopback is closed but for relay ports.
    let ports = free_udp_ports(Ipv4Addr::LOCALHOST, 2);
    let range = format!("{}-{}", ports.start(), ports.end());
    let relay = Process::turn(&["--turn-user", "u:p", "--turn-relay-ports", &range]);
    let ann = Allocation::new(relay.public, "u").await.unwrap();
    let bob = Allocation::new(relay.public, "u").await.unwrap();
    let told = |allocation: &Allocation| allocation.relayed.local_addr().unwrap();
    for allocation in [&ann, &bob] {
        assert!(ports.contains(&told(allocation).port()));
    }
    // Makes a permission; there is none yet at the other end, so that nothing arrives.
    bob.relayed.send_to(b"knock", told(&ann)).await.unwrap();
    ann.relayed.send_to(b"to bob", told(&bob)).await.unwrap();
    let mut buffer = [0; 100];
    let received = timeout(PATIENCE, bob.relayed.recv_from(&mut buffer)).await;
    let (length, source) = received.unwrap().unwrap();
    assert_eq!((&buffer[..length], source), (&b"to bob"[..], told(&ann)));
}
