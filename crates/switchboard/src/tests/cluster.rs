use super::*;

use protocol::LeaveReason;

pub(super) fn entry(id: &str, at: &'static str, fence: u64) -> RosterEntry {
    RosterEntry {
        peer: peer(id),
        node: node(at),
        fence,
        attributes: payload(&format!("i am {id}")),
    }
}

fn change(version: u64, change: Change) -> ClusterEvent {
    ClusterEvent::Changed(RosterChange {
        room: room("r"),
        epoch: 1,
        version,
        change,
    })
}

pub(super) fn joined(version: u64, id: &str, at: &'static str, fence: u64) -> ClusterEvent {
    change(version, Change::Joined(entry(id, at, fence)))
}

fn left(version: u64, id: &str, at: &'static str, fence: u64) -> ClusterEvent {
    change(
        version,
        Change::Left {
            peer: peer(id),
            node: node(at),
            fence,
            reason: LeaveReason::Left,
        },
    )
}

/// Bob is here, ann is at another node; the roster is at version 2.
pub(super) fn board() -> Board {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.event(joined(2, "ann", "there", 7));
    board.assert_told(1, &["joined ann"]);
    board.asked.clear();
    board
}

#[test]
fn a_roster_that_comes_with_the_join_is_counted_and_not_announced() {
    let mut board = Board::new();
    board.answers = false;
    board.connect(1);
    board.announce(1, "r", "bob");
    assert!(matches!(
        board.asked[..],
        [ClusterCommand::Join {
            want_roster: true,
            ..
        }]
    ));
    board.event(ClusterEvent::Joined {
        connection: ConnectionId(1),
        room: room("r"),
        fence: 5,
        epoch: 1,
        version: 2,
        roster: Some(vec![entry("ann", "there", 4), entry("bob", "here", 5)]),
    });
    board.assert_told(1, &["roominfo 2"]);
    board.connect(2);
    board.announce(2, "r", "sue");
    assert!(matches!(
        board.asked[1],
        ClusterCommand::Join {
            want_roster: false,
            ..
        }
    ));
}

#[test]
fn changes_that_overtake_the_roster_are_applied_after_it() {
    let mut board = Board::new();
    board.answers = false;
    board.connect(1);
    board.announce(1, "r", "bob");
    board.event(joined(1, "ann", "there", 4));
    board.event(joined(3, "joe", "there", 6));
    board.event(ClusterEvent::Joined {
        connection: ConnectionId(1),
        room: room("r"),
        fence: 5,
        epoch: 1,
        version: 2,
        roster: Some(vec![entry("ann", "there", 4), entry("bob", "here", 5)]),
    });
    board.assert_told(1, &["roominfo 2", "joined joe"]);
}

#[test]
fn who_joined_after_a_peer_is_told_to_it_even_if_that_is_heard_before_its_own_join_is_answered() {
    let mut board = board();
    board.answers = false;
    board.connect(2);
    board.announce(2, "r", "sue");
    // Joined before sue: he will answer her announcement.
    board.event(joined(3, "joe", "there", 8));
    board.event(joined(4, "sue", "here", 9));
    // Joined after sue, and has her in the roster that he got.
    board.event(joined(5, "tom", "there", 10));
    board.event(ClusterEvent::Joined {
        connection: ConnectionId(2),
        room: room("r"),
        fence: 9,
        epoch: 1,
        version: 4,
        roster: None,
    });
    board.assert_told(2, &["roominfo 5", "joined tom"]);
    board.assert_told(1, &["joined joe", "joined tom", "joined sue"]);
    board.event(joined(6, "kim", "there", 11));
    board.assert_told(2, &["joined kim"]);
}

#[test]
fn a_peer_that_announces_itself_again_is_told_of_newcomers_once() {
    let mut board = board();
    board.answers = false;
    board.announce(1, "r", "bob");
    board.event(joined(3, "bob", "here", 8));
    board.event(joined(4, "tom", "there", 10));
    board.assert_told(1, &["joined tom"]);
    board.event(ClusterEvent::Joined {
        connection: ConnectionId(1),
        room: room("r"),
        fence: 8,
        epoch: 1,
        version: 3,
        roster: None,
    });
    board.assert_told(1, &["roominfo 3"]);
}

#[test]
fn peers_of_other_nodes_are_told_of_once() {
    let mut board = board();
    board.event(joined(2, "ann", "there", 7));
    board.assert_nothing_else();
    board.event(left(3, "ann", "there", 7));
    board.assert_told(1, &["left ann Left"]);
    board.event(left(3, "ann", "there", 7));
    board.assert_nothing_else();
}

#[test]
fn this_node_s_own_changes_come_back_and_count_only_as_versions() {
    let mut board = board();
    board.event(joined(3, "bob", "here", 1));
    board.event(left(4, "ann", "there", 7));
    board.assert_told(1, &["left ann Left"]);
    board.assert_nothing_else();
}

#[test]
fn what_is_said_to_a_peer_of_another_node_goes_there_alone() {
    let mut board = board();
    board.send(1, "bob", "ann", "hello");
    assert_eq!(
        board.asked,
        [ClusterCommand::Send {
            node: node("there"),
            room: room("r"),
            from: peer("bob"),
            to: peer("ann"),
            payload: payload("hello"),
            hops: 0,
        }]
    );
}

#[test]
fn a_broadcast_goes_to_the_cluster_only_where_another_node_has_a_peer() {
    let mut alone = Board::with_members(&[(1, "bob"), (2, "sue")]);
    alone.broadcast(1, "bob", "hello");
    assert_eq!(alone.asked, []);
    let mut board = board();
    board.broadcast(1, "bob", "hello");
    assert!(matches!(
        board.asked[..],
        [ClusterCommand::Broadcast { .. }]
    ));
}

#[test]
fn what_other_nodes_peers_say_is_delivered_or_waits() {
    let mut board = board();
    let received = |text: &str| ClusterEvent::Received {
        room: room("r"),
        from: peer("ann"),
        to: peer("bob"),
        payload: payload(text),
        hops: 0,
    };
    board.event(received("one"));
    board.event(ClusterEvent::Heard {
        room: room("r"),
        from: peer("ann"),
        payload: payload("two"),
    });
    board.assert_told(1, &["ann: one", "ann: two"]);
    board.disconnect(1);
    board.event(received("three"));
    board.connect(2);
    board.announce(2, "r", "bob");
    board.assert_told(2, &["roominfo 2", "ann: three"]);
}

#[test]
fn a_peer_that_announces_itself_at_another_node_is_taken_over_without_a_leave() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    board.event(joined(3, "sue", "there", 99));
    board.assert_told(1, &["updated sue"]);
    board.assert_told(2, &["superseded"]);
    board.broadcast(2, "sue", "ghost");
    board.assert_dropped(&[DropReason::Muted]);
    board.disconnect(2);
    board.pass(60 * SECOND);
    board.assert_nothing_else();
    assert_eq!(board.asked, []);
}

#[test]
fn what_waited_for_a_suspended_peer_follows_it_to_its_new_node() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    board.disconnect(2);
    board.send(1, "bob", "sue", "hello?");
    board.forget_told();
    board.event(joined(3, "sue", "there", 99));
    board.assert_told(1, &["resumed sue"]);
    assert!(matches!(&board.asked[..], [ClusterCommand::Send { to, .. }] if *to == peer("sue")));
    board.pass(60 * SECOND);
    board.assert_nothing_else();
    assert_eq!(board.switchboard.stats().suspended, 0);
}

#[test]
fn a_join_that_another_node_s_later_join_overtook_is_muted() {
    let mut board = board();
    board.answers = false;
    board.connect(2);
    board.announce(2, "r", "ann");
    board.event(joined(4, "ann", "elsewhere", 9));
    board.event(joined(3, "ann", "here", 8));
    board.forget_told();
    board.event(ClusterEvent::Joined {
        connection: ConnectionId(2),
        room: room("r"),
        fence: 6,
        epoch: 1,
        version: 3,
        roster: None,
    });
    board.assert_told(2, &["superseded"]);
    board.broadcast(2, "ann", "ghost");
    board.assert_dropped(&[DropReason::Muted]);
    board.assert_nothing_else();
}

#[test]
fn an_older_claim_or_an_older_leave_changes_nothing() {
    let mut board = board();
    board.event(joined(3, "ann", "elsewhere", 6));
    board.event(left(4, "ann", "there", 6));
    board.event(left(5, "ann", "elsewhere", 7));
    board.assert_nothing_else();
    board.send(1, "bob", "ann", "still there");
    assert!(
        matches!(&board.asked[..], [ClusterCommand::Send { node: at, .. }] if *at == node("there"))
    );
}

#[test]
fn changes_that_come_while_the_roster_is_asked_for_are_not_lost() {
    let mut board = board();
    board.event(ClusterEvent::Gap { room: room("r") });
    board.event(joined(4, "kim", "there", 10));
    board.assert_nothing_else();
    board.event(ClusterEvent::Asserted {
        room: room("r"),
        epoch: 1,
        version: 3,
        roster: vec![entry("bob", "here", 1), entry("joe", "there", 9)],
    });
    board.assert_told(1, &["left ann Expired", "joined joe", "joined kim"]);
}

#[test]
fn a_failed_update_keeps_the_claim_that_the_cluster_knows() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.answers = false;
    board.announce(1, "r", "bob");
    board.event(ClusterEvent::JoinFailed {
        connection: ConnectionId(1),
        room: room("r"),
    });
    board.asked.clear();
    board.leave(1);
    assert!(matches!(
        board.asked[..],
        [ClusterCommand::Leave { fence: 1, .. }]
    ));
}

#[test]
fn a_leave_that_was_refused_is_repaired_though_the_room_is_gone() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.leave(1);
    board.asked.clear();
    board.event(ClusterEvent::AssertFailed { room: room("r") });
    board.pass(SECOND);
    assert!(
        matches!(&board.asked[..], [ClusterCommand::Assert { members, .. }] if members.is_empty())
    );
    board.event(ClusterEvent::Asserted {
        room: room("r"),
        epoch: 1,
        version: 3,
        roster: vec![],
    });
    assert!(matches!(board.asked[1..], [ClusterCommand::Forget { .. }]));
    assert_eq!(
        board.switchboard.stats(),
        crate::Stats {
            connections: 1,
            ..Default::default()
        }
    );
}

#[test]
fn a_muted_connection_does_not_win_its_id_back_from_another_node() {
    let mut board = Board::with_members(&[(1, "sue")]);
    board.event(joined(2, "sue", "there", 99));
    board.assert_told(1, &["superseded"]);
    board.announce(1, "r", "sue");
    board.assert_dropped(&[DropReason::Muted]);
}
