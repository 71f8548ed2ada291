//! What is known of a room may not be all: gaps, rosters made anew, and what comes too early.

use protocol::LeaveReason;

use super::{
    cluster::{board, entry, joined},
    *,
};

#[test]
fn a_gap_is_repaired_by_comparing_the_room() {
    let mut board = board();
    board.event(joined(5, "joe", "there", 9));
    board.assert_nothing_else();
    assert!(
        matches!(&board.asked[..], [ClusterCommand::Assert { members, .. }] if members.len() == 1)
    );
    board.event(ClusterEvent::Asserted {
        room: room("r"),
        epoch: 1,
        version: 6,
        roster: vec![entry("bob", "here", 1), entry("joe", "there", 9)],
    });
    board.assert_told(1, &["left ann Expired", "joined joe"]);
    board.event(joined(7, "kim", "there", 10));
    board.assert_told(1, &["joined kim"]);
}

#[test]
fn a_roster_of_a_new_epoch_removes_nobody() {
    let mut board = board();
    board.event(ClusterEvent::Gap { room: room("r") });
    board.event(ClusterEvent::Asserted {
        room: room("r"),
        epoch: 2,
        version: 9,
        roster: vec![entry("bob", "here", 1)],
    });
    board.assert_nothing_else();
    board.asked.clear();
    board.send(1, "bob", "ann", "still there?");
    board.assert_nothing_else();
    assert!(matches!(board.asked[..], [ClusterCommand::Send { .. }]));
}

/// The answer to an assert, of a roster with bob and perhaps ann.
fn asserted(epoch: u64, version: u64, ann: bool) -> ClusterEvent {
    let ann = ann.then(|| entry("ann", "there", 7));
    ClusterEvent::Asserted {
        room: room("r"),
        epoch,
        version,
        roster: [entry("bob", "here", 1)].into_iter().chain(ann).collect(),
    }
}

#[test]
fn a_peer_that_a_new_epoch_lacks_leaves_when_its_node_has_confirmed_it() {
    let mut board = board();
    board.event(ClusterEvent::Gap { room: room("r") });
    board.event(asserted(2, 9, false));
    // The epoch is known by now; still nobody has said that ann is gone.
    board.event(ClusterEvent::Gap { room: room("r") });
    board.event(asserted(2, 9, false));
    board.asked.clear();
    board.pass(2 * SECOND);
    assert!(
        matches!(&board.asked[..], [ClusterCommand::Confirm { node: at, .. }] if *at == node("there"))
    );
    board.event(ClusterEvent::Gap { room: room("r") });
    board.event(ClusterEvent::Confirmed {
        room: room("r"),
        node: node("there"),
    });
    board.event(asserted(2, 9, false));
    // This answer was under way before ann's node had confirmed.
    board.assert_nothing_else();
    board.event(asserted(2, 9, false));
    board.assert_told(1, &["left ann Expired"]);
}

#[test]
fn what_a_node_confirmed_of_a_roster_does_not_count_once_it_is_made_anew_again() {
    let mut board = board();
    board.event(ClusterEvent::Gap { room: room("r") });
    board.event(asserted(2, 9, false));
    board.event(ClusterEvent::Gap { room: room("r") });
    board.event(ClusterEvent::Confirmed {
        room: room("r"),
        node: node("there"),
    });
    board.event(asserted(3, 2, false));
    board.event(asserted(3, 2, false));
    board.assert_nothing_else();
}

#[test]
fn a_peer_that_its_node_enters_again_after_a_new_epoch_is_no_news() {
    let mut board = board();
    board.event(ClusterEvent::Gap { room: room("r") });
    board.event(asserted(2, 1, false));
    board.event(ClusterEvent::Changed(RosterChange {
        room: room("r"),
        epoch: 2,
        version: 2,
        change: Change::Joined(entry("ann", "there", 7)),
    }));
    board.asked.clear();
    board.pass(60 * SECOND);
    assert_eq!(board.asked, [], "nothing is left to confirm");
    board.assert_nothing_else();
    board.event(ClusterEvent::Gap { room: room("r") });
    board.event(asserted(2, 3, false));
    board.assert_told(1, &["left ann Expired"]);
}

#[test]
fn a_peer_not_heard_of_is_announced_before_what_it_says() {
    let mut board = Board::with_members(&[(1, "bob")]);
    let said = |from: &str, text: &str| ClusterEvent::Received {
        room: room("r"),
        from: peer(from),
        to: peer("bob"),
        payload: payload(text),
        hops: 0,
    };
    board.event(said("ann", "one"));
    board.event(ClusterEvent::Heard {
        room: room("r"),
        from: peer("ann"),
        payload: payload("two"),
    });
    board.assert_nothing_else();
    assert!(matches!(board.asked[..], [ClusterCommand::Assert { .. }]));
    board.event(asserted(1, 2, true));
    board.assert_told(1, &["joined ann", "ann: one", "ann: two"]);
    // Of one that is gone already, too: it was said to bob.
    board.event(said("joe", "three"));
    board.event(asserted(1, 4, true));
    board.assert_told(1, &["joe: three"]);
    assert_eq!(board.switchboard.stats().held_bytes, 0);
}

#[test]
fn what_is_said_to_a_peer_whose_join_is_not_answered_yet_waits_for_it() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.event(joined(2, "ann", "there", 7));
    board.forget_told();
    board.answers = false;
    board.connect(2);
    board.announce(2, "r", "sue");
    let join = board.asked.pop().unwrap();
    board.event(ClusterEvent::Received {
        room: room("r"),
        from: peer("ann"),
        to: peer("sue"),
        payload: payload("one"),
        hops: 0,
    });
    board.event(ClusterEvent::Heard {
        room: room("r"),
        from: peer("ann"),
        payload: payload("two"),
    });
    board.assert_nothing_else();
    board.answer(join);
    board.drain();
    board.assert_told(2, &["roominfo 3", "ann: one", "ann: two"]);
    board.assert_told(1, &["joined sue", "ann: two"]);
}

#[test]
fn a_join_the_cluster_cannot_take_is_local_and_asserted_until_it_is_known() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.answers = false;
    board.connect(2);
    board.announce(2, "r", "sue");
    board.asked.clear();
    let failed = ClusterEvent::JoinFailed {
        connection: ConnectionId(2),
        room: room("r"),
    };
    board.event(failed);
    board.assert_told(2, &["roominfo 2"]);
    board.assert_told(1, &["joined sue"]);
    board.pass(SECOND);
    board.event(ClusterEvent::AssertFailed { room: room("r") });
    board.pass(SECOND);
    assert_eq!(board.asked.len(), 2, "{:?}", board.asked);
    board.event(ClusterEvent::Asserted {
        room: room("r"),
        epoch: 1,
        version: 2,
        roster: vec![entry("bob", "here", 1), entry("sue", "here", 8)],
    });
    board.asked.clear();
    board.leave(2);
    assert!(matches!(
        board.asked[..],
        [ClusterCommand::Leave { fence: 8, .. }]
    ));
    board.pass(60 * SECOND);
    assert_eq!(board.asked.len(), 1);
}

#[test]
fn an_assert_waits_for_the_joins_it_would_undo() {
    let mut board = board();
    board.answers = false;
    board.connect(2);
    board.announce(2, "r", "sue");
    board.event(ClusterEvent::Gap { room: room("r") });
    assert!(matches!(board.asked[..], [ClusterCommand::Join { .. }]));
    let join = board.asked.pop().unwrap();
    board.answer(join);
    board.drain();
    assert!(
        matches!(&board.asked[..], [ClusterCommand::Assert { members, .. }] if members.len() == 2)
    );
}

#[test]
fn many_gaps_ask_once() {
    let mut board = board();
    for version in [5, 7, 9] {
        board.event(joined(version, "joe", "there", 9));
    }
    assert_eq!(board.asked.len(), 1, "{:?}", board.asked);
}

#[test]
fn a_peer_whose_later_claim_has_ended_is_where_an_older_one_was_entered_again() {
    for fence in [5, 7] {
        let mut board = board();
        board.event(ClusterEvent::Gap { room: room("r") });
        board.event(ClusterEvent::Asserted {
            room: room("r"),
            epoch: 1,
            version: 4,
            roster: vec![entry("bob", "here", 1), entry("ann", "elsewhere", fence)],
        });
        board.assert_told(1, &["updated ann"]);
        board.event(left(1, 5, fence));
        board.assert_told(1, &["left ann Expired"]);
    }
}

/// Ann's departure from `elsewhere`.
fn left(epoch: u64, version: u64, fence: u64) -> ClusterEvent {
    ClusterEvent::Changed(RosterChange {
        room: room("r"),
        epoch,
        version,
        change: Change::Left {
            peer: peer("ann"),
            node: node("elsewhere"),
            fence,
            reason: LeaveReason::Expired,
        },
    })
}

#[test]
fn a_move_that_the_cluster_has_lost_stands_until_the_peer_s_node_has_said_otherwise() {
    let before = || ClusterEvent::Asserted {
        room: room("r"),
        epoch: 2,
        version: 9,
        roster: vec![entry("bob", "here", 1), entry("ann", "elsewhere", 5)],
    };
    let moved_back = || {
        let mut board = board();
        board.event(ClusterEvent::Gap { room: room("r") });
        board.event(before());
        board
    };
    let mut board = moved_back();
    board.event(left(2, 10, 5));
    board.event(ClusterEvent::Changed(RosterChange {
        room: room("r"),
        epoch: 2,
        version: 11,
        change: Change::Joined(entry("ann", "there", 7)),
    }));
    board.assert_nothing_else();
    let mut board = moved_back();
    board.asked.clear();
    board.pass(2 * SECOND);
    assert!(
        matches!(&board.asked[..], [ClusterCommand::Confirm { node: at, .. }] if *at == node("there"))
    );
    board.event(ClusterEvent::Confirmed {
        room: room("r"),
        node: node("there"),
    });
    board.event(before());
    board.assert_told(1, &["updated ann"]);
}

#[test]
fn what_the_cluster_has_of_a_peer_from_before_is_not_the_claim_that_it_has_not_seen() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    board.event(ClusterEvent::Gap { room: room("r") });
    board.answers = false;
    board.leave(1);
    board.message(
        1,
        ClientMessage::Announce {
            room: room("r"),
            peer: peer("bob"),
            attributes: payload("i am back"),
        },
    );
    board.event(ClusterEvent::JoinFailed {
        connection: ConnectionId(1),
        room: room("r"),
    });
    let old = RosterEntry {
        attributes: payload("i was here"),
        ..entry("bob", "here", 1)
    };
    board.event(ClusterEvent::Asserted {
        room: room("r"),
        epoch: 1,
        version: 2,
        roster: vec![old, entry("sue", "here", 2)],
    });
    board.asked.clear();
    board.pass(SECOND);
    let [ClusterCommand::Assert { members, .. }] = &board.asked[..] else {
        panic!("{:?}", board.asked)
    };
    assert_eq!(members[0].1, 0);
}
