use super::*;
use crate::tests::cluster::entry as roster_entry;

fn directory() -> RoomId {
    RoomId::directory("d").unwrap()
}

fn place(id: &str) -> RoomId {
    directory().place_of(&peer(id))
}

/// Bob and sue are here, in the directory.
fn board() -> Board {
    board_with(Config::default())
}

fn board_with(config: Config) -> Board {
    let mut board = Board::with(config);
    for (connection, id) in [(1, "bob"), (2, "sue")] {
        board.connect(connection);
        announce(&mut board, connection, id);
    }
    board.forget_told();
    board
}

fn announce(board: &mut Board, connection: u64, id: &str) {
    board.message(
        connection,
        ClientMessage::Announce {
            room: directory(),
            peer: peer(id),
            attributes: payload("{}"),
        },
    );
}

fn asserted(id: &str, version: u64, roster: &[RosterEntry]) -> ClusterEvent {
    ClusterEvent::Asserted {
        room: place(id),
        epoch: 1,
        version,
        roster: roster.to_vec(),
    }
}

fn joined(id: &str, version: u64, at: &'static str, fence: u64) -> ClusterEvent {
    ClusterEvent::Changed(RosterChange {
        room: place(id),
        epoch: 1,
        version,
        change: Change::Joined(roster_entry(id, at, fence)),
    })
}

/// What was sent to other nodes: where to, whom to, what.
fn sent(board: &mut Board) -> Vec<String> {
    let mut sent = Vec::new();
    for command in std::mem::take(&mut board.asked) {
        if let ClusterCommand::Send {
            node,
            to,
            payload,
            room,
            ..
        } = command
        {
            assert_eq!(room, place(to.as_str()));
            sent.push(format!("{} {to} {}", node.0, payload.text()));
        }
    }
    sent
}

#[test]
fn nobody_is_told_of_anybody_and_each_can_be_addressed() {
    let mut board = Board::new();
    for (connection, id) in [(1, "bob"), (2, "sue")] {
        board.connect(connection);
        announce(&mut board, connection, id);
    }
    board.send(1, "bob", "sue", "hello");
    board.assert_told(1, &["roominfo 1"]);
    board.assert_told(2, &["roominfo 1", "bob: hello"]);
    board.broadcast(1, "bob", "anybody?");
    board.assert_nothing_else();
    assert_eq!(board.switchboard.stats().lookups, 0);
}

#[test]
fn an_id_at_another_node_is_looked_up_once_and_what_is_said_meanwhile_keeps_its_order() {
    let mut board = board();
    board.send(1, "bob", "ann", "1");
    board.send(2, "sue", "ann", "2");
    let asserts: Vec<_> = board.asked.drain(..).collect();
    assert_eq!(
        asserts,
        [ClusterCommand::Assert {
            room: place("ann"),
            members: Vec::new()
        }]
    );
    board.event(asserted("ann", 1, &[roster_entry("ann", "there", 7)]));
    board.send(1, "bob", "ann", "3");
    assert_eq!(
        sent(&mut board),
        ["there ann 1", "there ann 2", "there ann 3"]
    );
    board.assert_nothing_else();
    assert_eq!(board.switchboard.stats().held_bytes, 0);
}

#[test]
fn what_is_said_to_an_id_that_is_nowhere_waits_until_it_comes() {
    let mut board = board();
    board.send(1, "bob", "ann", "hello");
    board.event(asserted("ann", 0, &[]));
    assert_eq!(sent(&mut board), [""; 0]);
    board.pass(4 * SECOND);
    board.event(joined("ann", 1, "there", 7));
    assert_eq!(sent(&mut board), ["there ann hello"]);
    board.assert_nothing_else();
}

#[test]
fn an_id_that_comes_to_this_node_hears_what_waits_for_it() {
    let mut board = board();
    board.send(1, "bob", "ann", "hello");
    board.event(asserted("ann", 0, &[]));
    board.connect(3);
    announce(&mut board, 3, "ann");
    board.assert_told(3, &["roominfo 1", "bob: hello"]);
    board.assert_nothing_else();
}

#[test]
fn what_waits_for_an_id_that_does_not_come_is_dropped_in_its_time() {
    let mut board = board();
    board.send(1, "bob", "ann", "1");
    board.event(asserted("ann", 0, &[]));
    board.pass(3 * SECOND);
    board.send(1, "bob", "ann", "2");
    board.pass(2 * SECOND);
    board.assert_dropped(&[DropReason::NoSuchPeer]);
    board.event(joined("ann", 1, "there", 7));
    assert_eq!(sent(&mut board), ["there ann 2"]);
    board.assert_nothing_else();
}

#[test]
fn an_id_that_is_not_addressed_is_forgotten_and_its_room_with_it() {
    let mut board = board();
    board.send(1, "bob", "ann", "hello");
    board.event(asserted("ann", 1, &[roster_entry("ann", "there", 7)]));
    board.pass(59 * SECOND);
    board.send(1, "bob", "ann", "still there?");
    board.pass(59 * SECOND);
    assert_eq!(board.switchboard.stats().lookups, 1);
    board.asked.clear();
    board.pass(SECOND);
    let room = place("ann");
    assert_eq!(board.asked, [ClusterCommand::Forget { room }]);
    let stats = board.switchboard.stats();
    assert_eq!((stats.lookups, stats.rooms), (0, 2));
    assert_eq!(board.switchboard.poll_timeout(), None);
}

#[test]
fn an_id_that_moves_is_followed() {
    let mut board = board();
    board.send(1, "bob", "ann", "1");
    board.event(asserted("ann", 1, &[roster_entry("ann", "there", 7)]));
    assert_eq!(sent(&mut board), ["there ann 1"]);
    board.event(joined("ann", 2, "elsewhere", 8));
    board.send(1, "bob", "ann", "2");
    // Behind what is on its way to where it was.
    assert_eq!(sent(&mut board), [""; 0]);
    board.event(ClusterEvent::HandedOver {
        room: place("ann"),
        peer: peer("ann"),
    });
    assert_eq!(sent(&mut board), ["elsewhere ann 2"]);
}

#[test]
fn a_peer_hears_from_ids_that_its_node_has_never_heard_of() {
    let mut board = board();
    board.event(ClusterEvent::Received {
        room: place("bob"),
        from: peer("ann"),
        to: peer("bob"),
        payload: payload("hello"),
        hops: 0,
    });
    board.assert_told(1, &["ann: hello"]);
    assert_eq!(board.asked, []);
}

#[test]
fn a_suspended_peer_of_a_directory_misses_nothing() {
    let mut board = board();
    board.disconnect(2);
    board.send(1, "bob", "sue", "while you were away");
    board.connect(3);
    announce(&mut board, 3, "sue");
    board.assert_told(3, &["roominfo 1", "bob: while you were away"]);
    board.assert_nothing_else();
}

#[test]
fn ids_that_are_remembered_are_bounded_and_the_oldest_goes() {
    let mut board = board_with(Config {
        lookups: 2,
        ..Config::default()
    });
    for (version, id) in [(1, "a"), (1, "b")] {
        board.send(1, "bob", id, "1");
        board.event(asserted(id, version, &[roster_entry(id, "there", 7)]));
        board.pass(2 * SECOND);
    }
    board.send(1, "bob", "a", "2");
    board.asked.clear();
    board.send(1, "bob", "c", "1");
    let forgotten = ClusterCommand::Forget { room: place("b") };
    assert!(board.asked.contains(&forgotten), "{:?}", board.asked);
    // Something waits for c; a was addressed long ago, and makes room for d; then nothing is left to forget.
    board.send(1, "bob", "d", "1");
    board.assert_nothing_else();
    board.send(1, "bob", "e", "1");
    board.assert_dropped(&[DropReason::HoldFull]);
    assert_eq!(board.switchboard.stats().lookups, 2);
}

#[test]
fn what_waits_for_an_id_is_bounded() {
    let mut board = board_with(Config {
        hold_frames: 3,
        ..Config::default()
    });
    for number in 0..4 {
        board.send(1, "bob", "ann", &number.to_string());
    }
    board.assert_dropped(&[DropReason::HoldFull]);
    board.event(asserted("ann", 1, &[roster_entry("ann", "there", 7)]));
    assert_eq!(
        sent(&mut board),
        ["there ann 0", "there ann 1", "there ann 2"]
    );
}

#[test]
fn a_cluster_that_cannot_be_asked_is_asked_again_while_something_waits() {
    let mut board = board();
    board.send(1, "bob", "ann", "hello");
    board.event(ClusterEvent::AssertFailed { room: place("ann") });
    board.asked.clear();
    board.pass(SECOND);
    assert!(matches!(board.asked[..], [ClusterCommand::Assert { .. }]));
    board.event(asserted("ann", 1, &[roster_entry("ann", "there", 7)]));
    assert_eq!(sent(&mut board), ["there ann hello"]);
}
