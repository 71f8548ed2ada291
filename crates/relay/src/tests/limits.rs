//! What one allocation may do in a second, and how that is given back by time alone.

use super::*;
use crate::Limits;

fn with(limits: Limits) -> Server {
    let mut server = Server::with(Config { limits, ..config() });
    server.allocate(HERE, ALICE);
    server
}

/// How many of `number` packets pass: by channel to the peer, or from there.
fn pass(server: &mut Server, number: usize, bytes: usize, to_peer: bool) -> usize {
    let data = vec![7; bytes];
    let passes = |_: &usize| {
        let reaction = match to_peer {
            true => server.channel_data(0x4000, &data),
            false => server.receive_from_peer(PEER, &data),
        };
        let is_dropped = matches!(
            reaction,
            Reaction::Dropped(DropReason::PacketRate | DropReason::BitRate)
        );
        let is_relayed = matches!(reaction, Reaction::ToPeer(..) | Reaction::ToClient(..));
        assert!(is_dropped || is_relayed, "{reaction:?}");
        is_relayed
    };
    (0..number).filter(passes).count()
}

#[test]
fn checklist_08_packets_are_limited_each_way_to_a_second_s_worth_at_once_and_then_to_the_rate() {
    let mut server = with(Limits {
        packets_per_second: 100,
        ..Limits::default()
    });
    server.bind(0x4000, PEER);
    for to_peer in [true, false] {
        assert_eq!(pass(&mut server, 300, 10, to_peer), 100);
    }
    let dropped = Reaction::Dropped(DropReason::PacketRate);
    assert_eq!(server.channel_data(0x4000, b"x"), dropped);
    assert_eq!(server.send(PEER, b"x"), dropped);
    for _ in 0..10 {
        server.advance(SECOND / 20);
        for to_peer in [true, false] {
            assert_eq!(pass(&mut server, 50, 10, to_peer), 5);
        }
    }
    server.advance(60 * SECOND);
    assert_eq!(pass(&mut server, 300, 10, false), 100, "no more is saved");
}

#[test]
fn checklist_08_bits_are_limited_each_way_whatever_the_size_of_packets() {
    let mut server = with(Limits {
        bits_per_second: 80_000,
        ..Limits::default()
    });
    server.bind(0x4000, PEER);
    for (bytes, expected) in [(100, 100), (1000, 10), (20_000, 1)] {
        for to_peer in [true, false] {
            assert_eq!(pass(&mut server, 300, bytes, to_peer), expected, "{bytes}");
        }
        let dropped = Reaction::Dropped(DropReason::BitRate);
        assert_eq!(server.channel_data(0x4000, b"x"), dropped);
        // The longest takes two seconds to be paid for, and then the bucket is full.
        server.advance(3 * SECOND);
    }
}

#[test]
fn what_is_dropped_for_one_limit_is_not_charged_to_the_other() {
    let mut server = with(Limits {
        packets_per_second: 10,
        bits_per_second: 8000,
        ..Limits::default()
    });
    server.bind(0x4000, PEER);
    assert_eq!(pass(&mut server, 500, 10, true), 10, "as many as packets");
    server.advance(SECOND);
    assert_eq!(pass(&mut server, 1, 1000, true), 1, "all of the bits");
    assert_eq!(pass(&mut server, 500, 10, true), 0, "as many as bits");
    server.advance(SECOND);
    assert_eq!(pass(&mut server, 500, 10, true), 10);
}

#[test]
fn who_has_no_permission_cannot_use_up_an_allocation() {
    let mut server = with(Limits {
        packets_per_second: 10,
        bits_per_second: 800,
        ..Limits::default()
    });
    server.bind(0x4000, PEER);
    for _ in 0..100 {
        let reaction = server.receive_from_peer("9.9.9.9:9", &[7; 100]);
        assert_eq!(reaction, Reaction::Dropped(DropReason::NoPermission));
        let reaction = server.send("9.9.9.9:9", &[7; 100]);
        assert_eq!(reaction, Reaction::Dropped(DropReason::NoPermission));
    }
    assert_eq!(pass(&mut server, 300, 10, true), 10);
    assert_eq!(pass(&mut server, 300, 10, false), 10);
}

#[test]
fn each_allocation_has_its_own_limits_and_what_was_dropped_is_no_traffic() {
    let mut server = with(Limits {
        packets_per_second: 10,
        ..Limits::default()
    });
    server.bind(0x4000, PEER);
    assert_eq!(pass(&mut server, 300, 10, true), 10);
    let traffic = server.relay.traffic(server.first()).unwrap();
    assert_eq!(
        (traffic.packets_to_peers, traffic.bytes_to_peers),
        (10, 100)
    );
    let there = "192.0.2.11:1";
    server.allocate(there, BOB);
    let attributes = [Attr::Channel(0x4000), Attr::Peer(PEER)];
    assert_eq!(
        server.code(there, BOB, METHOD_CHANNEL_BIND, &attributes),
        200
    );
    let reaction = server.receive(there, &channel_data(0x4000, b"x"));
    assert_eq!(reaction, to_peer(PEER, b"x"));
}

#[test]
fn checklist_08_new_peers_are_limited_to_ten_seconds_worth_at_once_and_then_to_the_rate_with_403() {
    let mut server = with(Limits {
        new_peers_per_second: 2,
        ..Limits::default()
    });
    let mut peers = (0..).map(|n| format!("8.8.{}.{}:1", n / 200, n % 200));
    let mut gain = |server: &mut Server, number: usize, bind: bool| -> usize {
        let granted = |_: &usize| {
            let peer = peers.next().unwrap();
            let code = match bind {
                true => server.bind(0x4FFF, &peer),
                false => server.permit(&[&peer]),
            };
            assert!(matches!(code, 200 | 403), "{code}");
            code == 200
        };
        (0..number).filter(granted).count()
    };
    assert_eq!(gain(&mut server, 19, false), 19);
    assert_eq!(gain(&mut server, 1, true), 1);
    assert_eq!(gain(&mut server, 30, false), 0);
    assert_eq!(server.relay.new_peers_refused(), 30);
    assert_eq!(server.bind(0x4001, "9.9.9.9:1"), 403);
    // Those that there are may go on, together with no new one.
    assert_eq!(server.permit(&["8.8.0.0:1", "8.8.0.1:9"]), 200);
    assert_eq!(server.permit(&["8.8.0.0:1", "9.9.9.9:1"]), 403);
    assert_eq!(server.relay.new_peers_refused(), 32);
    server.advance(5 * SECOND + MOMENT);
    assert_eq!(gain(&mut server, 30, false), 10);
    // Many at once are one request, which is granted whole or not at all.
    server.advance(5 * SECOND);
    let many: Vec<String> = (0..11).map(|n| format!("9.9.8.{n}:1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(server.permit(&many), 403);
    assert_eq!(server.permit(&many[..10]), 200);
}

#[test]
fn a_request_that_is_refused_for_another_reason_gains_no_peer() {
    let mut server = with(Limits {
        new_peers_per_second: 1,
        ..Limits::default()
    });
    for _ in 0..100 {
        assert_eq!(server.permit(&[PEER, "10.0.0.1:1"]), 403);
        assert_eq!(server.permit(&[PEER, "[2600::1]:1"]), 443);
    }
    assert_eq!(server.relay.new_peers_refused(), 0);
    for n in 0..10 {
        assert_eq!(server.permit(&[&format!("8.8.8.{n}:1")]), 200);
    }
    assert_eq!(server.permit(&["8.8.8.100:1"]), 403);
}
