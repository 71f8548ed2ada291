//! Changes of the cluster's roster in this node's name that this node did not want, and gaps while it compares.

use protocol::LeaveReason;

use super::{
    cluster::{board, entry},
    *,
};

fn change(version: u64, change: Change) -> ClusterEvent {
    ClusterEvent::Changed(RosterChange {
        room: room("r"),
        epoch: 1,
        version,
        change,
    })
}

fn left(version: u64, id: &str, fence: u64) -> ClusterEvent {
    let left = Change::Left {
        peer: peer(id),
        node: node("here"),
        fence,
        reason: LeaveReason::Expired,
    };
    change(version, left)
}

#[test]
fn a_later_claim_in_this_node_s_name_is_the_one_that_its_leave_names() {
    let mut board = board();
    board.event(change(3, Change::Joined(entry("bob", "here", 50))));
    assert_eq!(board.asked, []);
    board.leave(1);
    let named =
        |command: &ClusterCommand| matches!(command, ClusterCommand::Leave { fence: 50, .. });
    assert!(board.asked.iter().any(named), "{:?}", board.asked);
}

#[test]
fn a_peer_that_left_in_this_node_s_name_and_is_here_is_asserted() {
    let mut board = board();
    board.event(left(3, "bob", 1));
    assert!(matches!(
        &board.asked[..],
        [ClusterCommand::Assert { members, .. }] if members.len() == 1
    ));
    board.assert_nothing_else();
}

#[test]
fn a_peer_that_joined_in_this_node_s_name_and_is_not_here_is_asserted_away() {
    let mut board = board();
    board.event(change(3, Change::Joined(entry("sue", "here", 50))));
    assert!(matches!(
        &board.asked[..],
        [ClusterCommand::Assert { members, .. }] if members.len() == 1
    ));
    board.assert_nothing_else();
}

#[test]
fn a_departure_of_an_earlier_claim_is_no_news() {
    let mut board = board();
    board.event(left(3, "bob", 0));
    assert_eq!(board.asked, []);
}

#[test]
fn a_gap_while_an_assert_is_under_way_has_the_room_asserted_again() {
    let mut board = board();
    let answer = |version| ClusterEvent::Asserted {
        room: room("r"),
        epoch: 1,
        version,
        roster: vec![entry("bob", "here", 1), entry("ann", "there", 7)],
    };
    board.event(ClusterEvent::Gap { room: room("r") });
    board.event(ClusterEvent::Gap { room: room("r") });
    assert_eq!(board.asked.len(), 1);
    board.event(answer(2));
    assert_eq!(board.asked.len(), 2, "what was lost may be later than that");
    board.event(answer(2));
    assert_eq!(board.asked.len(), 2);
}

#[test]
fn the_echo_of_a_join_whose_peer_has_left_since_is_no_news() {
    let mut board = board();
    board.answers = false;
    board.connect(2);
    board.announce(2, "r", "sue");
    board.event(ClusterEvent::Joined {
        connection: ConnectionId(2),
        room: room("r"),
        fence: 50,
        epoch: 1,
        version: 3,
        roster: None,
    });
    board.leave(2);
    board.asked.clear();
    board.event(change(3, Change::Joined(entry("sue", "here", 50))));
    board.event(left(4, "sue", 50));
    assert_eq!(board.asked, []);
    // Nobody here asked for this one.
    board.event(change(5, Change::Joined(entry("sue", "here", 50))));
    assert!(matches!(board.asked[..], [ClusterCommand::Assert { .. }]));
}

#[test]
fn changes_that_are_too_many_for_a_roster_that_is_on_its_way_are_counted() {
    let mut board = board();
    board.event(ClusterEvent::Gap { room: room("r") });
    for version in 3..1_030 {
        board.event(change(
            version,
            Change::Joined(entry("joe", "there", version)),
        ));
    }
    assert_eq!(board.switchboard.counters().changes_overrun, 3);
    board.event(ClusterEvent::Asserted {
        room: room("r"),
        epoch: 1,
        version: 2,
        roster: vec![entry("bob", "here", 1), entry("ann", "there", 7)],
    });
    board.assert_told(
        1,
        &["joined joe"]
            .into_iter()
            .chain(["updated joe"; 1_023])
            .collect::<Vec<_>>(),
    );
    // The next that comes shows that some are missing.
    board.asked.clear();
    board.event(change(1_030, Change::Joined(entry("joe", "there", 1_030))));
    assert!(matches!(board.asked[..], [ClusterCommand::Assert { .. }]));
}

#[test]
fn flushes_that_are_too_many_for_a_peer_are_counted() {
    let mut board = board();
    for _ in 0..70 {
        board.event(ClusterEvent::Passed(crate::Flush {
            room: room("r"),
            peer: peer("bob"),
            fence: 50,
            origin: node("there"),
            hops: 0,
        }));
    }
    assert_eq!(board.switchboard.counters().handovers_overrun, 6);
}

#[test]
fn what_is_said_to_a_peer_that_has_moved_goes_after_it_though_the_others_have_left() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    board.event(change(3, Change::Joined(entry("ann", "there", 7))));
    board.event(change(4, Change::Joined(entry("bob", "elsewhere", 9))));
    board.leave(2);
    board.asked.clear();
    board.event(ClusterEvent::Received {
        room: room("r"),
        from: peer("ann"),
        to: peer("bob"),
        payload: payload("hello"),
        hops: 0,
    });
    assert!(
        matches!(&board.asked[..], [ClusterCommand::Send { node: at, .. }] if *at == node("elsewhere"))
    );
}
