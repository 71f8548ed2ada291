//! Allocations of both families: ADDITIONAL-ADDRESS-FAMILY, RFC 8656.

use super::*;
use crate::CloseReason;

const BOTH: Attr<'_> = Attr::Raw(0x8000, &[2, 0, 0, 0]);
const V6_PEER: &str = "[2600::1]:5000";

fn allocate(server: &mut Server, more: &[Attr<'_>]) -> Reaction {
    let attributes = [&[Attr::Transport(17)], more].concat();
    server.ask(HERE, ALICE, METHOD_ALLOCATE, &attributes)
}

fn with_both() -> Server {
    let mut server = Server::new();
    allocate(&mut server, &[BOTH]).success();
    server
}

/// Both peers are reached, and the clients hears of both.
fn reached(server: &mut Server) -> [bool; 2] {
    [PEER, V6_PEER].map(|peer| {
        let sent = server.send(peer, b"x");
        let heard = server.receive_from_peer(peer, b"x");
        let is_reached = matches!(sent, Reaction::ToPeer(..));
        assert_eq!(matches!(heard, Reaction::ToClient(..)), is_reached);
        is_reached
    })
}

#[test]
fn defect_19_a_client_gets_an_address_of_each_family_and_each_has_its_socket() {
    let mut server = Server::new();
    let reply = allocate(&mut server, &[BOTH]).success();
    let relayed: Vec<String> = reply
        .all_relayed()
        .iter()
        .map(SocketAddr::to_string)
        .collect();
    assert_eq!(relayed, ["198.51.100.1:50001", "[2001:db8::1]:50002"]);
    assert!(!reply.contains(0x8001));
    assert_eq!(server.relay.allocations(), 1);
    let places: Vec<usize> = server
        .sockets
        .keys()
        .map(|(id, family)| id.socket(*family))
        .collect();
    assert_eq!(places, [0, 1]);
    assert_eq!(server.permit(&[PEER, V6_PEER]), 200);
    assert_eq!(reached(&mut server), [true, true]);
    assert_eq!(server.bind(0x4000, PEER), 200);
    assert_eq!(server.bind(0x4001, V6_PEER), 200);
    assert_eq!(server.channel_data(0x4000, b"x"), to_peer(PEER, b"x"));
    assert_eq!(server.channel_data(0x4001, b"x"), to_peer(V6_PEER, b"x"));
}

#[test]
fn the_number_that_coturn_s_library_had_for_it_is_known_too_and_the_rfc_s_counts_before_it() {
    let old = |family: &'static [u8]| Attr::Raw(0x8032, family);
    let mut server = Server::new();
    let both = allocate(&mut server, &[old(&[2, 0, 0, 0])]);
    both.success();
    assert_eq!(server.opened.len(), 2);
    let mut server = Server::new();
    // IPv4 cannot be additional, but is not looked at.
    allocate(&mut server, &[BOTH, old(&[1, 0, 0, 0])]).success();
    assert_eq!(server.opened.len(), 2);
    let mut server = Server::new();
    allocate(&mut server, &[old(&[1, 0, 0, 0])]).error(400);
}

#[test]
fn each_address_counts_its_own_traffic_and_the_allocation_all() {
    let mut server = with_both();
    server.permit(&[PEER, V6_PEER]);
    server.send(PEER, b"12345");
    server.send(V6_PEER, b"1234567");
    server.receive_from_peer(V6_PEER, b"123");
    let traffic = server.relay.traffic(server.first()).unwrap();
    assert_eq!((traffic.packets_to_peers, traffic.bytes_to_peers), (2, 12));
    server.refresh(&[Attr::Lifetime(0)]);
    let counts = server.closed.iter().map(|close| {
        let traffic = close.traffic;
        assert_eq!(Family::of(close.relayed), close.family);
        (
            close.family,
            traffic.bytes_to_peers,
            traffic.bytes_to_client,
        )
    });
    assert!(counts.eq([(Family::V4, 5, 0), (Family::V6, 7, 3)]));
}

#[test]
fn a_retransmission_is_told_both() {
    let mut server = Server::new();
    let attributes = [Attr::Transport(17), BOTH];
    let request = server.signed(HERE, ALICE, METHOD_ALLOCATE, &attributes);
    for refusals in [[None, None], [None, Some(Refusal::QuotaReached)]] {
        server.refusals = refusals;
        server.receive(HERE, &request.raw);
        let first = server.relay.answer().to_vec();
        server.receive(HERE, &request.raw);
        assert_eq!(server.relay.answer(), first);
        server.refresh(&[Attr::Lifetime(0)]);
    }
    assert!(server.sockets.is_empty());
}

#[test]
fn defect_19_the_family_that_could_not_be_had_is_told_with_its_reason() {
    let quota = Some(Refusal::QuotaReached);
    let full = Some(Refusal::InsufficientCapacity);
    for (refusals, family, code) in [
        ([None, full], 2, [5, 8]),
        ([None, quota], 2, [4, 86]),
        ([full, None], 1, [5, 8]),
    ] {
        let mut server = Server::new();
        server.refusals = refusals;
        let reply = allocate(&mut server, &[BOTH]).success();
        assert_eq!(reply.all_relayed().len(), 1);
        assert_eq!(reply.relayed().is_ipv4(), family == 2);
        let missing = reply.get(0x8001);
        assert_eq!(missing[..2], [family, 0]);
        assert_eq!(missing[2..4], code);
        assert!(missing.len() > 4, "there is a reason phrase");
        server.refresh(&[Attr::Lifetime(0)]);
        assert!(server.sockets.is_empty());
    }
    for (refusals, code) in [([quota, full], 486), ([full, quota], 508)] {
        let mut server = Server::new();
        server.refusals = refusals;
        assert_eq!(code_of(&allocate(&mut server, &[BOTH])), code);
        assert_eq!(server.relay.allocations(), 0);
    }
}

#[test]
fn of_a_relay_of_one_family_a_client_that_asks_for_both_gets_that_one() {
    for (ipv4, ipv6, missing) in [
        (RelayedFamily::AsBound, RelayedFamily::None, 2),
        (RelayedFamily::None, RelayedFamily::AsBound, 1),
    ] {
        let mut server = Server::with(Config {
            ipv4,
            ipv6,
            ..config()
        });
        let reply = allocate(&mut server, &[BOTH]).success();
        assert_eq!(reply.all_relayed().len(), 1);
        assert_eq!(reply.get(0x8001)[..4], [missing, 0, 4, 40]);
        assert_eq!(server.opened.len(), 1);
    }
}

#[test]
fn of_a_relay_of_no_family_a_client_that_asks_for_both_is_refused_and_keeps_nothing() {
    let (ipv4, ipv6) = (RelayedFamily::None, RelayedFamily::None);
    let mut server = Server::with(Config {
        ipv4,
        ipv6,
        ..config()
    });
    for attributes in [&[BOTH][..], &[], &[Attr::Family(1)], &[Attr::Family(2)]] {
        assert_eq!(code_of(&allocate(&mut server, attributes)), 440);
        assert_eq!(server.relay.allocations(), 0);
        assert_eq!(server.opened.len(), 0);
    }
}

#[test]
fn defect_19_what_cannot_go_together_is_400() {
    let even_and_next = Attr::Raw(0x0018, &[0x80]);
    for attributes in [
        &[Attr::Raw(0x8000, &[1, 0, 0, 0])][..],
        &[Attr::Raw(0x8000, &[3, 0, 0, 0])],
        &[Attr::Raw(0x8000, &[2])],
        &[BOTH, Attr::Family(1)],
        &[BOTH, Attr::Family(2)],
        &[BOTH, even_and_next],
    ] {
        let mut server = Server::new();
        let code = code_of(&allocate(&mut server, attributes));
        assert_eq!(code, 400, "{attributes:?}");
        assert_eq!(server.opened, []);
    }
    let mut server = Server::new();
    let reply = allocate(&mut server, &[BOTH, Attr::Raw(0x0018, &[0])]).success();
    let ports = reply.all_relayed();
    assert!(ports.iter().all(|address| address.port() % 2 == 0));
}

#[test]
fn one_address_can_be_deleted_and_takes_its_permissions_and_channels_along() {
    let mut server = with_both();
    server.bind(0x4000, PEER);
    server.bind(0x4001, V6_PEER);
    let reply = server.refresh(&[Attr::Family(2), Attr::Lifetime(0)]);
    assert_eq!(reply.success().lifetime(), 0);
    assert_eq!(server.closed.len(), 1);
    assert_eq!(server.closed[0].family, Family::V6);
    assert_eq!(server.closed[0].reason, CloseReason::Deleted);
    assert_eq!(reached(&mut server), [true, false]);
    assert_eq!(
        server.channel_data(0x4001, b"x"),
        Reaction::Dropped(DropReason::NoChannel)
    );
    assert_eq!(server.permit(&[V6_PEER]), 443);
    assert_eq!(server.bind(0x4002, V6_PEER), 443);
    // All or nothing.
    assert_eq!(server.permit(&["8.8.4.4:1", V6_PEER]), 443);
    let dropped = Reaction::Dropped(DropReason::NoPermission);
    assert_eq!(server.send("8.8.4.4:1", b"x"), dropped);
    // Its number is free.
    assert_eq!(server.bind(0x4001, "8.8.4.4:1"), 200);
    assert_eq!(
        code_of(&server.refresh(&[Attr::Family(2), Attr::Lifetime(0)])),
        443
    );
    assert_eq!(code_of(&server.refresh(&[Attr::Family(2)])), 443);
    assert_eq!(code_of(&server.refresh(&[])), 200);
    server.refresh(&[Attr::Family(1), Attr::Lifetime(0)]);
    assert_eq!(server.relay.allocations(), 0);
    assert_eq!(code_of(&server.refresh(&[])), 437);
    assert_eq!(server.closed.len(), 2);
    assert_eq!(server.relay.poll_timeout(), None);
}

#[test]
fn one_address_can_be_refreshed_and_the_other_ends_in_its_time() {
    let mut server = with_both();
    server.advance(300 * SECOND);
    server.permit(&[PEER, V6_PEER]);
    server.refresh(&[Attr::Family(1), Attr::Lifetime(1800)]);
    server.advance(300 * SECOND - MOMENT);
    server.permit(&[PEER, V6_PEER]);
    assert_eq!(reached(&mut server), [true, true]);
    server.advance(MOMENT);
    // Whether or not anybody looks.
    assert_eq!(reached(&mut server), [true, false]);
    assert_eq!(server.permit(&[V6_PEER]), 443);
    assert_eq!(code_of(&server.refresh(&[Attr::Family(2)])), 443);
    assert_eq!(server.closed, []);
    server.handle_timeout();
    assert_eq!(server.closed.len(), 1);
    assert_eq!(server.closed[0].reason, CloseReason::Expired);
    assert_eq!(server.closed[0].family, Family::V6);
    // Without a family it is for what there is.
    server.advance(1200 * SECOND);
    assert_eq!(server.refresh(&[]).success().lifetime(), 600);
    server.advance(600 * SECOND);
    server.handle_timeout();
    assert_eq!(server.relay.allocations(), 0);
    assert_eq!(server.closed.len(), 2);
}

#[test]
fn an_address_that_is_over_leaves_room_for_the_other_s_peers_whether_or_not_anybody_looks() {
    let mut server = Server::with(Config {
        max_permissions: 1,
        max_channels: 1,
        ..config()
    });
    allocate(&mut server, &[BOTH]).success();
    server.advance(599 * SECOND);
    server.refresh(&[Attr::Family(1)]);
    assert_eq!(server.bind(0x4000, V6_PEER), 200);
    assert_eq!(server.bind(0x4001, PEER), 508);
    server.advance(SECOND);
    assert_eq!(server.bind(0x4000, PEER), 200);
    assert_eq!(server.closed, []);
}

#[test]
fn a_new_allocation_takes_the_place_of_one_of_both_families_that_is_over() {
    let mut server = with_both();
    server.advance(600 * SECOND);
    server.allocate(HERE, BOB);
    assert_eq!(server.closed.len(), 2);
    assert_eq!(server.sockets.len(), 1);
}

#[test]
fn the_sockets_may_be_reported_in_either_order_and_each_once() {
    for order in [Family::ALL, [Family::V6, Family::V4]] {
        let mut server = Server::new();
        let source = HERE.parse().unwrap();
        let attributes = [Attr::Transport(17), BOTH];
        let request = server.signed(HERE, ALICE, METHOD_ALLOCATE, &attributes);
        let action = server
            .relay
            .handle_client(ListenerId(0), source, &request.raw, server.now);
        assert_eq!(action, Action::Pending);
        let Some(Output::Open(open)) = server.relay.poll_output() else {
            panic!("no socket was asked for");
        };
        let now = server.now.monotonic;
        let mut report = |family| {
            let bound = match family {
                Family::V4 => address("198.51.100.1:50000"),
                Family::V6 => address("[2001:db8::1]:50000"),
            };
            let id = open.allocation;
            server
                .relay
                .handle_opened(id, family, Ok(bound.into()), now)
        };
        assert_eq!(report(order[0]), Action::Pending);
        let twice = Action::Dropped(DropReason::NoAllocation);
        assert_eq!(report(order[0]), twice);
        assert!(matches!(report(order[1]), Action::Answer(answer) if answer.error.is_none()));
        assert_eq!(report(order[0]), twice);
        assert_eq!(report(order[1]), twice);
    }
}
