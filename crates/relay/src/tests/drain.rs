//! A relay that is to be taken away: nobody new, and those that it has until a deadline.

use super::*;
use crate::{CloseReason, Drain};

fn drain(server: &mut Server, alternates: &[&str]) {
    let drain = Drain {
        until: Some(server.now.monotonic + 900 * SECOND),
        alternates: alternates.iter().map(|text| address(text)).collect(),
    };
    server.relay.handle_drain(Some(drain));
}

fn allocate(server: &mut Server, client: &str, attributes: &[Attr<'_>]) -> Reaction {
    server.ask(client, ALICE, METHOD_ALLOCATE, attributes)
}

const NEW: &str = "192.0.2.77:1";

#[test]
fn checklist_13_a_new_client_is_sent_to_another_relay_of_its_family_or_refused() {
    let mut server = Server::new();
    drain(&mut server, &["[2001:db8::5]:3478", "198.51.100.9:3478"]);
    let udp = [Attr::Transport(17)];
    for (client, alternate) in [
        (NEW, &[0, 1, 0x0D, 0x96, 198, 51, 100, 9][..]),
        (
            "[::ffff:192.0.2.77]:1",
            &[0, 1, 0x0D, 0x96, 198, 51, 100, 9],
        ),
        (
            "[2001:db8::77]:1",
            &[
                0, 2, 0x0D, 0x96, 0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5,
            ],
        ),
    ] {
        let reply = allocate(&mut server, client, &udp).error(300);
        assert!(reply.verified);
        assert_eq!(reply.get(0x8023), alternate);
    }
    drain(&mut server, &["[2001:db8::5]:3478"]);
    let reply = allocate(&mut server, NEW, &udp).error(508);
    assert!(!reply.contains(0x8023));
    drain(&mut server, &[]);
    allocate(&mut server, NEW, &udp).error(508);
    assert_eq!(server.opened, []);
    assert_eq!(server.relay.allocations(), 0);
}

#[test]
fn checklist_13_who_comes_by_tls_is_not_sent_to_a_port_without_it() {
    let mut server = Server::with(Config {
        transports: [crate::Transport::Tls].into(),
        ..config()
    });
    drain(&mut server, &["198.51.100.9:3478"]);
    let reply = allocate(&mut server, NEW, &[Attr::Transport(17)]).error(508);
    assert!(!reply.contains(0x8023));
}

#[test]
fn several_alternates_share_the_clients() {
    let mut server = Server::new();
    let alternates = ["198.51.100.1:1", "198.51.100.2:1", "198.51.100.3:1"];
    drain(&mut server, &alternates);
    let mut told: Vec<_> = (0..30_u8)
        .map(|n| {
            let nonce = server.nonce(NEW);
            let mut message = request(METHOD_ALLOCATE, [n; 12], &[Attr::Transport(17)]);
            sign(&mut message, ALICE.name, ALICE.password, &nonce);
            server.receive(NEW, &message.raw).error(300).get(0x8023)
        })
        .collect();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 3);
}

#[test]
fn everything_else_that_is_wrong_with_an_allocate_is_told_before() {
    let mut server = Server::with_allocation();
    drain(&mut server, &["198.51.100.9:3478"]);
    assert_eq!(
        code_of(&allocate(&mut server, HERE, &[Attr::Transport(17)])),
        437
    );
    for (attributes, code) in [
        (&[][..], 400),
        (&[Attr::Transport(6)], 442),
        (&[Attr::Transport(17), Attr::Family(7)], 440),
        (&[Attr::Transport(17), Attr::Raw(0x0018, &[])], 400),
        (&[Attr::Transport(17), Attr::Raw(0x000D, &[])], 400),
        (&[Attr::Transport(17)], 300),
    ] {
        assert_eq!(code_of(&allocate(&mut server, NEW, attributes)), code);
    }
    let unsigned = request(METHOD_ALLOCATE, [1; 12], &[Attr::Transport(17)]);
    let reply = server.receive(NEW, &unsigned.raw).error(401);
    assert!(!reply.contains(0x8023));
}

#[test]
fn a_retransmission_is_answered_as_before() {
    let mut server = Server::new();
    let request = server.signed(HERE, ALICE, METHOD_ALLOCATE, &[Attr::Transport(17)]);
    server.receive(HERE, &request.raw);
    let first = server.relay.answer().to_vec();
    drain(&mut server, &[]);
    server.receive(HERE, &request.raw);
    assert_eq!(server.relay.answer(), first);
}

#[test]
fn checklist_13_those_that_are_there_live_until_the_deadline_and_no_longer() {
    let mut server = Server::with_allocation();
    server.advance(300 * SECOND);
    drain(&mut server, &[]);
    let reply = server.refresh(&[Attr::Lifetime(3600)]).success();
    assert_eq!(reply.lifetime(), 900);
    server.advance(600 * SECOND);
    assert_eq!(server.refresh(&[]).success().lifetime(), 300);
    assert_eq!(server.permit(&[PEER]), 200);
    assert_eq!(server.send(PEER, b"x"), to_peer(PEER, b"x"));
    assert_eq!(
        server.relay.poll_timeout(),
        Some(server.now.monotonic + 300 * SECOND)
    );
    server.advance(300 * SECOND);
    server.handle_timeout();
    assert_eq!(server.relay.allocations(), 0);
    assert_eq!(server.relay.poll_timeout(), None);
}

#[test]
fn at_the_deadline_what_was_granted_for_longer_ends_too_a_bounded_number_at_a_time() {
    let mut server = Server::new();
    for port in 1..=100 {
        let client = format!("192.0.2.10:{port}");
        server.allocate_with(&client, ALICE, &[Attr::Lifetime(3600)]);
    }
    drain(&mut server, &[]);
    server.advance(900 * SECOND - MOMENT);
    server.handle_timeout();
    assert_eq!(server.closed, []);
    assert_eq!(
        server.relay.poll_timeout(),
        Some(server.now.monotonic + MOMENT)
    );
    server.advance(MOMENT);
    server.handle_timeout();
    assert_eq!(server.closed.len(), 64);
    assert!(server.relay.poll_timeout() <= Some(server.now.monotonic));
    server.handle_timeout();
    assert_eq!(server.closed.len(), 100);
    let mut reasons = server.closed.iter().map(|close| close.reason);
    assert!(reasons.all(|reason| reason == CloseReason::Drained));
    assert!(server.sockets.is_empty());
}

#[test]
fn a_drain_that_is_taken_back_leaves_no_trace() {
    let mut server = Server::new();
    server.allocate_with(HERE, ALICE, &[Attr::Lifetime(3600)]);
    let end = server.relay.poll_timeout();
    drain(&mut server, &[]);
    assert_ne!(server.relay.poll_timeout(), end);
    server.relay.handle_drain(None);
    assert_eq!(server.relay.poll_timeout(), end);
    server.advance(1000 * SECOND);
    server.handle_timeout();
    assert_eq!(server.permit(&[PEER]), 200);
    let reply = server.refresh(&[Attr::Lifetime(3600)]).success();
    assert_eq!(reply.lifetime(), 3600);
    server.allocate(NEW, ALICE);
}
