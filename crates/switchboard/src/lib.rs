//! Who is in which room, and who must be told: the state machine of one signalling node.
//!
//! It does no I/O, reads no clock and no random numbers; `now` and the hash seed are parameters. Four verbs:
//!
//! 1. an input arrives: [`Switchboard::handle_connect`], [`Switchboard::handle_message`],
//!    [`Switchboard::handle_disconnect`], [`Switchboard::handle_cluster`];
//! 2. the caller drains [`Switchboard::poll_output`] until it is empty and carries every [`Output`] out;
//! 3. it waits for the next input, or until [`Switchboard::poll_timeout`];
//! 4. then it calls [`Switchboard::handle_timeout`], and drains again.
//!
//! It never fails: an input that cannot be honoured is an [`Output::Dropped`], and loses nothing of others.
//!
//! # A membership's life
//!
//! ```text
//!            announce            Joined              socket lost
//! (waiting) ──────────► joining ────────► local ─────────────────► suspended
//!     │ frames held ≤ 1 s   │ frames held    ▲                          │
//!     ▼                     ▼ until answered └──────── announce ────────┤
//!  dropped               in order                                       ▼ window over
//!                                                                 left, said once
//! ```
//!
//! A peer id is spoken for by one connection at a time. The newest that announced it wins; the older one is
//! *muted*: it gets nothing, and what it sends is dropped. Its announcing the same id again is ignored, so
//! that two pages with one id do not evict each other for ever.
//!
//! In a *directory* nobody is told of anybody, and no roster is kept: each id is a room of its own, its entry
//! ([`RoomId::place_of`](protocol::RoomId::place_of)), of which a node hears from when one of its peers addresses
//! the id until it has not been addressed for a while. What is said to an id that is not there waits a little.
//!
//! A *request* for a peer that will talk is kept by the requester's node, which asks one peer after the other and answers
//! in any case.
//!
//! What this crate does not do: it knows no dialect, no socket, no queue of a connection, and no Redis. What
//! it wants of the other nodes is an [`Output::Cluster`]; what they say is a [`ClusterEvent`].

mod claims;
mod cluster;
mod config;
mod confirmation;
mod connection;
mod directory;
mod effects;
mod handover;
mod membership;
mod remote;
mod requests;
mod room;
mod roster;
mod routing;
mod strangers;
mod suspensions;
mod switchboard;
mod waiting;

pub use cluster::{
    Change, ClusterCommand, ClusterEvent, Fence, Flush, NodeId, RosterChange, RosterEntry,
};
pub use config::Config;
pub use connection::{ConnectionId, Listing};
pub use effects::{DropReason, Output, Recipients};
pub use requests::{MAX_REQUESTS, REQUEST_GRACE, REQUEST_PATIENCE};
pub use switchboard::{Counters, Stats, Switchboard};

#[cfg(test)]
mod tests;
