use protocol::{
    Form,
    native::{Json, client::Wanted, payload},
};

use super::*;
use crate::{
    requests::REQUEST_GRACE,
    tests::{
        cluster::entry,
        native::{announcement, said},
    },
};

impl Board {
    pub(super) fn request(&mut self, connection: u64, id: &str, wanted: Wanted) {
        let request = ClientMessage::Request {
            id: id.into(),
            wanted,
            timeout: 5 * SECOND,
        };
        self.message(connection, request);
    }

    /// Takes what a connection was asked; the ids of the requests.
    fn requested(&mut self, connection: u64) -> usize {
        let told = self.told.remove(&connection).unwrap_or_default();
        told.iter()
            .filter(|text| text.contains("\"id\":\"q\""))
            .count()
    }

    fn accept(&mut self, connection: u64, to: &str) {
        self.say(connection, to, payload::accept("q"));
    }

    fn decline(&mut self, connection: u64, to: &str, message: Option<&str>) {
        self.say(connection, to, payload::decline("q", message));
    }
}

fn named(name: &str) -> Wanted {
    Wanted::Match(Json::new(&format!(r#"{{"name":"{name}"}}"#)).unwrap())
}

fn anybody() -> Wanted {
    Wanted::Match(Json::new("{}").unwrap())
}

#[test]
fn whoever_is_meant_is_asked_and_says_yes() {
    for wanted in [named("sue"), Wanted::Peer(peer("sue"))] {
        let mut board = Board::with_natives(&[(1, "bob"), (2, "sue"), (3, "ann")]);
        board.request(1, "q", wanted);
        board.assert_told(2, &[r#"bob: "id":"q","data":{"name":"bob"}"#]);
        assert_eq!(board.switchboard.stats().requests, 1);
        board.accept(2, "bob");
        board.assert_told(1, &["answer q: sue"]);
        board.accept(2, "bob");
        board.pass(10 * SECOND);
        // The second yes is of a request that is not known any more: its client knows what to make of it.
        board.assert_told(1, &["answer q: sue"]);
        board.assert_nothing_else();
        assert_eq!(board.switchboard.stats().requests, 0);
    }
}

#[test]
fn who_is_not_there_is_not_waited_for_for_long() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue")]);
    for wanted in [
        named("joe"),
        Wanted::Peer(peer("joe")),
        Wanted::Peer(peer("bob")),
        named("bob"),
    ] {
        board.request(1, "q", wanted);
        board.assert_told(1, &[]);
        board.pass(REQUEST_GRACE);
        board.assert_told(1, &["answer q: no-match"]);
    }
    board.assert_nothing_else();
}

#[test]
fn who_is_heard_of_just_after_a_request_is_asked() {
    let mut board = Board::with_natives(&[(1, "bob")]);
    board.request(1, "q", named("ann"));
    board.has_remote(2, "ann", 7);
    board.event(ClusterEvent::Received {
        room: room("r"),
        from: peer("ann"),
        to: peer("bob"),
        payload: payload::accept("q"),
        hops: 0,
    });
    board.assert_told(1, &["joined ann", "answer q: ann"]);
    board.request(1, "q", named("sue"));
    board.connect_native(2);
    board.announce_native(2, "sue", r#"{"name":"sue"}"#);
    board.forget_told();
    board.accept(2, "bob");
    board.assert_told(1, &["answer q: sue"]);
}

#[test]
fn who_declines_is_not_asked_again_and_another_is() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue"), (3, "ann")]);
    board.request(1, "q", anybody());
    let mut asked = [(2, board.requested(2)), (3, board.requested(3))];
    asked.sort_by_key(|(_, asked)| *asked);
    assert_eq!((asked[0].1, asked[1].1), (0, 1));
    let (second, first) = (asked[0].0, asked[1].0);
    board.decline(first, "bob", Some("busy"));
    assert_eq!(board.requested(second), 1);
    board.decline(second, "bob", Some("so am i"));
    let last = if second == 2 { "sue" } else { "ann" };
    board.assert_told(1, &[&format!("answer q: declined {last} so am i")]);
    board.assert_nothing_else();
}

#[test]
fn nobody_says_yes_or_no_who_was_not_asked() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue"), (3, "eve")]);
    board.request(1, "q", named("sue"));
    board.accept(3, "bob");
    board.decline(3, "bob", None);
    board.assert_told(1, &[]);
    board.accept(2, "bob");
    board.assert_told(1, &["answer q: sue"]);
}

#[test]
fn who_leaves_is_gone_and_another_is_asked() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue")]);
    board.request(1, "q", named("sue"));
    board.leave(2);
    board.assert_told(1, &["left sue Left", "answer q: gone sue"]);
    board.pass(10 * SECOND);
    board.assert_told(1, &[]);
}

#[test]
fn who_is_silent_is_waited_for_until_the_time_is_over() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue")]);
    board.request(1, "q", named("sue"));
    board.pass(5 * SECOND - MOMENT);
    board.assert_told(1, &[]);
    board.pass(MOMENT);
    board.assert_told(1, &["answer q: timeout sue"]);
    assert_eq!(board.switchboard.stats().requests, 0);
}

#[test]
fn where_there_are_others_who_is_silent_is_not_waited_for_and_may_still_say_yes() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue"), (3, "ann")]);
    board.request(1, "q", anybody());
    let first = if board.requested(2) == 1 { 2 } else { 3 };
    let second = 5 - first;
    board.pass(2 * SECOND);
    assert_eq!(board.requested(second), 1);
    board.decline(second, "bob", None);
    board.assert_told(1, &[]);
    board.accept(first, "bob");
    let name = if first == 2 { "sue" } else { "ann" };
    board.assert_told(1, &[&format!("answer q: {name}")]);
}

#[test]
fn who_is_away_is_asked_when_it_is_back_and_is_said_to_be_away_when_it_is_not() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue")]);
    board.disconnect(2);
    board.forget_told();
    board.request(1, "q", named("sue"));
    board.connect_native(3);
    board.announce_native(3, "sue", r#"{"name":"sue"}"#);
    assert!(board.requested(3) > 0);
    board.accept(3, "bob");
    board.assert_told(1, &["resumed sue", "answer q: sue"]);
    board.disconnect(3);
    board.forget_told();
    board.request(1, "q", named("sue"));
    board.pass(5 * SECOND);
    board.assert_told(1, &["answer q: suspended sue"]);
}

#[test]
fn who_is_away_is_asked_last() {
    for away in [2, 3] {
        let mut board = Board::with_natives(&[(1, "bob"), (2, "sue"), (3, "ann")]);
        board.disconnect(away);
        board.forget_told();
        board.request(1, "q", anybody());
        assert_eq!(board.requested(5 - away), 1);
    }
}

#[test]
fn a_peer_of_another_node_is_asked_there_and_again_where_it_has_moved() {
    let mut board = Board::with_natives(&[(1, "bob")]);
    board.has_remote(2, "ann", 7);
    board.asked.clear();
    board.request(1, "q", named("ann"));
    let is_asked = |command: &ClusterCommand| matches!(command, ClusterCommand::Send { payload, .. } if payload.form() == Form::Request);
    assert_eq!(board.asked.iter().filter(|it| is_asked(it)).count(), 1);
    board.asked.clear();
    // Its node has died, and it is back at the same one under another claim.
    board.has_remote(3, "ann", 8);
    assert_eq!(board.asked.iter().filter(|it| is_asked(it)).count(), 1);
    board.event(ClusterEvent::Received {
        room: room("r"),
        from: peer("ann"),
        to: peer("bob"),
        payload: payload::accept("q"),
        hops: 0,
    });
    board.assert_told(1, &["joined ann", "updated ann", "answer q: ann"]);
}

#[test]
fn a_peer_of_another_node_that_tells_of_other_data_may_be_meant() {
    let mut board = Board::with_natives(&[(1, "bob")]);
    board.has_remote(2, "ann", 7);
    board.request(1, "q", named("sue"));
    let renamed = RosterEntry {
        attributes: announcement("other", r#"{"name":"sue"}"#),
        ..entry("ann", "there", 8)
    };
    board.asked.clear();
    let version = 3;
    board.event(ClusterEvent::Changed(RosterChange {
        room: room("r"),
        epoch: 1,
        version,
        change: Change::Joined(renamed),
    }));
    let [ClusterCommand::Send { to, payload, .. }] = &board.asked[..] else {
        panic!("{:?}", board.asked);
    };
    assert_eq!((to, payload.form()), (&peer("ann"), Form::Request));
}

#[test]
fn a_peer_of_a_node_that_cannot_be_reached_is_unreachable() {
    let mut board = Board::with_natives(&[(1, "bob")]);
    board.has_remote(2, "ann", 7);
    board.forget_told();
    board.switchboard.handle_reachable(false);
    board.request(1, "q", named("ann"));
    board.pass(5 * SECOND);
    board.assert_told(1, &["answer q: unreachable ann"]);
}

#[test]
fn who_may_be_at_a_node_that_cannot_be_reached_is_unreachable() {
    let mut board = Board::new();
    board.answers = false;
    board.switchboard.handle_reachable(false);
    board.connect_native(1);
    board.announce_native(1, "bob", "{}");
    board.event(ClusterEvent::JoinFailed {
        connection: ConnectionId(1),
        room: room("r"),
    });
    board.forget_told();
    board.request(1, "q", named("ann"));
    board.pass(REQUEST_GRACE);
    board.assert_told(1, &["answer q: unreachable"]);
}

#[test]
fn whoever_is_not_known_here_may_be_where_nobody_can_be_asked() {
    let mut board = Board::with_natives(&[(1, "bob")]);
    board.switchboard.handle_reachable(false);
    board.request(1, "q", named("ann"));
    board.say(1, "ann", said("ann", 1));
    board.pass(REQUEST_GRACE);
    let unreachable = r#"ann: "session":"s","n":1,"reason":"unreachable""#;
    board.assert_told(1, &[unreachable, "answer q: unreachable"]);
}

#[test]
fn where_nobody_is_meant_a_request_says_so_however_short_its_time() {
    let mut board = Board::with_natives(&[(1, "bob")]);
    let request = ClientMessage::Request {
        id: "q".into(),
        wanted: named("ann"),
        timeout: REQUEST_GRACE / 5,
    };
    board.message(1, request);
    board.pass(REQUEST_GRACE / 5);
    board.assert_told(1, &["answer q: no-match"]);
}

#[test]
fn whoever_leaves_the_room_is_answered_that_nobody_is_there() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue")]);
    board.request(1, "q", named("sue"));
    board.announce(1, "elsewhere", "bob");
    board.request(1, "p", named("sue"));
    board.leave(1);
    let told = board.told.remove(&1).unwrap();
    let answers: Vec<_> = told
        .iter()
        .filter(|told| told.starts_with("answer"))
        .collect();
    assert_eq!(answers, ["answer q: no-match", "answer p: no-match"]);
    board.pass(10 * SECOND);
    board.assert_told(1, &[]);
}

#[test]
fn more_requests_than_may_be_open_are_refused() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue")]);
    for id in 0..64 {
        board.request(1, &id.to_string(), named("sue"));
    }
    board.request(1, "q", named("sue"));
    board.assert_told(1, &["answer q: overloaded"]);
    board.forget_told();
    board.leave(1);
    assert_eq!(board.switchboard.stats().requests, 0);
    board.pass(10 * SECOND);
}

#[test]
fn who_cannot_be_told_since_too_much_waits_for_it_is_overloaded() {
    let config = Config {
        hold_frames: 0,
        ..Config::default()
    };
    let mut board = Board::with_natives_and(config, &[(1, "bob"), (2, "sue")]);
    board.disconnect(2);
    board.forget_told();
    board.request(1, "q", named("sue"));
    board.assert_told(1, &["answer q: overloaded sue"]);
}

#[test]
fn a_peer_that_knows_nothing_of_requests_says_yes() {
    let mut board = Board::with_natives(&[(1, "bob")]);
    board.connect(2);
    let attributes = Payload::new(r#"/announce|sue|{"id":"sue","room":"r"}"#.into(), 14);
    let announce = ClientMessage::Announce {
        room: room("r"),
        peer: peer("sue"),
        attributes,
    };
    board.message(2, announce);
    board.forget_told();
    board.request(1, "q", Wanted::Match(Json::new(r#"{"id":"sue"}"#).unwrap()));
    board.assert_told(1, &["answer q: sue"]);
    board.assert_nothing_else();
}

#[test]
fn an_answer_waits_for_who_asked_and_one_that_asks_again_is_not_forgotten() {
    let mut board = Board::with_natives(&[(1, "bob"), (2, "sue")]);
    board.request(1, "q", named("sue"));
    board.disconnect(1);
    board.connect_native(3);
    board.announce_native(3, "bob", r#"{"name":"bob"}"#);
    board.forget_told();
    board.request(3, "q", named("sue"));
    assert_eq!(board.requested(2), 1);
    board.disconnect(3);
    board.accept(2, "bob");
    board.forget_told();
    board.connect_native(4);
    board.announce_native(4, "bob", r#"{"name":"bob"}"#);
    board.assert_told(4, &["answer q: sue", "members sue"]);
}
