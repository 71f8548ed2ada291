//! The rules of [`Request`], each as a sentence.

use std::collections::HashSet;

use bytes::Bytes;

use super::{
    client::{Client, node},
    servers::{ONE, own_prefix},
};
use crate::partition::{Reply, Request};

async fn store() -> Client {
    Client::new(&ONE.url(), &own_prefix(), &["r", "s"], &["a", "b"]).await
}

async fn with_nodes(names: &[&str]) -> Client {
    let client = store().await;
    for name in names {
        client.beat(name).await;
    }
    client
}

#[tokio::test]
async fn a_node_without_a_lease_joins_and_asserts_nothing() {
    let mut client = store().await;
    client.beat_for("a", 0, 1).await;
    for name in ["a", "stranger"] {
        assert!(client.join(name, "r", "bob", 0).await.is_none());
        let reply = client.ask(&assertion(name, &[("bob", 5, "x")])).await;
        assert_eq!(reply, Reply::NoLease);
    }
    assert_eq!(client.changes().await, Vec::<String>::new());
    assert_eq!(client.versions(&["r"]).await, [(0, 0)]);
}

#[tokio::test]
async fn fences_rise_above_the_stored_one_the_floor_and_the_clock() {
    let client = with_nodes(&["a", "b"]).await;
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let (first, ..) = client.join("a", "r", "bob", 0).await.unwrap();
    assert!(u128::from(first) >= clock.unwrap().as_micros());
    let floor = first + 1_000_000_000;
    let (second, ..) = client.join("b", "r", "bob", floor).await.unwrap();
    assert_eq!(second, floor + 1);
    let (third, ..) = client.join("a", "r", "bob", 0).await.unwrap();
    assert_eq!(third, second + 1);
}

#[tokio::test]
async fn the_last_to_join_holds_the_member_and_versions_have_no_gaps() {
    let mut client = with_nodes(&["a", "b"]).await;
    client.join("a", "r", "bob", 0).await.unwrap();
    let (fence, version, roster) = client.join("b", "r", "bob", 0).await.unwrap();
    assert_eq!((roster.len(), version.version), (1, 2));
    assert_eq!((&roster[0].node, roster[0].fence), (&node("b"), fence));
    assert_eq!(&*roster[0].data, b"\0d");
    client.join("a", "r", "sue", 0).await.unwrap();
    assert_eq!(
        client.changes().await,
        [
            r"1 joined bob@a \x00d",
            r"2 joined bob@b \x00d",
            r"3 joined sue@a \x00d"
        ]
    );
}

#[tokio::test]
async fn a_leave_with_an_old_fence_or_of_another_node_changes_nothing() {
    let mut client = with_nodes(&["a", "b"]).await;
    let (old, ..) = client.join("a", "r", "bob", 0).await.unwrap();
    let (fence, ..) = client.join("a", "r", "bob", 0).await.unwrap();
    client.changes().await;
    client.leave("a", "r", "bob", old).await;
    client.leave("b", "r", "bob", fence).await;
    client.leave("a", "r", "nobody", fence).await;
    assert_eq!(client.changes().await, Vec::<String>::new());
    client.leave("a", "r", "bob", fence).await;
    client.leave("a", "r", "bob", fence).await;
    assert_eq!(client.changes().await, ["3 left bob@a bye"]);
}

#[tokio::test]
async fn an_empty_room_is_deleted_and_born_anew() {
    let client = with_nodes(&["a"]).await;
    let (fence, version, _) = client.join("a", "r", "bob", 0).await.unwrap();
    assert_eq!(version.epoch, 7 * (1 << 21) + 1);
    client.leave("a", "r", "bob", fence).await;
    assert_eq!(client.versions(&["r", "s"]).await, [(0, 0), (0, 0)]);
    assert_eq!(ONE.cli(&["exists", &client.keys.roster("r")]), "0");
    let again = client.join("a", "r", "bob", 0).await.unwrap();
    assert_eq!(again.1.version, 1);
}

#[tokio::test]
async fn numbers_keep_53_bits() {
    let client = store().await;
    let life = (1 << 21) - 1;
    client.beat_for("a", 60_000, life).await;
    let join = Request::Join {
        node: node("a"),
        link: 1,
        room: "r".into(),
        member: "bob".into(),
        data: Bytes::new(),
        birth: (1 << 31) - 1,
        floor: (1 << 53) - 3,
        until: u64::MAX,
        want_roster: false,
    };
    let Reply::Joined {
        fence,
        version,
        roster,
    } = client.ask(&join).await
    else {
        panic!()
    };
    assert_eq!((fence, version.epoch), ((1 << 53) - 2, (1 << 52) - 1));
    assert_eq!(roster, None);
    assert_eq!(client.versions(&["r"]).await, [((1 << 52) - 1, 1)]);
}

#[tokio::test]
async fn another_life_changes_every_epoch() {
    let client = with_nodes(&["a"]).await;
    client.join("a", "r", "bob", 0).await.unwrap();
    let before = client.versions(&["r"]).await;
    client.beat_for("a", 60_000, 9).await;
    let after = client.versions(&["r"]).await;
    assert_eq!((before[0].0 + 8, before[0].1), after[0]);
}

#[tokio::test]
async fn a_living_node_is_not_swept() {
    let mut client = with_nodes(&["a"]).await;
    client.join("a", "r", "bob", 0).await.unwrap();
    client.changes().await;
    assert_eq!(client.sweep("a", 10).await, 0);
    assert_eq!(client.changes().await, Vec::<String>::new());
    assert_eq!(client.versions(&["r"]).await[0].1, 1);
}

#[tokio::test]
async fn a_node_that_resigned_is_swept_with_its_lease_and_others_stay() {
    let mut client = with_nodes(&["a", "b"]).await;
    client.join("a", "r", "bob", 0).await.unwrap();
    client.join("b", "r", "sue", 0).await.unwrap();
    client.join("a", "s", "ann", 0).await.unwrap();
    client.changes().await;
    let resign = Request::Resign { node: node("a") };
    assert_eq!(client.ask(&resign).await, Reply::Done);
    assert_eq!(client.sweep("a", 1).await, 1);
    assert_eq!(client.sweep("a", 1).await, 0);
    let mut changes = client.changes().await;
    changes.sort();
    assert_eq!(changes, ["2 left ann@a ", "3 left bob@a "]);
    // Nothing is left of it, so nobody is told to sweep it.
    let Reply::Beaten {
        renewed: true,
        lapsed,
        next: None,
        ..
    } = client.beat("b").await
    else {
        panic!()
    };
    assert_eq!(lapsed, []);
    client.ask(&resign).await;
    assert_eq!(ONE.cli(&["zcard", &client.keys.leases()]), "1");
}

#[tokio::test]
async fn four_sweepers_at_once_tell_each_departure_once() {
    let mut client = with_nodes(&["a", "b"]).await;
    let rooms: Vec<String> = (0..200).map(|n| format!("room {n}")).collect();
    let channels: Vec<_> = rooms
        .iter()
        .map(|room| crate::partition::Channel::Room(room.as_str().into()))
        .collect();
    client.heard().await;
    client.subscribe(&channels).await;
    for room in &rooms {
        client.join("a", room, "bob", 0).await.unwrap();
        client.join("a", room, "sue", 0).await.unwrap();
    }
    client.heard().await;
    client.ask(&Request::Resign { node: node("a") }).await;
    let sweeper = async |client: &Client| while client.sweep("a", 7).await > 0 {};
    tokio::join!(
        sweeper(&client),
        sweeper(&client),
        sweeper(&client),
        sweeper(&client)
    );
    let heard = client.heard().await;
    let distinct: HashSet<String> = heard.iter().map(|told| format!("{told:?}")).collect();
    assert_eq!((heard.len(), distinct.len()), (400, 400));
}

#[tokio::test]
async fn a_sweep_that_stops_within_a_room_goes_on_there() {
    let mut client = with_nodes(&["a"]).await;
    for n in 0..600 {
        client.join("a", "r", &format!("m{n:03}"), 0).await.unwrap();
    }
    client.changes().await;
    client.ask(&Request::Resign { node: node("a") }).await;
    assert_eq!(client.sweep("a", 10).await, 1);
    assert_eq!(client.changes().await.len(), 500);
    assert_eq!(client.versions(&["r"]).await[0].1, 1100);
    assert_eq!(client.sweep("a", 10).await, 0);
    assert_eq!(client.changes().await.len(), 100);
    assert_eq!(client.versions(&["r"]).await, [(0, 0)]);
}

#[tokio::test]
async fn a_forgotten_room_is_not_the_node_s() {
    let client = with_nodes(&["a"]).await;
    let (fence, ..) = client.join("a", "r", "bob", 0).await.unwrap();
    client.leave("a", "r", "bob", fence).await;
    let rooms = client.keys.rooms_of(&node("a"));
    assert_eq!(ONE.cli(&["smembers", &rooms]), "r");
    let forget = Request::Forget {
        node: node("a"),
        link: 1,
        room: "r".into(),
    };
    client.ask(&forget).await;
    assert_eq!(ONE.cli(&["exists", &rooms]), "0");
}

fn assertion(name: &str, members: &[(&str, u64, &'static str)]) -> Request {
    let member = |(member, fence, data): &(&str, u64, &'static str)| {
        (
            (*member).into(),
            *fence,
            Bytes::from_static(data.as_bytes()),
        )
    };
    Request::Assert {
        node: node(name),
        link: 1,
        room: "r".into(),
        members: members.iter().map(member).collect(),
        birth: 7,
        floor: 1 << 52,
        until: u64::MAX,
    }
}

/// Asserts; the roster as names, nodes and fences, and what was told.
async fn asserted(
    client: &mut Client,
    name: &str,
    members: &[(&str, u64, &'static str)],
) -> (Vec<(String, u64)>, Vec<String>) {
    client.changes().await;
    let Reply::Asserted { roster, .. } = client.ask(&assertion(name, members)).await else {
        panic!()
    };
    let shown = |e: &crate::Entry| (format!("{}@{}", e.member, e.node), e.fence);
    (roster.iter().map(shown).collect(), client.changes().await)
}

#[tokio::test]
async fn of_an_assert_what_is_not_listed_leaves_first() {
    let mut client = with_nodes(&["a", "b"]).await;
    client.join("a", "r", "bob", 0).await.unwrap();
    client.join("b", "r", "sue", 0).await.unwrap();
    let (roster, told) = asserted(&mut client, "a", &[("new", 0, "x")]).await;
    assert_eq!(roster[0], ("new@a".into(), (1 << 52) + 1));
    assert_eq!(roster[1].0, "sue@b");
    assert_eq!(told, ["3 left bob@a ", "4 joined new@a x"]);
}

#[tokio::test]
async fn of_an_assert_what_is_as_it_was_stays() {
    let mut client = with_nodes(&["a"]).await;
    let (fence, ..) = client.join("a", "r", "bob", 0).await.unwrap();
    for claim in [1, fence] {
        let (roster, told) = asserted(&mut client, "a", &[("bob", claim, "\0d")]).await;
        assert_eq!((roster, told), (vec![("bob@a".into(), fence)], vec![]));
    }
}

#[tokio::test]
async fn of_an_assert_a_later_claim_of_the_same_node_is_the_one_that_the_roster_has_lost() {
    let mut client = with_nodes(&["a"]).await;
    let (fence, ..) = client.join("a", "r", "bob", 0).await.unwrap();
    let (roster, told) = asserted(&mut client, "a", &[("bob", fence + 1, "\0d")]).await;
    assert_eq!(roster, [("bob@a".into(), fence + 1)]);
    assert_eq!(told, [r"2 joined bob@a \x00d"]);
}

#[tokio::test]
async fn of_an_assert_what_another_holds_by_a_higher_fence_stays_with_it() {
    let mut client = with_nodes(&["a", "b"]).await;
    let (fence, ..) = client.join("b", "r", "bob", 0).await.unwrap();
    let (roster, told) = asserted(&mut client, "a", &[("bob", fence - 1, "x")]).await;
    assert_eq!((roster, told), (vec![("bob@b".into(), fence)], vec![]));
}

#[tokio::test]
async fn of_an_assert_a_claim_enters_with_its_fence_where_it_is_the_highest() {
    let mut client = with_nodes(&["a", "b"]).await;
    let (fence, ..) = client.join("b", "r", "bob", 0).await.unwrap();
    let members = [("bob", fence + 5, "x"), ("lost", 3, "y")];
    let (roster, told) = asserted(&mut client, "a", &members).await;
    assert_eq!(roster, [("bob@a".into(), fence + 5), ("lost@a".into(), 3)]);
    assert_eq!(told, ["2 joined bob@a x", "3 joined lost@a y"]);
}

#[tokio::test]
async fn of_an_assert_new_data_and_unseen_claims_get_a_new_fence() {
    let mut client = with_nodes(&["a", "b"]).await;
    let (fence, ..) = client.join("a", "r", "bob", 0).await.unwrap();
    let (theirs, ..) = client.join("b", "r", "sue", 0).await.unwrap();
    let (equal, ..) = client.join("b", "r", "tie", 0).await.unwrap();
    assert!(fence < 1 << 52 && theirs < 1 << 52);
    let (back, ..) = client.join("a", "r", "ann", 0).await.unwrap();
    assert!(back < 1 << 52);
    let members = [
        ("ann", 0, "\0d"),
        ("bob", fence, "other"),
        ("sue", 0, "x"),
        ("tie", equal, "x"),
    ];
    let (roster, told) = asserted(&mut client, "a", &members).await;
    let new = (1 << 52) + 1;
    let expected = ["ann@a", "bob@a", "sue@a", "tie@a"].map(|name| (name.to_owned(), new));
    assert_eq!((roster, told.len()), (expected.to_vec(), 4));
}

#[tokio::test]
async fn an_assert_of_nothing_in_a_room_that_does_not_exist_brings_zeros() {
    let client = with_nodes(&["a"]).await;
    let reply = client.ask(&assertion("a", &[])).await;
    let Reply::Asserted { version, roster } = reply else {
        panic!()
    };
    assert_eq!((version.epoch, version.version, roster.len()), (0, 0, 0));
}

#[tokio::test]
async fn names_and_data_may_hold_anything() {
    let strange = "#v @\0\r\n:{p01} 7 é";
    let prefix = own_prefix();
    let mut client = Client::new(&ONE.url(), &prefix, &[strange], &[strange]).await;
    client.beat(strange).await;
    let (fence, _, roster) = client.join(strange, strange, strange, 0).await.unwrap();
    assert_eq!((&*roster[0].member, &*roster[0].node.0), (strange, strange));
    client.join(strange, strange, "", 0).await.unwrap();
    client.leave(strange, strange, strange, fence).await;
    let expected = |n: u8, what: &str, member: &str, data: &str| {
        format!("{n} {what} {member}@{strange} {data}")
    };
    assert_eq!(
        client.changes().await,
        [
            expected(1, "joined", strange, r"\x00d"),
            expected(2, "joined", "", r"\x00d"),
            expected(3, "left", strange, "bye")
        ]
    );
}
