//! How a node leaves that is told to stop: its members leave with it, rather than a lease later.

use std::time::Duration;

use super::driver::{Running, State};
use crate::partition::{Reply, Request};

/// Longest time that leaving takes. What is left then is swept by others.
const PATIENCE: Duration = Duration::from_secs(2);

/// Rooms that are left with one command.
const ROOMS: u64 = 64;

/// Sends what was asked before, ends the lease, and takes the node's members out of their rooms.
pub(super) async fn say(mut running: Running) {
    let left = tokio::time::timeout(PATIENCE, leave(&mut running)).await;
    if left != Ok(Some(())) && running.was_linked {
        tracing::info!("some of this node's members leave with its lease");
    }
}

async fn leave(running: &mut Running) -> Option<()> {
    running.carry_out();
    let State::Up(up) = &mut running.link else {
        return None;
    };
    let (keys, node) = (&running.driver.keys, &running.driver.node);
    up.ask(keys, &Request::Resign { node: node.clone() })
        .await?;
    let sweep = Request::Sweep {
        dead: node.clone(),
        limit: ROOMS,
    };
    while up.ask(keys, &sweep).await? != (Reply::Swept { left: 0 }) {}
    Some(())
}
