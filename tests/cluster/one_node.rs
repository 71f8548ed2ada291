use std::time::Duration;

use tokio::time::Instant;
use trunkline_tests::{Cluster, Node, Peer, metric};

const SUE: &str = r#"/announce|sue|{"id":"sue","room":"r"}"#;

#[tokio::test]
async fn a_peer_that_returns_within_the_window_never_left() {
    let mut cluster = Cluster::default();
    let node = cluster.start_with(Duration::from_millis(500), Duration::from_secs(25));
    let mut bob = Peer::join(node.public, "r", "bob").await;
    let sue = Peer::join(node.public, "r", "sue").await;
    bob.expect(SUE).await;
    sue.kill();
    node.until_suspended(1).await;
    bob.send("/to|sue|/hello|bob|meanwhile").await;
    let mut sue = Peer::join(node.public, "r", "sue").await;
    sue.expect("/to|sue|/hello|bob|meanwhile").await;
    bob.expect(SUE).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    bob.settle().await;
    bob.assert_silent();
}

#[tokio::test]
async fn a_peer_that_does_not_return_leaves_once_when_the_window_ends() {
    let mut cluster = Cluster::default();
    let node = cluster.start_with(Duration::from_millis(300), Duration::from_secs(25));
    let mut bob = Peer::join(node.public, "r", "bob").await;
    let sue = Peer::join(node.public, "r", "sue").await;
    bob.expect(SUE).await;
    let lost = Instant::now();
    sue.kill();
    bob.expect(r#"/leave|sue|{"id":"sue"}"#).await;
    assert!(lost.elapsed() >= Duration::from_millis(300));
    bob.settle().await;
    bob.assert_silent();
}

#[tokio::test]
async fn closing_the_socket_in_order_is_not_a_leave_either() {
    let node = Node::alone();
    let mut bob = Peer::join(node.public, "r", "bob").await;
    let sue = Peer::join(node.public, "r", "sue").await;
    bob.expect(SUE).await;
    sue.close().await;
    node.until_suspended(1).await;
    bob.settle().await;
    bob.assert_silent();
}

#[tokio::test]
async fn a_node_that_stops_closes_everybody_with_1001() {
    let node = Node::alone();
    let mut bob = Peer::join(node.public, "r", "bob").await;
    let mut idle = Peer::connect(node.public).await;
    let (stopped, bob, idle) = tokio::join!(node.stop(), bob.close_code(), idle.close_code());
    assert_eq!((stopped, bob, idle), ((), 1001, 1001));
}

#[tokio::test]
async fn metrics_count_what_is_there() {
    let node = Node::alone();
    let _bob = Peer::join(node.public, "r", "bob").await;
    let sue = Peer::join(node.public, "s", "sue").await;
    let _unannounced = Peer::connect(node.public).await;
    sue.kill();
    node.until_suspended(1).await;
    for (name, value) in [
        ("trunkline_connections", 2.0),
        ("trunkline_rooms", 2.0),
        ("trunkline_members", 2.0),
        ("trunkline_connections_opened_total", 3.0),
        ("trunkline_connections_closed_total{reason=\"lost\"}", 1.0),
        ("trunkline_messages_received_total", 2.0),
        ("trunkline_messages_sent_total", 2.0),
        ("trunkline_backplane_events_lost_total", 0.0),
    ] {
        assert_eq!(metric(node.admin, name).await, value, "{name}");
    }
}
