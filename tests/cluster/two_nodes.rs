use std::time::Duration;

use trunkline_tests::{Cluster, Node, Peer};

const BOB: &str = r#"/announce|bob|{"id":"bob","room":"r"}"#;
const SUE: &str = r#"/announce|sue|{"id":"sue","room":"r"}"#;

/// Bob at the first node and sue at the second, who know of each other.
async fn apart(cluster: &mut Cluster) -> ((Node, Peer), (Node, Peer)) {
    let (here, there) = (cluster.start(), cluster.start());
    let mut bob = Peer::join(here.public, "r", "bob").await;
    let mut sue = Peer::connect(there.public).await;
    sue.announce("r", "sue").await;
    sue.expect(r#"/roominfo|{"memberCount":2}"#).await;
    bob.expect(SUE).await;
    ((here, bob), (there, sue))
}

#[tokio::test]
async fn peers_of_two_nodes_share_a_room() {
    let mut cluster = Cluster::default();
    let ((_here, mut bob), (_there, mut sue)) = apart(&mut cluster).await;
    bob.send("/to|sue|/announce|bob|{}").await;
    sue.expect("/to|sue|/announce|bob|{}").await;
    for n in 0..100 {
        bob.send(&format!("/to|sue|/n|bob|{n}")).await;
        bob.send(&format!("/all|bob|{n}")).await;
    }
    let (mut directed, mut broadcast) = (0, 0);
    while directed < 100 || broadcast < 100 {
        let frame = sue.next().await;
        if frame.starts_with("/to|") {
            assert_eq!(frame, format!("/to|sue|/n|bob|{directed}"));
            directed += 1;
        } else {
            assert_eq!(frame, format!("/all|bob|{broadcast}"));
            broadcast += 1;
        }
    }
    sue.send(r#"/leave|sue|{"id":"sue"}"#).await;
    bob.expect(r#"/leave|sue|{"id":"sue"}"#).await;
    bob.settle().await;
    bob.assert_silent();
}

#[tokio::test]
async fn a_peer_that_returns_at_the_other_node_never_left_and_gets_what_it_missed() {
    let mut cluster = Cluster::default();
    let ((here, mut bob), (there, sue)) = apart(&mut cluster).await;
    sue.close().await;
    there.until_suspended(1).await;
    bob.send("/to|sue|/hello|bob|meanwhile").await;
    bob.settle().await;
    let mut sue = Peer::connect(here.public).await;
    sue.announce("r", "sue").await;
    sue.expect(r#"/roominfo|{"memberCount":2}"#).await;
    sue.expect("/to|sue|/hello|bob|meanwhile").await;
    bob.expect(SUE).await;
    bob.send("/to|sue|/hello|bob|welcome").await;
    sue.expect("/to|sue|/hello|bob|welcome").await;
    bob.settle().await;
    bob.assert_silent();
}

#[tokio::test]
async fn of_two_sockets_with_one_id_at_two_nodes_the_newest_is_heard() {
    let mut cluster = Cluster::default();
    let ((_here, mut bob), (there, mut sue)) = apart(&mut cluster).await;
    let mut twin = Peer::connect(there.public).await;
    twin.announce("r", "bob").await;
    twin.expect(r#"/roominfo|{"memberCount":2}"#).await;
    sue.expect(BOB).await;
    bob.send("/hello|bob|ghost").await;
    bob.settle().await;
    twin.send("/hello|bob|alive").await;
    sue.expect("/hello|bob|alive").await;
    sue.send("/to|bob|/hello|sue|which?").await;
    twin.expect("/to|bob|/hello|sue|which?").await;
    bob.close().await;
    sue.settle().await;
    sue.assert_silent();
}

#[tokio::test]
async fn the_peers_of_a_node_that_is_gone_leave_once() {
    let mut cluster = Cluster::default();
    let window = Duration::from_millis(200);
    let here = cluster.start_with(window, Duration::from_secs(25));
    let there = cluster.start_with(window, Duration::from_secs(25));
    let mut bob = Peer::join(here.public, "r", "bob").await;
    let _sue = Peer::join(there.public, "r", "sue").await;
    bob.expect(SUE).await;
    there.stop().await;
    bob.expect(r#"/leave|sue|{"id":"sue"}"#).await;
    bob.settle().await;
    bob.assert_silent();
}
