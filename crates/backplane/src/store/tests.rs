use super::*;

const SECOND: u64 = 1_000_000;

fn node(name: &str) -> NodeId {
    NodeId(name.to_owned().into())
}

/// A store in which `a` and `b` have leases of ten seconds, from second 100 on.
fn store() -> Store {
    let mut store = Store::default();
    for name in ["a", "b"] {
        beat(&mut store, name, 100 * SECOND);
    }
    store
}

fn beat(store: &mut Store, name: &str, now: u64) -> Reply {
    let beat = Request::Beat {
        node: node(name),
        link: 1,
        ttl: 10_000,
        nonce: 7,
        life: 1,
        until: u64::MAX,
    };
    store.execute(beat, now).0
}

fn join(store: &mut Store, name: &str, member: &'static str, now: u64) -> Reply {
    join_with(store, name, member, b"data", now)
}

fn join_with(
    store: &mut Store,
    name: &str,
    member: &'static str,
    data: &'static [u8],
    now: u64,
) -> Reply {
    let join = Request::Join {
        node: node(name),
        link: 1,
        room: "r".into(),
        member: member.into(),
        data: Bytes::from_static(data),
        birth: now / SECOND,
        floor: 0,
        until: u64::MAX,
        want_roster: true,
    };
    store.execute(join, now).0
}

fn joined(reply: &Reply) -> (u64, RosterVersion, usize) {
    let Reply::Joined {
        fence,
        version,
        roster,
    } = reply
    else {
        panic!("{reply:?}");
    };
    (*fence, *version, roster.as_ref().unwrap().len())
}

fn leave(store: &mut Store, name: &str, member: &'static str, fence: u64) -> usize {
    let leave = Request::Leave {
        node: node(name),
        link: 1,
        room: "r".into(),
        member: member.into(),
        fence,
        data: Bytes::from_static(b"left"),
    };
    store.execute(leave, 105 * SECOND).1.len()
}

fn assert(
    store: &mut Store,
    name: &str,
    members: &[(&'static str, u64, &'static str)],
) -> (Reply, usize) {
    let members = members.iter();
    let assert = Request::Assert {
        node: node(name),
        link: 1,
        room: "r".into(),
        members: members
            .map(|(who, fence, data)| ((*who).into(), *fence, Bytes::from_static(data.as_bytes())))
            .collect(),
        birth: 9,
        floor: 0,
        until: u64::MAX,
    };
    let (reply, deliveries) = store.execute(assert, 106 * SECOND);
    (reply, deliveries.len())
}

fn sweep(store: &mut Store, name: &str, limit: u64, now: u64) -> (Reply, usize) {
    let sweep = Request::Sweep {
        dead: node(name),
        limit,
    };
    let (reply, deliveries) = store.execute(sweep, now);
    (reply, deliveries.len())
}

#[test]
fn a_beat_renews_a_lease_and_names_the_lapsed() {
    let mut store = store();
    let nobody = Reply::Beaten {
        renewed: true,
        lapsed: vec![],
        next: Some(5_000),
        now: 105_000,
    };
    assert_eq!(beat(&mut store, "a", 105 * SECOND), nobody);
    let late = Reply::Beaten {
        renewed: true,
        lapsed: vec![node("b")],
        next: None,
        now: 110_000,
    };
    assert_eq!(beat(&mut store, "a", 110 * SECOND), late);
    let anew = Reply::Beaten {
        renewed: false,
        lapsed: vec![],
        next: Some(10_000),
        now: 110_000,
    };
    assert_eq!(beat(&mut store, "b", 110 * SECOND), anew);
}

#[test]
fn without_a_lease_nothing_is_entered() {
    let mut store = store();
    assert_eq!(join(&mut store, "c", "p", 101 * SECOND), Reply::NoLease);
    assert_eq!(join(&mut store, "a", "p", 110 * SECOND), Reply::NoLease);
    beat(&mut store, "a", 110 * SECOND);
    let resign = Request::Resign { node: node("a") };
    store.execute(resign, 111 * SECOND);
    assert_eq!(join(&mut store, "a", "p", 111 * SECOND), Reply::NoLease);
    assert!(store.rosters().is_empty());
}

#[test]
fn what_comes_too_late_is_not_done() {
    let mut store = store();
    let late = |until| Request::Join {
        node: node("a"),
        link: 1,
        room: "r".into(),
        member: "p".into(),
        data: Bytes::new(),
        birth: 1,
        floor: 0,
        until,
        want_roster: false,
    };
    let assert = Request::Assert {
        node: node("a"),
        link: 1,
        room: "r".into(),
        members: Vec::new(),
        birth: 1,
        floor: 0,
        until: 104_999,
    };
    let beat = Request::Beat {
        node: node("a"),
        link: 1,
        ttl: 10_000,
        nonce: 7,
        life: 1,
        until: 104_999,
    };
    let (reply, told) = store.execute(beat, 105 * SECOND);
    let Reply::Beaten { renewed: true, .. } = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(told, []);
    let mut at = |request| store.execute(request, 105 * SECOND).0;
    assert_eq!(at(late(104_999)), Reply::NoLease);
    assert!(matches!(at(late(105_000)), Reply::Joined { .. }));
    assert_eq!(at(assert), Reply::NoLease);
    // The lease is of second 100.
    assert_eq!(join(&mut store, "a", "p", 110 * SECOND), Reply::NoLease);
}

#[test]
fn the_last_to_join_has_the_highest_fence_whatever_the_clock_says() {
    let mut store = store();
    let first = joined(&join(&mut store, "a", "p", 105 * SECOND));
    let second = joined(&join(&mut store, "b", "p", 104 * SECOND));
    assert_eq!(first.0, 105 * SECOND);
    assert_eq!(second.0, 105 * SECOND + 1);
    assert_eq!(second.1.version, first.1.version + 1);
    assert_eq!(leave(&mut store, "a", "p", first.0), 0);
    assert_eq!(leave(&mut store, "b", "p", first.0), 0);
    assert_eq!(leave(&mut store, "b", "p", second.0), 1);
    assert_eq!(leave(&mut store, "b", "p", second.0), 0);
}

#[test]
fn a_name_of_an_owner_is_refused_to_others_whether_its_node_is_alive_or_not() {
    let mut store = store();
    let mine = b"\x01x and more";
    let first = joined(&join_with(&mut store, "a", "p", mine, 101 * SECOND));
    beat(&mut store, "b", 108 * SECOND);
    for now in [102, 109, 111] {
        for other in [&b"\x01y"[..], b"\x02x", b"\0x", b""] {
            let reply = join_with(&mut store, "b", "p", other, now * SECOND);
            assert_eq!(reply, Reply::Refused);
        }
    }
    let anew = joined(&join_with(&mut store, "b", "p", b"\x01x", 112 * SECOND));
    assert_eq!(anew.1.version, first.1.version + 1);
    assert_eq!(leave(&mut store, "b", "p", anew.0), 1);
    let other = join_with(&mut store, "b", "p", b"\x01y", 113 * SECOND);
    assert_eq!(joined(&other).1.version, 1);
}

#[test]
fn who_came_after_a_roster_was_lost_gives_a_name_back_to_its_owner() {
    const X: &str = "\u{1}x";
    const Y: &str = "\u{1}y";
    let held = |store: &Store| store.rosters()["r"]["p"].clone();
    for (lost, taken) in [(false, "b"), (true, "a")] {
        let mut store = store();
        let (before, ..) = joined(&join_with(&mut store, "a", "p", X.as_bytes(), 101 * SECOND));
        match lost {
            true => store.flush(),
            // It has left in order, and its node does not know.
            false => assert_eq!(leave(&mut store, "a", "p", before), 1),
        }
        beat(&mut store, "a", 105 * SECOND);
        beat(&mut store, "b", 105 * SECOND);
        let (after, ..) = joined(&join_with(&mut store, "b", "p", Y.as_bytes(), 106 * SECOND));
        // Whoever has no owner, or a claim that the roster never had, takes nothing.
        assert(&mut store, "a", &[("p", before, "")]);
        assert(&mut store, "a", &[("p", 1, X)]);
        assert_eq!(held(&store), node("b"));
        assert(&mut store, "a", &[("p", before, X)]);
        assert_eq!(held(&store), node(taken));
        assert(&mut store, "b", &[("p", after, Y)]);
        assert_eq!(held(&store), node(taken));
    }
}

#[test]
fn an_empty_room_is_born_again_and_another_life_is_another_epoch() {
    let mut store = store();
    let (fence, first, _) = joined(&join(&mut store, "a", "p", 101 * SECOND));
    assert_eq!((first.epoch, first.version), (101 * LIVES + 1, 1));
    leave(&mut store, "a", "p", fence);
    let (_, second, members) = joined(&join(&mut store, "a", "p", 102 * SECOND));
    assert_eq!((second.epoch, second.version), (102 * LIVES + 1, 1));
    assert_eq!(members, 1);
    let beat = Request::Beat {
        node: node("a"),
        link: 1,
        ttl: 10_000,
        nonce: 7,
        life: 2,
        until: u64::MAX,
    };
    store.execute(beat, 103 * SECOND);
    let versions = Request::Versions {
        rooms: vec!["r".into(), "none".into()],
    };
    let version = |epoch, version| RosterVersion { epoch, version };
    assert_eq!(
        store.execute(versions, 103 * SECOND).0,
        Reply::Versions(vec![version(102 * LIVES + 2, 1), version(0, 0)])
    );
}

#[test]
fn an_assert_makes_the_node_s_members_those_that_are_listed() {
    let mut store = store();
    let (p, ..) = joined(&join(&mut store, "a", "p", 101 * SECOND));
    join(&mut store, "a", "q", 102 * SECOND);
    let (s, ..) = joined(&join(&mut store, "b", "s", 103 * SECOND));
    // `p` stays, `q` leaves, `new` enters with its claim, `s` stays with the other node.
    let listed = [("p", p, "data"), ("new", 42, "n"), ("s", s - 1, "mine")];
    let (reply, changes) = assert(&mut store, "a", &listed);
    assert_eq!(changes, 2);
    let Reply::Asserted { roster, .. } = reply else {
        panic!("{reply:?}");
    };
    let entries: Vec<_> = roster
        .iter()
        .map(|entry| (&*entry.member, &*entry.node.0, entry.fence))
        .collect();
    assert_eq!(entries, [("new", "a", 42), ("p", "a", p), ("s", "b", s)]);
    assert_eq!(assert(&mut store, "a", &listed).1, 0);
    // Of what the roster has not seen, or has otherwise, the claim is new.
    let listed = [("p", p, "other"), ("new", 42, "n"), ("s", 0, "mine")];
    let (reply, changes) = assert(&mut store, "a", &listed);
    assert_eq!(changes, 2);
    let Reply::Asserted { roster, .. } = reply else {
        panic!("{reply:?}");
    };
    assert!(roster.iter().all(|entry| entry.node == node("a")));
    assert_eq!(roster[1].fence, 106 * SECOND);
    assert_eq!(roster[2].fence, 106 * SECOND);
    // Whoever came again unseen is told of anew, with the same data too.
    let listed = [("p", 0, "other"), ("new", 42, "n"), ("s", 0, "mine")];
    assert_eq!(assert(&mut store, "a", &listed).1, 2);
    // A room that becomes empty does not exist.
    let (reply, changes) = assert(&mut store, "a", &[]);
    assert_eq!(changes, 3);
    let nothing = Reply::Asserted {
        version: RosterVersion {
            epoch: 0,
            version: 0,
        },
        roster: vec![],
    };
    assert_eq!(reply, nothing);
}

#[test]
fn only_the_dead_are_swept_room_by_room_and_their_lease_last() {
    let mut store = store();
    join(&mut store, "a", "p", 101 * SECOND);
    let elsewhere = Request::Join {
        node: node("a"),
        link: 1,
        room: "other".into(),
        member: "p".into(),
        data: Bytes::new(),
        birth: 1,
        floor: 0,
        until: u64::MAX,
        want_roster: false,
    };
    store.execute(elsewhere, 101 * SECOND);
    let swept = |left| Reply::Swept { left };
    assert_eq!(sweep(&mut store, "a", 8, 109 * SECOND), (swept(0), 0));
    assert_eq!(sweep(&mut store, "a", 1, 110 * SECOND), (swept(1), 1));
    let lapsed = |store: &mut Store| {
        let Reply::Beaten { lapsed, .. } = beat(store, "b", 111 * SECOND) else {
            panic!("no beat");
        };
        lapsed
    };
    assert_eq!(lapsed(&mut store), [node("a")]);
    assert_eq!(sweep(&mut store, "a", 1, 110 * SECOND), (swept(0), 1));
    assert_eq!(lapsed(&mut store), []);
    assert!(store.rosters().is_empty());
}

#[test]
fn a_replica_has_all_but_the_last_writes() {
    let mut store = store();
    for second in 101..200 {
        beat(&mut store, "a", second * SECOND);
    }
    join(&mut store, "a", "p", 200 * SECOND);
    join(&mut store, "a", "q", 201 * SECOND);
    store.fail_over(1);
    let rosters = store.rosters();
    let members: Vec<_> = rosters["r"].keys().collect();
    assert_eq!(members, ["p"]);
    store.flush();
    assert!(store.rosters().is_empty());
    assert_eq!(join(&mut store, "a", "p", 202 * SECOND), Reply::NoLease);
}

#[test]
fn the_defects_are_those_that_they_say() {
    let mut store = Store::with_defect(Some(Defect::SweepsTheLiving));
    beat(&mut store, "a", 100 * SECOND);
    join(&mut store, "a", "p", 101 * SECOND);
    assert_eq!(sweep(&mut store, "a", 8, 102 * SECOND).1, 1);
    let mut store = Store::with_defect(Some(Defect::LeavesTwice));
    beat(&mut store, "a", 100 * SECOND);
    let (fence, ..) = joined(&join(&mut store, "a", "p", 101 * SECOND));
    assert_eq!(leave(&mut store, "a", "p", fence), 2);
}
