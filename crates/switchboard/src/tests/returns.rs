//! Whether other nodes hear that a peer is back whose connection they know to be lost. Found by the simulation.

use protocol::Form;

use super::*;
use crate::tests::{cluster::entry, native::announcement};

const DATA: &str = r#"{"name":"bob"}"#;

fn bob(fence: u64) -> RosterEntry {
    RosterEntry {
        attributes: announcement("owner", DATA),
        ..entry("bob", "here", fence)
    }
}

fn ann() -> RosterEntry {
    RosterEntry {
        attributes: announcement("other", "{}"),
        ..entry("ann", "there", 7)
    }
}

/// Bob, of whom ann at another node knows that his connection was lost, is back while the cluster cannot be asked.
fn back_unseen() -> Board {
    let mut board = Board::with_natives(&[(1, "bob")]);
    board.has_remote(2, "ann", 7);
    board.disconnect(1);
    board.answers = false;
    board.connect_native(2);
    board.announce_native(2, "bob", DATA);
    board.event(ClusterEvent::JoinFailed {
        connection: ConnectionId(2),
        room: room("r"),
    });
    board.forget_told();
    board
}

fn asserted(fence: u64) -> ClusterEvent {
    ClusterEvent::Asserted {
        room: room("r"),
        epoch: 1,
        version: 9,
        roster: vec![bob(fence), ann()],
    }
}

/// The claims of the last assert.
fn claims(board: &mut Board) -> Vec<u64> {
    let last = board.asked.drain(..).rev().find_map(|command| {
        let ClusterCommand::Assert { members, .. } = command else {
            return None;
        };
        Some(members)
    });
    let members = last.unwrap_or_default().into_iter();
    members.map(|(_, fence, _)| fence).collect()
}

#[test]
fn whoever_is_back_unseen_is_asserted_as_such_until_it_has_a_later_claim() {
    let mut board = back_unseen();
    board.pass(SECOND);
    assert_eq!(claims(&mut board), [0]);
    // The roster of before it came back.
    board.event(asserted(1));
    board.event(ClusterEvent::Gap { room: room("r") });
    assert_eq!(claims(&mut board), [0]);
    board.event(asserted(9));
    board.event(ClusterEvent::Gap { room: room("r") });
    assert_eq!(claims(&mut board), [9]);
}

#[test]
fn whoever_is_about_to_enter_is_not_told_to_be_away_under_its_new_claim() {
    let mut board = back_unseen();
    board.disconnect(2);
    board.event(ClusterEvent::Gap { room: room("r") });
    board.connect_native(3);
    board.announce_native(3, "bob", DATA);
    board.asked.clear();
    board.event(ClusterEvent::Joined {
        connection: ConnectionId(3),
        room: room("r"),
        fence: 9,
        epoch: 1,
        version: 9,
        roster: Some(vec![bob(9), ann()]),
    });
    let is_told = board.asked.iter().any(|command| {
        matches!(command, ClusterCommand::Broadcast { payload, .. } if payload.form() == Form::Suspension)
    });
    assert!(!is_told, "{:?}", board.asked);
}

#[test]
fn a_native_client_hears_of_nobody_before_it_is_told_who_is_there() {
    let mut board = Board::with_natives(&[(1, "sue")]);
    board.answers = false;
    board.connect_native(2);
    board.announce_native(2, "bob", DATA);
    board.disconnect(2);
    board.event(ClusterEvent::Changed(RosterChange {
        room: room("r"),
        epoch: 1,
        version: 2,
        change: Change::Joined(bob(6)),
    }));
    board.has_remote(3, "ann", 7);
    board.event(ClusterEvent::Joined {
        connection: ConnectionId(2),
        room: room("r"),
        fence: 6,
        epoch: 1,
        version: 2,
        roster: None,
    });
    board.answers = true;
    board.forget_told();
    board.connect_native(3);
    board.announce_native(3, "bob", DATA);
    board.assert_told(3, &["members ann sue"]);
}
