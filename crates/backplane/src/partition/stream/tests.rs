use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const BOUND: usize = 1 << 20;

fn message(number: u64) -> Message {
    Message {
        room: None,
        payload: Bytes::from(number.to_be_bytes().to_vec()),
    }
}

fn numbers(messages: &[Message]) -> Vec<u64> {
    let number = |message: &Message| {
        let bytes: [u8; 8] = message.payload[..].try_into().unwrap();
        u64::from_be_bytes(bytes)
    };
    messages.iter().map(number).collect()
}

/// What happens to a frame on its way.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    IsLost,
    ComesTwice,
    /// Behind the frames that are on their way now.
    ComesLate,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Arrives),
        2 => Just(Fate::IsLost),
        1 => Just(Fate::ComesTwice),
        1 => Just(Fate::ComesLate),
    ]
}

proptest! {
    #[test]
    fn whatever_is_lost_doubled_or_late_arrives_once_and_in_order(
        fates in proptest::collection::vec(fate(), 1..200),
    ) {
        let mut now = Instant::now();
        let mut outgoing = Outgoing::new(1);
        let mut incoming: Option<Incoming> = None;
        let mut way: VecDeque<(Position, Message)> = VecDeque::new();
        let mut arrived = Vec::new();
        let sent = fates.len() as u64;
        for (number, fate) in (1..).zip(fates) {
            let message = message(number);
            let at = outgoing.push(message.clone(), BOUND, now).unwrap();
            match fate {
                Fate::Arrives => way.push_back((at, message)),
                Fate::IsLost => {}
                Fate::ComesTwice => way.extend([(at, message.clone()), (at, message)]),
                Fate::ComesLate => {
                    way.push_back((at, message));
                    continue;
                }
            }
            while let Some((at, message)) = way.pop_back() {
                let incoming = incoming.get_or_insert_with(|| Incoming::new(at));
                arrived.extend(incoming.accept(at, message, now).messages);
                if let Some((epoch, number)) = incoming.acknowledgement(false) {
                    outgoing.acknowledge(epoch, number);
                }
            }
        }
        // The end of the stream is marked until all is acknowledged.
        for _ in 0..100 {
            let Some(_) = outgoing.oldest() else { break };
            let mark = outgoing.last();
            let incoming = incoming.get_or_insert_with(|| Incoming::new(mark));
            if incoming.mark(mark, now) {
                let (epoch, number) = incoming.acknowledgement(true).unwrap();
                outgoing.acknowledge(epoch, number);
            }
            now += LAST_REPEAT;
            if let Some((epoch, first, last)) = incoming.missing(now) {
                for (at, message) in outgoing.repeat(epoch, first, last).unwrap() {
                    arrived.extend(incoming.accept(at, message, now).messages);
                }
            }
        }
        prop_assert_eq!(numbers(&arrived), (1..=sent).collect::<Vec<_>>());
        prop_assert_eq!((outgoing.unacknowledged(), outgoing.bytes), (0, 0));
        let incoming = incoming.unwrap();
        prop_assert_eq!((incoming.waiting.len(), incoming.waiting_bytes), (0, 0));
        prop_assert_eq!(incoming.repeat_at(), None);
    }
}

/// A stream with so many messages, and the receiver that has the first one.
fn after_the_first(count: u64) -> (Outgoing, Incoming, Instant) {
    let now = Instant::now();
    let mut outgoing = Outgoing::new(3);
    for number in 1..=count {
        outgoing.push(message(number), BOUND, now).unwrap();
    }
    let at = Position {
        epoch: 3,
        acked: 0,
        number: 1,
    };
    let mut incoming = Incoming::new(at);
    assert_eq!(incoming.accept(at, message(1), now).messages.len(), 1);
    (outgoing, incoming, now)
}

#[test]
fn what_is_missing_is_asked_for_at_once_and_then_with_growing_pauses() {
    let (outgoing, mut incoming, now) = after_the_first(5);
    assert_eq!(incoming.missing(now), None);
    incoming.mark(outgoing.last(), now);
    assert_eq!(incoming.missing(now), Some((3, 2, 5)));
    assert_eq!(incoming.missing(now), None);
    assert_eq!(incoming.repeat_at(), Some(now + FIRST_REPEAT));
    let later = now + FIRST_REPEAT;
    assert_eq!(incoming.missing(later), Some((3, 2, 5)));
    assert_eq!(incoming.repeat_at(), Some(later + FIRST_REPEAT * 2));
    incoming.hurry(later);
    assert_eq!(incoming.missing(later), Some((3, 2, 5)), "the link is new");
}

#[test]
fn what_is_not_acknowledged_is_bounded_and_the_newest_is_refused() {
    let now = Instant::now();
    let mut outgoing = Outgoing::new(1);
    let bound = 2 * message(1).size();
    assert!(outgoing.push(message(1), bound, now).is_some());
    assert!(outgoing.push(message(2), bound, now).is_some());
    assert_eq!(outgoing.push(message(3), bound, now), None);
    outgoing.acknowledge(1, 1);
    assert_eq!(outgoing.push(message(3), bound, now).unwrap().number, 3);
    outgoing.acknowledge(2, 3);
    assert_eq!(outgoing.unacknowledged(), 2, "of another stream");
}

#[test]
fn messages_that_cannot_come_are_skipped_and_counted() {
    let (_, mut incoming, now) = after_the_first(1);
    let at = |number| Position {
        epoch: 3,
        acked: 0,
        number,
    };
    assert!(incoming.accept(at(4), message(4), now).messages.is_empty());
    assert!(incoming.accept(at(6), message(6), now).messages.is_empty());
    let (lost, messages) = incoming.skip(3, 5, now);
    assert_eq!((lost, numbers(&messages)), (3, vec![4, 6]));
    assert_eq!(incoming.repeat_at(), None);
    assert_eq!(incoming.skip(2, 9, now).0, 0, "of another stream");
}

#[test]
fn a_sender_says_what_it_no_longer_has() {
    let (mut outgoing, _, _) = after_the_first(5);
    outgoing.acknowledge(3, 2);
    assert_eq!(outgoing.repeat(3, 2, 4), Err(2));
    assert_eq!(outgoing.repeat(2, 1, 4), Err(4));
    let again = outgoing.repeat(3, 4, 9).unwrap();
    let again: Vec<u64> = again.iter().map(|(at, _)| at.number).collect();
    assert_eq!(again, [4, 5]);
}

#[test]
fn a_later_stream_begins_anew_and_an_earlier_one_is_over() {
    let (_, mut incoming, now) = after_the_first(1);
    let at = |epoch, acked, number| Position {
        epoch,
        acked,
        number,
    };
    let arrival = incoming.accept(at(4, 7, 8), message(8), now);
    assert_eq!(numbers(&arrival.messages), [8]);
    assert!(incoming.accept(at(3, 0, 2), message(2), now).duplicate);
}

#[test]
fn a_receiver_acknowledges_after_so_many_messages_or_bytes() {
    let (_, mut incoming, now) = after_the_first(1);
    for number in 2..64 {
        let at = Position {
            epoch: 3,
            acked: 0,
            number,
        };
        incoming.accept(at, message(number), now);
        assert_eq!(incoming.acknowledgement(false), None);
    }
    let large = Message {
        room: None,
        payload: Bytes::from(vec![0; ACK_BYTES]),
    };
    let at = Position {
        epoch: 3,
        acked: 0,
        number: 64,
    };
    incoming.accept(at, large, now);
    assert_eq!(incoming.acknowledgement(false), Some((3, 64)));
    assert_eq!(incoming.acknowledgement(false), None);
}

/// How long a receiver takes to have everything after a hole of three seconds in which nothing arrived, of a stream that
/// goes on: so many messages of such a size in each millisecond, and a millisecond in each direction.
fn catches_up(each: u64, size: usize) -> Duration {
    const HOLE: Duration = Duration::from_secs(3);
    const STEP: Duration = Duration::from_millis(1);
    let start = Instant::now();
    let mut outgoing = Outgoing::new(1);
    let mut incoming: Option<Incoming> = None;
    // What arrives in the next millisecond, in both directions.
    let mut forth: Vec<(Position, Message)> = Vec::new();
    let mut back = Vec::new();
    let payload = Bytes::from(vec![0; size]);
    let mut now = start;
    loop {
        for (epoch, first, last) in std::mem::take(&mut back) {
            forth.extend(outgoing.repeat(epoch, first, last).unwrap());
        }
        for (at, message) in std::mem::take(&mut forth) {
            let incoming = incoming.get_or_insert_with(|| Incoming::new(at));
            incoming.accept(at, message, now);
            if let Some((epoch, number)) = incoming.acknowledgement(false) {
                outgoing.acknowledge(epoch, number);
            }
            back.extend(incoming.missing(now));
        }
        if let Some(incoming) = &mut incoming {
            back.extend(incoming.missing(now));
            if now > start + HOLE + STEP * 5 && incoming.arrived == incoming.highest {
                return now - start - HOLE;
            }
        }
        assert!(
            now < start + HOLE * 4,
            "it never does: {}",
            outgoing.unacknowledged()
        );
        for _ in 0..each {
            let message = Message {
                room: None,
                payload: payload.clone(),
            };
            let at = outgoing.push(message.clone(), usize::MAX, now).unwrap();
            let lost = now > start + STEP && now < start + HOLE;
            if !lost {
                forth.push((at, message));
            }
        }
        now += STEP;
    }
}

#[test]
fn a_receiver_catches_up_with_a_fast_stream_after_a_long_hole() {
    for (each, size) in [(1, 100), (5, 100), (5, 3_000), (20, 700)] {
        let took = catches_up(each, size);
        assert!(took < Duration::from_secs(2), "{each} of {size}: {took:?}");
    }
}
