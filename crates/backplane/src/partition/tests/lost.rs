//! A store that has lost something, and nodes that are gone.

use super::*;

/// What the store says at a time of the lease of node b, and of this node's own: whether they are valid.
type Leases = fn(Duration) -> (bool, bool);

/// When it is known that b is gone, which was asked to confirm what it has in a room at second 12.
fn gone(leases: Leases) -> Duration {
    let start = Instant::now();
    let mut partition = open(1, start);
    let mut now = start;
    let mut asked = false;
    loop {
        for output in outputs(&mut partition) {
            let passed = now - start;
            let (valid, renewed) = leases(passed);
            let (id, reply) = match output {
                Output::Event(Event::Confirmed { .. }) => return passed,
                Output::Request(id, Request::Beat { nonce, .. }) => {
                    let channel = Channel::Node(node("a"));
                    partition.handle_published(&channel, Published::Beat { nonce }, now);
                    let beaten = Reply::Beaten {
                        renewed,
                        lapsed: Vec::new(),
                        next: None,
                        now: NOON,
                    };
                    (id, beaten)
                }
                Output::Request(id, Request::Leases { .. }) => (id, Reply::Leases(vec![valid])),
                _ => continue,
            };
            partition.handle_reply(id, Some(reply), now);
        }
        if !asked && now >= start + 12 * SECOND {
            asked = true;
            let confirm = Command::Confirm {
                room: ROOM,
                node: node("b"),
            };
            partition.rooms.enter(&ROOM);
            partition.handle_command(confirm, now);
        }
        now = partition.poll_timeout().unwrap();
        assert!(now < start + 60 * SECOND, "it is never known");
        partition.handle_timeout(now);
    }
}

#[test]
fn a_node_whose_lease_has_lapsed_is_gone_and_one_that_has_none_after_the_length_of_one() {
    let lapsed = gone(|at| (at < 20 * SECOND, true));
    assert!(lapsed > 21 * SECOND, "{lapsed:?}: clocks may be set");
    assert!(lapsed < 24 * SECOND, "{lapsed:?}");
    let never = gone(|_| (false, true));
    assert!(never >= 22 * SECOND, "{never:?}");
    assert!(never < 26 * SECOND, "{never:?}");
    // When the store has lost every lease, b gets the time to come back.
    let flushed = gone(|at| {
        let lost = at >= 20 * SECOND;
        (!lost, !(lost && at < 22 * SECOND))
    });
    assert!(flushed >= 30 * SECOND, "{flushed:?}");
    assert!(flushed < 34 * SECOND, "{flushed:?}");
}

/// Answers beats, and returns how many rooms are asserted as ones in which this node has nobody, and how many are handed
/// out for comparison.
fn repaired(partition: &mut Partition, now: Instant) -> (usize, usize) {
    let (mut asserted, mut compared) = (0, 0);
    for output in outputs(partition) {
        match output {
            Output::Request(id, Request::Beat { .. }) => {
                partition.handle_reply(id, Some(beaten(Vec::new(), None)), now);
            }
            Output::Request(_, Request::Assert { members, .. }) => {
                asserted += usize::from(members.is_empty());
            }
            Output::Event(Event::Gap { .. }) => compared += 1,
            _ => {}
        }
    }
    (asserted, compared)
}

fn beat(partition: &mut Partition, now: Instant) -> (usize, usize) {
    partition.handle_published(&Channel::Node(node("a")), Published::Beat { nonce: 0 }, now);
    let (asserted, compared) = repaired(partition, now);
    let (also, later) = repaired(partition, now);
    partition.handle_timeout(now);
    let (too, due) = repaired(partition, now);
    (asserted + also + too, compared + later + due)
}

fn enter(partition: &mut Partition, now: Instant) {
    let assert = Command::Assert {
        room: ROOM,
        members: vec![("bob".into(), 1, Bytes::new())],
    };
    partition.handle_command(assert, now);
    partition.handle_subscribed(now);
    outputs(partition);
}

#[test]
fn a_room_that_was_left_around_a_failover_is_asserted_in_the_new_store() {
    let now = Instant::now();
    // Left when the link to the new store was up already, but the room had not been asserted there.
    let mut partition = open(1, now);
    beat(&mut partition, now);
    enter(&mut partition, now);
    partition.handle_disconnected(now);
    partition.handle_connected(2, now);
    partition.handle_subscribed(now);
    partition.handle_command(Command::Forget { room: ROOM }, now);
    assert_eq!(beat(&mut partition, now), (1, 0));
    // Left before, and entered again.
    let mut partition = open(1, now);
    beat(&mut partition, now);
    enter(&mut partition, now);
    partition.handle_command(Command::Forget { room: ROOM }, now);
    partition.handle_disconnected(now);
    partition.handle_connected(2, now);
    partition.rooms.enter(&ROOM);
    partition.handle_subscribed(now);
    assert_eq!(beat(&mut partition, now), (0, 1));
}

#[test]
fn what_is_asked_for_is_to_be_done_while_the_link_counts_as_working() {
    let start = Instant::now();
    let mut partition = open(1, start);
    let until_of_join = |partition: &mut Partition, now| {
        partition.handle_command(join(), now);
        partition.handle_subscribed(now);
        let until = requests(partition).into_iter().filter_map(|(id, request)| {
            if matches!(request, Request::Beat { .. }) {
                // It has taken the store two seconds to get to the beat.
                let later = now + 2 * SECOND;
                partition.handle_reply(id, Some(beaten(Vec::new(), None)), later);
            }
            match request {
                Request::Join { until, .. } => Some(until),
                _ => None,
            }
        });
        until.collect::<Vec<_>>()
    };
    // The store's clock is not known yet.
    assert_eq!(until_of_join(&mut partition, start), [u64::MAX]);
    let now = start + 3 * SECOND;
    assert_eq!(until_of_join(&mut partition, now), [NOON + 3_000 + 5_000]);
}
