//! What a node asked on a link that it has given up may still arrive, however late: its system sends again what was not
//! acknowledged.

use super::{
    client::{Client, node},
    servers::{ONE, own_prefix},
};
use crate::partition::{Reply, Request};

/// A client of two nodes, of which `a` has been on its second link for a while.
async fn on_the_second_link() -> Client {
    let mut client = Client::new(&ONE.url(), &own_prefix(), &["r", "s"], &[]).await;
    client.beat("b").await;
    client.beat("a").await;
    client.number = 2;
    client.beat("a").await;
    client
}

#[tokio::test]
async fn a_late_join_enters_nobody() {
    let mut client = on_the_second_link().await;
    let (fence, ..) = client.join("a", "r", "bob", 0).await.unwrap();
    client.changes().await;
    client.number = 1;
    assert!(client.join("a", "r", "bob", 0).await.is_none());
    assert!(client.join("a", "s", "sue", 0).await.is_none());
    assert_eq!(client.changes().await, Vec::<String>::new());
    client.number = 2;
    client.leave("a", "r", "bob", fence).await;
    assert_eq!(client.changes().await, [r"2 left bob@a bye"]);
}

#[tokio::test]
async fn a_late_assert_takes_nobody_out() {
    let mut client = on_the_second_link().await;
    client.join("a", "r", "bob", 0).await.unwrap();
    client.changes().await;
    let late = Request::Assert {
        node: node("a"),
        link: 1,
        room: "r".into(),
        members: Vec::new(),
        birth: 7,
        floor: 0,
        until: u64::MAX,
    };
    assert_eq!(client.ask(&late).await, Reply::NoLease);
    assert_eq!(client.changes().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_late_leave_and_a_late_forget_do_nothing() {
    let mut client = on_the_second_link().await;
    let (fence, ..) = client.join("a", "r", "bob", 0).await.unwrap();
    client.changes().await;
    client.number = 1;
    client.leave("a", "r", "bob", fence).await;
    let room = || "r".into();
    let forget = |link| Request::Forget {
        node: node("a"),
        link,
        room: room(),
    };
    client.ask(&forget(1)).await;
    assert_eq!(client.changes().await, Vec::<String>::new());
    // The node is swept with its room when it dies.
    client.number = 3;
    client.beat_for("a", 0, 1).await;
    assert_eq!(client.sweep("a", 10).await, 0);
    assert_eq!(client.changes().await, ["2 left bob@a "]);
}

#[tokio::test]
async fn a_late_beat_renews_no_lease_and_comes_back_to_nobody() {
    let mut client = Client::new(&ONE.url(), &own_prefix(), &[], &["a"]).await;
    client.number = 2;
    client.beat_for("a", 0, 9).await;
    client.heard().await;
    client.number = 1;
    client.beat("a").await;
    assert_eq!(client.heard().await, []);
    let nodes = vec![node("a")];
    let leases = client.ask(&Request::Leases { nodes }).await;
    assert_eq!(leases, Reply::Leases(vec![false]));
}

#[tokio::test]
async fn the_other_node_s_links_are_its_own() {
    let client = on_the_second_link().await;
    assert!(client.join("b", "r", "sue", 0).await.is_some());
    let first = Request::Join {
        node: node("b"),
        link: 1,
        room: "r".into(),
        member: "ann".into(),
        data: bytes::Bytes::new(),
        birth: 7,
        floor: 0,
        until: u64::MAX,
        want_roster: false,
    };
    assert!(matches!(client.ask(&first).await, Reply::Joined { .. }));
}
