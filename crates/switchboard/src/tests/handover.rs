//! Bob is here, sue was at another node and moves to a third.

use super::*;
use crate::Flush;

fn moved(version: u64, at: &'static str, fence: u64) -> ClusterEvent {
    ClusterEvent::Changed(RosterChange {
        room: room("r"),
        epoch: 1,
        version,
        change: Change::Joined(RosterEntry {
            peer: peer("sue"),
            node: node(at),
            fence,
            attributes: payload("i am sue"),
        }),
    })
}

fn board() -> Board {
    let mut board = Board::with_members(&[(1, "bob")]);
    board.event(moved(2, "old", 7));
    board.forget_told();
    board.asked.clear();
    board
}

fn flush(fence: u64, origin: &'static str, hops: u8) -> Flush {
    Flush {
        room: room("r"),
        peer: peer("sue"),
        fence,
        origin: node(origin),
        hops,
    }
}

fn handed_over() -> ClusterEvent {
    ClusterEvent::HandedOver {
        room: room("r"),
        peer: peer("sue"),
    }
}

/// Where messages for sue went, and what they say.
fn sent(board: &mut Board) -> Vec<(NodeId, String)> {
    let mut sent = Vec::new();
    for command in board.asked.drain(..) {
        if let ClusterCommand::Send { node, payload, .. } = command {
            sent.push((node, payload.text().to_string()));
        } else if let ClusterCommand::Pass { node, flush } = command {
            if node == self::node("here") {
                continue;
            }
            sent.push((node, format!("flush of {}", flush.fence)));
        } else {
            panic!("{command:?}");
        }
    }
    sent
}

#[test]
fn what_is_said_to_a_peer_that_moves_waits_for_what_was_said_before() {
    let mut board = board();
    board.send(1, "bob", "sue", "one");
    board.event(moved(3, "new", 8));
    board.send(1, "bob", "sue", "two");
    board.send(1, "bob", "sue", "three");
    let old = || node("old");
    assert_eq!(
        sent(&mut board),
        [(old(), "one".into()), (old(), "flush of 8".into())]
    );
    board.event(handed_over());
    board.send(1, "bob", "sue", "four");
    let new = |text: &str| (node("new"), text.to_owned());
    assert_eq!(sent(&mut board), [new("two"), new("three"), new("four")]);
    board.event(handed_over());
    board.pass(60 * SECOND);
    assert_eq!(sent(&mut board), []);
    assert_eq!(board.switchboard.stats().held_bytes, 0);
}

#[test]
fn nothing_waits_for_a_peer_to_which_nothing_was_said() {
    let mut board = board();
    board.event(moved(3, "new", 8));
    board.send(1, "bob", "sue", "one");
    assert_eq!(sent(&mut board), [(node("new"), "one".into())]);
}

/// What this node has sent to itself, and the cluster has not carried yet.
#[derive(Default)]
struct Echoes(Vec<Flush>);

impl Echoes {
    /// Lets time go by, in which the cluster carries what it is given, or nothing.
    fn pass(&mut self, board: &mut Board, time: Duration, carries: bool) {
        let end = board.now + time;
        let mut others = Vec::new();
        while board.now < end {
            board.pass(MOMENT);
            for command in board.asked.drain(..) {
                if let ClusterCommand::Pass { node: to, flush } = &command
                    && *to == node("here")
                {
                    self.0.push(flush.clone());
                } else {
                    others.push(command);
                }
            }
            if carries {
                for flush in self.0.drain(..) {
                    board.event(ClusterEvent::Passed(flush));
                }
            }
            others.append(&mut board.asked);
        }
        board.asked = others;
    }
}

/// Sue moves after bob has said "one", and bob says "two".
fn moving() -> Board {
    let mut board = board();
    board.send(1, "bob", "sue", "one");
    board.event(moved(3, "new", 8));
    board.send(1, "bob", "sue", "two");
    board.asked.clear();
    board
}

#[test]
fn an_old_node_that_is_dead_delays_what_is_said_by_a_second() {
    let (mut board, mut echoes) = (moving(), Echoes::default());
    echoes.pass(&mut board, SECOND - MOMENT, true);
    assert_eq!(sent(&mut board), []);
    echoes.pass(&mut board, 10 * MOMENT, true);
    assert_eq!(sent(&mut board), [(node("new"), "two".into())]);
}

#[test]
fn the_second_does_not_count_while_the_cluster_carries_nothing() {
    let (mut board, mut echoes) = (moving(), Echoes::default());
    echoes.pass(&mut board, 30 * SECOND, false);
    assert_eq!(sent(&mut board), []);
    // The other nodes find the cluster again, and ask for what they missed.
    echoes.pass(&mut board, 4 * SECOND, true);
    assert_eq!(sent(&mut board), []);
    board.event(handed_over());
    assert_eq!(sent(&mut board), [(node("new"), "two".into())]);
    // An outage of less than that second counts as well.
    let (mut board, mut echoes) = (moving(), Echoes::default());
    echoes.pass(&mut board, SECOND / 4, true);
    echoes.pass(&mut board, SECOND - MOMENT, false);
    echoes.pass(&mut board, 4 * SECOND, true);
    assert_eq!(sent(&mut board), []);
    // The old node is gone all the same.
    echoes.pass(&mut board, 2 * SECOND, true);
    assert_eq!(sent(&mut board), [(node("new"), "two".into())]);
}

#[test]
fn what_is_said_waits_for_each_node_that_a_peer_has_left() {
    let mut board = moving();
    board.event(moved(4, "newer", 9));
    board.event(handed_over());
    // What was said first may wait for sue at the second node.
    assert_eq!(sent(&mut board), [(node("new"), "flush of 9".into())]);
    board.send(1, "bob", "sue", "three");
    assert_eq!(sent(&mut board), []);
    board.event(handed_over());
    let newer = |text: &str| (node("newer"), text.to_owned());
    assert_eq!(sent(&mut board), [newer("two"), newer("three")]);
}

#[test]
fn a_flush_waits_where_the_move_is_not_known_yet_and_follows_what_was_held() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    board.disconnect(2);
    board.event(ClusterEvent::Received {
        room: room("r"),
        from: peer("bob"),
        to: peer("sue"),
        payload: payload("held"),
        hops: 0,
    });
    board.event(ClusterEvent::Passed(flush(99, "asker", 0)));
    assert_eq!(sent(&mut board), []);
    board.event(moved(3, "new", 99));
    let new = |text: &str| (node("new"), text.to_owned());
    assert_eq!(sent(&mut board), [new("held"), new("flush of 99")]);
}

#[test]
fn a_flush_ends_where_its_peer_is_or_where_nobody_knows_it() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    let asked = |board: &mut Board| board.asked.drain(..).collect::<Vec<_>>();
    let answer = [ClusterCommand::HandedOver {
        node: node("asker"),
        room: room("r"),
        peer: peer("sue"),
    }];
    board.event(ClusterEvent::Passed(flush(2, "asker", 1)));
    assert_eq!(asked(&mut board), answer);
    board.leave(2);
    board.asked.clear();
    board.event(ClusterEvent::Passed(flush(2, "asker", 1)));
    assert_eq!(asked(&mut board), answer);
}

#[test]
fn what_comes_for_a_peer_that_has_moved_goes_after_it_but_not_for_ever() {
    let mut board = board();
    let received = |hops| ClusterEvent::Received {
        room: room("r"),
        from: peer("bob"),
        to: peer("sue"),
        payload: payload("late"),
        hops,
    };
    board.event(received(0));
    assert!(
        matches!(&board.asked[..], [ClusterCommand::Send { node: at, hops: 1, .. }] if *at == node("old"))
    );
    board.asked.clear();
    board.event(received(4));
    board.assert_dropped(&[DropReason::NoSuchPeer]);
    board.event(ClusterEvent::Passed(flush(7, "asker", 4)));
    assert!(matches!(
        board.asked[..],
        [ClusterCommand::HandedOver { .. }]
    ));
}

#[test]
fn a_peer_that_comes_to_this_node_gets_first_what_was_sent_after_it() {
    let mut board = board();
    board.send(1, "bob", "sue", "one");
    board.asked.clear();
    board.fence = 50;
    board.connect(2);
    board.announce(2, "r", "sue");
    board.send(1, "bob", "sue", "two");
    board.assert_told(2, &["roominfo 2"]);
    board.event(ClusterEvent::Received {
        room: room("r"),
        from: peer("bob"),
        to: peer("sue"),
        payload: payload("one"),
        hops: 1,
    });
    board.event(handed_over());
    board.assert_told(2, &["bob: one", "bob: two"]);
}

#[test]
fn a_flush_does_not_overtake_what_waits_until_its_sender_is_known() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue")]);
    board.event(ClusterEvent::Received {
        room: room("r"),
        from: peer("stranger"),
        to: peer("sue"),
        payload: payload("one"),
        hops: 0,
    });
    board.asked.clear();
    board.event(ClusterEvent::Passed(flush(2, "asker", 0)));
    assert_eq!(board.asked, []);
    let roster = |fence, id: &str, at| RosterEntry {
        peer: peer(id),
        node: node(at),
        fence,
        attributes: payload(&format!("i am {id}")),
    };
    board.event(ClusterEvent::Asserted {
        room: room("r"),
        epoch: 1,
        version: 3,
        roster: vec![
            roster(1, "bob", "here"),
            roster(9, "stranger", "other"),
            roster(2, "sue", "here"),
        ],
    });
    board.assert_told(2, &["joined stranger", "stranger: one"]);
    assert!(matches!(
        board.asked[..],
        [ClusterCommand::HandedOver { .. }]
    ));
}

#[test]
fn what_waits_does_not_overtake_what_waits_until_its_sender_is_known() {
    let mut board = Board::with_members(&[(1, "bob"), (2, "sue"), (3, "eve")]);
    board.event(moved(4, "old", 7));
    board.send(1, "bob", "sue", "one");
    board.fence = 50;
    board.connect(4);
    board.announce(4, "r", "sue");
    board.send(1, "bob", "sue", "two");
    board.forget_told();
    let heard = |from: &str, to: &str, text: &str, hops| ClusterEvent::Received {
        room: room("r"),
        from: peer(from),
        to: peer(to),
        payload: payload(text),
        hops,
    };
    board.event(heard("stranger", "eve", "hello", 0));
    board.event(heard("bob", "sue", "one", 1));
    board.event(handed_over());
    board.assert_told(4, &[]);
    board.event(ClusterEvent::AssertFailed { room: room("r") });
    board.pass(60 * SECOND);
    board.event(ClusterEvent::Asserted {
        room: room("r"),
        epoch: 1,
        version: 9,
        roster: Vec::new(),
    });
    let told = board.told.remove(&4).unwrap();
    let said: Vec<&String> = told.iter().filter(|told| told.starts_with("bob")).collect();
    assert_eq!(said, ["bob: one", "bob: two"]);
}

#[test]
fn what_is_sent_to_a_node_that_its_last_peer_has_just_left_goes_after_the_peer() {
    let mut board = Board::with_members(&[(2, "sue")]);
    board.disconnect(2);
    board.event(moved(2, "new", 9));
    board.asked.clear();
    let late = || ClusterEvent::Received {
        room: room("r"),
        from: peer("sue"),
        to: peer("sue"),
        payload: payload("late"),
        hops: 0,
    };
    board.pass(4 * SECOND);
    board.event(late());
    assert_eq!(sent(&mut board), [(node("new"), "late".into())]);
    board.pass(2 * SECOND);
    assert_eq!(
        board.asked.drain(..).collect::<Vec<_>>(),
        [ClusterCommand::Forget { room: room("r") }]
    );
    assert_eq!(board.switchboard.stats().rooms, 0);
    board.event(late());
    board.assert_dropped(&[DropReason::NoSuchPeer]);
}

#[test]
fn a_flush_waits_until_the_cluster_has_seen_the_move() {
    let mut board = board();
    board.send(1, "bob", "sue", "one");
    board.asked.clear();
    board.answers = false;
    board.connect(2);
    board.announce(2, "r", "sue");
    board.event(ClusterEvent::JoinFailed {
        connection: ConnectionId(2),
        room: room("r"),
    });
    board.send(1, "bob", "sue", "two");
    board.assert_told(2, &["roominfo 2"]);
    board.pass(SECOND);
    let flushes = |board: &mut Board| {
        let flushes = board.asked.drain(..);
        flushes
            .filter(|command| matches!(command, ClusterCommand::Pass { .. }))
            .collect::<Vec<_>>()
    };
    assert_eq!(flushes(&mut board), []);
    let entry = |fence, id: &str| RosterEntry {
        peer: peer(id),
        node: node("here"),
        fence,
        attributes: payload(&format!("i am {id}")),
    };
    board.event(ClusterEvent::Asserted {
        room: room("r"),
        epoch: 1,
        version: 9,
        roster: vec![entry(1, "bob"), entry(70, "sue")],
    });
    board.pass(SECOND);
    let flush = flush(70, "here", 0);
    let node = node("old");
    // Others may find the cluster later: a probe now would prove nothing.
    let flush = ClusterCommand::Pass { node, flush };
    assert_eq!(flushes(&mut board), [flush]);
}
