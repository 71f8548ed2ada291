//! Peers to which there is no way, for every reason that a kernel gives.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, UdpSocket},
};

use tokio::time::timeout;
use trunkline_tests::{PATIENCE, Process, metric};

use crate::{
    Allocation, namespace,
    peers::{peer_at, talks_with},
};

const ROUNDS: usize = 10;

/// How many packets for each peer wait for the relay in a round: it may read and send many at a time.
const BURST: usize = 8;

/// What a plain socket of the relay's host is told when it sends there.
fn outcome(address: SocketAddr) -> Option<ErrorKind> {
    let socket = UdpSocket::bind("10.77.0.1:0").unwrap();
    socket
        .send_to(b"x", address)
        .err()
        .map(|error| error.kind())
}

#[tokio::test]
async fn checklist_15_a_peer_that_cannot_be_sent_to_costs_its_own_packets_alone() {
    let setup = "ip link add name v0 type veth peer name v1
        ip link set v0 up
        ip link set v1 up
        ip address add 10.77.0.1/24 dev v0
        ip route add unreachable 10.77.1.0/24
        ip route add prohibit 10.77.2.0/24
        ip route add blackhole 10.77.3.0/24";
    let test =
        "unreachable::checklist_15_a_peer_that_cannot_be_sent_to_costs_its_own_packets_alone";
    if !namespace::is_inside(test, setup) {
        return;
    }
    let here = IpAddr::from([10, 77, 0, 1]);
    let (for_ann, for_bob) = (peer_at(here).await, peer_at(here).await);
    let closed = peer_at(here).await.local_addr().unwrap();
    let unreachable: [(SocketAddr, Option<ErrorKind>); 6] = [
        ("10.77.1.1:9", Some(ErrorKind::HostUnreachable)),
        ("10.77.2.1:9", Some(ErrorKind::PermissionDenied)),
        ("10.77.3.1:9", Some(ErrorKind::InvalidInput)),
        ("10.77.4.1:9", Some(ErrorKind::NetworkUnreachable)),
        // Nobody answers for it on the link: what is sent is kept for a while, then lost.
        ("10.77.0.2:9", None),
        // Nobody listens: each packet is answered by an ICMP error.
        (closed.to_string().as_str(), None),
    ]
    .map(|(address, error)| (address.parse().unwrap(), error));
    for (address, error) in unreachable {
        assert_eq!(outcome(address), error, "{address}");
    }
    let relay = Process::turn_on(
        "10.77.0.1:3478",
        &[
            "--turn-user",
            "u:p",
            "--turn-allow-peers",
            "10.77.0.0/16",
            // All of it in one: what one client loses must not be another's.
            "--turn-threads",
            "1",
        ],
    );
    let ann = Allocation::new(relay.public, "u").await.unwrap();
    let bob = Allocation::new(relay.public, "u").await.unwrap();
    // Makes permissions and channels.
    talks_with(&ann, &for_ann, "before").await;
    talks_with(&bob, &for_bob, "before").await;
    for (address, _) in unreachable {
        ann.relayed.send_to(b"lost", address).await.unwrap();
    }
    for round in 0..ROUNDS {
        relay.freeze();
        for number in 0..BURST {
            for (address, _) in unreachable {
                ann.relayed.send_to(b"lost", address).await.unwrap();
            }
            for (from, to) in [(&ann, &for_ann), (&bob, &for_bob)] {
                let text = format!("{round}.{number}");
                let to = to.local_addr().unwrap();
                from.relayed.send_to(text.as_bytes(), to).await.unwrap();
            }
        }
        relay.thaw();
        for number in 0..BURST {
            for peer in [&for_ann, &for_bob] {
                let mut buffer = [0; 100];
                let received = timeout(PATIENCE, peer.recv_from(&mut buffer)).await;
                let (length, _) = received.expect("the next packet").unwrap();
                let text = String::from_utf8_lossy(&buffer[..length]);
                assert_eq!(text, format!("{round}.{number}"));
            }
        }
    }
    talks_with(&ann, &for_ann, "after").await;
    talks_with(&bob, &for_bob, "after").await;
    let refused = unreachable.iter().filter(|(_, error)| error.is_some());
    let unsent = metric(
        relay.admin,
        "trunkline_turn_dropped_packets_total{reason=\"unsent\"}",
    )
    .await;
    let least = ROUNDS * BURST * refused.count();
    assert!(unsent >= least as f64, "{unsent}");
    assert_eq!(metric(relay.admin, "trunkline_turn_allocations").await, 2.0);
}
