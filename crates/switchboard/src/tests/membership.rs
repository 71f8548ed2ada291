use super::*;

#[test]
fn an_announce_is_answered_with_the_room_s_count_and_told_to_the_others_once() {
    let mut board = Board::new();
    board.connect(1);
    board.connect(2);
    board.announce(1, "r", "bob");
    board.assert_told(1, &["roominfo 1"]);
    board.announce(2, "r", "sue");
    board.assert_told(2, &["roominfo 2"]);
    board.assert_told(1, &["joined sue"]);
    board.assert_nothing_else();
}

#[test]
fn announcing_again_updates_and_is_answered_again() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    board.announce(2, "r", "sue");
    board.assert_told(2, &["roominfo 2"]);
    board.assert_told(1, &["updated sue"]);
    board.assert_nothing_else();
}

#[test]
fn a_lost_connection_suspends_and_a_return_in_the_window_is_not_a_leave() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    board.disconnect(2);
    board.assert_told(1, &["suspended sue"]);
    board.pass(8 * SECOND - MOMENT);
    board.assert_nothing_else();
    board.connect(3);
    board.announce(3, "r", "sue");
    board.assert_told(3, &["roominfo 2"]);
    board.assert_told(1, &["resumed sue"]);
    board.pass(60 * SECOND);
    board.assert_nothing_else();
    assert!(!board.asked.iter().any(is_leave), "{:?}", board.asked);
}

#[test]
fn who_does_not_return_in_the_window_has_left_once() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    board.disconnect(2);
    board.pass(8 * SECOND);
    board.assert_told(1, &["suspended sue", "left sue Expired"]);
    assert_eq!(board.asked.iter().filter(|ask| is_leave(ask)).count(), 1);
    board.pass(60 * SECOND);
    board.assert_nothing_else();
    board.connect(3);
    board.announce(3, "r", "sue");
    board.assert_told(1, &["joined sue"]);
}

#[test]
fn suspended_peers_count_as_members() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    board.disconnect(2);
    board.connect(3);
    board.announce(3, "r", "ann");
    board.assert_told(3, &["roominfo 3"]);
}

#[test]
fn an_explicit_leave_is_told_at_once_and_once() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    board.leave(2);
    board.assert_told(1, &["left sue Left"]);
    board.disconnect(2);
    board.pass(60 * SECOND);
    board.assert_nothing_else();
    assert_eq!(board.asked.iter().filter(|ask| is_leave(ask)).count(), 1);
}

#[test]
fn who_left_may_announce_itself_again_on_the_same_connection() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    board.leave(2);
    board.announce(2, "r", "sue");
    board.assert_told(1, &["left sue Left", "joined sue"]);
    board.assert_told(2, &["roominfo 2"]);
}

#[test]
fn going_to_another_room_leaves_the_first() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    board.announce(2, "other", "sue");
    board.assert_told(1, &["left sue Left"]);
    board.assert_told(2, &["roominfo 1"]);
    board.assert_nothing_else();
}

#[test]
fn taking_another_id_leaves_under_the_first() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    board.announce(2, "r", "susan");
    board.assert_told(1, &["left sue Left", "joined susan"]);
}

#[test]
fn the_newest_connection_with_an_id_wins_and_the_older_is_muted() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    board.connect(3);
    board.announce(3, "r", "sue");
    board.assert_told(3, &["roominfo 2"]);
    board.assert_told(2, &["superseded"]);
    board.assert_told(1, &["updated sue"]);
    board.send(1, "bob", "sue", "which?");
    board.assert_told(3, &["bob: which?"]);
    board.broadcast(2, "sue", "ghost");
    board.send(2, "sue", "bob", "ghost");
    board.assert_dropped(&[DropReason::Muted, DropReason::Muted]);
    board.leave(2);
    board.assert_dropped(&[DropReason::Muted]);
    board.disconnect(2);
    board.pass(60 * SECOND);
    board.assert_nothing_else();
}

#[test]
fn a_muted_connection_does_not_win_its_id_back_by_announcing_it_again() {
    let mut board = Board::with_members(&[(1, "sue")]);
    board.connect(2);
    board.announce(2, "r", "sue");
    board.forget_told();
    board.announce(1, "r", "sue");
    board.assert_dropped(&[DropReason::Muted]);
    board.assert_nothing_else();
    board.announce(1, "r", "ann");
    board.assert_told(1, &["roominfo 2"]);
    board.assert_told(2, &["joined ann"]);
}

#[test]
fn a_muted_connection_may_have_its_id_back_when_nobody_holds_it() {
    let mut board = Board::with_members(&[(1, "sue"), (2, "bob")]);
    board.connect(3);
    board.announce(3, "r", "sue");
    board.leave(3);
    board.forget_told();
    board.announce(1, "r", "sue");
    board.assert_told(1, &["roominfo 2"]);
    board.assert_told(2, &["joined sue"]);
}

#[test]
fn of_two_claims_under_way_the_later_answered_wins() {
    let mut board = Board::with_members(&[(1, "sue"), (2, "bob")]);
    board.answers = false;
    board.connect(3);
    board.announce(3, "r", "sue");
    board.announce(1, "r", "sue");
    for join in std::mem::take(&mut board.asked) {
        board.answer(join);
        board.drain();
    }
    board.assert_told(3, &["roominfo 2", "superseded"]);
    board.assert_told(1, &["roominfo 2"]);
    board.send(1, "sue", "bob", "it is me");
    board.assert_told(2, &["updated sue", "updated sue", "sue: it is me"]);
    for connection in [1, 2, 3] {
        board.disconnect(connection);
    }
    board.pass(8 * SECOND);
    assert_eq!(board.switchboard.stats(), crate::Stats::default());
}

#[test]
fn the_same_id_in_two_rooms_is_two_peers() {
    let mut board = Board::with_members(&[(1, "sue")]);
    board.connect(2);
    board.announce(2, "other", "sue");
    board.assert_told(2, &["roominfo 1"]);
    board.assert_nothing_else();
}

#[test]
fn a_room_is_forgotten_with_its_last_peer() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.disconnect(1);
    assert_eq!(board.switchboard.stats().rooms, 1);
    board.pass(8 * SECOND);
    let stats = board.switchboard.stats();
    assert_eq!((stats.rooms, stats.members, stats.connections), (0, 0, 0));
    assert!(matches!(
        board.asked[..],
        [ClusterCommand::Leave { .. }, ClusterCommand::Forget { .. }]
    ));
    assert_eq!(board.switchboard.poll_timeout(), None);
}

#[test]
fn what_is_said_after_an_announce_waits_for_the_cluster_s_answer() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.answers = false;
    board.connect(2);
    board.announce(2, "r", "sue");
    board.send(2, "sue", "bob", "one");
    board.broadcast(2, "sue", "two");
    board.assert_nothing_else();
    let join = board.asked.pop().unwrap();
    board.answer(join);
    board.drain();
    board.assert_told(1, &["joined sue", "sue: one", "sue: two"]);
    board.assert_told(2, &["roominfo 2"]);
}

#[test]
fn a_connection_lost_while_it_joins_is_a_suspended_peer() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.answers = false;
    board.connect(2);
    board.announce(2, "r", "sue");
    board.send(2, "sue", "bob", "last words");
    board.disconnect(2);
    let join = board.asked.pop().unwrap();
    board.answer(join);
    board.drain();
    board.assert_told(1, &["joined sue", "suspended sue", "sue: last words"]);
    board.pass(8 * SECOND);
    board.assert_told(1, &["left sue Expired"]);
}

#[test]
fn a_connection_lost_while_it_returns_keeps_what_waits_for_its_peer() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    board.disconnect(2);
    board.send(1, "bob", "sue", "hello?");
    board.answers = false;
    board.connect(3);
    board.announce(3, "r", "sue");
    board.disconnect(3);
    let join = board.asked.pop().unwrap();
    board.answer(join);
    board.drain();
    board.answers = true;
    board.pass(7 * SECOND);
    board.connect(4);
    board.announce(4, "r", "sue");
    board.assert_told(4, &["roominfo 2", "bob: hello?"]);
    board.assert_told(1, &["suspended sue", "updated sue", "resumed sue"]);
}

#[test]
fn what_a_lost_connection_said_in_its_next_room_is_not_said_in_this_one() {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.answers = false;
    board.connect(2);
    board.announce(2, "r", "sue");
    board.send(2, "sue", "bob", "here");
    board.announce(2, "other", "sue");
    board.send(2, "sue", "bob", "there");
    board.disconnect(2);
    let join = board.asked.pop().unwrap();
    board.answer(join);
    board.drain();
    board.assert_told(1, &["joined sue", "suspended sue", "sue: here"]);
}

fn is_leave(command: &ClusterCommand) -> bool {
    matches!(command, ClusterCommand::Leave { .. })
}
