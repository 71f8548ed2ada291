//! Nodes as processes, over a real Redis.

use std::{collections::BTreeMap, time::Duration};

use trunkline_tests::{Peer, Process, Redis, get, until};

const SUE: &str = r#"/announce|sue|{"id":"sue","room":"r"}"#;

/// So many nodes, ready, over one Redis.
async fn nodes(redis: &Redis, count: usize, options: &[&str]) -> Vec<Process> {
    let url = redis.url();
    let start = |_| Process::signal(&[&["--redis", &url], options].concat());
    let nodes: Vec<Process> = (0..count).map(start).collect();
    for node in &nodes {
        until_health(node, 200).await;
    }
    nodes
}

async fn until_health(node: &Process, status: u16) {
    until("the cluster's health", async || {
        get(node.public, "/healthz/cluster").await.status == status
    })
    .await;
}

/// Bob at the first node and sue at the second, who know of each other.
async fn apart(nodes: &[Process]) -> (Peer, Peer) {
    let mut bob = Peer::join(nodes[0].public, "r", "bob").await;
    let mut sue = Peer::connect(nodes[1].public).await;
    sue.announce("r", "sue").await;
    sue.expect(r#"/roominfo|{"memberCount":2}"#).await;
    bob.expect(SUE).await;
    (bob, sue)
}

#[tokio::test]
async fn peers_of_two_processes_share_a_room() {
    let redis = Redis::start();
    let nodes = nodes(&redis, 2, &[]).await;
    let (mut bob, mut sue) = apart(&nodes).await;
    for n in 0..1000 {
        bob.send(&format!("/to|sue|/n|bob|{n}")).await;
        bob.send(&format!("/all|bob|{n}")).await;
    }
    for n in 0..1000 {
        sue.expect(&format!("/to|sue|/n|bob|{n}")).await;
        sue.expect(&format!("/all|bob|{n}")).await;
    }
    sue.send(r#"/leave|sue|{"id":"sue"}"#).await;
    bob.expect(r#"/leave|sue|{"id":"sue"}"#).await;
    bob.settle().await;
    bob.assert_silent();
}

/// Says so many things to sue of this peer's room, without reading.
async fn shout(mut bob: Peer, count: usize) -> Peer {
    for n in 0..count {
        bob.send(&format!("/to|sue|/n|bob|{n}")).await;
    }
    bob
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_much_is_said_to_another_node_at_once_nothing_of_it_is_refused() {
    const ROOMS: usize = 100;
    const SAID: usize = 300;
    let redis = Redis::start();
    let nodes = nodes(&redis, 2, &[]).await;
    let (mut shouts, mut hearers) = (Vec::new(), Vec::new());
    for room in 0..ROOMS {
        let room = format!("r{room}");
        let bob = Peer::join(nodes[0].public, &room, "bob").await;
        let mut sue = Peer::connect(nodes[1].public).await;
        sue.announce(&room, "sue").await;
        sue.expect(r#"/roominfo|{"memberCount":2}"#).await;
        hearers.push(sue);
        shouts.push(bob);
    }
    for bob in &mut shouts {
        bob.next().await;
    }
    let shouts: Vec<_> = shouts
        .into_iter()
        .map(|bob| tokio::spawn(shout(bob, SAID)))
        .collect();
    for mut sue in hearers {
        for n in 0..SAID {
            sue.expect(&format!("/to|sue|/n|bob|{n}")).await;
        }
    }
    for shout in shouts {
        shout.await.unwrap().settle().await;
    }
    let overloaded = nodes[0].metric("trunkline_backplane_overloaded_total");
    assert_eq!(overloaded.await, 0.0);
    let paused = nodes[0].metric("trunkline_reads_paused_total").await;
    assert!(paused > 0.0, "nothing was proved");
}

/// Commands that are not the nodes' own heartbeats and looks at rosters.
fn spoken(redis: &Redis) -> BTreeMap<String, u64> {
    let is_said = |name: &String| name == "spublish" || name == "publish";
    let commands = redis.commands().into_iter();
    commands.filter(|(name, _)| is_said(name)).collect()
}

#[tokio::test]
async fn what_peers_of_one_node_say_to_each_other_never_touches_redis() {
    let redis = Redis::start();
    // Beats are far apart, so that none falls between the two counts.
    let nodes = nodes(&redis, 2, &["--lease", "600s"]).await;
    let mut bob = Peer::join(nodes[0].public, "r", "bob").await;
    let mut ann = Peer::join(nodes[0].public, "r", "ann").await;
    bob.expect(r#"/announce|ann|{"id":"ann","room":"r"}"#).await;
    bob.settle().await;
    let before = (redis.commands(), spoken(&redis));
    for n in 0..500 {
        bob.send(&format!("/to|ann|/n|bob|{n}")).await;
        bob.send(&format!("/all|bob|{n}")).await;
        ann.send(&format!("/to|bob|/n|ann|{n}")).await;
    }
    for n in 0..500 {
        ann.expect(&format!("/to|ann|/n|bob|{n}")).await;
        ann.expect(&format!("/all|bob|{n}")).await;
        bob.expect(&format!("/to|bob|/n|ann|{n}")).await;
    }
    assert_eq!(spoken(&redis), before.1);
    let scripts = |commands: &[(String, u64)]| {
        let named = commands.iter().find(|(name, _)| name == "evalsha");
        named.map_or(0, |(_, calls)| *calls)
    };
    assert_eq!(scripts(&redis.commands()), scripts(&before.0));
    // And what does cross is one command a message.
    let mut sue = Peer::connect(nodes[1].public).await;
    sue.announce("r", "sue").await;
    bob.expect(SUE).await;
    let before: u64 = spoken(&redis).values().sum();
    for n in 0..100 {
        bob.send(&format!("/to|sue|/n|bob|{n}")).await;
    }
    sue.expect(r#"/roominfo|{"memberCount":3}"#).await;
    for n in 0..100 {
        sue.expect(&format!("/to|sue|/n|bob|{n}")).await;
    }
    let crossed = spoken(&redis).values().sum::<u64>() - before;
    assert!((100..110).contains(&crossed), "{crossed}");
}

#[tokio::test]
async fn a_peer_that_returns_at_another_process_never_left_and_gets_what_it_missed() {
    let redis = Redis::start();
    let nodes = nodes(&redis, 2, &[]).await;
    let (mut bob, sue) = apart(&nodes).await;
    sue.close().await;
    until("sue to be suspended", async || {
        nodes[1].metric("trunkline_members_suspended").await == 1.0
    })
    .await;
    for n in 0..20 {
        bob.send(&format!("/to|sue|/n|bob|{n}")).await;
    }
    let mut sue = Peer::connect(nodes[0].public).await;
    sue.announce("r", "sue").await;
    sue.expect(r#"/roominfo|{"memberCount":2}"#).await;
    for n in 20..40 {
        bob.send(&format!("/to|sue|/n|bob|{n}")).await;
    }
    for n in 0..40 {
        sue.expect(&format!("/to|sue|/n|bob|{n}")).await;
    }
    bob.expect(SUE).await;
    bob.settle().await;
    bob.assert_silent();
}

#[tokio::test]
async fn a_node_that_is_told_to_stop_lets_its_peers_move_without_a_leave() {
    let redis = Redis::start();
    let mut nodes = nodes(&redis, 2, &[]).await;
    let (mut bob, mut sue) = apart(&nodes).await;
    let mut gone = nodes.remove(1);
    let stopped = tokio::task::spawn_blocking(move || gone.terminate());
    assert_eq!(sue.close_code().await, 1001);
    let mut sue = Peer::connect(nodes[0].public).await;
    sue.announce("r", "sue").await;
    sue.expect(r#"/roominfo|{"memberCount":2}"#).await;
    bob.expect(SUE).await;
    assert!(stopped.await.unwrap().success());
    bob.settle().await;
    bob.assert_silent();
}

#[tokio::test]
async fn peers_that_do_not_move_from_a_node_that_stops_leave_when_their_window_is_over() {
    let redis = Redis::start();
    let mut nodes = nodes(&redis, 2, &["--suspend-window", "300ms"]).await;
    let (mut bob, _sue) = apart(&nodes).await;
    let mut gone = nodes.remove(1);
    let stopped = tokio::task::spawn_blocking(move || gone.terminate());
    bob.expect(r#"/leave|sue|{"id":"sue"}"#).await;
    assert!(stopped.await.unwrap().success());
    bob.settle().await;
    bob.assert_silent();
    let left = redis.cli(&["KEYS", "*:r:*"]).list();
    assert_eq!(left.len(), 1, "bob's room alone: {left:?}");
}

#[tokio::test]
async fn without_redis_a_node_s_own_peers_go_on_and_newcomers_are_announced_when_it_is_back() {
    let mut redis = Redis::start();
    let nodes = nodes(&redis, 2, &["--lease", "2s", "--suspend-window", "1s"]).await;
    let (mut bob, mut sue) = apart(&nodes).await;
    redis.stop();
    until_health(&nodes[0], 503).await;
    assert_eq!(get(nodes[0].public, "/readyz").await.status, 200);
    assert_eq!(get(nodes[0].public, "/healthz").await.status, 200);
    let mut ann = Peer::connect(nodes[0].public).await;
    ann.announce("r", "ann").await;
    // Nobody has said that sue is gone.
    ann.expect(r#"/roominfo|{"memberCount":3}"#).await;
    bob.expect(r#"/announce|ann|{"id":"ann","room":"r"}"#).await;
    ann.send("/to|bob|/hello|ann|here").await;
    bob.expect("/to|bob|/hello|ann|here").await;
    bob.send("/to|sue|/hello|bob|later").await;
    redis.start_again();
    let mut heard = [sue.next().await, sue.next().await];
    heard.sort();
    let announced = r#"/announce|ann|{"id":"ann","room":"r"}"#;
    assert_eq!(heard, [announced, "/to|sue|/hello|bob|later"]);
    for node in &nodes {
        until_health(node, 200).await;
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    for peer in [&mut bob, &mut sue, &mut ann] {
        peer.settle().await;
        peer.assert_silent();
    }
}
