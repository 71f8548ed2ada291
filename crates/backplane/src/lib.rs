//! How the nodes of a cluster hear each other: a roster of each room, and messages between nodes.
//!
//! A node *attaches* and gets two halves: a [`Backplane`] to which it submits [`Command`]s, and [`Events`],
//! in which answers and other nodes' doings arrive. Rooms, members, data and payloads are opaque here, but for the
//! [`owner`] that a member's data begins with.
//!
//! # The contract
//!
//! What every implementation keeps, and the conformance suite checks:
//!
//! - [`Command::Join`] and [`Command::Assert`] are each answered once, unless submitting them failed.
//! - A join gets a *fence* above every fence its member had before: the last to join holds the id. A
//!   [`Command::Leave`] with an older fence changes nothing.
//! - A name that the roster holds with data of an owner is that owner's: a join whose data names another one, or none,
//!   is refused ([`Event::JoinRefused`]) and changes nothing, whichever node holds the member, and whether that node
//!   lives. The name is free when its member has left. An assert is not refused: it says what a node has, and may take
//!   the name.
//! - Every change of a room's roster raises its *version* by one and is told as [`Event::Changed`] to every
//!   node in the room, the one that made it included. What changes nothing is told to nobody. So a departure
//!   is told exactly once, however many nodes say it.
//! - A node is in a room from its first join or assert to its [`Command::Forget`], with a member there or without; a
//!   join that fails or is refused counts too.
//!   The roster that a join brings and the changes after its version make a whole. A change may overtake the answer.
//! - [`Command::Send`] arrives in order at one node, [`Command::Publish`] in order at each of the named nodes
//!   that is in the room; of one room, both are in one order. A node that the publisher did not know of may get
//!   it too.
//! - A node whose [`Backplane`] is gone has left every room.
//! - Nothing waits for a slow node: its queue is bounded ([`EVENT_QUEUE`]), and what does not fit is lost and
//!   counted; changes and published payloads are followed by [`Event::Gap`] for their room, sent ones are not.
//!
//! What this crate does not do: it knows no dialect, no peer's connection and no routing decision.

mod command;
mod counters;
mod event;
pub mod fleet;
mod memory;
mod owner;
pub mod partition;
mod pressure;
pub mod redis;
pub mod store;

use std::fmt;

pub use command::{Command, Overloaded};
pub use counters::Counters;
pub use event::{Change, Entry, Event, Events, NodeId};
pub use memory::Memory;
pub use owner::owner;
pub use pressure::Pressure;

/// Events that wait for a node at most. A node handles an event in microseconds; a full queue means that it
/// stands still.
pub const EVENT_QUEUE: usize = 16 * 1024;

/// Bytes that other nodes have sent and that wait for a node at most.
pub const EVENT_QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// A node's way to the others.
pub trait Backplane: fmt::Debug + Send + Sync {
    /// This node, as the others know it.
    fn node(&self) -> &NodeId;

    /// Hands a command over, without waiting for it to be carried out.
    ///
    /// # Errors
    /// [`Overloaded`] when there is no room for the command or for its answer; nothing was done then.
    fn submit(&self, command: Command) -> Result<(), Overloaded>;

    /// How much waits to be carried out: who can wait before submitting more, should.
    fn pressure(&self) -> Pressure;

    /// Whether the other nodes can be reached now.
    fn health(&self) -> Health;

    /// Events lost so far because this node's queue was full.
    fn events_lost(&self) -> u64;

    /// What has happened so far between this node and others.
    fn counters(&self) -> Counters;
}

/// Whether a backplane works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Has not worked yet.
    Starting,
    /// What this node publishes comes back to it.
    Healthy,
    /// Worked, and does not now; it is being repaired.
    Degraded,
}

#[cfg(test)]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "any other event is a failure"
)]
mod conformance;
