use super::*;

#[test]
fn a_directed_message_reaches_its_receiver_and_nobody_else() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue"), (3, "ann")]);
    board.send(1, "bob", "sue", "hello");
    board.assert_told(2, &["bob: hello"]);
    board.assert_nothing_else();
}

#[test]
fn a_directed_message_stays_in_its_room() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    board.connect(3);
    board.announce(3, "other", "ann");
    board.forget_told();
    board.send(3, "ann", "bob", "hello");
    board.send(1, "bob", "ann", "hello");
    board.send(1, "bob", "nobody", "hello");
    board.assert_dropped(&[DropReason::NoSuchPeer; 3]);
    board.assert_nothing_else();
}

#[test]
fn a_broadcast_reaches_everybody_else_in_the_room_in_order() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue"), (3, "ann")]);
    board.connect(4);
    board.announce(4, "other", "joe");
    board.forget_told();
    board.broadcast(1, "bob", "one");
    board.broadcast(1, "bob", "two");
    board.assert_told(2, &["bob: one", "bob: two"]);
    board.assert_told(3, &["bob: one", "bob: two"]);
    board.assert_nothing_else();
}

#[test]
fn nobody_speaks_as_another() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue"), (3, "eve")]);
    board.send(3, "bob", "sue", "pay eve");
    board.broadcast(3, "bob", "pay eve");
    let leave = ClientMessage::Leave {
        sender: Some("bob".into()),
    };
    board.message(3, leave);
    board.assert_dropped(&[DropReason::ForeignSender; 3]);
    board.assert_nothing_else();
}

#[test]
fn a_frame_that_names_no_sender_is_its_connection_s() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    let bare = ClientMessage::Broadcast {
        sender: None,
        payload: payload("/bare"),
    };
    board.message(1, bare);
    board.assert_told(2, &["bob: /bare"]);
}

#[test]
fn what_arrives_before_the_announce_is_held_and_delivered_in_order() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.connect(2);
    board.send(2, "sue", "bob", "one");
    board.broadcast(2, "sue", "two");
    board.pass(SECOND - MOMENT);
    board.assert_nothing_else();
    board.announce(2, "r", "sue");
    board.assert_told(1, &["joined sue", "sue: one", "sue: two"]);
    board.assert_told(2, &["roominfo 2"]);
}

#[test]
fn what_is_held_for_a_second_without_an_announce_is_dropped() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.connect(2);
    board.send(2, "sue", "bob", "one");
    board.pass(SECOND);
    board.assert_dropped(&[DropReason::NotAnnounced]);
    board.announce(2, "r", "sue");
    board.assert_told(1, &["joined sue"]);
    board.assert_told(2, &["roominfo 2"]);
    board.assert_nothing_else();
}

#[test]
fn a_held_frame_of_another_sender_is_dropped_when_the_announce_comes() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.connect(2);
    board.send(2, "victim", "bob", "one");
    board.announce(2, "r", "sue");
    board.assert_told(1, &["joined sue"]);
    board.assert_dropped(&[DropReason::ForeignSender]);
}

#[test]
fn a_leave_before_the_announce_does_not_undo_it() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.connect(2);
    board.leave(2);
    board.assert_dropped(&[DropReason::NotAnnounced]);
    board.announce(2, "r", "sue");
    board.assert_told(1, &["joined sue"]);
}

#[test]
fn no_more_is_held_for_an_unannounced_connection_than_the_bound() {
    let mut board = Board::with(Config {
        hold_frames: 2,
        hold_bytes: 10,
        ..Config::default()
    });
    board.connect(1);
    board.broadcast(1, "bob", "123456");
    board.broadcast(1, "bob", "789012");
    board.assert_dropped(&[DropReason::HoldFull]);
    board.broadcast(1, "bob", "789");
    board.broadcast(1, "bob", "");
    board.assert_dropped(&[DropReason::HoldFull]);
}

#[test]
fn what_is_meant_for_a_suspended_peer_waits_and_arrives_in_order_after_the_answer() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue"), (3, "ann")]);
    board.disconnect(2);
    board.send(1, "bob", "sue", "one");
    board.broadcast(1, "bob", "two");
    board.leave(3);
    board.send(1, "bob", "sue", "three");
    board.connect(4);
    board.announce(4, "r", "sue");
    board.assert_told(
        4,
        &[
            "roominfo 2",
            "bob: one",
            "bob: two",
            "left ann Left",
            "bob: three",
        ],
    );
    board.assert_told(1, &["suspended sue", "left ann Left", "resumed sue"]);
    assert_eq!(board.switchboard.stats().held_bytes, 0);
}

#[test]
fn no_more_waits_for_a_suspended_peer_than_the_bound_of_frames() {
    what_waits_is_bounded(Config {
        hold_frames: 2,
        ..Config::default()
    });
}

#[test]
fn no_more_waits_for_a_suspended_peer_than_the_bound_of_bytes() {
    // Of each message the sender's three letters count too.
    what_waits_is_bounded(Config {
        hold_bytes: 13,
        ..Config::default()
    });
}

fn what_waits_is_bounded(config: Config) {
    let mut board = Board::with(config);
    for (connection, id) in [(1, "bob"), (2, "sue")] {
        board.connect(connection);
        board.announce(connection, "r", id);
    }
    board.disconnect(2);
    for text in ["one", "two", "three"] {
        board.send(1, "bob", "sue", text);
    }
    board.assert_dropped(&[DropReason::SuspendedFull]);
    board.connect(3);
    board.announce(3, "r", "sue");
    board.assert_told(3, &["roominfo 2", "bob: one", "bob: two"]);
}

#[test]
fn all_suspended_peers_together_have_a_bound() {
    let mut board = Board::with(Config {
        hold_bytes_total: 12,
        ..Config::default()
    });
    for (connection, id) in [(1, "a"), (2, "b"), (3, "c")] {
        board.connect(connection);
        board.announce(connection, "r", id);
    }
    board.disconnect(2);
    board.disconnect(3);
    board.forget_told();
    board.send(1, "a", "b", "12345");
    board.send(1, "a", "c", "12345678");
    board.assert_dropped(&[DropReason::SuspendedFull]);
    board.pass(8 * SECOND);
    board.assert_dropped(&[DropReason::NoSuchPeer]);
    assert_eq!(board.switchboard.stats().held_bytes, 0);
}

#[test]
fn a_peer_may_send_to_itself_as_with_the_reference_server() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.send(1, "bob", "bob", "echo");
    board.assert_told(1, &["bob: echo"]);
}
