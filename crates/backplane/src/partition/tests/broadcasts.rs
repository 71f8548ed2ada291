//! What is published to a room by a node that does not know yet that this one is in it.

use super::{frame::Position, *};

/// A partition that is in the room.
fn in_room(now: Instant) -> Partition {
    let mut partition = open(1, now);
    partition.handle_command(join(), now);
    partition.handle_subscribed(now);
    outputs(&mut partition);
    partition
}

fn position(number: u64) -> Position {
    Position {
        epoch: 1,
        acked: 0,
        number,
    }
}

fn numbered(number: u64, link: u64) -> Bytes {
    let one = Frame::One {
        from: "b",
        link,
        at: position(number),
        room: None,
        payload: &[u8::try_from(number).unwrap()],
    };
    one.write()
}

fn unnumbered(text: &[u8], link: u64) -> Bytes {
    let room = Frame::Room {
        from: "b",
        link,
        to: Vec::new(),
        payload: text,
    };
    room.write()
}

/// Lets something come, and returns what is told of then.
fn heard(partition: &mut Partition, frame: &Bytes, now: Instant) -> Vec<Bytes> {
    let channel = Channel::Room(ROOM);
    partition.handle_payload(&channel, frame, now);
    let outputs = outputs(partition).into_iter();
    outputs
        .filter_map(|output| match output {
            Output::Event(Event::Received { payload, .. } | Event::Published { payload, .. }) => {
                Some(payload)
            }
            _ => None,
        })
        .collect()
}

#[test]
fn what_comes_late_on_a_dead_link_does_not_follow_what_was_said_on_a_later_one() {
    let now = Instant::now();
    let mut partition = in_room(now);
    let first = heard(&mut partition, &unnumbered(b"x", 1), now);
    assert_eq!(first, [&b"x"[..]]);
    heard(&mut partition, &numbered(1, 2), now);
    let late = heard(&mut partition, &unnumbered(b"y", 1), now);
    assert_eq!(late, [&b""[..]; 0]);
    let new = heard(&mut partition, &unnumbered(b"z", 2), now);
    assert_eq!(new, [&b"z"[..]]);
}

#[test]
fn it_does_not_overtake_what_was_said_before_and_is_missing() {
    let now = Instant::now();
    let mut partition = in_room(now);
    heard(&mut partition, &numbered(1, 1), now);
    heard(&mut partition, &numbered(3, 1), now);
    let early = heard(&mut partition, &unnumbered(b"x", 1), now);
    assert_eq!(early, [&b""[..]; 0]);
    heard(&mut partition, &numbered(4, 1), now);
    let all = heard(&mut partition, &numbered(2, 1), now);
    assert_eq!(all, [&b"\x02"[..], b"\x03", b"x", b"\x04"]);
    // What cannot be repeated is not waited for.
    heard(&mut partition, &numbered(7, 1), now);
    heard(&mut partition, &unnumbered(b"y", 1), now);
    let lost = Frame::Lost {
        from: "b",
        epoch: 1,
        number: 7,
    };
    let rest = heard(&mut partition, &lost.write(), now);
    assert_eq!(rest, [&b"\x07"[..], b"y"]);
}
