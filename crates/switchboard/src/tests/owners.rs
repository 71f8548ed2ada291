//! Ids of native clients are their owners'.

use protocol::native::client::Wanted;

use super::*;
use crate::tests::{
    cluster::entry,
    native::{announcement, said},
};

#[test]
fn who_may_not_have_an_id_does_not_keep_it_from_being_left() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue")]);
    board.disconnect(2);
    board.pass(Config::default().suspend_window - SECOND);
    board.answers = false;
    board.connect_native(3);
    board.announce_of("eve", 3, "sue", "{}");
    board.event(ClusterEvent::JoinRefused {
        connection: ConnectionId(3),
        room: room("r"),
    });
    board.assert_told(3, &["in use sue"]);
    board.forget_told();
    board.pass(SECOND);
    board.assert_told(1, &["left sue Expired"]);
}

#[test]
fn while_the_cluster_cannot_be_asked_an_id_is_kept_for_its_owner_at_its_node() {
    let mut board = Board::with_natives(&[(1, "bob")]);
    board.answers = false;
    for (connection, owner) in [(2, "eve"), (3, "owner")] {
        board.connect_native(connection);
        board.announce_of(owner, connection, "bob", "{}");
        board.event(ClusterEvent::JoinFailed {
            connection: ConnectionId(connection),
            room: room("r"),
        });
    }
    board.assert_told(2, &["in use bob"]);
    board.assert_told(3, &["members"]);
    board.assert_told(1, &["superseded"]);
}

#[test]
fn who_was_refused_is_answered_that_nobody_is_there() {
    let mut board = Board::with_natives(&[(1, "sue")]);
    board.answers = false;
    board.connect_native(2);
    board.announce_of("eve", 2, "sue", "{}");
    board.say(2, "sue", said("sue", 1));
    board.event(ClusterEvent::JoinRefused {
        connection: ConnectionId(2),
        room: room("r"),
    });
    board.say(2, "sue", said("sue", 2));
    board.request(2, "q", Wanted::Peer(peer("sue")));
    board.assert_told(
        2,
        &[
            r#"sue: "session":"s","n":1,"reason":"no-match""#,
            "in use sue",
            r#"sue: "session":"s","n":2,"reason":"no-match""#,
            "answer q: no-match",
        ],
    );
    board.assert_dropped(&[DropReason::NotAnnounced; 3]);
    board.pass(SECOND);
    board.assert_nothing_else();
}

#[test]
fn whoever_took_an_id_while_the_cluster_could_not_be_asked_gives_it_back_to_its_owner() {
    let mut board = Board::with_natives(&[(1, "bob")]);
    board.answers = false;
    board.connect_native(2);
    board.announce_of("eve", 2, "sue", "{}");
    board.event(ClusterEvent::JoinFailed {
        connection: ConnectionId(2),
        room: room("r"),
    });
    board.assert_told(1, &["joined sue"]);
    board.assert_told(2, &["members bob"]);
    let sue = RosterEntry {
        attributes: announcement("sue", "{}"),
        ..entry("sue", "there", 1)
    };
    let bob = RosterEntry {
        attributes: announcement("owner", r#"{"name":"bob"}"#),
        ..entry("bob", "here", 1)
    };
    board.pass(SECOND);
    board.event(ClusterEvent::Asserted {
        room: room("r"),
        epoch: 1,
        version: 7,
        roster: vec![bob, sue],
    });
    board.assert_told(2, &["in use sue"]);
    board.assert_told(1, &["updated sue"]);
    board.forget_told();
    board.say(1, "sue", said("sue", 1));
    assert!(matches!(board.asked[..], [ClusterCommand::Send { .. }]));
    board.say(2, "bob", said("bob", 1));
    board.assert_told(1, &[]);
}

#[test]
fn whoever_got_an_id_that_the_cluster_had_lost_gives_it_back_to_its_owner() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue")]);
    // Of another owner.
    board.has_remote(3, "sue", 100);
    board.assert_told(2, &["in use sue"]);
    board.assert_told(1, &["updated sue"]);
    board.forget_told();
    board.announce_of("owner", 2, "ann", "{}");
    board.assert_told(1, &["joined ann"]);
    board.assert_told(2, &["members bob sue"]);
}

#[test]
fn whoever_has_an_id_without_an_owner_is_superseded_by_one_that_has_one() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.forget_told();
    board.has_remote(2, "bob", 100);
    board.assert_told(1, &["superseded"]);
}

#[test]
fn an_id_that_the_cluster_has_lost_is_not_given_away_by_a_node_that_knows_its_owner() {
    let mut board = Board::with_natives(&[(1, "bob")]);
    board.has_remote(2, "sue", 7);
    board.forget_told();
    board.connect_native(2);
    board.announce_of("eve", 2, "sue", "{}");
    board.assert_told(2, &["in use sue"]);
    board.assert_told(1, &[]);
    let is_withdrawn = |command: &ClusterCommand| matches!(command, ClusterCommand::Leave { peer, .. } if peer.as_str() == "sue");
    assert!(board.asked.iter().any(is_withdrawn), "{:?}", board.asked);
}
