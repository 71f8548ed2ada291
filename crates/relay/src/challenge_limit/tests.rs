use std::{collections::BTreeSet, net::Ipv4Addr};

use super::*;

#[expect(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
fn start() -> Instant {
    Instant::now()
}

fn limit(start: Instant) -> ChallengeLimit {
    ChallengeLimit::new(NonZeroU32::new(10).unwrap(), 7, start)
}

/// An address of the network with this number.
fn network(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x1000_0000 + (number << 8)).into()
}

/// How many of so many challenges are admitted.
fn admitted(limit: &ChallengeLimit, ip: IpAddr, number: usize, now: Instant) -> usize {
    (0..number).filter(|_| limit.admits(ip, now)).count()
}

#[test]
fn checklist_02_when_the_table_is_full_newcomers_are_answered_and_who_is_flooded_stays_limited() {
    let start = start();
    let limit = limit(start);
    let flooded = network(0);
    assert_eq!(admitted(&limit, flooded, 1000, start), 10);
    for n in 1..200_000 {
        assert!(limit.admits(network(n), start), "{n}");
    }
    assert!(limit.forgotten() > 190_000, "{}", limit.forgotten());
    assert_eq!(admitted(&limit, flooded, 1000, start), 0);
}

#[test]
fn who_is_out_of_debt_makes_room_without_being_missed() {
    let start = start();
    let limit = limit(start);
    for second in 0..20 {
        let now = start + std::time::Duration::from_secs(second);
        for n in 0..50 {
            assert!(limit.admits(network(50 * second as u32 + n), now));
        }
    }
    assert_eq!(limit.forgotten(), 0);
}

#[test]
fn of_too_many_known_networks_those_that_were_heard_of_lately_stay_known() {
    let start = start();
    let limit = limit(start);
    let faithful = network(0);
    for n in 1..200_000_u32 {
        let now = start + std::time::Duration::from_millis(n.into());
        limit.know(network(n), now);
        if n % 100 == 0 {
            limit.know(faithful, now);
        }
        assert!(limit.knows(network(n)));
        assert!(n < 100 || limit.knows(faithful), "{n}");
    }
    let known = (0..200_000).filter(|n| limit.knows(network(*n))).count();
    assert_eq!(known, KNOWN);
    assert_eq!(limit.forgotten(), 200_000 - KNOWN as u64);
}

#[test]
fn a_flood_of_others_makes_nobody_unknown() {
    let start = start();
    let limit = limit(start);
    let known = network(0);
    limit.know(known, start);
    for n in 1..200_000 {
        limit.admits(network(n), start);
    }
    assert!(limit.knows(known));
}

#[test]
fn networks_have_tags_of_their_own_whatever_their_family() {
    let limit = limit(start());
    let mut tags = BTreeSet::new();
    for n in 0..100_000 {
        assert!(tags.insert(limit.tag(network(n))));
        let v6 = u128::from(n) << 72;
        let v6 = std::net::Ipv6Addr::from_bits(v6 | 0x2000 << 112).into();
        assert!(tags.insert(limit.tag(v6)));
        assert!(limit.tag(v6) != 0);
    }
}

#[test]
fn threads_that_share_a_table_answer_about_as_often_as_one() {
    let start = start();
    let limit = limit(start);
    let sum = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| admitted(&limit, network(1), 100_000, start)))
            .collect();
        let admitted = threads.into_iter().map(|thread| thread.join().unwrap());
        admitted.sum::<usize>()
    });
    // Each of four may find the same place as it was.
    assert!((10..=40).contains(&sum), "{sum}");
}
