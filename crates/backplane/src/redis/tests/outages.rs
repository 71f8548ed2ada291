//! What a node does when its Redis goes away, comes back, or is another one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use bytestring::ByteString;

use super::{
    apart,
    servers::{Guarded, RedisServer, cluster, free_port, until},
};
use crate::{Backplane, Change, Command, Event, Events, Health, NodeId, redis::Redis};

const PATIENCE: Duration = Duration::from_secs(15);
pub(super) const ROOM: ByteString = ByteString::from_static("r");

pub(super) struct Node {
    pub(super) backplane: Arc<dyn Backplane>,
    events: Events,
}

impl Node {
    pub(super) fn new(redis: &Redis, name: &str) -> Self {
        let (backplane, events) = redis.attach(NodeId(name.into()));
        Self { backplane, events }
    }

    pub(super) async fn is(&self, health: Health) {
        let start = Instant::now();
        while self.backplane.health() != health {
            let late = start.elapsed() > PATIENCE;
            assert!(!late, "not {health:?}: {:?}", self.backplane);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Links made so far.
    pub(super) fn links(&self) -> u64 {
        self.backplane.counters().links
    }

    /// Works on a later link than that many.
    pub(super) async fn is_linked_after(&self, links: u64) {
        let start = Instant::now();
        while self.links() <= links || self.backplane.health() != Health::Healthy {
            let late = start.elapsed() > PATIENCE;
            assert!(!late, "no other link: {:?}", self.backplane);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) async fn hears<T>(&mut self, what: impl Fn(&Event) -> Option<T>) -> T {
        tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(found) = what(&self.events.next().await.unwrap()) {
                    return found;
                }
            }
        })
        .await
        .unwrap()
    }

    /// Joins, again if need be; the fence and the number of members.
    pub(super) async fn join(&mut self, room: &ByteString, member: &str) -> (u64, usize) {
        for token in 0.. {
            let join = Command::Join {
                token,
                room: room.clone(),
                member: member.into(),
                data: Bytes::new(),
                want_roster: true,
            };
            self.backplane.submit(join).unwrap();
            let answer = self.hears(|event| match event {
                Event::Joined { fence, roster, .. } => {
                    Some(Some((*fence, roster.as_ref().unwrap().len())))
                }
                Event::JoinFailed { .. } => Some(None),
                _ => None,
            });
            if let Some(joined) = answer.await {
                return joined;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        unreachable!()
    }

    pub(super) fn send(&self, to: &str, payload: &'static str) {
        let send = Command::Send {
            node: NodeId(to.into()),
            room: ROOM,
            payload: Bytes::from_static(payload.as_bytes()),
        };
        self.backplane.submit(send).unwrap();
    }

    pub(super) async fn receives(&mut self, payload: &str) {
        self.hears(|event| match event {
            Event::Received { payload: got, .. } => (got == payload).then_some(()),
            _ => None,
        })
        .await;
    }

    async fn hears_join(&mut self, member: &str) {
        self.hears(|event| match event {
            Event::Changed {
                change: Change::Joined(entry),
                ..
            } => (entry.member == member).then_some(()),
            _ => None,
        })
        .await;
    }

    /// The node has left, or given up on it.
    async fn ends(self) -> Duration {
        let Self {
            backplane,
            mut events,
        } = self;
        let start = Instant::now();
        drop(backplane);
        while events.next().await.is_some() {}
        start.elapsed()
    }
}

pub(super) async fn pair(redis: &Redis) -> (Node, Node) {
    let (mut a, mut b) = (Node::new(redis, "a"), Node::new(redis, "b"));
    a.join(&ROOM, "bob").await;
    b.join(&ROOM, "sue").await;
    (a, b)
}

/// Each hears what the other says and does.
pub(super) async fn talk(a: &mut Node, b: &mut Node, member: &str) {
    a.send("b", "to b");
    b.receives("to b").await;
    b.send("a", "to a");
    a.receives("to a").await;
    a.join(&ROOM, member).await;
    b.hears_join(member).await;
}

#[tokio::test]
async fn a_killed_connection_is_made_again() {
    let server = RedisServer::start();
    let (mut a, mut b) = pair(&apart(&server.url())).await;
    for (kind, member) in [("pubsub", "x"), ("normal", "y"), ("pubsub", "z")] {
        let links = [&a, &b].map(Node::links);
        let killed = server.cli(&["client", "kill", "type", kind]);
        assert_eq!(killed, "2", "{kind}");
        a.is_linked_after(links[0]).await;
        b.is_linked_after(links[1]).await;
        talk(&mut a, &mut b, member).await;
    }
}

#[tokio::test]
async fn scripts_that_are_gone_are_loaded_again() {
    let server = RedisServer::start();
    let (mut a, mut b) = pair(&apart(&server.url())).await;
    server.cli(&["script", "flush"]);
    talk(&mut a, &mut b, "x").await;
}

#[tokio::test]
async fn a_redis_that_starts_again_empty_is_filled_again() {
    let port = free_port();
    let server = RedisServer::on(port, &[]);
    let (mut a, b) = pair(&apart(&server.url())).await;
    drop(server);
    a.is(Health::Degraded).await;
    b.is(Health::Degraded).await;
    let _server = RedisServer::on(port, &[]);
    a.hears(|event| matches!(event, Event::Gap { .. }).then_some(()))
        .await;
    let assert = Command::Assert {
        room: ROOM,
        members: vec![("bob".into(), 5, Bytes::new())],
    };
    a.backplane.submit(assert).unwrap();
    let roster = a.hears(|event| match event {
        Event::Asserted { roster, .. } => Some(roster.clone()),
        _ => None,
    });
    let roster = roster.await;
    assert_eq!((&*roster[0].member, roster[0].fence), ("bob", 5));
}

#[tokio::test]
async fn a_redis_that_stands_still_is_waited_for() {
    let server = RedisServer::start();
    let (mut a, mut b) = pair(&apart(&server.url())).await;
    server.signal("-STOP");
    a.is(Health::Degraded).await;
    b.is(Health::Degraded).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.signal("-CONT");
    a.is(Health::Healthy).await;
    b.is(Health::Healthy).await;
    talk(&mut a, &mut b, "x").await;
}

#[tokio::test]
async fn a_node_starts_before_its_redis() {
    let port = free_port();
    let redis = apart(&format!("redis://127.0.0.1:{port}"));
    let mut a = Node::new(&redis, "a");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(a.backplane.health(), Health::Starting);
    let _server = RedisServer::on(port, &[]);
    a.is(Health::Healthy).await;
    assert_eq!(a.join(&ROOM, "bob").await.1, 1);
}

#[tokio::test]
async fn a_node_follows_the_master() {
    let guarded = Guarded::start();
    let Guarded {
        master,
        replica,
        sentinel,
    } = guarded;
    let url = format!("redis-sentinel://127.0.0.1:{}/mymaster", sentinel.port);
    let (mut a, mut b) = pair(&apart(&url)).await;
    let links = [&a, &b].map(Node::links);
    drop(master);
    a.is_linked_after(links[0]).await;
    b.is_linked_after(links[1]).await;
    assert!(replica.cli(&["role"]).starts_with("master"));
    talk(&mut a, &mut b, "x").await;
}

#[tokio::test]
async fn a_node_follows_a_slot_that_moves() {
    let servers = cluster(2);
    let (mut a, mut b) = pair(&apart(
        &servers[0].url().replace("redis://", "redis-cluster://"),
    ))
    .await;
    let tag = super::super::keys::tag(super::super::keys::partition_of_room(&ROOM, 64));
    let slot = servers[0].cli(&["cluster", "keyslot", &tag]);
    let owner = usize::from(slot.parse::<u32>().unwrap() >= 8192);
    let (from, to) = (&servers[owner], &servers[1 - owner]);
    let (from_id, to_id) = (from.cli(&["cluster", "myid"]), to.cli(&["cluster", "myid"]));
    to.cli(&["cluster", "setslot", &slot, "importing", &from_id]);
    from.cli(&["cluster", "setslot", &slot, "migrating", &to_id]);
    until("all keys are over there", || {
        let keys = from.cli(&["cluster", "getkeysinslot", &slot, "100"]);
        let port = to.port.to_string();
        for key in keys.lines().filter(|key| !key.is_empty()) {
            from.cli(&["migrate", "127.0.0.1", &port, key, "0", "1000"]);
        }
        keys.is_empty()
    });
    for server in [to, from] {
        server.cli(&["cluster", "setslot", &slot, "node", &to_id]);
    }
    talk(&mut a, &mut b, "x").await;
    let channels = format!("*{{{tag}}}*");
    assert!(!to.cli(&["pubsub", "shardchannels", &channels]).is_empty());
    assert!(from.cli(&["pubsub", "shardchannels", &channels]).is_empty());
}

#[tokio::test]
async fn commands_that_do_not_fit_are_refused_and_all_others_answered() {
    let server = RedisServer::start();
    let mut a = Node::new(&apart(&server.url()), "a");
    a.join(&ROOM, "bob").await;
    let mut taken = 0;
    // The driver does not run meanwhile, for nothing is awaited.
    for token in 0..6000 {
        let join = Command::Join {
            token,
            room: ROOM,
            member: "bob".into(),
            data: Bytes::new(),
            want_roster: false,
        };
        taken += usize::from(a.backplane.submit(join).is_ok());
    }
    assert_eq!(taken, super::super::COMMAND_QUEUE);
    for _ in 0..taken {
        a.hears(|event| matches!(event, Event::Joined { .. }).then_some(()))
            .await;
    }
    assert_eq!(a.backplane.events_lost(), 0);
}

#[tokio::test]
async fn what_is_published_faster_than_taken_breaks_the_link() {
    let server = RedisServer::start();
    let client = super::client::Client::new(&server.url(), "x", &["r"], &[]).await;
    let publish = crate::partition::Request::Publish {
        channel: crate::partition::Channel::Room(ROOM),
        payload: Bytes::from_static(b"\x01"),
    };
    for _ in 0..17_000 {
        client.ask(&publish).await;
    }
    let broken = client.link.server.broken().cancelled();
    tokio::time::timeout(PATIENCE, broken).await.unwrap();
}

#[tokio::test]
async fn leaving_takes_a_moment_and_never_long() {
    let server = RedisServer::start();
    let redis = apart(&server.url());
    let (mut a, mut b) = pair(&redis).await;
    for n in 0..300 {
        a.join(&format!("room {n}").into(), "bob").await;
    }
    let took = a.ends().await;
    // Ten times what it is to take at most: other work is on this machine.
    assert!(took < Duration::from_secs(10), "{took:?}");
    b.hears(|event| match event {
        Event::Changed {
            change: Change::Left { member, .. },
            ..
        } => (member == "bob").then_some(()),
        _ => None,
    })
    .await;
    assert_eq!(
        server.cli(&["dbsize"]),
        "5",
        "leases, links, life, b's rooms and its roster"
    );
    server.signal("-STOP");
    let took = b.ends().await;
    server.signal("-CONT");
    assert!(took < Duration::from_secs(3), "{took:?}");
}
