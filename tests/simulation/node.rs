//! One node: the switchboard and the partition as the process has them, what it has of native clients, and a clock of its
//! own.

mod desk;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::LazyLock,
    time::{Duration, Instant},
};

use backplane::{
    Event, Health, NodeId,
    partition::{self, Channel, Partition, Published, Reply, Request, RequestId},
};
use bytes::Bytes;
use bytestring::ByteString;
use protocol::{ClientMessage, ServerMessage};
use signal::cluster;
use switchboard::{Config, ConnectionId, Listing, Output, Switchboard};

pub(crate) use desk::NativeDefect;
use desk::{Desk, Heard};

/// The world's time in microseconds.
pub(crate) type Time = u64;

pub(crate) const SECOND: Time = 1_000_000;
pub(crate) const MILLISECOND: Time = 1_000;

/// Instants cannot be made from nothing; only differences to this one matter.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What a right clock shows.
pub(crate) fn instant(at: Time) -> Instant {
    *BEGINNING + Duration::from_micros(at)
}

/// The first time at which a right clock shows at least this.
pub(crate) fn time(instant: Instant) -> Time {
    let since = instant.saturating_duration_since(*BEGINNING).as_nanos();
    u64::try_from(since.div_ceil(1_000)).unwrap()
}

/// What happens to a node.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// By the link of this generation.
    Reply(u64, RequestId, Reply),
    Published(u64, Channel, Published),
    Payload(u64, Channel, Bytes),
    Subscribed(u64),
    /// The link of this generation works, to a store of this life.
    Connected(u64, u64),
    /// The link of this generation is broken.
    Disconnected(u64),
    Opened(ConnectionId),
    Frame(ConnectionId, ClientMessage),
    /// The same of a native client, as it writes it.
    OpenedNative(ConnectionId),
    NativeFrame(ConnectionId, ByteString),
    Lost(ConnectionId),
    /// A timer may be due.
    Wake,
}

/// What a node does.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Request(RequestId, Request),
    Subscribe(Vec<Channel>),
    Unsubscribe(Vec<Channel>),
    Reconnect,
    Tell(ConnectionId, ServerMessage),
    /// To a native client: its socket is open, this is written to it, it is closed.
    Accept(ConnectionId),
    Write(ConnectionId, ByteString),
    Close(ConnectionId),
}

/// A clock that is wrong by a constant, and runs too fast or too slow.
#[derive(Clone, Copy, Debug)]
struct Clock {
    ahead: Time,
    /// Parts of a million; 1 000 000 is right.
    rate: Time,
}

impl Clock {
    fn read(self, at: Time) -> Instant {
        let local =
            self.ahead + at / 1_000_000 * self.rate + at % 1_000_000 * self.rate / 1_000_000;
        *BEGINNING + Duration::from_micros(local)
    }

    /// The first time at which the clock shows at least this.
    fn when(self, instant: Instant) -> Time {
        let local = instant
            .saturating_duration_since(*BEGINNING)
            .as_nanos()
            .div_ceil(1_000);
        let local = u64::try_from(local).unwrap().saturating_sub(self.ahead);
        local / self.rate * 1_000_000 + (local % self.rate) * 1_000_000 / self.rate + 2
    }
}

/// What is wrong with a node, on purpose.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Planted {
    pub(crate) blind_to_epochs: bool,
    pub(crate) native: Option<NativeDefect>,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) switchboard: Switchboard,
    partition: Partition,
    desk: Desk,
    clock: Clock,
    /// The link as the node knows it.
    pub(crate) generation: u64,
    pub(crate) is_alive: bool,
    pub(crate) frozen: bool,
    /// What happened while it was frozen.
    pub(crate) inbox: VecDeque<Input>,
    /// When it is woken next.
    pub(crate) wake_at: Option<Time>,
    /// Planted: the switchboard is not told of another epoch.
    epochs: Option<BTreeMap<ByteString, Vec<u64>>>,
}

impl Node {
    pub(crate) fn new(
        number: usize,
        timing: &(Config, partition::Config),
        ahead: Time,
        rate: Time,
        seed: u64,
        planted: Planted,
    ) -> Self {
        let name = format!("n{number}");
        let window = timing.0.suspend_window.as_millis();
        let window = u64::try_from(window).unwrap();
        let id = switchboard::NodeId(name.clone().into());
        let name = NodeId(name.into());
        Self {
            desk: Desk::new(name.0.clone(), window, planted.native),
            switchboard: Switchboard::new(id, timing.0.clone(), seed),
            partition: Partition::new(name, timing.1.clone(), seed),
            clock: Clock { ahead, rate },
            generation: 0,
            is_alive: true,
            frozen: false,
            inbox: VecDeque::new(),
            wake_at: None,
            epochs: planted.blind_to_epochs.then(BTreeMap::new),
        }
    }

    /// Lets something happen, and returns what the node does then.
    pub(crate) fn handle(&mut self, input: Input, at: Time) -> Vec<Effect> {
        let now = self.clock.read(at);
        match input {
            Input::Reply(generation, id, reply) => {
                if generation == self.generation {
                    self.partition.handle_reply(id, Some(reply), now);
                }
            }
            Input::Published(generation, channel, published) => {
                if generation == self.generation {
                    self.partition.handle_published(&channel, published, now);
                }
            }
            Input::Payload(generation, channel, payload) => {
                if generation == self.generation {
                    self.partition.handle_payload(&channel, &payload, now);
                }
            }
            Input::Subscribed(generation) => {
                if generation == self.generation {
                    self.partition.handle_subscribed(now);
                }
            }
            Input::Connected(generation, life) => {
                self.generation = generation;
                self.partition.handle_connected(life, now);
            }
            Input::Disconnected(generation) => {
                if generation == self.generation {
                    self.generation = 0;
                    self.partition.handle_disconnected(now);
                }
            }
            Input::Opened(connection) => {
                self.switchboard.handle_connect(connection, Listing::Count)
            }
            Input::Frame(connection, message) => {
                self.switchboard.handle_message(connection, &message, now);
            }
            Input::OpenedNative(connection) => {
                self.desk.open(connection);
                let listing = Listing::Members;
                self.switchboard.handle_connect(connection, listing);
                return vec![Effect::Accept(connection)];
            }
            Input::NativeFrame(connection, text) => {
                self.look_at_health();
                match self.desk.hear(connection, &text) {
                    Heard::Answer(text) => return vec![Effect::Write(connection, text)],
                    Heard::Message(message) => {
                        self.switchboard.handle_message(connection, &message, now);
                    }
                    Heard::Nothing => {}
                }
            }
            Input::Lost(connection) => {
                self.desk.close(connection);
                self.switchboard.handle_disconnect(connection, now);
            }
            Input::Wake => {
                self.wake_at = None;
                self.look_at_health();
                self.switchboard.handle_timeout(now);
                self.partition.handle_timeout(now);
            }
        }
        self.drain(now)
    }

    /// What is answered may depend on it.
    fn look_at_health(&mut self) {
        let is_reachable = self.partition.health() != Health::Degraded;
        self.switchboard.handle_reachable(is_reachable);
    }

    /// Who alone may have the ids of a native client.
    pub(crate) fn owner(&self, connection: ConnectionId) -> Option<ByteString> {
        self.desk.owner(connection)
    }

    fn tell(
        &mut self,
        connection: ConnectionId,
        message: &ServerMessage,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(Effect::Tell(connection, message.clone()));
        if !self.desk.has(connection) {
            return;
        }
        if *message == ServerMessage::Superseded {
            effects.push(Effect::Close(connection));
            return;
        }
        let frames = self.desk.write(connection, message).into_iter();
        effects.extend(frames.map(|text| Effect::Write(connection, text)));
    }

    fn drain(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        loop {
            if let Some(output) = self.switchboard.poll_output() {
                match output {
                    Output::Deliver { to, message } => {
                        for connection in to.as_slice() {
                            self.tell(*connection, &message, &mut effects);
                        }
                    }
                    Output::Cluster(command) => {
                        self.partition
                            .handle_command(cluster::command(command), now);
                    }
                    Output::Dropped(_) => {}
                }
            } else if let Some(output) = self.partition.poll_output() {
                match output {
                    partition::Output::Request(id, request) => {
                        effects.push(Effect::Request(id, request));
                    }
                    partition::Output::Subscribe(channels) => {
                        effects.push(Effect::Subscribe(channels));
                    }
                    partition::Output::Unsubscribe(channels) => {
                        effects.push(Effect::Unsubscribe(channels));
                    }
                    partition::Output::Event(mut event) => {
                        if let Some(epochs) = &mut self.epochs {
                            hide_epochs(epochs, &mut event);
                        }
                        let event = cluster::event(event).unwrap();
                        self.switchboard.handle_cluster(event, now);
                    }
                    partition::Output::Reconnect => {
                        self.generation = 0;
                        effects.push(Effect::Reconnect);
                    }
                }
            } else {
                return effects;
            }
        }
    }

    /// When the node wants to be woken.
    pub(crate) fn next_wake(&self, at: Time) -> Option<Time> {
        let next = [
            self.switchboard.poll_timeout(),
            self.partition.poll_timeout(),
        ];
        let next = next.into_iter().flatten().min()?;
        Some(self.clock.when(next).max(at + 1))
    }
}

/// Every epoch of a room becomes its first, with higher and higher versions.
fn hide_epochs(epochs: &mut BTreeMap<ByteString, Vec<u64>>, event: &mut Event) {
    if let Event::Joined {
        room,
        epoch,
        version,
        ..
    }
    | Event::Changed {
        room,
        epoch,
        version,
        ..
    }
    | Event::Asserted {
        room,
        epoch,
        version,
        ..
    } = event
    {
        let known = epochs.entry(room.clone()).or_default();
        let place = known.iter().position(|known| known == epoch);
        let place = place.unwrap_or_else(|| {
            known.push(*epoch);
            known.len() - 1
        });
        *version += place as u64 * 1_000_000;
        *epoch = known[0];
    }
}
