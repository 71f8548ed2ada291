//! Nodes in this process, peers that speak frames, and the binary as a process of its own.
//!
//! Every wait has a bound and says what it was waiting for. Traffic stays on loopback, on free ports.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a harness fails its test"
)]

mod http;
mod node;
mod peer;
mod process;

use std::time::Duration;

pub use http::{Answer, get, metric, request};
pub use node::{Cluster, Node};
pub use peer::Peer;
pub use process::{Process, binary};

/// Longest wait for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(10);
