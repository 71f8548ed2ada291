//! What one node does in one partition of the cluster, whatever carries it: a state machine without I/O.
//!
//! The caller keeps a *link* to the store: it carries out [`Output`]s in their order and hands in what comes
//! back. Rooms that hash to the same partition share the link, the node's lease, and one numbered stream of
//! messages to each other node. Time and randomness are parameters.

mod request;

use std::time::{Duration, Instant};

use bytes::Bytes;

pub use request::{Channel, Published, Reply, Request, RosterVersion};

use crate::{Command, Event, Health, NodeId};

/// Names a request until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Times and bounds.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long a node counts as alive after its last beat.
    pub lease: Duration,
    /// Between two beats; each is up to a fifth earlier or later.
    pub beat: Duration,
    /// Between two comparisons of a room's version with the store's.
    pub compare: Duration,
    /// How long a forgotten room's channel stays subscribed.
    pub linger: Duration,
    /// Most bytes kept for a node that has not acknowledged them.
    pub ring_bytes: usize,
    /// Rooms handed out for comparison at most, in a tenth of a second.
    pub repairs: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            beat: Duration::from_secs(1),
            compare: Duration::from_secs(60),
            linger: Duration::from_secs(5),
            ring_bytes: 8 * 1024 * 1024,
            repairs: 1000,
        }
    }
}

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
pub struct Partition;

#[expect(unused_variables, reason = "a sketch")]
impl Partition {
    /// `seed` makes births and nonces unpredictable, and the same seed and inputs give the same outputs.
    pub fn new(node: NodeId, config: Config, seed: u64) -> Self {
        Self
    }

    /// The node asks for something. Joins and asserts are each answered by one event.
    pub fn handle_command(&mut self, command: Command, now: Instant) {}

    /// The link works; the store's life is `life`. Nothing is subscribed yet.
    pub fn handle_connected(&mut self, life: u64, now: Instant) {}

    /// The link is gone, and with it every subscription and every request that is not answered.
    pub fn handle_disconnected(&mut self, now: Instant) {}

    /// The channels of the last [`Output::Subscribe`] are subscribed.
    pub fn handle_subscribed(&mut self, now: Instant) {}

    /// The store answered, or (`None`) refused the request.
    pub fn handle_reply(&mut self, id: RequestId, reply: Option<Reply>, now: Instant) {}

    /// The store published something on a subscribed channel.
    pub fn handle_published(&mut self, channel: &Channel, published: Published, now: Instant) {}

    /// A node published bytes on a subscribed channel.
    pub fn handle_payload(&mut self, channel: &Channel, payload: Bytes, now: Instant) {}

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// When [`Self::handle_timeout`] is to be called, if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {}

    /// Whether what this node publishes comes back to it.
    pub fn health(&self) -> Health {
        Health::Starting
    }
}
