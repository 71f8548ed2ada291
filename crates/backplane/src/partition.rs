//! What one node does in one partition of the cluster, whatever carries it: a state machine without I/O.
//!
//! The caller keeps a *link* to the store: it carries out [`Output`]s in their order and hands in what comes
//! back. Rooms that hash to the same partition share the link, the node's lease, and one numbered stream of
//! messages to each other node. Time and randomness are parameters.

mod config;
mod exchange;
mod forgotten;
mod frame;
mod liveness;
mod random;
mod request;
mod rooms;
mod roster;
mod stream;
mod streams;
#[cfg(test)]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the tests say what they look at"
)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    time::Instant,
};

use bytes::Bytes;
use bytestring::ByteString;

pub use config::Config;
pub use frame::repeat_wanted;
pub use request::{Channel, Published, Reply, Request, RosterVersion};

use crate::{Command, Counters, Event, Health, NodeId};
use frame::Frame;
use liveness::Liveness;
use random::SplitMix64;
use rooms::Rooms;
use streams::Streams;

/// Names a request until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// What the caller must do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Have the store carry it out, after those before it, and hand in [`Partition::handle_reply`].
    Request(RequestId, Request),
    /// Subscribe to these channels and hand in [`Partition::handle_subscribed`] when the store has confirmed
    /// all of them. One such output is under way at a time.
    Subscribe(Vec<Channel>),
    /// Unsubscribe from these channels.
    Unsubscribe(Vec<Channel>),
    /// Tell the node.
    Event(Event),
    /// The link does not work: make another one. [`Partition::handle_disconnected`] has been done already.
    Reconnect,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Partition {
    node: NodeId,
    config: Config,
    random: SplitMix64,
    link: Link,
    /// Links so far; what is asked on one carries its number.
    links: u64,
    /// The link takes no messages for now.
    congested: bool,
    requests: u64,
    /// Requests whose answer matters, or whose failure does.
    pending: BTreeMap<RequestId, Pending>,
    rooms: Rooms,
    streams: Streams,
    liveness: Liveness,
    /// The highest fence seen.
    floor: u64,
    /// Departures whose failure is to be told.
    leaves: usize,
    counters: Counters,
    outputs: VecDeque<Output>,
}

/// How far the link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Down,
    /// The node's own channel is about to be subscribed.
    Connected,
    /// The node hears what it publishes to itself, unless something is broken: requests may be made.
    Open,
}

/// What an answer is for.
#[derive(Debug)]
enum Pending {
    Beat {
        sent: Instant,
    },
    Join {
        token: u64,
        room: ByteString,
    },
    Leave {
        room: ByteString,
    },
    Assert {
        room: ByteString,
    },
    /// The assert of a room in which the node has nothing, for another node that asked.
    Empty {
        room: ByteString,
        asked: NodeId,
    },
    Sweep {
        dead: NodeId,
    },
    Versions {
        rooms: Vec<ByteString>,
    },
    Leases {
        nodes: Vec<NodeId>,
    },
    /// The assert of a room that was forgotten, for a store that may not know it.
    Leftover {
        room: ByteString,
    },
}

impl Partition {
    /// `seed` makes births and nonces unpredictable, and the same seed and inputs give the same outputs.
    pub fn new(node: NodeId, config: Config, seed: u64) -> Self {
        Self {
            node,
            config,
            random: SplitMix64(seed),
            link: Link::Down,
            links: 0,
            congested: false,
            requests: 0,
            pending: BTreeMap::new(),
            rooms: Rooms::new(seed),
            streams: Streams::default(),
            liveness: Liveness::default(),
            floor: 0,
            leaves: 0,
            counters: Counters::default(),
            outputs: VecDeque::new(),
        }
    }

    /// The node asks for something. Joins and asserts are each answered by one event.
    pub fn handle_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Join { .. }
            | Command::Leave { .. }
            | Command::Forget { .. }
            | Command::Assert { .. } => self.roster_command(command, now),
            Command::Confirm { room, node } => self.confirm(room, node),
            Command::Send {
                node,
                room: _,
                payload,
            } => self.send(&node, payload, now),
            Command::Publish {
                room,
                nodes,
                payload,
            } => self.publish(room, nodes, payload, now),
        }
    }

    /// The link works; the store's life is `life`. Nothing is subscribed yet.
    pub fn handle_connected(&mut self, life: u64, now: Instant) {
        self.link = Link::Connected;
        self.links += 1;
        self.counters.links = self.links;
        self.congested = false;
        if self.liveness.connected(life, now) {
            self.rooms.suspect(now);
        }
        let own = Channel::Node(self.node.clone());
        self.subscribe(vec![own], now);
    }

    /// The link is gone, and with it every subscription and every request that is not answered.
    pub fn handle_disconnected(&mut self, now: Instant) {
        self.link = Link::Down;
        self.liveness.disconnected();
        for (_, pending) in mem::take(&mut self.pending) {
            self.failed(pending, now);
        }
        for command in self.rooms.unsubscribed() {
            self.refuse(command);
        }
    }

    /// The channels of the last [`Output::Subscribe`] are subscribed.
    pub fn handle_subscribed(&mut self, now: Instant) {
        self.liveness.subscribed();
        match self.link {
            Link::Down => {}
            Link::Connected => {
                self.link = Link::Open;
                self.beat(now);
                self.mark_streams(now, true);
                self.subscribe_rooms(now);
            }
            Link::Open => {
                for command in self.rooms.subscribed(&self.config, now) {
                    self.ask(command, now);
                }
                self.compare_rooms();
                self.subscribe_rooms(now);
            }
        }
    }

    /// The store answered, or (`None`) refused the request.
    pub fn handle_reply(&mut self, id: RequestId, reply: Option<Reply>, now: Instant) {
        let Some(pending) = self.pending.remove(&id) else {
            return;
        };
        match (pending, reply) {
            (
                Pending::Beat { sent },
                Some(Reply::Beaten {
                    renewed,
                    lapsed,
                    next,
                    now: shown,
                }),
            ) => {
                self.liveness.set_clock(sent, shown);
                self.beaten(renewed, lapsed, next, now);
            }
            (
                Pending::Join { token, room },
                Some(Reply::Joined {
                    fence,
                    version,
                    roster,
                }),
            ) => self.joined(token, room, fence, version, roster),
            (Pending::Join { token, room }, Some(Reply::Refused)) => {
                self.event(Event::JoinRefused { token, room });
            }
            (Pending::Assert { room }, Some(Reply::Asserted { version, roster })) => {
                self.asserted(room, version, roster);
            }
            (Pending::Empty { room, asked }, Some(Reply::Asserted { .. })) => {
                self.answer(&asked, &room);
            }
            (Pending::Leftover { .. }, Some(Reply::Asserted { .. })) => {}
            (Pending::Sweep { dead }, Some(Reply::Swept { left })) => self.swept(dead, left),
            (Pending::Versions { rooms }, Some(Reply::Versions(versions))) => {
                self.rooms.compare(rooms.into_iter().zip(versions), now);
                self.compare_rooms();
            }
            (Pending::Leases { nodes }, Some(Reply::Leases(valid))) => {
                self.leases(nodes.into_iter().zip(valid), now);
            }
            (Pending::Leave { .. }, Some(Reply::Done)) => self.leaves -= 1,
            (pending, reply) => {
                if reply == Some(Reply::NoLease) {
                    self.liveness.beat_now(now);
                }
                self.failed(pending, now);
            }
        }
    }

    /// What was asked for is not done, or may not be.
    fn failed(&mut self, pending: Pending, now: Instant) {
        match pending {
            Pending::Join { token, room } => self.event(Event::JoinFailed { token, room }),
            Pending::Leave { room } => self.leave_failed(room),
            Pending::Assert { room } => self.event(Event::AssertFailed { room }),
            Pending::Sweep { dead } => self.liveness.sweep_ended(&dead),
            Pending::Versions { rooms } => self.rooms.compare_later(rooms, now),
            Pending::Leftover { room } => self.rooms.still_left(room),
            Pending::Beat { .. } | Pending::Empty { .. } | Pending::Leases { .. } => {}
        }
    }

    /// The store published something on a subscribed channel.
    pub fn handle_published(&mut self, channel: &Channel, published: Published, now: Instant) {
        match (channel, published) {
            (Channel::Node(_), Published::Beat { nonce }) => self.echoed(nonce, now),
            (Channel::Room(room), Published::Changed { version, change }) => {
                self.changed(room, version, change);
            }
            (Channel::Node(_), Published::Changed { .. })
            | (Channel::Room(_), Published::Beat { .. }) => self.counters.unreadable += 1,
        }
    }

    /// A node published bytes on a subscribed channel.
    pub fn handle_payload(&mut self, channel: &Channel, payload: &Bytes, now: Instant) {
        match Frame::read(payload) {
            Some(frame) => self.frame(channel, frame, payload, now),
            None => self.counters.unreadable += 1,
        }
    }

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called, if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let liveness = self.liveness.poll_timeout(&self.config);
        match self.link {
            Link::Down => None,
            // Whatever else is due waits for the link.
            Link::Connected => liveness,
            Link::Open => [
                liveness,
                self.streams.poll_timeout(),
                self.rooms.poll_timeout(),
            ]
            .into_iter()
            .flatten()
            .min(),
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.link == Link::Down {
            return;
        }
        if self.liveness.is_silent(&self.config, now) {
            self.handle_disconnected(now);
            self.outputs.push_back(Output::Reconnect);
            return;
        }
        if self.link == Link::Open {
            if self.liveness.beat_due(now) {
                self.beat(now);
                self.mark_streams(now, false);
                self.ask_again(now);
            }
            self.want_repeats(now);
            self.repair(now);
        }
    }

    /// Whether what this node publishes comes back to it.
    pub fn health(&self) -> Health {
        self.liveness.health()
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn request(&mut self, request: Request, pending: Option<Pending>) {
        self.requests += 1;
        let id = RequestId(self.requests);
        if let Some(pending) = pending {
            self.pending.insert(id, pending);
        }
        self.outputs.push_back(Output::Request(id, request));
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}
