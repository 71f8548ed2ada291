//! The contract, as sentences; `implementations` says of whom.

use bytes::Bytes;

use super::{Cluster, Member, ROOM, names, node};
use crate::{Change, Command, Event, Health};

pub(super) async fn a_join_is_answered_with_the_roster_and_told_to_every_node_in_the_room(
    c: &impl Cluster,
) {
    let (mut a, mut b, mut outside) = (
        Member::new(c, "a").await,
        Member::new(c, "b").await,
        Member::new(c, "x").await,
    );
    let (first, roster) = a.join("bob").await;
    assert_eq!(roster, ["bob@a"]);
    let (second, roster) = b.join("sue").await;
    assert_eq!(roster, ["bob@a", "sue@b"]);
    assert!(second > first);
    assert_eq!(a.change().await, (2, "joined sue b".into()));
    for member in [&mut a, &mut b, &mut outside] {
        member.assert_silent().await;
    }
}

pub(super) async fn a_roster_comes_only_where_it_is_wanted(c: &impl Cluster) {
    let mut a = Member::new(c, "a").await;
    a.ask_join(7, "bob", false);
    loop {
        match a.next().await {
            Event::Joined {
                token,
                roster,
                version,
                ..
            } => {
                assert_eq!((token, roster, version), (7, None, 1));
                return;
            }
            Event::Changed { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

pub(super) async fn the_last_node_to_join_holds_the_member(c: &impl Cluster) {
    let (mut a, mut b) = (Member::new(c, "a").await, Member::new(c, "b").await);
    let (first, _) = a.join("bob").await;
    let (second, roster) = b.join("bob").await;
    assert!(second > first);
    assert_eq!(roster, ["bob@b"]);
    assert_eq!(a.change().await, (2, "joined bob b".into()));
    a.leave("bob", first);
    b.assert_silent().await;
    a.assert_silent().await;
}

pub(super) async fn a_departure_is_told_once_however_often_it_is_said(c: &impl Cluster) {
    let (mut a, mut b) = (Member::new(c, "a").await, Member::new(c, "b").await);
    let (fence, _) = a.join("bob").await;
    b.join("sue").await;
    a.leave("bob", fence);
    a.leave("bob", fence);
    b.leave("bob", fence);
    assert_eq!(b.change().await, (3, "left bob a".into()));
    b.assert_silent().await;
}

pub(super) async fn a_departure_says_why(c: &impl Cluster) {
    let mut a = Member::new(c, "a").await;
    let (fence, _) = a.join("bob").await;
    a.leave("bob", fence);
    match a.next().await {
        Event::Changed {
            change: Change::Left {
                data, fence: ended, ..
            },
            ..
        } => assert_eq!((data, ended), (Bytes::from_static(b"bye"), fence)),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn an_empty_room_begins_a_new_epoch(c: &impl Cluster) {
    let mut a = Member::new(c, "a").await;
    let mut epochs = Vec::new();
    for _ in 0..2 {
        a.ask_join(1, "bob", true);
        let (mut fence, mut told) = (None, false);
        while fence.is_none() || !told {
            match a.next().await {
                Event::Joined {
                    fence: got, epoch, ..
                } => {
                    fence = Some(got);
                    epochs.push(epoch);
                }
                Event::Changed { .. } => told = true,
                other => panic!("{other:?}"),
            }
        }
        a.leave("bob", fence.unwrap());
        a.change().await;
        a.submit(Command::Forget { room: ROOM });
    }
    assert_ne!(epochs[0], epochs[1]);
}

pub(super) async fn payloads_arrive_in_order_at_one_node_or_at_several_in_the_room(
    c: &impl Cluster,
) {
    let (mut a, mut b, mut outside) = (
        Member::new(c, "a").await,
        Member::new(c, "b").await,
        Member::new(c, "x").await,
    );
    a.join("bob").await;
    b.join("sue").await;
    a.change().await;
    for n in 0..100u8 {
        let payload = Bytes::from(vec![n]);
        a.submit(Command::Send {
            node: node("b"),
            room: ROOM,
            payload: payload.clone(),
        });
        a.submit(Command::Publish {
            room: ROOM,
            nodes: vec![node("b")],
            payload,
        });
    }
    let (mut sent, mut published) = (0, 0);
    while sent < 100 || published < 100 {
        match b.next().await {
            Event::Received { from, payload } => {
                assert_eq!((from, payload[0]), (node("a"), sent));
                sent += 1;
            }
            Event::Published {
                from,
                payload,
                room,
            } => {
                assert_eq!((from, payload[0], room), (node("a"), published, ROOM));
                published += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    a.assert_silent().await;
    outside.assert_silent().await;
}

pub(super) async fn a_forgotten_room_is_heard_of_no_more(c: &impl Cluster) {
    let (mut a, mut b) = (Member::new(c, "a").await, Member::new(c, "b").await);
    let (fence, _) = a.join("bob").await;
    b.join("sue").await;
    a.change().await;
    a.leave("bob", fence);
    a.change().await;
    a.submit(Command::Forget { room: ROOM });
    a.assert_silent().await;
    b.change().await;
    b.submit(Command::Publish {
        room: ROOM,
        nodes: vec![node("a")],
        payload: Bytes::from_static(b"x"),
    });
    b.join("ann").await;
    a.assert_silent().await;
}

pub(super) async fn what_a_node_asserts_is_what_the_roster_has_of_it(c: &impl Cluster) {
    let (mut a, mut b) = (Member::new(c, "a").await, Member::new(c, "b").await);
    let (bob, _) = a.join("bob").await;
    a.join("gone").await;
    b.join("sue").await;
    assert_eq!(a.change().await.1, "joined sue b");
    let roster = a
        .assert_room(vec![
            ("bob".into(), bob, Bytes::from_static(b"data of bob")),
            ("new".into(), 0, Bytes::from_static(b"data")),
        ])
        .await;
    assert_eq!(names(&roster), ["bob@a", "new@a", "sue@b"]);
    assert_eq!(b.change().await, (4, "left gone a".into()));
    assert_eq!(b.change().await, (5, "joined new a".into()));
    b.assert_silent().await;
    assert_eq!(a.assert_room(vec![]).await.len(), 1);
}

pub(super) async fn a_claim_older_than_the_roster_s_is_not_asserted(c: &impl Cluster) {
    let (mut a, mut b) = (Member::new(c, "a").await, Member::new(c, "b").await);
    let (old, _) = a.join("bob").await;
    b.join("bob").await;
    let roster = a
        .assert_room(vec![("bob".into(), old, Bytes::from_static(b"old"))])
        .await;
    assert_eq!(names(&roster), ["bob@b"]);
    b.assert_silent().await;
}

pub(super) async fn an_asserted_claim_keeps_its_fence_where_the_roster_has_none(c: &impl Cluster) {
    let (mut a, mut b) = (Member::new(c, "a").await, Member::new(c, "b").await);
    b.join("sue").await;
    let claim = 1 << 52;
    let bob = Bytes::from_static(b"data of bob");
    let roster = a
        .assert_room(vec![("bob".into(), claim, bob.clone())])
        .await;
    assert_eq!(names(&roster), ["bob@a", "sue@b"]);
    assert!(roster.iter().any(|entry| entry.fence == claim));
    assert_eq!(b.change().await.1, "joined bob a");
    let (later, _) = b.join("bob").await;
    assert!(later > claim, "the last to join holds the id");
    assert_eq!(
        names(&a.assert_room(vec![("bob".into(), claim, bob)]).await),
        ["bob@b", "sue@b"]
    );
}

pub(super) async fn a_claim_with_new_data_gets_a_new_fence(c: &impl Cluster) {
    let mut a = Member::new(c, "a").await;
    let (fence, _) = a.join("bob").await;
    let roster = a
        .assert_room(vec![("bob".into(), fence, Bytes::from_static(b"other"))])
        .await;
    assert!(roster[0].fence > fence);
    assert_eq!(roster[0].data, "other");
}

pub(super) async fn a_node_confirms_what_it_has_in_a_room(c: &impl Cluster) {
    let (mut a, mut b) = (Member::new(c, "a").await, Member::new(c, "b").await);
    a.join("bob").await;
    b.join("sue").await;
    b.submit(Command::Confirm {
        room: ROOM,
        node: node("a"),
    });
    let confirmed = Event::Confirmed {
        room: ROOM,
        node: node("a"),
    };
    // The other node asserts the room first, where it must be asked.
    loop {
        tokio::select! {
            event = b.events.next() => {
                if event.unwrap() == confirmed {
                    return;
                }
            }
            event = a.events.next() => {
                if let Event::Gap { room } = event.unwrap() {
                    let bob = ("bob".into(), 0, Bytes::from_static(b"data of bob"));
                    a.submit(Command::Assert { room, members: vec![bob] });
                }
            }
            () = tokio::time::sleep(super::PATIENCE) => panic!("not confirmed"),
        }
    }
}

pub(super) async fn a_node_that_is_gone_has_left_every_room_once(c: &impl Cluster) {
    let (mut a, mut b) = (Member::new(c, "a").await, Member::new(c, "b").await);
    a.join("bob").await;
    b.join("sue").await;
    drop(a.backplane.take());
    assert_eq!(b.change().await, (3, "left bob a".into()));
    b.assert_silent().await;
}

pub(super) async fn a_full_queue_loses_counts_and_reports_a_gap(c: &impl Cluster) {
    let mut slow = Member::bounded(c, "slow", 4).await;
    let mut b = Member::new(c, "b").await;
    slow.join("bob").await;
    for member in ["a1", "a2", "a3", "a4", "a5", "a6"] {
        b.join(member).await;
    }
    slow.loses(2).await;
    assert!(
        slow.try_submit(Command::Assert {
            room: ROOM,
            members: vec![]
        })
        .is_err(),
        "an answer that does not fit is refused before anything is done"
    );
    for version in 2..6 {
        assert_eq!(slow.change().await.0, version);
    }
    assert_eq!(slow.next().await, Event::Gap { room: ROOM });
    slow.loses(2).await;
    let roster = slow
        .assert_room(vec![("bob".into(), 1, Bytes::from_static(b"data of bob"))])
        .await;
    assert_eq!(roster.len(), 7);
}

pub(super) async fn a_payload_that_does_not_fit_is_lost_and_counted(c: &impl Cluster) {
    let mut slow = Member::bounded(c, "slow", 2).await;
    let b = Member::new(c, "b").await;
    for n in 0..3u8 {
        b.submit(Command::Send {
            node: node("slow"),
            room: ROOM,
            payload: Bytes::from(vec![n]),
        });
    }
    slow.loses(1).await;
    for n in 0..2u8 {
        match slow.next().await {
            Event::Received { payload, .. } => assert_eq!(payload[0], n),
            other => panic!("{other:?}"),
        }
    }
    slow.loses(1).await;
    slow.assert_silent().await;
}

pub(super) async fn a_node_that_forgets_a_room_and_joins_it_again_hears_of_it(c: &impl Cluster) {
    let (mut a, mut b) = (Member::new(c, "a").await, Member::new(c, "b").await);
    let (fence, _) = a.join("bob").await;
    b.join("sue").await;
    a.change().await;
    // All three are under way at once.
    a.leave("bob", fence);
    a.submit(Command::Forget { room: ROOM });
    let (_, roster) = a.rejoin("bob").await;
    assert_eq!(roster, ["bob@a", "sue@b"]);
    b.change().await;
    b.change().await;
    b.join("ann").await;
    assert_eq!(a.change().await.1, "joined ann b");
}

pub(super) async fn a_node_that_asserts_nothing_hears_who_comes_and_goes(c: &impl Cluster) {
    let (mut a, mut b) = (Member::new(c, "a").await, Member::new(c, "b").await);
    assert_eq!(a.assert_room(vec![]).await, []);
    let (fence, roster) = b.join("bob").await;
    assert_eq!(roster, ["bob@b"]);
    assert_eq!(a.change().await.1, "joined bob b");
    b.leave("bob", fence);
    assert_eq!(a.change().await.1, "left bob b");
    a.submit(Command::Forget { room: ROOM });
    a.assert_silent().await;
    b.change().await;
    b.join("bob").await;
    a.assert_silent().await;
}

pub(super) async fn it_says_when_it_works(c: &impl Cluster) {
    let a = Member::new(c, "a").await;
    assert_eq!(a.backplane.as_ref().unwrap().health(), Health::Healthy);
}
