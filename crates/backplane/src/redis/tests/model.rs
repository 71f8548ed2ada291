//! The store against a model of it, over random requests.
//!
//! Each request's floor is above the last one and above the clock, so that new fences can be foretold. Leases are
//! valid for long or not at all.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use bytestring::ByteString;
use proptest::prelude::*;

use super::{
    client::{Client, TTL, node},
    servers::{ONE, own_prefix},
};
use crate::{
    Change, Entry, NodeId,
    partition::{Channel, Published, Reply, Request, RosterVersion},
};

const NAMES: [&str; 3] = ["a", "b", "c"];
const FLOOR: u64 = 1 << 52;

#[derive(Default)]
struct Model {
    alive: BTreeMap<NodeId, bool>,
    rooms: BTreeMap<NodeId, BTreeSet<String>>,
    rosters: BTreeMap<String, Roster>,
    links: BTreeMap<NodeId, u64>,
    life: u64,
    told: Vec<(Channel, Option<Published>)>,
}

#[derive(Default)]
struct Roster {
    birth: u64,
    version: u64,
    members: BTreeMap<String, Entry>,
}

impl Model {
    fn answer(&mut self, request: Request) -> Reply {
        if let Some(nothing) = self.of_a_dead_link(&request) {
            return nothing;
        }
        match request {
            Request::Beat {
                node,
                link,
                ttl,
                nonce,
                life,
            } => {
                self.links.insert(node.clone(), link);
                self.life = life;
                let renewed = self.alive.insert(node.clone(), ttl > 0) == Some(true);
                let beat = Some(Published::Beat { nonce });
                self.told.push((Channel::Node(node.clone()), beat));
                let others = self.alive.iter().filter(|(other, _)| **other != node);
                let next = others.map(|(_, alive)| *alive).max().filter(|alive| *alive);
                let lapsed = self.alive.iter().filter(|(_, alive)| !**alive);
                let lapsed = lapsed.map(|(node, _)| node.clone()).collect();
                Reply::Beaten {
                    renewed,
                    lapsed,
                    next: next.map(u64::from),
                }
            }
            Request::Join {
                node,
                room,
                member,
                data,
                birth,
                floor,
                want_roster,
                ..
            } => {
                if !self.is_alive(&node) {
                    return Reply::NoLease;
                }
                let stored = self.entry(&room, &member).map_or(0, |entry| entry.fence);
                let fence = (stored + 1).max(floor + 1);
                let entry = Entry {
                    member,
                    node,
                    fence,
                    data,
                };
                self.enter(&room, birth, entry);
                Reply::Joined {
                    fence,
                    version: self.version(&room),
                    roster: want_roster.then(|| self.roster(&room)),
                }
            }
            Request::Leave {
                node,
                room,
                member,
                fence,
                data,
                ..
            } => {
                let held = self.entry(&room, &member);
                if held.is_some_and(|held| held.node == node && held.fence <= fence) {
                    self.remove(&room, &member, data);
                }
                Reply::Done
            }
            Request::Forget { node, room, .. } => {
                self.rooms.entry(node).or_default().remove(&*room);
                Reply::Done
            }
            Request::Assert {
                node,
                room,
                members,
                birth,
                floor,
                ..
            } => self.assert(node, &room, members, birth, floor),
            Request::Sweep { dead, .. } => self.sweep(&dead),
            Request::Resign { node } => {
                if let Some(alive) = self.alive.get_mut(&node) {
                    *alive = false;
                }
                Reply::Done
            }
            Request::Versions { rooms } => {
                Reply::Versions(rooms.iter().map(|room| self.version(room)).collect())
            }
            Request::Leases { nodes } => {
                Reply::Leases(nodes.iter().map(|node| self.is_alive(node)).collect())
            }
            Request::Publish { channel, .. } => {
                self.told.push((channel, None));
                Reply::Done
            }
        }
    }

    fn sweep(&mut self, dead: &NodeId) -> Reply {
        if !self.is_alive(dead) {
            for room in self.rooms.remove(dead).unwrap_or_default() {
                self.remove_all(&room, dead, |_| false);
            }
            self.alive.remove(dead);
            self.links.remove(dead);
        }
        Reply::Swept { left: 0 }
    }

    fn assert(
        &mut self,
        node: NodeId,
        room: &str,
        members: Vec<(ByteString, u64, Bytes)>,
        birth: u64,
        floor: u64,
    ) -> Reply {
        if !self.is_alive(&node) {
            return Reply::NoLease;
        }
        self.remove_all(room, &node, |name| members.iter().any(|m| *m.0 == *name));
        if !members.is_empty() {
            let rooms = self.rooms.entry(node.clone()).or_default();
            rooms.insert(room.to_string());
        }
        for (member, claim, data) in members {
            let held = self.entry(room, &member);
            let fence = match held {
                None if claim > 0 => claim,
                None => floor + 1,
                Some(held) if held.node == node && held.data == data => continue,
                Some(held) if held.node == node => (floor + 1).max(held.fence + 1),
                Some(held) if claim > 0 && held.fence > claim => continue,
                Some(held) if claim > held.fence => claim,
                Some(held) => (floor + 1).max(held.fence + 1),
            };
            let entry = Entry {
                member,
                node: node.clone(),
                fence,
                data,
            };
            self.enter(room, birth, entry);
        }
        Reply::Asserted {
            version: self.version(room),
            roster: self.roster(room),
        }
    }

    fn enter(&mut self, room: &str, birth: u64, entry: Entry) {
        let rooms = self.rooms.entry(entry.node.clone()).or_default();
        rooms.insert(room.to_owned());
        let roster = self.rosters.entry(room.to_owned());
        let roster = roster.or_insert_with(|| Roster {
            birth,
            ..Roster::default()
        });
        roster.version += 1;
        let member = entry.member.to_string();
        roster.members.insert(member, entry.clone());
        self.tell(room, Change::Joined(entry));
    }

    fn remove(&mut self, room: &str, member: &str, data: Bytes) {
        let roster = self.rosters.get_mut(room).unwrap();
        let gone = roster.members.remove(member).unwrap();
        roster.version += 1;
        let is_empty = roster.members.is_empty();
        let change = Change::Left {
            member: gone.member,
            node: gone.node,
            fence: gone.fence,
            data,
        };
        self.tell(room, change);
        if is_empty {
            self.rosters.remove(room);
        }
    }

    fn remove_all(&mut self, room: &str, node: &NodeId, keep: impl Fn(&str) -> bool) {
        for entry in self.roster(room) {
            if entry.node == *node && !keep(&entry.member) {
                self.remove(room, &entry.member, Bytes::new());
            }
        }
    }

    fn tell(&mut self, room: &str, change: Change) {
        let version = self.version(room);
        let published = Some(Published::Changed { version, change });
        self.told.push((Channel::Room(room.into()), published));
    }

    fn is_alive(&self, node: &NodeId) -> bool {
        self.alive.get(node) == Some(&true)
    }

    /// What a request is answered that comes on a link after which its node has made another.
    fn of_a_dead_link(&self, request: &Request) -> Option<Reply> {
        let (node, link, reply) = match request {
            Request::Beat { node, link, .. } => {
                let beaten = Reply::Beaten {
                    renewed: false,
                    lapsed: Vec::new(),
                    next: None,
                };
                (node, link, beaten)
            }
            Request::Join { node, link, .. } | Request::Assert { node, link, .. } => {
                (node, link, Reply::NoLease)
            }
            Request::Leave { node, link, .. } | Request::Forget { node, link, .. } => {
                (node, link, Reply::Done)
            }
            _ => return None,
        };
        let is_dead = self.links.get(node).is_some_and(|last| last > link);
        is_dead.then_some(reply)
    }

    fn entry(&self, room: &str, member: &str) -> Option<&Entry> {
        self.rosters.get(room)?.members.get(member)
    }

    fn version(&self, room: &str) -> RosterVersion {
        let (epoch, version) = match self.rosters.get(room) {
            Some(roster) => (roster.birth * (1 << 21) + self.life, roster.version),
            None => (0, 0),
        };
        RosterVersion { epoch, version }
    }

    fn roster(&self, room: &str) -> Vec<Entry> {
        let roster = self.rosters.get(room);
        roster.map_or_else(Vec::new, |roster| {
            roster.members.values().cloned().collect()
        })
    }
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&NAMES[..])
}

fn data() -> impl Strategy<Value = Bytes> {
    prop::sample::select(vec![&b""[..], b"\0:7 ", b"\xff\r\n"]).prop_map(Bytes::from_static)
}

/// Old claims and new ones, and none.
fn claim() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), FLOOR..FLOOR + 100, Just((1 << 53) - 1000)]
}

fn request() -> impl Strategy<Value = Request> {
    let room = || name().prop_map(ByteString::from_static);
    let member = room;
    let birth = 0..1u64 << 31;
    let link = || 1..4u64;
    let listed = prop::collection::btree_map(member(), (claim(), data()), 0..3);
    prop_oneof![
        3 => (name(), link(), prop::bool::weighted(0.8), any::<u64>(), 0..1u64 << 21).prop_map(
            |(name, link, lasts, nonce, life)| {
                let ttl = if lasts { TTL } else { 0 };
                Request::Beat { node: node(name), link, ttl, nonce, life }
            }
        ),
        6 => (name(), link(), room(), member(), data(), birth.clone(), any::<bool>()).prop_map(
            |(name, link, room, member, data, birth, want_roster)| {
                let node = node(name);
                Request::Join { node, link, room, member, data, birth, floor: 0, want_roster }
            }
        ),
        4 => (name(), link(), room(), member(), claim(), data()).prop_map(
            |(name, link, room, member, fence, data)| {
                Request::Leave { node: node(name), link, room, member, fence, data }
            }
        ),
        1 => (name(), link(), room()).prop_map(|(name, link, room)| {
            Request::Forget { node: node(name), link, room }
        }),
        4 => (name(), link(), room(), listed, birth).prop_map(|(name, link, room, listed, birth)| {
            let members = listed.into_iter().map(|(member, (claim, data))| (member, claim, data));
            let (node, members) = (node(name), members.collect());
            Request::Assert { node, link, room, members, birth, floor: 0 }
        }),
        2 => name().prop_map(|name| Request::Sweep { dead: node(name), limit: 10 }),
        1 => name().prop_map(|name| Request::Resign { node: node(name) }),
        1 => Just(Request::Versions { rooms: NAMES.map(Into::into).to_vec() }),
        1 => Just(Request::Leases { nodes: NAMES.map(node).to_vec() }),
        1 => room().prop_map(|room| Request::Publish {
            channel: Channel::Room(room),
            payload: Bytes::from_static(b"\x01"),
        }),
    ]
}

/// A sweep takes rooms in no order; within each, the order holds.
fn by_channel(told: Vec<(Channel, Option<Published>)>) -> Vec<(Channel, Option<Published>)> {
    let mut told = told;
    told.sort_by_key(|(channel, _)| format!("{channel:?}"));
    told
}

fn in_order(reply: Reply) -> Reply {
    match reply {
        Reply::Beaten {
            renewed,
            mut lapsed,
            next,
        } => {
            lapsed.sort();
            // When is a matter of the clock; whether is not.
            let next = next.map(|_| 1);
            Reply::Beaten {
                renewed,
                lapsed,
                next,
            }
        }
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_store_does_what_the_model_does(
        requests in prop::collection::vec(request(), 1..60)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = Client::new(&ONE.url(), &own_prefix(), &NAMES, &NAMES).await;
            let mut model = Model::default();
            for (mut request, floor) in requests.into_iter().zip(FLOOR..) {
                if let Request::Join { floor: own, .. } | Request::Assert { floor: own, .. } =
                    &mut request
                {
                    *own = floor;
                }
                let reply = client.ask(&request).await;
                assert_eq!(in_order(reply), model.answer(request.clone()), "{request:?}");
                let heard = client.heard().await;
                let expected = std::mem::take(&mut model.told);
                assert_eq!(by_channel(heard), by_channel(expected), "{request:?}");
            }
        });
    }
}
