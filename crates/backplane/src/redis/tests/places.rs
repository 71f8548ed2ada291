//! Where a node looks for its Redis, and what it shares there.

use std::time::Duration;

use bytes::Bytes;

use super::{
    super::{Options, Redis},
    outages::{Node, ROOM, pair, talk},
    own_prefix,
    servers::{CLUSTER, GUARDED, RedisServer, free_port},
};
use crate::{Change, Event, Health};

#[tokio::test]
async fn a_sentinel_that_names_a_dead_master_is_not_asked_for_ever() {
    let wrong = RedisServer::with(&["--sentinel"]);
    let dead = free_port().to_string();
    wrong.cli(&["sentinel", "monitor", "mymaster", "127.0.0.1", &dead, "2"]);
    let (wrong, right) = (wrong.port, GUARDED.sentinel.port);
    let url = format!("redis-sentinel://127.0.0.1:{wrong},127.0.0.1:{right}/mymaster");
    let (mut a, mut b) = pair(&super::apart(&url)).await;
    talk(&mut a, &mut b, "x").await;
}

#[tokio::test]
async fn a_member_that_has_lost_its_cluster_is_not_asked_for_ever() {
    let bus = free_port().to_string();
    let alone = RedisServer::with(&["--cluster-enabled", "yes", "--cluster-port", &bus]);
    let member = CLUSTER[0].port;
    let url = format!(
        "redis-cluster://127.0.0.1:{},127.0.0.1:{member}",
        alone.port
    );
    let node = Node::new(&super::apart(&url), "a");
    node.is(Health::Healthy).await;
}

#[tokio::test]
async fn two_databases_of_one_server_are_two_clusters() {
    let server = RedisServer::start();
    let prefix = own_prefix();
    let of = |database: &str| {
        let options = Options {
            prefix: prefix.clone(),
            ..Options::default()
        };
        Redis::new(&format!("{}{database}", server.url()), options).unwrap()
    };
    let (mut a, mut b) = pair(&of("/1")).await;
    // Nodes of the same names, in a room of the same name.
    let (mut c, mut d) = pair(&of("/2")).await;
    let mut e = Node::new(&of(""), "a");
    assert_eq!(e.join(&ROOM, "kim").await.1, 1);
    talk(&mut a, &mut b, "x").await;
    talk(&mut c, &mut d, "y").await;
    b.send("a", "the last");
    for node in [&c, &e] {
        node.send("a", "mark");
    }
    for (node, strangers) in [(&mut c, &["x"][..]), (&mut e, &["x", "y"])] {
        let strange = node.hears(|event| match event {
            Event::Received { payload, .. } if payload == "the last" => Some(true),
            Event::Changed {
                change: Change::Joined(entry),
                ..
            } if strangers.contains(&&*entry.member) => Some(true),
            Event::Received { payload, .. } if payload == "mark" => Some(false),
            _ => None,
        });
        assert!(!strange.await, "it hears another database");
    }
}

#[tokio::test]
async fn what_a_later_version_s_script_publishes_is_counted_and_the_next_is_heard() {
    let server = RedisServer::start();
    let redis = super::apart(&server.url());
    let (mut a, mut b) = pair(&redis).await;
    let base = format!("{}{{p00}}:", redis.options.prefix);
    let channel = format!("{base}n:a");
    let before = a.backplane.counters().unreadable;
    for unknown in ["\u{2}Q1 2", "\u{2}J1 2 x", "\u{9}frame"] {
        server.cli(&["spublish", &channel, unknown]);
    }
    talk(&mut a, &mut b, "x").await;
    assert_eq!(a.backplane.counters().unreadable, before + 3);
}

#[tokio::test]
async fn a_redis_that_stalls_under_load_loses_no_message() {
    let server = RedisServer::start();
    let (a, mut b) = pair(&super::apart(&server.url())).await;
    let mut sent = 0u32;
    let send = |number: u32| {
        let send = crate::Command::Send {
            node: crate::NodeId("b".into()),
            room: ROOM,
            payload: Bytes::from(number.to_string()),
        };
        a.backplane.submit(send).unwrap();
    };
    server.signal("-STOP");
    for _ in 0..150 {
        for _ in 0..200 {
            send(sent);
            sent += 1;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.signal("-CONT");
    for number in 0..sent {
        let got = b.hears(|event| match event {
            Event::Received { payload, .. } => Some(payload.clone()),
            _ => None,
        });
        assert_eq!(got.await, number.to_string());
    }
    assert_eq!(a.backplane.counters().refused, 0);
}
