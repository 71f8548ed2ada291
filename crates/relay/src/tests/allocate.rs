use super::*;
use crate::CloseReason;

#[test]
fn a_client_gets_a_relayed_address_its_own_and_a_lifetime() {
    let mut server = Server::new();
    let reply = server.allocate_with(HERE, ALICE, &[]);
    assert_eq!(reply.relayed().to_string(), "198.51.100.1:50001");
    assert_eq!(reply.mapped().to_string(), HERE);
    assert_eq!(reply.lifetime(), 600);
    let open = &server.opened[0];
    assert_eq!((open.family, open.user.as_str()), (Family::V4, "alice"));
    assert_eq!(open.client.address.to_string(), HERE);
}

#[test]
fn the_address_of_a_relay_behind_a_nat_is_the_external_one() {
    let mut server = Server::with(Config {
        ipv4: RelayedFamily::External("203.0.113.9".parse().unwrap()),
        ..config()
    });
    let relayed = server.allocate(HERE, ALICE);
    assert_eq!(relayed.to_string(), "203.0.113.9:50001");
}

#[test]
fn the_protocol_must_be_given_and_be_udp() {
    let mut server = Server::new();
    let mut code = |attributes: &[Attr<'_>]| server.code(HERE, ALICE, METHOD_ALLOCATE, attributes);
    assert_eq!(code(&[]), 400);
    assert_eq!(code(&[Attr::Raw(0x0019, &[17])]), 400);
    assert_eq!(code(&[Attr::Transport(6)]), 442);
    assert_eq!(code(&[Attr::Transport(17)]), 200);
}

#[test]
fn defect_20_dont_fragment_is_refused_by_who_cannot_honour_it_and_then_alone() {
    let mut server = Server::with(Config {
        dont_fragment: false,
        ..config()
    });
    let dont_fragment = Attr::Raw(0x001A, &[]);
    let mut ask = |attributes: &[Attr<'_>]| server.ask(HERE, ALICE, METHOD_ALLOCATE, attributes);
    let reply = ask(&[Attr::Transport(17), dont_fragment]).error(420);
    assert_eq!(reply.get(0x000A), [0, 0x1A]);
    // RFC 8656 §7.2 looks at the transport before, and at all else after.
    assert_eq!(code_of(&ask(&[Attr::Transport(6), dont_fragment])), 442);
    let attributes = [Attr::Transport(17), Attr::Family(3), dont_fragment];
    assert_eq!(code_of(&ask(&attributes)), 420);
    let mut server = Server::new();
    server.allocate_with(HERE, ALICE, &[dont_fragment]);
}

#[test]
fn without_a_family_it_is_ipv4_if_the_relay_has_it_and_else_the_listeners() {
    let check = |ipv4, ipv6, client, expected: Result<&str, u16>| {
        let mut server = Server::with(Config {
            ipv4,
            ipv6,
            ..config()
        });
        let reaction = server.ask(client, ALICE, METHOD_ALLOCATE, &[Attr::Transport(17)]);
        let found = match code_of(&reaction) {
            200 => Ok(reaction.success().relayed().to_string()),
            code => Err(code),
        };
        assert_eq!(found, expected.map(str::to_owned));
    };
    let (ipv6_client, mapped) = ("[2001:db8::5]:1", "[::ffff:192.0.2.1]:1");
    check(
        RelayedFamily::AsBound,
        RelayedFamily::AsBound,
        HERE,
        Ok("198.51.100.1:50001"),
    );
    check(
        RelayedFamily::AsBound,
        RelayedFamily::AsBound,
        ipv6_client,
        Ok("198.51.100.1:50001"),
    );
    check(
        RelayedFamily::None,
        RelayedFamily::AsBound,
        ipv6_client,
        Ok("[2001:db8::1]:50001"),
    );
    check(RelayedFamily::None, RelayedFamily::AsBound, HERE, Err(440));
    check(
        RelayedFamily::None,
        RelayedFamily::AsBound,
        mapped,
        Err(440),
    );
}

#[test]
fn defect_19_a_family_that_the_relay_has_not_is_440_and_a_malformed_one_400() {
    let mut server = Server::with(Config {
        ipv6: RelayedFamily::None,
        ..config()
    });
    let mut code = |attribute| {
        let attributes = [Attr::Transport(17), attribute];
        server.code(HERE, ALICE, METHOD_ALLOCATE, &attributes)
    };
    assert_eq!(code(Attr::Family(2)), 440);
    assert_eq!(code(Attr::Family(3)), 440);
    assert_eq!(code(Attr::Raw(0x0017, &[1])), 400);
    assert_eq!(code(Attr::Raw(0x000D, &[1])), 400);
    assert_eq!(code(Attr::Family(1)), 200);
    let mut server = Server::new();
    let reply = server.allocate_with(HERE, ALICE, &[Attr::Family(2)]);
    assert_eq!(reply.relayed().to_string(), "[2001:db8::1]:50001");
}

#[test]
fn a_refused_socket_is_486_or_508_and_leaves_nothing() {
    let mut server = Server::new();
    for (refusal, code) in [
        (Refusal::QuotaReached, 486),
        (Refusal::InsufficientCapacity, 508),
    ] {
        server.refusals[0] = Some(refusal);
        let found = server.code(HERE, ALICE, METHOD_ALLOCATE, &[Attr::Transport(17)]);
        assert_eq!(found, code);
        assert_eq!(server.relay.allocations(), 0);
        assert_eq!(server.relay.poll_timeout(), None);
    }
    assert_eq!(server.closed, []);
    server.allocate(HERE, ALICE);
}

#[test]
fn while_the_socket_opens_the_5_tuple_has_no_allocation_and_a_retransmission_no_second_socket() {
    let mut server = Server::new();
    let source = HERE.parse().unwrap();
    let request = server.signed(HERE, ALICE, METHOD_ALLOCATE, &[Attr::Transport(17)]);
    let handle = |server: &mut Server, datagram: &[u8]| {
        server
            .relay
            .handle_client(ListenerId(0), source, datagram, server.now)
    };
    assert_eq!(handle(&mut server, &request.raw), Action::Pending);
    let again = handle(&mut server, &request.raw);
    assert_eq!(again, Action::Dropped(DropReason::Opening));
    assert_eq!(code_of(&server.refresh_without_opening()), 437);
    let Some(Output::Open(open)) = server.relay.poll_output() else {
        panic!("no socket was asked for");
    };
    assert_eq!(server.relay.poll_output(), None);
    let bound = Bound::from(address("198.51.100.1:50001"));
    let now = server.now.monotonic;
    let mut opened = || {
        server
            .relay
            .handle_opened(open.allocation, Family::V4, Ok(bound), now)
    };
    let action = opened();
    assert!(matches!(action, Action::Answer(answer) if answer.error.is_none()));
    assert_eq!(opened(), Action::Dropped(DropReason::NoAllocation));
}

impl Server {
    fn refresh_without_opening(&mut self) -> Reaction {
        let refresh = self.signed(HERE, ALICE, METHOD_REFRESH, &[]);
        let source = HERE.parse().unwrap();
        let action = self
            .relay
            .handle_client(ListenerId(0), source, &refresh.raw, self.now);
        self.reaction(action, &refresh.raw)
    }
}

#[test]
fn an_allocation_ends_at_its_instant_whether_or_not_anybody_looks() {
    let mut server = Server::with_allocation();
    assert_eq!(
        server.relay.poll_timeout(),
        Some(server.now.monotonic + 600 * SECOND)
    );
    server.advance(600 * SECOND - MOMENT);
    server.handle_timeout();
    assert_eq!(server.permit(&[PEER]), 200);
    server.advance(MOMENT);
    assert_eq!(server.permit(&[PEER]), 437);
    assert_eq!(
        server.send(PEER, b"x"),
        Reaction::Dropped(DropReason::NoAllocation)
    );
    let from_peer = server.receive_from_peer(PEER, b"x");
    assert_eq!(from_peer, Reaction::Dropped(DropReason::NoAllocation));
    assert_eq!(server.closed, []);
    server.handle_timeout();
    assert_eq!(server.closed[0].reason, CloseReason::Expired);
    assert_eq!(server.closed[0].user.as_str(), "alice");
    assert_eq!(server.relay.allocations(), 0);
}

#[test]
fn a_new_allocation_takes_the_place_of_one_that_is_over() {
    let mut server = Server::with_allocation();
    server.advance(600 * SECOND);
    server.allocate(HERE, BOB);
    assert_eq!(server.closed.len(), 1);
    assert_eq!(server.sockets.len(), 1);
    assert_eq!(server.relay.allocations(), 1);
}

#[test]
fn allocations_of_other_5_tuples_are_others() {
    let mut server = Server::with_allocation();
    server.allocate("192.0.2.10:4001", ALICE);
    server.allocate("192.0.2.11:4000", ALICE);
    let source = HERE.parse().unwrap();
    let request = server.signed(HERE, ALICE, METHOD_ALLOCATE, &[Attr::Transport(17)]);
    let action = server
        .relay
        .handle_client(ListenerId(1), source, &request.raw, server.now);
    assert_eq!(action, Action::Pending);
    assert_eq!(server.relay.allocations(), 4);
}

#[test]
fn a_timeout_ends_a_bounded_number_and_is_due_again() {
    let mut server = Server::new();
    for port in 1..=100 {
        server.allocate(&format!("192.0.2.10:{port}"), ALICE);
    }
    server.advance(600 * SECOND);
    server.handle_timeout();
    assert_eq!(server.closed.len(), 64);
    assert!(server.relay.poll_timeout() <= Some(server.now.monotonic));
    server.handle_timeout();
    assert_eq!(server.closed.len(), 100);
    assert_eq!(server.relay.poll_timeout(), None);
}

#[test]
fn an_id_is_not_used_again_with_its_index() {
    let mut server = Server::with_allocation();
    let first = server.first();
    server.refresh(&[Attr::Lifetime(0)]);
    server.allocate(HERE, ALICE);
    let second = server.first();
    assert_eq!(first.index(), second.index());
    assert_eq!(server.permit(&[PEER]), 200);
    let now = server.now.monotonic;
    let late = server
        .relay
        .handle_peer(first, PEER.parse().unwrap(), b"x", now);
    assert_eq!(late, Action::Dropped(DropReason::NoAllocation));
    assert_eq!(server.relay.traffic(first), None);
}
