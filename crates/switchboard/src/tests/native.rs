//! Peers of native clients, and what they are told that others are not.

use protocol::{
    Form,
    native::{
        Json,
        client::{self, ClientFrame, Wanted},
        payload,
    },
};

use super::*;
use crate::tests::cluster::{entry, joined};

/// A message of session `s` as its client writes it.
pub(super) fn said(to: &str, n: u64) -> Payload {
    let text = format!(r#"{{"type":"send","to":"{to}","n":{n},"body":{n}}}"#);
    let ClientFrame::Send(send) = client::decode(&text).unwrap() else {
        panic!("{text}");
    };
    payload::message("s", &send)
}

/// What bob's client announces, whose ids belong to `owner`.
pub(super) fn announcement(owner: &str, data: &str) -> Payload {
    let announce = client::Announce {
        room: room("r"),
        peer: None,
        data: Json::new(data).unwrap(),
        known: None,
    };
    payload::announcement(owner, &announce)
}

impl Board {
    pub(super) fn connect_native(&mut self, connection: u64) {
        self.switchboard
            .handle_connect(ConnectionId(connection), Listing::Members);
    }

    pub(super) fn announce_native(&mut self, connection: u64, id: &str, data: &str) {
        self.announce_of("owner", connection, id, data);
    }

    /// The same of a client whose ids belong to `owner`.
    pub(super) fn announce_of(&mut self, owner: &str, connection: u64, id: &str, data: &str) {
        let announce = ClientMessage::Announce {
            room: room("r"),
            peer: peer(id),
            attributes: announcement(owner, data),
        };
        self.message(connection, announce);
    }

    /// Native peers that have announced their names, with nothing told yet.
    pub(super) fn with_natives(members: &[(u64, &str)]) -> Self {
        Self::with_natives_and(Config::default(), members)
    }

    pub(super) fn with_natives_and(config: Config, members: &[(u64, &str)]) -> Self {
        let mut board = Self::with(config);
        for (connection, id) in members {
            board.connect_native(*connection);
            board.announce_native(*connection, id, &format!(r#"{{"name":"{id}"}}"#));
        }
        board.forget_told();
        board
    }

    pub(super) fn say(&mut self, connection: u64, to: &str, payload: Payload) {
        let message = ClientMessage::Send {
            sender: None,
            to: peer(to),
            payload,
        };
        self.message(connection, message);
    }

    /// Ann, whose client is native, is at the node `there`.
    pub(super) fn has_remote(&mut self, version: u64, id: &str, fence: u64) {
        let ClusterEvent::Changed(mut change) = joined(version, id, "there", fence) else {
            panic!();
        };
        if let Change::Joined(entry) = &mut change.change {
            entry.attributes = announcement("other", &format!(r#"{{"name":"{id}"}}"#));
        }
        self.event(ClusterEvent::Changed(change));
    }
}

impl Board {
    /// Ann says something to bob.
    fn hear_from_ann(&mut self, payload: Payload) {
        self.event(ClusterEvent::Received {
            room: room("r"),
            from: peer("ann"),
            to: peer("bob"),
            payload,
            hops: 0,
        });
    }

    /// What bob, or his node for him, says to ann.
    fn said_to_ann(&self) -> Vec<&str> {
        let said = self.asked.iter().filter_map(|command| {
            let ClusterCommand::Send {
                from, to, payload, ..
            } = command
            else {
                return None;
            };
            let is_one = (from, to) == (&peer("bob"), &peer("ann"));
            is_one.then(|| &**payload.text())
        });
        said.collect()
    }
}

#[test]
fn whoever_enters_is_told_who_is_there_and_who_is_away() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue")]);
    board.disconnect(2);
    board.assert_told(1, &["suspended sue"]);
    board.connect_native(3);
    board.announce_native(3, "ann", "{}");
    board.assert_told(3, &["members bob sue?"]);
    board.assert_told(1, &["joined ann"]);
}

#[test]
fn whoever_answers_no_announcements_is_announced_to_those_who_wait_for_it() {
    let mut board = Board::with_natives(&[(1, "bob")]);
    board.connect(2);
    board.announce(2, "r", "sue");
    board.assert_told(2, &["roominfo 2", "joined bob"]);
    board.connect(3);
    board.announce(3, "r", "ann");
    board.assert_told(3, &["roominfo 3", "joined bob"]);
    // Not again: it would take bob for one who has come anew.
    board.announce(3, "r", "ann");
    board.assert_told(3, &["roominfo 3"]);
}

#[test]
fn what_was_missed_comes_before_the_roster_that_has_it() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue")]);
    board.disconnect(2);
    board.say(1, "sue", said("sue", 1));
    board.connect_native(3);
    board.announce_native(3, "ann", "{}");
    board.forget_told();
    board.connect_native(4);
    board.announce_native(4, "sue", "{}");
    let message = format!("bob: {}", said("sue", 1).text());
    // Who has come meanwhile is in the roster.
    board.assert_told(4, &[&message, "members ann bob"]);
    board.assert_told(1, &["resumed sue"]);
}

#[test]
fn news_of_the_room_take_no_place_of_messages_for_a_native_peer_that_is_away() {
    let config = Config {
        hold_frames: 2,
        ..Config::default()
    };
    let mut board = Board::with_natives_and(config, &[(1, "bob"), (2, "sue")]);
    board.disconnect(2);
    for n in 0..5 {
        board.announce_native(1, "bob", &format!(r#"{{"n":{n}}}"#));
    }
    board.forget_told();
    board.say(1, "sue", said("sue", 1));
    board.say(1, "sue", said("sue", 2));
    board.connect_native(3);
    board.announce_native(3, "sue", "{}");
    let messages = [1, 2].map(|n| format!("bob: {}", said("sue", n).text()));
    board.assert_told(3, &[&messages[0], &messages[1], "members bob"]);
}

#[test]
fn who_announces_itself_again_is_told_only_who_is_away() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue"), (3, "ann")]);
    board.disconnect(2);
    board.forget_told();
    board.announce_native(1, "bob", r#"{"a":1}"#);
    board.assert_told(1, &["members, of those that are away, sue?"]);
}

#[test]
fn a_message_for_nobody_comes_back_and_so_does_one_to_who_has_left() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue")]);
    board.say(1, "joe", said("joe", 1));
    board.assert_told(1, &[r#"joe: "session":"s","n":1,"reason":"no-match""#]);
    board.disconnect(2);
    board.say(1, "sue", said("sue", 7));
    board.assert_told(
        1,
        &[
            "suspended sue",
            r#"sue: "session":"s","n":7,"reason":"suspended""#,
        ],
    );
    board.pass(Config::default().suspend_window);
    board.assert_told(
        1,
        &[
            "left sue Expired",
            r#"sue: "session":"s","n":7,"reason":"gone""#,
        ],
    );
}

#[test]
fn a_message_that_cannot_wait_comes_back() {
    let config = Config {
        hold_frames: 1,
        ..Config::default()
    };
    let mut board = Board::with_natives_and(config, &[(1, "bob"), (2, "sue")]);
    board.disconnect(2);
    board.say(1, "sue", said("sue", 1));
    board.forget_told();
    board.say(1, "sue", said("sue", 2));
    board.assert_told(1, &[r#"sue: "session":"s","n":2,"reason":"overloaded""#]);
}

#[test]
fn a_message_of_another_node_that_cannot_wait_goes_back_there() {
    let config = Config {
        hold_frames: 0,
        ..Config::default()
    };
    let mut board = Board::with_natives_and(config, &[(1, "bob")]);
    board.has_remote(2, "ann", 7);
    board.disconnect(1);
    board.asked.clear();
    board.hear_from_ann(said("bob", 3));
    let back = board.said_to_ann();
    assert_eq!(back, [r#""session":"s","n":3,"reason":"overloaded""#]);
}

#[test]
fn what_is_no_message_does_not_come_back() {
    let mut board = Board::with_natives(&[(1, "bob")]);
    let ack = client::Ack {
        from: peer("sue"),
        session: "s".into(),
        n: 1,
    };
    board.say(1, "sue", payload::ack(&ack));
    board.say(1, "sue", payload("/to|sue|/hello|bob"));
    board.dropped.clear();
    board.assert_nothing_else();
}

#[test]
fn a_message_of_another_node_for_who_has_left_goes_back_there() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "joe")]);
    board.has_remote(3, "ann", 7);
    board.leave(1);
    board.asked.clear();
    board.hear_from_ann(said("bob", 3));
    let back = board.said_to_ann();
    assert_eq!(back, [r#""session":"s","n":3,"reason":"gone""#]);
}

#[test]
fn what_is_not_sent_to_another_node_comes_back() {
    let mut board = Board::with_natives(&[(1, "bob")]);
    let unsent = || ClusterEvent::Unsent {
        room: room("r"),
        from: peer("bob"),
        to: peer("ann"),
        payload: said("ann", 1),
    };
    board.event(unsent());
    board.assert_told(1, &[r#"ann: "session":"s","n":1,"reason":"overloaded""#]);
    board.switchboard.handle_reachable(false);
    board.event(unsent());
    board.assert_told(1, &[r#"ann: "session":"s","n":1,"reason":"unreachable""#]);
}

#[test]
fn other_nodes_hear_who_is_away_and_who_comes_hears_it_too() {
    let mut board = Board::with_natives(&[(1, "bob")]);
    board.has_remote(2, "ann", 7);
    board.asked.clear();
    board.disconnect(1);
    let [ClusterCommand::Broadcast { from, payload, .. }] = &board.asked[..] else {
        panic!("{:?}", board.asked);
    };
    assert_eq!((from, payload.form()), (&peer("bob"), Form::Suspension));
    board.asked.clear();
    board.has_remote(3, "joe", 8);
    let [ClusterCommand::Send { to, payload, .. }] = &board.asked[..] else {
        panic!("{:?}", board.asked);
    };
    assert_eq!((to, payload.form()), (&peer("joe"), Form::Suspension));
}

#[test]
fn who_is_away_elsewhere_is_told_once_and_comes_back() {
    let mut board = Board::with_natives(&[(1, "bob")]);
    board.has_remote(2, "ann", 7);
    board.forget_told();
    let heard = |fence| ClusterEvent::Heard {
        room: room("r"),
        from: peer("ann"),
        payload: payload::suspension(fence),
    };
    // Of a claim before.
    board.event(heard(6));
    board.assert_told(1, &[]);
    board.event(heard(7));
    board.event(heard(7));
    board.assert_told(1, &["suspended ann"]);
    board.say(1, "ann", said("ann", 1));
    board.assert_told(1, &[r#"ann: "session":"s","n":1,"reason":"suspended""#]);
    board.connect_native(2);
    board.announce_native(2, "sue", "{}");
    board.assert_told(2, &["members ann? bob"]);
    board.forget_told();
    board.has_remote(3, "ann", 9);
    board.assert_told(1, &["resumed ann"]);
    board.event(heard(7));
    board.assert_told(1, &[]);
}

#[test]
fn rooms_without_native_clients_say_nothing_of_who_is_away() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.event(ClusterEvent::Changed(RosterChange {
        room: room("r"),
        epoch: 1,
        version: 2,
        change: Change::Joined(entry("ann", "there", 7)),
    }));
    board.asked.clear();
    board.disconnect(1);
    assert_eq!(board.asked, []);
}

#[test]
fn a_node_to_which_a_peer_moves_hears_who_is_away_here() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue")]);
    board.disconnect(2);
    board.asked.clear();
    // Sue's suspension was told to nobody: all were here.
    board.fence += 10;
    board.has_remote(3, "bob", 90);
    let told = board.asked.iter().find_map(|command| {
        let ClusterCommand::Send {
            from, to, payload, ..
        } = command
        else {
            return None;
        };
        Some((from, to, payload.form()))
    });
    assert_eq!(told, Some((&peer("sue"), &peer("bob"), Form::Suspension)));
}

#[test]
fn more_than_waits_for_an_announcement_is_answered() {
    let config = Config {
        hold_frames: 1,
        ..Config::default()
    };
    let mut board = Board::with(config);
    board.answers = false;
    board.connect_native(1);
    board.announce_native(1, "bob", "{}");
    board.say(1, "sue", said("sue", 1));
    board.say(1, "sue", said("sue", 2));
    board.request(1, "q", Wanted::Peer(peer("sue")));
    board.assert_told(
        1,
        &[
            r#"sue: "session":"s","n":2,"reason":"overloaded""#,
            "answer q: overloaded",
        ],
    );
}
