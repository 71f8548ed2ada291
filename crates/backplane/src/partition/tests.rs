//! The partition against a store that the tests answer for, on virtual time.

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::Change;

mod broadcasts;
mod lost;
mod refused;

const ROOM: ByteString = ByteString::from_static("r");
const SECOND: Duration = Duration::from_secs(1);

/// Bob enters the room.
fn join() -> Command {
    Command::Join {
        token: 1,
        room: ROOM,
        member: "bob".into(),
        data: Bytes::new(),
        want_roster: true,
    }
}
/// What the store's clock shows.
const NOON: u64 = 1_000_000;

fn node(name: &'static str) -> NodeId {
    NodeId(ByteString::from_static(name))
}

fn partition(seed: u64) -> Partition {
    Partition::new(node("a"), Config::default(), seed)
}

fn outputs(partition: &mut Partition) -> Vec<Output> {
    std::iter::from_fn(|| partition.poll_output()).collect()
}

fn requests(partition: &mut Partition) -> Vec<(RequestId, Request)> {
    let outputs = outputs(partition).into_iter();
    outputs
        .filter_map(|output| match output {
            Output::Request(id, request) => Some((id, request)),
            _ => None,
        })
        .collect()
}

/// One whose link works, and which has beaten.
fn open(seed: u64, now: Instant) -> Partition {
    let mut partition = partition(seed);
    partition.handle_connected(1, now);
    partition.handle_subscribed(now);
    partition
}

fn beaten(lapsed: Vec<NodeId>, next: Option<u64>) -> Reply {
    Reply::Beaten {
        renewed: true,
        lapsed,
        next,
        now: NOON,
    }
}

/// Answers what is asked, as a store would in which another node's lease ends at `ends`; whether that node is being
/// swept now.
fn serve(partition: &mut Partition, ends: Instant, now: Instant) -> bool {
    let mut swept = false;
    let mut asked = VecDeque::from(requests(partition));
    while let Some((id, request)) = asked.pop_front() {
        let reply = match request {
            Request::Beat { nonce, .. } => {
                let channel = Channel::Node(node("a"));
                partition.handle_published(&channel, Published::Beat { nonce }, now);
                let left = ends.saturating_duration_since(now);
                let lapsed = if left.is_zero() {
                    vec![node("dead")]
                } else {
                    Vec::new()
                };
                let next = u64::try_from(left.as_millis()).unwrap();
                beaten(lapsed, (next > 0).then_some(next))
            }
            Request::Sweep { .. } => {
                swept = true;
                Reply::Swept { left: 0 }
            }
            Request::Leases { nodes } => Reply::Leases(vec![true; nodes.len()]),
            _ => Reply::Done,
        };
        partition.handle_reply(id, Some(reply), now);
        // What follows from the answer is asked at once; anything else of the outputs stays.
        let others = outputs(partition);
        for output in others {
            match output {
                Output::Request(id, request) => asked.push_back((id, request)),
                other => partition.outputs.push_back(other),
            }
        }
    }
    swept
}

#[test]
fn a_crashed_node_is_swept_soon_after_its_lease_by_one_that_is_left_in_whatever_phase() {
    for seed in 0..200 {
        let start = Instant::now();
        let mut partition = open(seed, start);
        // Far enough that the survivor may judge, and anywhere between two of its beats.
        let ends = start + 15 * SECOND + Duration::from_millis(seed * 7);
        let mut now = start;
        while !serve(&mut partition, ends, now) {
            now = partition.poll_timeout().unwrap();
            assert!(now < ends + 2 * SECOND, "seed {seed}: not swept in time");
            partition.handle_timeout(now);
        }
        assert!(now >= ends + SECOND * 3 / 2, "seed {seed}: swept too soon");
    }
}

#[test]
fn nothing_is_due_twice_whatever_the_link_does() {
    let start = Instant::now();
    let mut partition = partition(1);
    let join = join();
    let mut now = start;
    let check = |partition: &mut Partition, now: Instant| {
        partition.handle_timeout(now);
        let next = partition.poll_timeout();
        assert!(next.is_none_or(|next| next > now), "due at once, again");
        outputs(partition)
    };
    for _ in 0..20 {
        check(&mut partition, now);
        partition.handle_connected(1, now);
        check(&mut partition, now);
        partition.handle_subscribed(now);
        partition.handle_command(join.clone(), now);
        for (id, request) in requests(&mut partition) {
            if matches!(request, Request::Beat { .. }) {
                let lost = Reply::Beaten {
                    renewed: false,
                    lapsed: Vec::new(),
                    next: None,
                    now: NOON,
                };
                partition.handle_reply(id, Some(lost), now);
            }
        }
        // Something is missing of a stream, and rooms are to be compared, when the link goes.
        let at = frame::Position {
            epoch: 1,
            acked: 0,
            number: 5,
        };
        let mark = Frame::Mark { from: "b", at }.write();
        partition.handle_payload(&Channel::Node(node("a")), &mark, now);
        now += Duration::from_millis(300);
        partition.handle_disconnected(now);
        check(&mut partition, now);
        now += 70 * SECOND;
        partition.handle_connected(1, now);
        now += SECOND;
        check(&mut partition, now);
        partition.handle_disconnected(now);
    }
}

#[test]
fn a_subscription_that_is_never_confirmed_ends_the_link() {
    let start = Instant::now();
    let mut partition = open(1, start);
    let assert = Command::Assert {
        room: ROOM,
        members: Vec::new(),
    };
    partition.handle_command(assert, start);
    let far = start + 60 * SECOND;
    let mut now = start;
    while !partition.outputs.contains(&Output::Reconnect) {
        // Beats come back all the while.
        serve(&mut partition, far, now);
        now = partition.poll_timeout().unwrap();
        assert!(now < start + 6 * SECOND, "it waits for ever");
        partition.handle_timeout(now);
    }
    assert!(now >= start + 4 * SECOND, "it had no time to come");
}

#[test]
fn what_a_congested_link_does_not_take_is_kept_and_marked_when_it_does_again() {
    let now = Instant::now();
    let mut partition = open(1, now);
    requests(&mut partition);
    let send = Command::Send {
        node: node("b"),
        room: ROOM,
        payload: Bytes::from_static(b"x"),
    };
    partition.handle_congestion(true, now);
    for _ in 0..5 {
        partition.handle_command(send.clone(), now);
    }
    let publish = Command::Publish {
        room: ROOM,
        nodes: vec![node("b")],
        payload: Bytes::from_static(b"y"),
    };
    partition.handle_command(publish, now);
    assert_eq!(outputs(&mut partition), []);
    partition.handle_congestion(false, now);
    let [(_, Request::Publish { payload, .. })] = &requests(&mut partition)[..] else {
        panic!()
    };
    let Some(Frame::Mark { at, .. }) = Frame::read(payload) else {
        panic!()
    };
    assert_eq!(at.number, 6);
    let from = "b";
    let (epoch, first, last) = (at.epoch, 1, 6);
    let nak = Frame::Nak {
        from,
        epoch,
        first,
        last,
    };
    partition.handle_payload(&Channel::Node(node("a")), &nak.write(), now);
    assert_eq!(requests(&mut partition).len(), 6);
    assert_eq!(partition.counters().refused, 0);
}

#[test]
fn what_is_kept_for_all_nodes_together_is_bounded() {
    let now = Instant::now();
    let config = Config {
        rings_bytes: 10_000,
        ..Config::default()
    };
    let mut partition = Partition::new(node("a"), config, 1);
    let send = |to| Command::Send {
        node: to,
        room: ROOM,
        payload: Bytes::from(vec![0; 3_000]),
    };
    for to in ["b", "c", "d", "e"] {
        partition.handle_command(send(node(to)), now);
    }
    assert_eq!(partition.counters().refused, 1);
    let ack = Frame::Ack {
        from: "b",
        epoch: 1,
        number: 1,
    };
    partition.handle_payload(&Channel::Node(node("a")), &ack.write(), now);
    partition.handle_command(send(node("e")), now);
    assert_eq!(partition.counters().refused, 1);
}

#[test]
fn a_start_is_no_lapse_and_a_lapse_is_one() {
    let now = Instant::now();
    let mut partition = open(1, now);
    let mut lapses = Vec::new();
    for renewed in [false, true, false] {
        for (id, request) in requests(&mut partition) {
            if matches!(request, Request::Beat { .. }) {
                let reply = Reply::Beaten {
                    renewed,
                    lapsed: Vec::new(),
                    next: None,
                    now: NOON,
                };
                partition.handle_reply(id, Some(reply), now);
            }
        }
        partition.beat(now);
        lapses.push(partition.counters().lapses);
    }
    assert_eq!(lapses, [0, 0, 1]);
}

#[test]
fn each_link_has_a_number_above_the_one_before() {
    let now = Instant::now();
    let mut partition = partition(1);
    let mut numbers = Vec::new();
    for _ in 0..3 {
        partition.handle_connected(1, now);
        partition.handle_subscribed(now);
        let leave = Command::Leave {
            room: ROOM,
            member: "bob".into(),
            fence: 1,
            data: Bytes::new(),
        };
        partition.handle_command(leave, now);
        for (_, request) in requests(&mut partition) {
            if let Request::Beat { link, .. } | Request::Leave { link, .. } = request {
                numbers.push(link);
            }
        }
        partition.handle_disconnected(now);
        assert_eq!(partition.leaves(), 0);
        let failed = Output::Event(Event::LeaveFailed { room: ROOM });
        assert!(outputs(&mut partition).contains(&failed));
    }
    assert_eq!(numbers, [1, 1, 2, 2, 3, 3]);
}

#[test]
fn frames_that_cannot_be_read_are_counted_and_the_next_is_heard() {
    let now = Instant::now();
    let mut partition = open(1, now);
    outputs(&mut partition);
    let own = Channel::Node(node("a"));
    let at = frame::Position {
        epoch: 1,
        acked: 0,
        number: 1,
    };
    let one = Frame::One {
        from: "b",
        link: 1,
        at,
        room: None,
        payload: b"x",
    };
    let mut other = one.write().to_vec();
    other[0] += 1;
    for unreadable in [&other[..], b"", b"\x01\xff"] {
        partition.handle_payload(&own, &Bytes::copy_from_slice(unreadable), now);
    }
    let version = RosterVersion {
        epoch: 1,
        version: 1,
    };
    let change = Change::Left {
        member: "bob".into(),
        node: node("b"),
        fence: 1,
        data: Bytes::new(),
    };
    partition.handle_published(&own, Published::Changed { version, change }, now);
    assert_eq!(partition.counters().unreadable, 4);
    assert_eq!(outputs(&mut partition), []);
    partition.handle_payload(&own, &one.write(), now);
    assert!(matches!(
        &outputs(&mut partition)[..],
        [Output::Event(Event::Received { .. })]
    ));
}
