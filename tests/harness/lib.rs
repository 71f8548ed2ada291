//! Nodes in this process, peers that speak frames, the binary as a process of its own, Redis, and a bad network.
//!
//! Every wait has a bound and says what it was waiting for. Traffic stays on loopback, on free ports.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a harness fails its test"
)]

mod again;
mod certificate;
mod child;
mod http;
mod native;
mod node;
mod peer;
mod ports;
mod process;
mod proxy;
mod redis;
mod resp;
mod seed;
mod turn_client;

use std::time::Duration;

pub use again::Again;
pub use certificate::Certificate;
pub use http::{Answer, get, metric, request};
pub use native::NativePeer;
pub use node::{Cluster, Node};
pub use peer::Peer;
pub use ports::{free_port, free_udp_port, free_udp_ports};
pub use process::{Process, binary};
pub use proxy::Proxy;
pub use redis::{Redis, RedisCluster, Sentinels};
pub use resp::Reply;
pub use seed::Seed;
pub use turn_client::TurnClient;

/// Longest wait for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Looks again and again whether something is so, until it is.
///
/// # Panics
/// When it takes too long.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(tokio::time::Instant::now() < end, "no {what} in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
