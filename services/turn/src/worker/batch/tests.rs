use std::{collections::BTreeMap, net::Ipv4Addr};

use proptest::{collection::vec, prelude::*};

use super::*;

const LIMITS: Limits = Limits {
    segments: 64,
    segment_bytes: 1472,
};

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// What leaves: from where, where to, and the messages, each with those that were sent as one with it.
fn sent(batch: &mut Batch, limits: Limits) -> Vec<(Egress, SocketAddr, Vec<Vec<u8>>)> {
    batch.sort();
    let mut sent = Vec::new();
    while let Some(group) = batch.next(limits) {
        let messages = match group.size {
            0 => vec![Vec::new()],
            size => group.contents.chunks(size).map(<[u8]>::to_vec).collect(),
        };
        assert_eq!(messages.len() as u64, group.messages);
        sent.push((group.egress, group.to, messages));
    }
    batch.clear();
    sent
}

#[test]
fn messages_of_one_flow_go_as_one_and_another_s_between_them_do_not_matter() {
    let mut batch = Batch::new(1);
    let (one, other) = (Egress::RelaySocket(1), Egress::RelaySocket(2));
    for n in 0..3 {
        batch.push(one, address(1), &[&[n; 100]], Some(100));
        batch.push(one, address(2), &[&[n; 100]], Some(100));
        batch.push(other, address(1), &[&[n; 100]], Some(100));
    }
    let mut sent = sent(&mut batch, LIMITS);
    sent.sort_by_key(|(egress, to, _)| (*egress == other, to.port()));
    let messages: Vec<Vec<u8>> = (0..3).map(|n| vec![n; 100]).collect();
    assert_eq!(
        sent,
        [
            (one, address(1), messages.clone()),
            (one, address(2), messages.clone()),
            (other, address(1), messages),
        ]
    );
}

#[test]
fn a_shorter_message_ends_what_goes_as_one_and_a_longer_one_begins_anew() {
    let mut batch = Batch::new(1);
    let egress = Egress::Listener(0);
    for length in [100, 100, 40, 40, 100, 0, 0, 1472, 1472, 1473, 1473] {
        batch.push(egress, address(1), &[&vec![7; length]], None);
    }
    let groups: Vec<Vec<usize>> = sent(&mut batch, LIMITS)
        .iter()
        .map(|(_, _, messages)| messages.iter().map(Vec::len).collect())
        .collect();
    let expected: [&[usize]; 8] = [
        &[100, 100, 40],
        &[40],
        &[100],
        &[0],
        &[0],
        &[1472, 1472],
        &[1473],
        &[1473],
    ];
    assert_eq!(groups, expected);
}

#[test]
fn the_parts_of_a_message_are_put_together_and_its_data_is_counted() {
    let mut batch = Batch::new(1);
    let egress = Egress::Listener(3);
    batch.push(egress, address(1), &[b"header", b"data", b"000"], Some(4));
    batch.push(egress, address(1), &[b"another answer"], None);
    batch.sort();
    let group = batch.next(LIMITS).unwrap();
    assert_eq!(group.contents, b"headerdata000");
    assert_eq!((group.messages, group.relaying, group.data), (1, 1, 4));
    let group = batch.next(LIMITS).unwrap();
    assert_eq!((group.messages, group.relaying, group.data), (1, 0, 0));
    assert_eq!(batch.next(LIMITS), None);
}

#[test]
fn where_the_kernel_divides_nothing_each_goes_by_itself() {
    let mut batch = Batch::new(1);
    for n in 0..3 {
        batch.push(Egress::Listener(0), address(1), &[&[n; 9]], None);
    }
    let limits = Limits {
        segments: 1,
        ..LIMITS
    };
    let sent = sent(&mut batch, limits);
    let messages: Vec<&[Vec<u8>]> = sent.iter().map(|(_, _, messages)| &messages[..]).collect();
    assert_eq!(messages, [[vec![0; 9]], [vec![1; 9]], [vec![2; 9]]]);
}

#[test]
fn it_is_full_at_its_bounds_and_empty_again_when_cleared() {
    let mut batch = Batch::new(1);
    for _ in 0..MESSAGES {
        assert!(batch.has_room_for(1));
        batch.push(Egress::Listener(0), address(1), &[&[7]], None);
    }
    assert!(!batch.has_room_for(0));
    batch.clear();
    assert!(batch.is_empty());
    assert!(batch.has_room_for(ARENA));
    assert!(!batch.has_room_for(ARENA + 1));
}

#[test]
fn a_round_costs_no_heap() {
    let mut batch = Batch::new(1);
    let heap = allocation_counter::measure(|| {
        for n in 0..1000 {
            let egress = Egress::RelaySocket(n % 7);
            batch.push(
                egress,
                address(1 + (n % 11) as u16),
                &[&[7; 200]],
                Some(200),
            );
        }
        batch.sort();
        while batch.next(LIMITS).is_some() {}
        batch.clear();
    });
    assert_eq!(heap.count_total, 0);
}

proptest! {
    #[test]
    fn every_flow_keeps_its_messages_and_their_order(
        pushed in vec((0_u16..3, 0_u16..3, 0_usize..40), 0..200),
        segments in 1_usize..65,
        seed in any::<u64>(),
    ) {
        let mut batch = Batch::new(seed);
        let mut expected: BTreeMap<(u16, u16), Vec<Vec<u8>>> = BTreeMap::new();
        for (n, (listener, to, length)) in pushed.into_iter().enumerate() {
            let message = vec![n as u8; length / 10 * 10];
            batch.push(Egress::Listener(listener), address(to), &[&message], None);
            expected.entry((listener, to)).or_default().push(message);
        }
        let mut received: BTreeMap<(u16, u16), Vec<Vec<u8>>> = BTreeMap::new();
        let limits = Limits { segments, segment_bytes: 20 };
        for (egress, to, messages) in sent(&mut batch, limits) {
            let Egress::Listener(listener) = egress else { unreachable!() };
            prop_assert!(messages.len() <= segments);
            prop_assert!(messages.len() == 1 || messages[0].len() <= 20);
            received.entry((listener, to.port())).or_default().extend(messages);
        }
        prop_assert_eq!(received, expected);
    }
}
