//! Histories that are right, and planted ones that are wrong.

use protocol::{LeaveReason, Payload};

use super::*;

const OBSERVER: Who = Who {
    client: 0,
    person: 0,
};

/// Two nodes, and an observer in room 0 at node 0 from second 1 on; peer 1 is at node 1 from second 2 on.
fn oracle() -> Oracle {
    let mut oracle = Oracle::new((8 * SECOND, 10 * SECOND), SECOND, false, BTreeSet::new());
    for node in 0..2 {
        oracle.add_node();
        oracle.leases.beat(node, 0);
    }
    oracle.arrive((0, 0), 0, SECOND);
    oracle.listen(0, 0, 0, 7, false);
    let answer = ServerMessage::RoomInfo { member_count: 1 };
    oracle.told(OBSERVER, 7, &answer, SECOND);
    oracle.arrive((0, 1), 1, 2 * SECOND);
    oracle.told(OBSERVER, 7, &joined(), 2 * SECOND);
    assert_eq!(oracle.violation(), None);
    oracle
}

fn peer() -> PeerId {
    PeerId::new("p1").unwrap()
}

fn joined() -> ServerMessage {
    ServerMessage::Joined {
        peer: peer(),
        attributes: Payload::new("x".into(), 0),
    }
}

fn left() -> ServerMessage {
    ServerMessage::Left {
        peer: peer(),
        reason: LeaveReason::Left,
    }
}

/// Tells the observer, and returns what is wrong with it.
fn tell(oracle: &mut Oracle, message: &ServerMessage, at: Time) -> Option<String> {
    oracle.told(OBSERVER, 7, message, at);
    oracle.violation().cloned()
}

#[test]
fn a_departure_is_told_once_and_has_a_cause() {
    let mut oracle = oracle();
    oracle.leave((0, 1), 3 * SECOND);
    assert_eq!(tell(&mut oracle, &left(), 3 * SECOND), None);
    assert!(tell(&mut oracle, &left(), 4 * SECOND).is_some());
    let mut oracle = self::oracle();
    assert!(tell(&mut oracle, &left(), 4 * SECOND).is_some());
}

#[test]
fn a_join_is_told_once() {
    let mut oracle = oracle();
    assert!(tell(&mut oracle, &joined(), 4 * SECOND).is_some());
}

#[test]
fn a_peer_that_returns_in_its_window_has_not_left() {
    let mut oracle = oracle();
    oracle.lose((0, 1), 1, 3 * SECOND);
    let arrival = oracle.arrive((0, 1), 1, 9 * SECOND);
    assert_eq!(arrival, Arrival::Resumed);
    oracle.leases.beat(1, 9 * SECOND);
    assert!(tell(&mut oracle, &left(), 12 * SECOND).is_some());
    let mut oracle = self::oracle();
    oracle.lose((0, 1), 1, 3 * SECOND);
    oracle.leases.beat(1, 9 * SECOND);
    assert_eq!(tell(&mut oracle, &left(), 12 * SECOND), None);
}

#[test]
fn a_lease_lapses_when_its_node_is_cut_off_alone_and_not_when_the_store_is_away() {
    let mut oracle = oracle();
    assert_eq!(tell(&mut oracle, &left(), 11 * SECOND), None);
    let mut oracle = self::oracle();
    oracle.leases.store_away(3 * SECOND);
    oracle.leases.store_back(30 * SECOND);
    assert!(tell(&mut oracle, &left(), 35 * SECOND).is_some());
}

#[test]
fn at_the_end_what_was_told_is_the_truth() {
    let truth = |seats: &[usize]| {
        let seats = seats.iter();
        seats
            .map(|person| ((0, *person), (*person, *person)))
            .collect::<Truth>()
    };
    let mut oracle = oracle();
    oracle.check_view(OBSERVER, &truth(&[0, 1]), 9 * SECOND);
    assert_eq!(oracle.violation(), None);
    let roster = BTreeMap::from([(0, 0), (1, 1)]);
    oracle.check_roster(0, 0, &roster, &truth(&[0, 1]), 9 * SECOND);
    assert_eq!(oracle.violation(), None);
    oracle.check_view(OBSERVER, &truth(&[0]), 9 * SECOND);
    assert!(oracle.violation().is_some(), "a ghost");
}

#[test]
fn a_message_arrives_once_in_order_at_whom_it_was_meant_for() {
    let message = |number: usize| ServerMessage::Message {
        from: peer(),
        payload: Payload::new(number.to_string().into(), 0),
    };
    let said = |to| Said {
        by: Who {
            client: 1,
            person: 1,
        },
        connection: 9,
        node: 1,
        room: 0,
        to,
        at: 3 * SECOND,
    };
    let receiver = Receiver {
        client: 0,
        node: 0,
        behind: false,
    };
    let oracle = || {
        let mut oracle = oracle();
        oracle.messages.said(said(None), &[receiver]);
        oracle.messages.said(said(Some(0)), &[receiver]);
        oracle.messages.said(said(Some(2)), &[]);
        oracle
    };
    let mut right = oracle();
    for number in 0..2 {
        assert_eq!(tell(&mut right, &message(number), 4 * SECOND), None);
    }
    right.check_messages(&BTreeSet::new(), 30 * SECOND);
    assert_eq!(right.violation(), None);
    assert!(tell(&mut right, &message(1), 4 * SECOND).is_some(), "twice");
    let mut reordered = oracle();
    tell(&mut reordered, &message(1), 4 * SECOND);
    assert!(tell(&mut reordered, &message(0), 4 * SECOND).is_some());
    assert!(
        tell(&mut oracle(), &message(2), 4 * SECOND).is_some(),
        "another's"
    );
    assert!(
        tell(&mut oracle(), &message(3), 4 * SECOND).is_some(),
        "nobody's"
    );
    // Who has left and is back begins anew, for a receiver that may be anywhere.
    let mut directed = oracle();
    directed.messages.said(said(Some(0)), &[receiver]);
    let behind = |oracle: &mut Oracle| {
        let first = oracle.messages.overtaken(0, 3);
        first.or_else(|| oracle.messages.overtaken(0, 1))
    };
    assert!(behind(&mut directed).is_some());
    let mut back = oracle();
    back.messages.stays.end(1, 4 * SECOND);
    back.messages.said(said(Some(0)), &[receiver]);
    assert!(behind(&mut back).is_none());
    // Not for one that has stayed where it was.
    let mut stayed = oracle();
    stayed.messages.stays.come(0, 0);
    stayed.messages.stays.end(1, 4 * SECOND);
    stayed.messages.said(said(Some(0)), &[receiver]);
    assert!(behind(&mut stayed).is_some());
    let mut lost = oracle();
    for second in 0..30 {
        lost.leases.beat(0, second * SECOND);
        lost.leases.beat(1, second * SECOND);
    }
    lost.check_messages(&BTreeSet::new(), 30 * SECOND);
    assert!(lost.violation().is_some());
}
