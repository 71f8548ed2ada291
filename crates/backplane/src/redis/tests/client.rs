//! One who asks the store directly, and hears all that is published.

use std::collections::HashSet;

use bytes::Bytes;
use redis::{Value, pipe};

use super::super::{
    error::LinkError,
    keys::Keys,
    published, request,
    server::Push,
    topology::{Link, Topology},
    url,
};
use crate::{
    Change, Entry, NodeId,
    partition::{Channel, Published, Reply, Request, RosterVersion},
};

pub(super) struct Client {
    pub(super) link: Link,
    pub(super) keys: Keys,
    marks: u64,
    /// The number of the link that nodes ask on.
    pub(super) number: u64,
}

/// Long enough for any test.
pub(super) const TTL: u64 = 60_000;

pub(super) fn node(name: &str) -> NodeId {
    NodeId(name.into())
}

pub(super) async fn link(url: &str, prefix: &str) -> Result<Link, LinkError> {
    Topology::new(prefix, url::read(url).unwrap()).link(0).await
}

impl Client {
    /// One that hears these rooms and nodes.
    pub(super) async fn new(url: &str, prefix: &str, rooms: &[&str], nodes: &[&str]) -> Self {
        let link = link(url, prefix).await.unwrap();
        let keys = Keys::new(prefix, 0, 0);
        let mut client = Self {
            link,
            keys,
            marks: 0,
            number: 1,
        };
        let rooms = rooms.iter().map(|room| Channel::Room((*room).into()));
        let nodes = nodes.iter().map(|name| Channel::Node(node(name)));
        let mark = Channel::Node(node("mark"));
        let channels: Vec<_> = rooms.chain(nodes).chain([mark]).collect();
        client.subscribe(&channels).await;
        client
    }

    pub(super) async fn subscribe(&mut self, channels: &[Channel]) {
        let mut subscribing = pipe();
        for channel in channels {
            subscribing
                .cmd("SSUBSCRIBE")
                .arg(self.keys.channel(channel));
        }
        let mut connection = self.link.server.subscriber.clone();
        let values = connection.send_packed_commands(&subscribing, 0, channels.len());
        assert_eq!(values.await.unwrap().len(), channels.len());
        let mut missing: HashSet<_> = channels.iter().map(|c| self.keys.channel(c)).collect();
        while !missing.is_empty() {
            match self.link.pushes.recv().await.unwrap() {
                Push::Subscribed(name) => assert!(missing.remove(str::from_utf8(&name).unwrap())),
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) async fn ask(&self, request: &Request) -> Reply {
        let (command, answer) = request::command(&self.keys, &self.link.server.digests, request);
        let mut connection = self.link.server.commands.clone();
        let value = connection.send_packed_command(&command).await.unwrap();
        assert!(
            !matches!(value, Value::ServerError(_)),
            "{request:?}: {value:?}"
        );
        request::reply(answer, value.clone()).unwrap_or_else(|| panic!("{request:?}: {value:?}"))
    }

    /// What has been published since the last call, by scripts; `None` where a node's own bytes were.
    pub(super) async fn heard(&mut self) -> Vec<(Channel, Option<Published>)> {
        self.marks += 1;
        let mark = Bytes::from(format!("\u{1}{}", self.marks));
        let channel = Channel::Node(node("mark"));
        let publish = Request::Publish {
            channel: channel.clone(),
            payload: mark.clone(),
        };
        self.ask(&publish).await;
        let mut heard = Vec::new();
        loop {
            match self.link.pushes.recv().await.unwrap() {
                Push::Message(_, payload) if payload == mark => return heard,
                Push::Message(name, payload) => {
                    let channel = self.keys.read_channel(&name).unwrap();
                    heard.push((channel, published::read(&payload)));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// The changes since the last call, in words: version, what, who, where, fence, data.
    pub(super) async fn changes(&mut self) -> Vec<String> {
        let heard = self.heard().await.into_iter();
        heard
            .filter_map(|(_, published)| words(published?))
            .collect()
    }

    pub(super) async fn beat(&self, name: &str) -> Reply {
        self.beat_for(name, TTL, 1).await
    }

    pub(super) async fn beat_for(&self, name: &str, ttl: u64, life: u64) -> Reply {
        let node = node(name);
        let beat = Request::Beat {
            node,
            link: self.number,
            ttl,
            nonce: u64::MAX,
            life,
            until: u64::MAX,
        };
        self.ask(&beat).await
    }

    /// Joins with birth 7; the fence and the version, or nothing without a lease.
    pub(super) async fn join(&self, name: &str, room: &str, member: &str, floor: u64) -> Joined {
        let join = Request::Join {
            node: node(name),
            link: self.number,
            room: room.into(),
            member: member.into(),
            data: Bytes::from_static(b"\0d"),
            birth: 7,
            floor,
            until: u64::MAX,
            want_roster: true,
        };
        match self.ask(&join).await {
            Reply::Joined {
                fence,
                version,
                roster,
            } => Some((fence, version, roster.unwrap())),
            Reply::NoLease => None,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn leave(&self, name: &str, room: &str, member: &str, fence: u64) {
        let leave = Request::Leave {
            node: node(name),
            link: self.number,
            room: room.into(),
            member: member.into(),
            fence,
            data: Bytes::from_static(b"bye"),
        };
        assert_eq!(self.ask(&leave).await, Reply::Done);
    }

    pub(super) async fn sweep(&self, name: &str, limit: u64) -> u64 {
        let dead = node(name);
        match self.ask(&Request::Sweep { dead, limit }).await {
            Reply::Swept { left } => left,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn versions(&self, rooms: &[&str]) -> Vec<(u64, u64)> {
        let rooms = rooms.iter().map(|room| (*room).into()).collect();
        match self.ask(&Request::Versions { rooms }).await {
            Reply::Versions(versions) => versions.iter().map(|v| (v.epoch, v.version)).collect(),
            other => panic!("{other:?}"),
        }
    }
}

pub(super) type Joined = Option<(u64, RosterVersion, Vec<Entry>)>;

fn words(published: Published) -> Option<String> {
    let Published::Changed { version, change } = published else {
        return None;
    };
    let (what, member, node, data) = match change {
        Change::Joined(entry) => ("joined", entry.member, entry.node, entry.data),
        Change::Left {
            member, node, data, ..
        } => ("left", member, node, data),
    };
    let data = data.escape_ascii();
    Some(format!("{} {what} {member}@{node} {data}", version.version))
}
