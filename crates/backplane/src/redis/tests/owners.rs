//! Whose a name is does not depend on the node that holds it.

use super::{
    client::{Client, node},
    servers::{ONE, own_prefix},
};
use crate::partition::{Reply, Request};

fn join(name: &str, data: &'static [u8]) -> Request {
    Request::Join {
        node: node(name),
        link: 1,
        room: "r".into(),
        member: "bob".into(),
        data: data.into(),
        birth: 7,
        floor: 0,
        until: u64::MAX,
        want_roster: true,
    }
}

#[tokio::test]
async fn a_node_whose_lease_has_lapsed_keeps_the_names_of_owners_until_it_is_swept() {
    let mut client = Client::new(&ONE.url(), &own_prefix(), &["r"], &["a", "b"]).await;
    client.beat("a").await;
    client.beat("b").await;
    let reply = client.ask(&join("a", b"\x01x!")).await;
    assert!(matches!(reply, Reply::Joined { .. }));
    client.ask(&Request::Resign { node: node("a") }).await;
    client.changes().await;
    assert_eq!(client.ask(&join("a", b"\x01y")).await, Reply::NoLease);
    for other in [&b"\x01y!"[..], b"\x02x", b"\0x", b""] {
        assert_eq!(client.ask(&join("b", other)).await, Reply::Refused);
    }
    assert_eq!(client.changes().await, Vec::<String>::new());
    assert_eq!(client.versions(&["r"]).await[0].1, 1);
    let rooms = client.keys.rooms_of(&node("b"));
    assert_eq!(ONE.cli(&["exists", &rooms]), "0");
    assert_eq!(client.sweep("a", 10).await, 0);
    let reply = client.ask(&join("b", b"\x01y!")).await;
    assert!(matches!(reply, Reply::Joined { .. }));
    assert_eq!(client.ask(&join("b", b"\x01x!")).await, Reply::Refused);
}

fn assert(name: &str, fence: u64, data: &'static [u8]) -> Request {
    Request::Assert {
        node: node(name),
        link: 1,
        room: "r".into(),
        members: vec![("bob".into(), fence, data.into())],
        birth: 8,
        floor: 0,
        until: u64::MAX,
    }
}

#[tokio::test]
async fn an_owner_gets_back_what_another_took_when_the_roster_was_lost() {
    let mut client = Client::new(&ONE.url(), &own_prefix(), &["r"], &["a", "b"]).await;
    client.beat("a").await;
    let Reply::Joined { fence, .. } = client.ask(&join("a", b"\x01x!")).await else {
        panic!();
    };
    let lost = [client.keys.roster("r"), client.keys.life()];
    assert_eq!(ONE.cli(&["del", &lost[0], &lost[1]]), "2");
    client.beat("b").await;
    let Reply::Joined { fence: later, .. } = client.ask(&join("b", b"\x01y!")).await else {
        panic!();
    };
    client.changes().await;
    // Neither whoever has no owner, nor a claim that no roster has had.
    client.ask(&assert("a", fence, b"\0x")).await;
    client.ask(&assert("a", 1, b"\x01x!")).await;
    assert_eq!(client.changes().await, Vec::<String>::new());
    client.ask(&assert("a", fence, b"\x01x!")).await;
    assert_eq!(client.changes().await, [r"2 joined bob@a \x01x!"]);
    client.ask(&assert("b", later, b"\x01y!")).await;
    assert_eq!(client.changes().await, Vec::<String>::new());
}
