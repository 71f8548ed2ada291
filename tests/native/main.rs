//! The native dialect, frame by frame, against one node and two.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "these are tests"
)]

mod handshake;
mod identity;
mod messages;
mod mixed;
mod outage;
mod reference;
mod requests;
mod resume;

use std::time::Duration;

use protocol::native::{
    ServerFrame,
    server::{Left, Reason},
};
use serde_json::{Value, json};
use trunkline_tests::{Cluster, NativePeer, Node};

/// Two nodes, of which each lets a peer return within the time.
fn two_nodes(window: Duration) -> (Node, Node) {
    let mut cluster = Cluster::default();
    let mut start = || cluster.start_with(window, Duration::from_secs(25));
    (start(), start())
}

/// Bob at one node and sue at another, with nothing told that was not looked at.
async fn bob_and_sue(one: &Node, other: &Node) -> (NativePeer, NativePeer) {
    let (mut bob, members) = NativePeer::join(one.public, "r", "bob").await;
    assert_eq!(members.peers, []);
    let (sue, members) = NativePeer::join(other.public, "r", "sue").await;
    assert_eq!(members.peers[0].peer.as_str(), "bob");
    assert_eq!(kind(&bob.next_json().await), "joined");
    (bob, sue)
}

fn kind(frame: &Value) -> &str {
    frame["type"].as_str().unwrap()
}

/// Of an `answer`, whether it is a yes, and why it is none.
fn answered(frame: ServerFrame) -> (bool, Option<String>, Option<Reason>) {
    match frame {
        ServerFrame::Answer(answer) => {
            let peer = answer.peer.map(|peer| peer.to_string());
            (answer.ok, peer, answer.reason)
        }
        other => panic!("an answer was expected: {other:?}"),
    }
}
