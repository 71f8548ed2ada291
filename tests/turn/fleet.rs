//! Relays that register in a real Redis, and nodes that tell clients of them.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use trunkline_tests::{Process, Redis, free_port, get, until};

use crate::{
    Allocation,
    control::{admin, until_allocations},
};

fn relay_on(redis: &Redis, listen: &str, region: &str, options: &[&str]) -> Process {
    let url = redis.url();
    let own = ["--redis", &url, "--region", region];
    Process::turn_on(listen, &[&own, options].concat())
}

fn relay(redis: &Redis, region: &str, options: &[&str]) -> Process {
    let secret = ["--turn-secret", "s"];
    relay_on(redis, "127.0.0.1:0", region, &[&secret, options].concat())
}

fn node(redis: &Redis, region: &str) -> Process {
    let url = redis.url();
    let own = ["--redis", &url, "--region", region];
    Process::signal(&[&own[..], &["--turn-secret", "s", "--insecure-open-turn"]].concat())
}

/// The servers that a node tells of, by their first URL, in order.
async fn told(node: &Process) -> Vec<String> {
    let answer = get(node.public, "/v1/ice").await;
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    let servers = answer["iceServers"].as_array().unwrap();
    let url = |server: &Value| server["urls"][0].as_str().unwrap().to_owned();
    servers.iter().map(url).collect()
}

fn url(relay: SocketAddr) -> String {
    format!("turn:{relay}?transport=udp")
}

/// Waits until the node tells of just these; returns how long that took.
async fn until_told(node: &Process, relays: &[SocketAddr]) -> Duration {
    let start = Instant::now();
    let expected: BTreeSet<String> = relays.iter().map(|relay| url(*relay)).collect();
    until("the right relays to be told", async || {
        let told = told(node).await;
        told.len() == expected.len() && told.into_iter().collect::<BTreeSet<_>>() == expected
    })
    .await;
    start.elapsed()
}

/// A credential for a user, as the REST draft has it, with the relays where it is good.
async fn credential(node: &Process, user: &str) -> (String, String, Vec<String>) {
    let path = format!("/turn?service=turn&username={user}");
    let answer = get(node.public, &path).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("access-control-allow-origin: *"));
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer["ttl"], 3600);
    let text = |key: &str| answer[key].as_str().unwrap().to_owned();
    let uris = serde_json::from_value(answer["uris"].clone()).unwrap();
    (text("username"), text("password"), uris)
}

const VANISHED: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_relay_that_dies_is_told_to_nobody_within_five_seconds_and_comes_back() {
    let redis = Redis::start();
    let mut first = relay(&redis, "eu", &[]);
    let listen = format!("127.0.0.1:{}", free_port());
    let second = relay_on(&redis, &listen, "eu", &["--turn-secret", "s"]);
    let nodes = [node(&redis, "eu"), node(&redis, "eu")];
    for node in &nodes {
        until_told(node, &[first.public, second.public]).await;
    }
    first.kill_9();
    let start = Instant::now();
    for node in &nodes {
        until_told(node, &[second.public]).await;
    }
    assert!(start.elapsed() < VANISHED, "{:?}", start.elapsed());
    println!(
        "a dead relay was told to nobody after {:?}",
        start.elapsed()
    );
    drop(second);
    let again = relay_on(&redis, &listen, "eu", &["--turn-secret", "s"]);
    for node in &nodes {
        until_told(node, &[again.public]).await;
    }
    // Until the lease of the one before is over, two are listed at the same address.
    let name = "trunkline_fleet_relays{state=\"serving\"}";
    until("one relay to be listed", async || {
        nodes[0].metric(name).await == 1.0
    })
    .await;
}

#[tokio::test]
async fn checklist_13_a_relay_that_drains_is_told_to_nobody_and_is_again_when_that_is_taken_back() {
    let redis = Redis::start();
    let (first, second) = (relay(&redis, "eu", &[]), relay(&redis, "eu", &[]));
    let node = node(&redis, "eu");
    until_told(&node, &[first.public, second.public]).await;
    let (username, password, _) = credential(&node, "alice").await;
    let held = Allocation::with_password(first.public, &username, &password).await;
    let _held = held.unwrap();
    admin(&first, "POST", "/admin/drain", "{}").await;
    let took = until_told(&node, &[second.public]).await;
    assert!(took < VANISHED, "{took:?}");
    println!("a draining relay was told to nobody after {took:?}");
    admin(&first, "DELETE", "/admin/drain", "").await;
    until_told(&node, &[first.public, second.public]).await;
}

#[tokio::test]
async fn a_relay_that_is_told_to_end_takes_itself_off_the_list() {
    let redis = Redis::start();
    let mut first = relay(&redis, "eu", &[]);
    let node = node(&redis, "eu");
    until_told(&node, &[first.public]).await;
    assert!(first.terminate().success());
    let listed = redis.cli(&["ZCARD", "trunkline:2:{p00}:relays"]).number();
    assert_eq!(listed, 0);
    let took = until_told(&node, &[]).await;
    assert!(took < VANISHED, "{took:?}");
    let answer = get(node.public, "/turn?service=turn").await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.body.contains("no-relays"), "{}", answer.body);
}

#[tokio::test]
async fn clients_are_told_of_two_relays_of_the_region_and_one_of_another() {
    let redis = Redis::start();
    let eu: Vec<_> = (0..3).map(|_| relay(&redis, "eu", &[])).collect();
    let us: Vec<_> = (0..2).map(|_| relay(&redis, "us", &[])).collect();
    let stranger = relay_on(&redis, "127.0.0.1:0", "eu", &["--turn-secret", "other"]);
    let urls = |relays: &[Process]| -> BTreeSet<String> {
        relays.iter().map(|relay| url(relay.public)).collect()
    };
    for (region, own, others) in [("eu", &eu, &us), ("us", &us, &eu), ("ap", &us, &eu)] {
        let node = node(&redis, region);
        let known = "trunkline_fleet_relays{state=\"serving\"}";
        until("all relays to be known", async || {
            node.metric(known).await == 6.0
        })
        .await;
        let mut seen = BTreeSet::new();
        for _ in 0..30 {
            let told = told(&node).await;
            let of_own = told.iter().filter(|url| urls(own).contains(*url)).count();
            let of_others = told
                .iter()
                .filter(|url| urls(others).contains(*url))
                .count();
            match region {
                "ap" => assert_eq!(of_own + of_others, 2, "{told:?}"),
                _ => assert_eq!((of_own, of_others), (2, 1), "{told:?}"),
            }
            seen.extend(told);
        }
        assert!(
            !seen.contains(&url(stranger.public)),
            "its secret is another"
        );
        assert!(seen.len() >= 4, "they are drawn: {seen:?}");
    }
}

#[tokio::test]
async fn the_relay_that_says_it_is_loaded_most_is_told_to_nobody_beside_two_others() {
    let redis = Redis::start();
    let options = ["--turn-user", "u:p"];
    let relays = [1, 2, 3].map(|_| relay(&redis, "eu", &options));
    let node = node(&redis, "eu");
    let mut held = Vec::new();
    for busy in &relays {
        for _ in 0..3 {
            held.push(Allocation::new(busy.public, "u").await.unwrap());
        }
        // Of two that are drawn it is never the one that is taken, and the other two are told then.
        let others: BTreeSet<String> = relays
            .iter()
            .filter(|relay| relay.public != busy.public)
            .map(|relay| url(relay.public))
            .collect();
        let mut in_a_row = 0;
        until("the load to be known", async || {
            let told: BTreeSet<String> = told(&node).await.into_iter().collect();
            in_a_row = if told == others { in_a_row + 1 } else { 0 };
            in_a_row == 40
        })
        .await;
        for allocation in held.drain(..) {
            allocation.close().await;
        }
    }
}

#[tokio::test]
async fn a_kick_ends_a_user_s_allocations_on_every_relay_and_outlives_a_restart() {
    let redis = Redis::start();
    let first = relay(&redis, "eu", &[]);
    let listen = format!("127.0.0.1:{}", free_port());
    let mut second = relay_on(&redis, &listen, "eu", &["--turn-secret", "s"]);
    let node = node(&redis, "eu");
    until_told(&node, &[first.public, second.public]).await;
    let mut held = Vec::new();
    let alice = credential(&node, "alice").await;
    let bob = credential(&node, "bob").await;
    // UDP and TCP of each.
    assert_eq!(alice.2.len(), 4);
    for relay in [&first, &second] {
        for (username, password, _) in [&alice, &bob] {
            let made = Allocation::with_password(relay.public, username, password).await;
            held.push(made.unwrap());
        }
    }
    let (status, answer) = admin(&first, "POST", "/admin/kick", "{\"user\":\"alice\"}").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["ended"], &answer["others"]),
        (&json!(1), &json!("told"))
    );
    for relay in [&first, &second] {
        until_allocations(relay, 1).await;
    }
    let newer = credential(&node, "alice").await;
    for relay in [&first, &second] {
        for (username, password, _) in [&alice, &newer] {
            let made = Allocation::with_password(relay.public, username, password).await;
            assert!(made.is_err());
        }
    }
    second.kill_9();
    let second = relay_on(&redis, &listen, "eu", &["--turn-secret", "s"]);
    until("the restarted relay to know of the kick", async || {
        second.metric("trunkline_turn_kicked_users").await == 1.0
    })
    .await;
    let (username, password, _) = &newer;
    let made = Allocation::with_password(second.public, username, password).await;
    assert!(made.is_err());
    let (username, password, _) = &bob;
    let made = Allocation::with_password(second.public, username, password).await;
    assert!(made.is_ok());
}

#[tokio::test]
async fn without_redis_the_last_list_stays_relays_serve_and_a_kick_waits() {
    let mut redis = Redis::start();
    let (first, second) = (relay(&redis, "eu", &[]), relay(&redis, "eu", &[]));
    let node = node(&redis, "eu");
    until_told(&node, &[first.public, second.public]).await;
    let alice = credential(&node, "alice").await;
    let mut held = Vec::new();
    let made = Allocation::with_password(second.public, &alice.0, &alice.1).await;
    held.push(made.unwrap());
    redis.stop();
    until("the node to notice", async || {
        node.metric("trunkline_fleet_reached").await == 0.0
    })
    .await;
    let (_, answer) = admin(&first, "POST", "/admin/kick", "{\"user\":\"alice\"}").await;
    until_told(&node, &[first.public, second.public]).await;
    let bob = credential(&node, "bob").await;
    let made = Allocation::with_password(second.public, &bob.0, &bob.1).await;
    held.push(made.unwrap());
    // Longer than any lease.
    tokio::time::sleep(Duration::from_secs(4)).await;
    until_told(&node, &[first.public, second.public]).await;
    assert_eq!(
        second.metric("trunkline_turn_allocations").await,
        2.0,
        "{answer}"
    );
    redis.start_again();
    until_allocations(&second, 1).await;
    until("the node to read again", async || {
        node.metric("trunkline_fleet_reached").await == 1.0
    })
    .await;
    // An empty Redis makes nobody forget them.
    for _ in 0..100 {
        assert_eq!(told(&node).await.len(), 2);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_rest_draft_s_wrong_questions_are_answered_with_what_is_wrong() {
    let redis = Redis::start();
    let node = node(&redis, "eu");
    for (path, status, code) in [
        ("/turn", 400, "bad-request"),
        ("/turn?service=stun", 400, "bad-request"),
        ("/turn?service=turn&username=a%0Ab", 400, "bad-username"),
        ("/turn?service=turn&username=alice", 503, "no-relays"),
    ] {
        let answer = get(node.public, path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.body.contains(code), "{path}: {}", answer.body);
        assert!(answer.head.contains("cache-control: no-store"));
    }
}
