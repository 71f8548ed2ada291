//! Whose claim on an id is the last, where the cluster does not see every one. Found by the simulation.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn entry(id: &str, at: &'static str, fence: u64) -> RosterEntry {
    RosterEntry {
        peer: peer(id),
        node: node(at),
        fence,
        attributes: payload(&format!("i am {id}")),
    }
}

fn asserted(epoch: u64, version: u64, roster: Vec<RosterEntry>) -> ClusterEvent {
    ClusterEvent::Asserted {
        room: room("r"),
        epoch,
        version,
        roster,
    }
}

fn join_fails(board: &mut Board, connection: u64) {
    board.event(ClusterEvent::JoinFailed {
        connection: ConnectionId(connection),
        room: room("r"),
    });
}

/// What the last assert named.
fn listed(board: &mut Board) -> Vec<(String, u64)> {
    let asked = board.asked.drain(..).rev();
    let mut found = None;
    for command in asked {
        if let ClusterCommand::Assert { members, .. } = command {
            found.get_or_insert(members);
        }
    }
    let members = found.unwrap().into_iter();
    members
        .map(|(peer, fence, _)| (peer.to_string(), fence))
        .collect()
}

#[test]
fn a_peer_that_has_returned_does_not_leave_while_the_cluster_is_slow() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "ann")]);
    board.disconnect(2);
    board.pass(7 * SECOND);
    board.answers = false;
    board.connect(3);
    board.announce(3, "r", "ann");
    board.pass(3 * SECOND);
    board.assert_told(1, &["suspended ann"]);
    join_fails(&mut board, 3);
    board.assert_told(1, &["resumed ann"]);
}

#[test]
fn a_connection_whose_join_is_refused_has_not_announced_itself() {
    let mut board = Board::new();
    let refused = |connection| ClusterEvent::JoinRefused {
        connection: ConnectionId(connection),
        room: room("r"),
    };
    board.answers = false;
    for connection in [1, 2] {
        board.connect(connection);
        board.announce(connection, "r", "ann");
    }
    board.broadcast(1, "ann", "hello");
    board.disconnect(2);
    board.asked.clear();
    board.event(refused(2));
    assert_eq!(board.asked, [], "somebody else is joining");
    board.event(refused(1));
    let forget = ClusterCommand::Forget { room: room("r") };
    assert_eq!(board.asked, [forget]);
    // As what comes before an announce, it waits for one.
    board.assert_dropped(&[]);
    board.pass(Config::default().announce_window);
    board.assert_dropped(&[DropReason::NotAnnounced]);
    board.assert_told(1, &["in use ann"]);
    // Once more is too late.
    board.event(refused(1));
    board.assert_nothing_else();
    board.answers = true;
    board.announce(1, "r", "ann");
    assert!(board.told.contains_key(&1));
    assert!(!board.told.contains_key(&2));
}

#[test]
fn a_connection_that_is_overtaken_while_it_announces_itself_is_told() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "ann")]);
    board.answers = false;
    board.announce(2, "r", "ann");
    board.event(ClusterEvent::Changed(RosterChange {
        room: room("r"),
        epoch: 1,
        version: 3,
        change: Change::Joined(entry("ann", "there", 9)),
    }));
    board.event(ClusterEvent::Joined {
        connection: ConnectionId(2),
        room: room("r"),
        fence: 8,
        epoch: 1,
        version: 2,
        roster: None,
    });
    board.assert_told(2, &["superseded"]);
}

#[test]
fn a_claim_that_the_cluster_has_not_seen_is_newer_than_those_that_it_has() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.event(ClusterEvent::Changed(RosterChange {
        room: room("r"),
        epoch: 1,
        version: 2,
        change: Change::Joined(entry("ann", "there", 7)),
    }));
    board.answers = false;
    board.connect(2);
    board.announce(2, "r", "ann");
    join_fails(&mut board, 2);
    board.forget_told();
    // The roster of before comes, for another one's sake: ann's connection here stays the last.
    let roster = vec![entry("bob", "here", 1), entry("ann", "there", 7)];
    board.event(asserted(1, 2, roster));
    board.assert_told(2, &[]);
    board.pass(SECOND);
    assert_eq!(listed(&mut board), [("ann".into(), 0), ("bob".into(), 1)]);
    // Seen by now.
    let roster = vec![entry("bob", "here", 1), entry("ann", "here", 8)];
    board.event(asserted(1, 3, roster));
    board.event(ClusterEvent::Gap { room: room("r") });
    assert_eq!(listed(&mut board), [("ann".into(), 8), ("bob".into(), 1)]);
}

#[test]
fn a_claim_of_a_lost_connection_does_not_win_against_one_elsewhere() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.answers = false;
    board.connect(2);
    board.announce(2, "r", "ann");
    join_fails(&mut board, 2);
    board.disconnect(2);
    board.pass(SECOND);
    assert_eq!(listed(&mut board), [("ann".into(), 1), ("bob".into(), 1)]);
}

#[test]
fn a_departure_of_a_claim_that_the_cluster_has_gone_back_to_is_heard() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.event(ClusterEvent::Changed(RosterChange {
        room: room("r"),
        epoch: 1,
        version: 2,
        change: Change::Joined(entry("ann", "there", 9)),
    }));
    board.event(ClusterEvent::Gap { room: room("r") });
    let roster = vec![entry("bob", "here", 1), entry("ann", "there", 7)];
    board.event(asserted(2, 2, roster));
    board.forget_told();
    board.event(ClusterEvent::Changed(RosterChange {
        room: room("r"),
        epoch: 2,
        version: 3,
        change: Change::Left {
            peer: peer("ann"),
            node: node("there"),
            fence: 7,
            reason: protocol::LeaveReason::Expired,
        },
    }));
    board.assert_told(1, &["left ann Expired"]);
}

#[test]
fn what_waits_for_a_moved_peer_goes_out_when_the_last_peer_leaves() {
    let mut board = Board::with_members(&[(1, "bob")]);
    let moved = |version, at, fence| {
        ClusterEvent::Changed(RosterChange {
            room: room("r"),
            epoch: 1,
            version,
            change: Change::Joined(entry("sue", at, fence)),
        })
    };
    board.event(moved(2, "old", 7));
    board.send(1, "bob", "sue", "one");
    board.event(moved(3, "new", 8));
    board.send(1, "bob", "sue", "two");
    board.asked.clear();
    board.leave(1);
    let sends = board.asked.iter().filter(|command| {
        matches!(command, ClusterCommand::Send { node: at, payload, .. }
            if *at == node("new") && payload.text() == "two")
    });
    assert_eq!(sends.count(), 1);
    assert_eq!(board.switchboard.stats().held_bytes, 0);
    assert_eq!(board.switchboard.poll_timeout(), None);
}
