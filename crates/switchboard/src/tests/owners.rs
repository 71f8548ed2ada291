//! Ids of native clients are their owners'.

use protocol::{Form, native::client::Wanted};

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
            "in use sue",
            r#"sue: "session":"s","n":1,"reason":"no-match""#,
            r#"sue: "session":"s","n":2,"reason":"no-match""#,
            "answer q: no-match",
        ],
    );
    board.assert_dropped(&[DropReason::NotAnnounced; 3]);
    board.pass(SECOND);
    board.assert_nothing_else();
}

#[test]
fn what_was_announced_behind_a_refused_announcement_is_answered_too() {
    let mut board = Board::with_natives(&[(1, "sue")]);
    board.answers = false;
    board.connect_native(2);
    board.announce_of("eve", 2, "sue", "{}");
    board.leave(2);
    board.announce_of("eve", 2, "sue", "{}");
    board.say(2, "sue", said("sue", 1));
    board.announce_of("eve", 2, "eve", "{}");
    board.refused(2);
    board.assert_told(2, &["in use sue"]);
    board.forget_told();
    board.answers = true;
    board.refused(2);
    board.assert_told(
        2,
        &[
            "in use sue",
            r#"sue: "session":"s","n":1,"reason":"no-match""#,
            "members sue",
        ],
    );
}

#[test]
fn who_tells_of_other_data_while_the_cluster_has_its_id_as_another_s_stays_until_that_is_compared()
{
    for is_owner in [true, false] {
        let mut board = Board::with_natives(&[(1, "bob"), (2, "sue")]);
        board.answers = false;
        board.announce_native(1, "bob", "{}");
        board.asked.clear();
        board.event(ClusterEvent::JoinRefused {
            connection: ConnectionId(1),
            room: room("r"),
        });
        board.assert_told(1, &["members, of those that are away,"]);
        board.assert_told(2, &["updated bob"]);
        let [ClusterCommand::Assert { members, .. }] = &board.asked[..] else {
            panic!("{:?}", board.asked);
        };
        assert!(
            members
                .iter()
                .any(|(id, fence, _)| *id == peer("bob") && *fence == 1)
        );
        let (owner, at, fence) = match is_owner {
            true => ("owner", "here", 9),
            false => ("other", "there", 8),
        };
        let bob = RosterEntry {
            attributes: announcement(owner, "{}"),
            ..entry("bob", at, fence)
        };
        let sue = RosterEntry {
            attributes: announcement("owner", "{}"),
            ..entry("sue", "here", 2)
        };
        board.event(ClusterEvent::Asserted {
            room: room("r"),
            epoch: 1,
            version: 9,
            roster: vec![bob, sue],
        });
        let told: &[&str] = if is_owner { &[] } else { &["in use bob"] };
        board.assert_told(1, told);
    }
}

/// Bob is here, and connection 2, eve's, has sue's id, since the cluster could not be asked.
fn with_an_impostor() -> Board {
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
    board.forget_told();
    board
}

impl Board {
    fn refused(&mut self, connection: u64) {
        self.event(ClusterEvent::JoinRefused {
            connection: ConnectionId(connection),
            room: room("r"),
        });
    }

    /// The cluster says who is in the room: sue at another node, and these here, with their owners.
    fn compared(&mut self, here: &[(&str, &str)]) {
        let here = here.iter().map(|(owner, id)| RosterEntry {
            attributes: announcement(owner, &format!(r#"{{"name":"{id}"}}"#)),
            ..entry(id, "here", 50)
        });
        let sue = RosterEntry {
            attributes: announcement("sue", "{}"),
            ..entry("sue", "there", 1)
        };
        let roster = here.chain([sue]).collect();
        self.event(ClusterEvent::Asserted {
            room: room("r"),
            epoch: 1,
            version: 9,
            roster,
        });
    }

    fn asserts(&self) -> usize {
        let asked = self.asked.iter();
        asked
            .filter(|command| matches!(command, ClusterCommand::Assert { .. }))
            .count()
    }
}

#[test]
fn whoever_took_an_id_while_the_cluster_could_not_be_asked_gives_it_back_to_its_owner() {
    let mut board = with_an_impostor();
    board.pass(SECOND);
    board.request(2, "q", Wanted::Peer(peer("bob")));
    board.forget_told();
    board.compared(&[("owner", "bob")]);
    // What it has asked is answered.
    board.assert_told(2, &["in use sue", "answer q: no-match"]);
    board.assert_told(1, &["updated sue"]);
    board.forget_told();
    board.say(1, "sue", said("sue", 1));
    let last = board.asked.last();
    assert!(
        matches!(last, Some(ClusterCommand::Send { .. })),
        "{last:?}"
    );
    board.say(2, "bob", said("bob", 1));
    board.assert_told(1, &[]);
}

#[test]
fn an_id_is_given_back_also_by_who_is_announcing_itself_under_it_again() {
    let mut board = with_an_impostor();
    board.pass(SECOND);
    board.announce_of("eve", 2, "sue", r#"{"mood":"busy"}"#);
    board.request(2, "q", Wanted::Peer(peer("bob")));
    board.compared(&[("owner", "bob")]);
    board.assert_told(1, &["updated sue"]);
    board.assert_told(2, &[]);
    board.refused(2);
    board.assert_told(2, &["in use sue", "answer q: no-match"]);
    let before = board.asserts();
    board.event(ClusterEvent::Gap { room: room("r") });
    assert_eq!(board.asserts(), before + 1);
}

#[test]
fn who_is_refused_an_id_that_it_has_gives_it_back_once_and_is_here_under_another() {
    let mut board = with_an_impostor();
    board.announce_of("eve", 2, "sue", r#"{"mood":"busy"}"#);
    board.refused(2);
    board.assert_told(2, &["members, of those that are away,"]);
    board.compared(&[("owner", "bob")]);
    board.assert_told(2, &["in use sue"]);
    board.assert_told(1, &["updated sue", "updated sue"]);
    board.announce_of("eve", 2, "eve", "{}");
    board.event(ClusterEvent::Joined {
        connection: ConnectionId(2),
        room: room("r"),
        fence: 50,
        epoch: 1,
        version: 10,
        roster: None,
    });
    board.assert_told(2, &["members bob sue"]);
    board.forget_told();
    board.disconnect(2);
    board.pass(Config::default().suspend_window);
    board.assert_told(1, &["suspended eve", "left eve Expired"]);
}

#[test]
fn an_announce_behind_one_that_is_refused_counts() {
    let mut board = Board::with_natives(&[(1, "sue")]);
    board.answers = false;
    board.connect_native(2);
    board.announce_of("eve", 2, "sue", "{}");
    board.announce_of("eve", 2, "eve", "{}");
    board.asked.clear();
    board.refused(2);
    board.assert_told(2, &["in use sue"]);
    let asked = &board.asked[..];
    let [ClusterCommand::Join { peer, .. }] = asked else {
        panic!("{asked:?}");
    };
    assert_eq!(peer.as_str(), "eve");
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

#[test]
fn an_id_that_the_cluster_has_lost_is_its_owner_s_who_is_away_here_and_nobody_is_told_that_it_left()
{
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue")]);
    board.has_remote(3, "ann", 7);
    board.disconnect(2);
    board.forget_told();
    board.asked.clear();
    board.connect_native(3);
    board.answers = false;
    board.announce_of("eve", 3, "sue", "{}");
    board.event(ClusterEvent::Joined {
        connection: ConnectionId(3),
        room: room("r"),
        fence: 50,
        epoch: 1,
        version: 4,
        roster: None,
    });
    board.assert_told(3, &["in use sue"]);
    assert!(matches!(
        &board.asked[..],
        [ClusterCommand::Join { .. }, ClusterCommand::Assert { .. }]
    ));
    board.asked.clear();
    let here = |id, fence| RosterEntry {
        attributes: announcement("owner", &format!(r#"{{"name":"{id}"}}"#)),
        ..entry(id, "here", fence)
    };
    let ann = RosterEntry {
        attributes: announcement("other", r#"{"name":"ann"}"#),
        ..entry("ann", "there", 7)
    };
    board.event(ClusterEvent::Asserted {
        room: room("r"),
        epoch: 1,
        version: 5,
        roster: vec![here("bob", 1), here("sue", 51), ann],
    });
    // Who took the other for her learns that she is away.
    let [ClusterCommand::Broadcast { from, payload, .. }] = &board.asked[..] else {
        panic!("{:?}", board.asked);
    };
    assert_eq!((from, payload.form()), (&peer("sue"), Form::Suspension));
    board.assert_told(1, &[]);
}
