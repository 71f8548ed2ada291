//! Quotas, ports and descriptors run out, and come back.

use std::{
    net::{Ipv4Addr, UdpSocket},
    time::{Duration, Instant},
};

use trunkline_tests::{PATIENCE, Process, TurnClient, free_udp_ports, metric, until};

use crate::{Allocation, namespace, strangers::allocate};

/// How many answers had this code; the client asks again after 200 ms, so that a stall makes two of one refusal.
async fn refused(relay: &Process, code: &str) -> f64 {
    let name = format!("trunkline_turn_answers_total{{result=\"{code}\"}}");
    metric(relay.admin, &name).await
}

/// The client does not wait for the answer when it gives an allocation back.
async fn until_allocations(relay: &Process, number: usize) {
    let end = Instant::now() + PATIENCE;
    while metric(relay.admin, "trunkline_turn_allocations").await != number as f64 {
        assert!(Instant::now() < end, "there are not {number} allocations");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// As many allocations as are granted, and then one is refused with this code; what is given back may be had again.
async fn grants(relay: &Process, number: usize, code: &str) {
    let mut held = Vec::new();
    for n in 0..number {
        let allocation = Allocation::new(relay.public, "u").await;
        held.push(allocation.unwrap_or_else(|error| panic!("{n} of {number}: {error}")));
    }
    assert_eq!(refused(relay, code).await, 0.0, "{code}");
    assert!(Allocation::new(relay.public, "u").await.is_err());
    assert!(refused(relay, code).await >= 1.0, "{code}");
    assert_eq!(
        metric(relay.admin, "trunkline_turn_allocations").await,
        number as f64
    );
    held.pop().unwrap().close().await;
    until_allocations(relay, number - 1).await;
    held.push(Allocation::new(relay.public, "u").await.unwrap());
    for allocation in held {
        allocation.close().await;
    }
    until_allocations(relay, 0).await;
}

#[tokio::test]
async fn checklist_08_a_user_may_have_as_many_allocations_as_its_quota_and_another_user_its_own() {
    let relay = Process::turn(&[
        "--turn-user",
        "u:p",
        "--turn-user",
        "v:p",
        "--turn-user-quota",
        "3",
    ]);
    let other = Allocation::new(relay.public, "v").await.unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(Allocation::new(relay.public, "u").await.unwrap());
    }
    assert_eq!(refused(&relay, "486").await, 0.0);
    assert!(Allocation::new(relay.public, "u").await.is_err());
    assert!(refused(&relay, "486").await >= 1.0);
    let another = Allocation::new(relay.public, "v").await.unwrap();
    held.pop().unwrap().close().await;
    until_allocations(&relay, 4).await;
    held.push(Allocation::new(relay.public, "u").await.unwrap());
    other.close().await;
    another.close().await;
}

#[tokio::test]
async fn when_the_ports_are_all_taken_an_allocation_is_answered_508_and_the_others_live() {
    let ports = free_udp_ports(Ipv4Addr::LOCALHOST, 4);
    let range = format!("{}-{}", ports.start(), ports.end());
    let relay = Process::turn(&["--turn-user", "u:p", "--turn-relay-ports", &range]);
    grants(&relay, 4, "508").await;
}

#[tokio::test]
async fn when_a_socket_cannot_be_opened_an_allocation_is_answered_508_and_the_relay_lives() {
    let relay = Process::turn(&[
        "--turn-user",
        "u:p",
        "--turn-user-quota",
        "0",
        "--turn-threads",
        "1",
    ]);
    // Behind the back of its quota: the kernel says no.
    relay.limit_descriptors_to_those_open_and(4);
    let mut held = Vec::new();
    while let Ok(allocation) = Allocation::new(relay.public, "u").await {
        held.push(allocation);
        assert!(held.len() < 1000, "the limit is not in force");
    }
    let number = held.len();
    assert!(number >= 1);
    // Gives a descriptor back, with which the metrics can be asked for.
    held.pop().unwrap().close().await;
    until_allocations(&relay, number - 1).await;
    assert!(refused(&relay, "508").await >= 1.0);
    held.push(Allocation::new(relay.public, "u").await.unwrap());
}

#[tokio::test]
async fn when_descriptors_run_short_an_allocation_is_answered_508_and_the_relay_lives() {
    // 256 are kept for everything but relay sockets and connections, and four for the thread.
    let relay = Process::turn_with_descriptors(
        "-n 264",
        &[
            "--turn-user",
            "u:p",
            "--turn-user-quota",
            "0",
            "--turn-threads",
            "1",
        ],
    );
    grants(&relay, 4, "508").await;
}

#[tokio::test]
async fn a_low_soft_limit_on_descriptors_is_raised() {
    let relay = Process::turn_with_descriptors(
        "-Sn 263",
        &[
            "--turn-user",
            "u:p",
            "--turn-user-quota",
            "0",
            "--turn-threads",
            "1",
        ],
    );
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(Allocation::new(relay.public, "u").await.unwrap());
    }
}

#[tokio::test]
async fn checklist_08_as_many_allocations_as_there_may_be_and_one_more_is_answered_508() {
    let options = ["--turn-user", "u:p", "--turn-max-allocations", "3"];
    grants(&Process::turn(&options), 3, "508").await;
}

/// Loopback has addresses that are not of this machine alone by their looks.
const SOURCES: &str = "ip address add 192.0.2.1/32 dev lo
    ip address add 192.0.2.7/32 dev lo
    ip address add 192.0.2.8/32 dev lo";

const RELAY: &str = "192.0.2.1:3478";

#[test]
fn checklist_08_a_source_may_have_as_many_allocations_as_its_quota_whoever_its_users_are() {
    let test = "limits::checklist_08_a_source_may_have_as_many_allocations_as_its_quota_whoever_its_users_are";
    if !namespace::is_inside(test, SOURCES) {
        return;
    }
    let users = ["--turn-user", "u:p", "--turn-user", "v:p"];
    let quota = ["--turn-source-quota", "3"];
    let relay = Process::turn_on(RELAY, &[&users[..], &quota].concat());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let at = async |ip: &str, user: &str| Allocation::at(ip, relay.public, user, "p").await;
        let mut held = vec![
            at("192.0.2.7", "u").await.unwrap(),
            at("192.0.2.7", "v").await.unwrap(),
            at("192.0.2.7", "v").await.unwrap(),
        ];
        assert!(at("192.0.2.7", "u").await.is_err());
        assert!(refused(&relay, "486").await >= 1.0);
        let other = at("192.0.2.8", "u").await.unwrap();
        held.pop().unwrap().close().await;
        until_allocations(&relay, 3).await;
        held.push(at("192.0.2.7", "u").await.unwrap());
        other.close().await;
        // What comes from this machine has its users' quotas alone.
        for _ in 0..5 {
            held.push(at("127.0.0.1", "u").await.unwrap());
        }
    });
}

/// How many of so many requests without credentials are answered, one after the other.
fn answered(client: &UdpSocket, number: u64) -> usize {
    let mut answer = [0; 200];
    let is_answered = |n: &u64| {
        client.send(&allocate(*n)).unwrap();
        client.recv(&mut answer).is_ok()
    };
    (0..number).filter(is_answered).count()
}

#[test]
fn checklist_02_a_network_that_is_only_named_is_not_flooded_and_its_clients_are_served() {
    let test = "limits::checklist_02_a_network_that_is_only_named_is_not_flooded_and_its_clients_are_served";
    if !namespace::is_inside(test, SOURCES) {
        return;
    }
    let options = ["--turn-user", "u:p", "--turn-max-challenges", "5"];
    let relay = Process::turn_on(RELAY, &options);
    let stranger = UdpSocket::bind("192.0.2.7:0").unwrap();
    stranger.connect(relay.public).unwrap();
    let soon = Duration::from_millis(10);
    stranger.set_read_timeout(Some(soon)).unwrap();
    // It takes a while, in which some more are due.
    let number = answered(&stranger, 200);
    assert!((5..150).contains(&number), "{number} answers to 200");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let suppressed = "trunkline_turn_dropped_packets_total{reason=\"challenge-rate\"}";
        assert!(relay.metric(suppressed).await >= 50.0);
        // A real client of the network is answered soon, and after that everybody there at once.
        let client = Allocation::at("192.0.2.8", relay.public, "u", "p").await;
        client.unwrap().close().await;
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(answered(&stranger, 200), 200);
    });
}

#[tokio::test]
async fn checklist_08_an_allocation_relays_so_many_packets_a_second_and_what_is_lost_is_counted() {
    relays_forty_a_second(&["--turn-max-pps", "40"], "packet-rate").await;
}

#[tokio::test]
async fn checklist_08_an_allocation_relays_so_many_bits_a_second_and_what_is_lost_is_counted() {
    // Forty times four bytes.
    relays_forty_a_second(&["--turn-max-bps", "1280"], "bit-rate").await;
}

/// Packets of four bytes, each way, by the option that says so; the others are lost for this reason.
async fn relays_forty_a_second(option: &[&str; 2], reason: &str) {
    let relay = Process::turn(&[
        "--turn-user",
        "u:p",
        option[0],
        option[1],
        "--turn-allow-peers",
        "127.0.0.0/8",
    ]);
    let mut client = TurnClient::allocate(relay.public);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.bind(0x4000, peer.local_addr().unwrap());
    let dropped = format!("trunkline_turn_dropped_packets_total{{reason=\"{reason}\"}}");
    let relayed =
        ["peer", "client"].map(|to| format!("trunkline_turn_relayed_packets_total{{to=\"{to}\"}}"));
    let mut sent = 0;
    for (to, relayed_to) in relayed.iter().enumerate() {
        // As few at a time as a socket has room for.
        for _ in 0..10 {
            for _ in 0..30 {
                match to {
                    0 => client.socket.send(b"\x40\0\0\x04data").unwrap(),
                    _ => peer.send_to(b"data", client.relayed).unwrap(),
                };
            }
            sent += 30;
            until("all packets to be counted", async || {
                let mut sum = relay.metric(&dropped).await;
                for relayed in &relayed {
                    sum += relay.metric(relayed).await;
                }
                sum == f64::from(sent)
            })
            .await;
        }
        // A second's worth at once, and what is due while they are sent.
        let number = relay.metric(relayed_to).await;
        assert!((40.0..300.0).contains(&number), "{number}: {relayed_to}");
    }
}

#[tokio::test]
async fn checklist_08_an_allocation_gains_so_many_peers_a_second_and_then_403() {
    let relay = Process::turn(&[
        "--turn-user",
        "u:p",
        "--turn-max-new-peers",
        "1",
        "--turn-allow-peers",
        "127.0.0.0/8",
    ]);
    let mut client = TurnClient::allocate(relay.public);
    let codes: Vec<u16> = (0..100)
        .map(|n| client.bind_code(0x4000 + u16::from(n), ([127, 0, 9, n], 9).into()))
        .collect();
    assert_eq!(codes[..10], [200; 10]);
    assert!(codes.contains(&403), "{codes:?}");
    // The peers that it has stay.
    assert_eq!(client.bind_code(0x4000, ([127, 0, 9, 0], 9).into()), 200);
    let refused = relay.metric("trunkline_turn_new_peers_refused_total").await;
    let expected = codes.iter().filter(|code| **code == 403).count();
    assert_eq!(refused, expected as f64);
}
