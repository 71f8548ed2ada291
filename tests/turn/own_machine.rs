//! `dev` opens the machine that it runs on to its clients, and nothing else.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;
use trunkline_tests::{Process, Redis, get, metric, request, until};

use crate::{
    Allocation, namespace,
    peers::{peer_at, talks_with},
};

/// A machine with one address on a network of its own.
const MACHINE: &str = "ip link add name v0 type veth peer name v1
    ip link set v0 up
    ip link set v1 up
    ip address add 10.77.0.1/24 dev v0
    ip route add default via 10.77.0.2";

/// An allocation with what `/v1/ice` tells who asks at `ip`.
async fn allocate(dev: &Process, ip: &str) -> Allocation {
    let node = SocketAddr::new(ip.parse().unwrap(), dev.public.port());
    let answer: Value = serde_json::from_str(&get(node, "/v1/ice").await.body).unwrap();
    let relay = &answer["iceServers"][1];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let url = text(&relay["urls"][0]);
    let address = url.strip_prefix("turn:").unwrap();
    let address: SocketAddr = address
        .strip_suffix("?transport=udp")
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(address.ip(), node.ip());
    Allocation::with_password(
        address,
        &text(&relay["username"]),
        &text(&relay["credential"]),
    )
    .await
    .unwrap()
}

async fn reaches(allocation: &Allocation, ip: &str) {
    let ip: IpAddr = ip.parse().unwrap();
    talks_with(allocation, &peer_at(ip).await, "here").await;
}

async fn is_refused(dev: &Process, allocation: &Allocation, ip: &str) {
    let peer = SocketAddr::new(ip.parse().unwrap(), 9);
    let forbidden = "trunkline_turn_answers_total{result=\"403\"}";
    let before = metric(dev.admin, forbidden).await;
    assert!(
        allocation.relayed.send_to(b"x", peer).await.is_err(),
        "{peer}"
    );
    assert!(metric(dev.admin, forbidden).await > before, "{peer}");
}

#[tokio::test]
async fn dev_relays_to_its_own_machine_loopback_too_and_to_no_other() {
    let test = "own_machine::dev_relays_to_its_own_machine_loopback_too_and_to_no_other";
    if !namespace::is_inside(test, MACHINE) {
        return;
    }
    let dev = Process::dev(&[]);
    let allocation = allocate(&dev, "127.0.0.1").await;
    reaches(&allocation, "127.0.0.1").await;
    reaches(&allocation, "10.77.0.1").await;
    for other in ["127.0.0.2", "10.0.0.1", "10.77.0.2", "169.254.169.254"] {
        is_refused(&dev, &allocation, other).await;
    }
    reaches(&allocation, "127.0.0.1").await;
}

#[tokio::test]
async fn dev_that_others_reach_relays_to_its_own_machine_and_not_to_loopback() {
    let test = "own_machine::dev_that_others_reach_relays_to_its_own_machine_and_not_to_loopback";
    if !namespace::is_inside(test, MACHINE) {
        return;
    }
    let dev = Process::dev_open();
    let allocation = allocate(&dev, "10.77.0.1").await;
    reaches(&allocation, "10.77.0.1").await;
    for other in ["127.0.0.1", "127.0.0.2", "10.77.0.2"] {
        is_refused(&dev, &allocation, other).await;
    }
    reaches(&allocation, "10.77.0.1").await;
}

#[tokio::test]
async fn checklist_05_the_redis_of_dev_is_no_peer_on_its_own_machine() {
    let redis = Redis::start();
    let url = redis.url();
    let dev = Process::dev(&["--redis", &url]);
    let allocation = allocate(&dev, "127.0.0.1").await;
    reaches(&allocation, "127.0.0.1").await;
    let port = url.rsplit(':').next().unwrap().parse().unwrap();
    // There is a permission for the address: nothing is asked, and nothing passes.
    let redis = SocketAddr::new([127, 0, 0, 1].into(), port);
    allocation
        .relayed
        .send_to(b"FLUSHALL", redis)
        .await
        .unwrap();
    let forbidden = "trunkline_turn_dropped_packets_total{reason=\"forbidden\"}";
    until("the packet to be dropped", async || {
        metric(dev.admin, forbidden).await >= 1.0
    })
    .await;
}

#[tokio::test]
async fn a_page_of_another_origin_may_ask_dev_too() {
    let dev = Process::dev(&[]);
    let origin = "Origin: https://app.example\r\n";
    let answer = request(dev.public, "GET", "/v1/ice", origin).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.head.contains("access-control-allow-origin: *"),
        "{}",
        answer.head
    );
}
