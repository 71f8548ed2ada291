//! Clients that come by TCP or TLS.

use super::*;
use crate::{CloseReason, Transport};

fn server() -> Server {
    let mut server = Server::with(Config {
        transports: [Transport::Tcp].into(),
        ..config()
    });
    server.allocate(HERE, ALICE);
    server
}

fn here() -> Client {
    Client {
        listener: ListenerId(0),
        address: address(HERE),
    }
}

fn disconnect(server: &mut Server) {
    server.relay.handle_disconnected(here());
    assert_eq!(server.carry_out(Action::Pending), Action::Pending);
}

#[test]
fn channel_data_to_a_stream_is_padded_and_its_length_does_not_count_that() {
    let mut server = server();
    server.bind(0x4000, PEER);
    for (data, padding) in [
        (&b""[..], 0),
        (b"a", 3),
        (b"ab", 2),
        (b"abc", 1),
        (b"abcd", 0),
    ] {
        let message = server.receive_from_peer(PEER, data).message();
        let expected = [&channel_data(0x4000, data)[..], &[0; 3][..padding]].concat();
        assert_eq!(message, expected);
    }
}

#[test]
fn a_listener_that_is_no_stream_goes_on_without_padding() {
    let mut server = Server::with(Config {
        transports: [Transport::Udp, Transport::Tcp].into(),
        ..config()
    });
    server.allocate(HERE, ALICE);
    server.bind(0x4000, PEER);
    let message = server.receive_from_peer(PEER, b"a").message();
    assert_eq!(message, channel_data(0x4000, b"a"));
}

#[test]
fn the_end_of_a_stream_ends_its_allocation_once() {
    let mut server = server();
    server.bind(0x4000, PEER);
    server.receive_from_peer(PEER, b"abc").message();
    assert!(server.relay.has_allocation(here(), server.now.monotonic));
    for _ in 0..2 {
        disconnect(&mut server);
        let [close] = &server.closed[..] else {
            panic!("{:?}", server.closed);
        };
        assert_eq!(close.reason, CloseReason::Disconnected);
        assert_eq!(close.client, here());
        assert_eq!(close.traffic.bytes_to_client, 3);
    }
    assert!(!server.relay.has_allocation(here(), server.now.monotonic));
    assert_eq!(server.relay.allocations(), 0);
    assert_eq!(server.relay.poll_timeout(), None);
    // The 5-tuple is free.
    server.allocate(HERE, ALICE);
}

#[test]
fn the_end_of_a_stream_with_an_allocation_that_is_over_closes_it_once() {
    let mut server = server();
    server.advance(600 * SECOND);
    assert!(!server.relay.has_allocation(here(), server.now.monotonic));
    disconnect(&mut server);
    server.handle_timeout();
    assert_eq!(server.closed.len(), 1);
}

#[test]
fn the_end_of_another_stream_ends_nothing() {
    let mut server = server();
    for (listener, source) in [(0, "192.0.2.10:4001"), (1, HERE)] {
        server.relay.handle_disconnected(Client {
            listener: ListenerId(listener),
            address: address(source),
        });
    }
    assert_eq!(server.relay.poll_output(), None);
    assert_eq!(server.relay.allocations(), 1);
}

/// The sockets that an Allocate with `attributes` asks for.
fn asked(server: &mut Server, attributes: &[Attr<'_>]) -> Vec<Open> {
    let allocate = server.signed(HERE, ALICE, METHOD_ALLOCATE, attributes);
    let (listener, now) = (ListenerId(0), server.now);
    let action = server
        .relay
        .handle_client(listener, address(HERE), &allocate.raw, now);
    assert_eq!(action, Action::Pending);
    let outputs = std::iter::from_fn(|| server.relay.poll_output());
    outputs
        .map(|output| match output {
            Output::Open(open) => open,
            Output::Close(_) | Output::Connect(_) | Output::Bind(_) | Output::Moved(_) => {
                panic!("{output:?}")
            }
        })
        .collect()
}

fn opened(server: &mut Server, open: &Open, bound: &str) -> Action {
    let bound = Ok(address(bound).into());
    let now = server.now.monotonic;
    server
        .relay
        .handle_opened(open.allocation, open.family, bound, now)
}

#[test]
fn who_is_gone_before_its_relay_socket_is_there_gets_none() {
    let mut server = Server::new();
    let [open] = &asked(&mut server, &[Attr::Transport(17)])[..] else {
        panic!("not one socket");
    };
    server.relay.handle_disconnected(here());
    assert_eq!(server.relay.poll_output(), None);
    let action = opened(&mut server, open, "198.51.100.1:50000");
    assert_eq!(action, Action::Dropped(DropReason::NoAllocation));
    assert_eq!(server.relay.allocations(), 0);
}

#[test]
fn of_who_is_gone_between_its_two_relay_sockets_the_first_is_closed_once() {
    let mut server = Server::with(Config {
        ipv6: RelayedFamily::AsBound,
        ..config()
    });
    let both = [Attr::Transport(17), Attr::Raw(0x8000, &[2, 0, 0, 0])];
    let [v4, v6] = &asked(&mut server, &both)[..] else {
        panic!("not two sockets");
    };
    let action = opened(&mut server, v4, "198.51.100.1:50000");
    assert_eq!(action, Action::Pending);
    server.relay.handle_disconnected(here());
    let Some(Output::Close(close)) = server.relay.poll_output() else {
        panic!("nothing is closed");
    };
    assert_eq!(
        (close.allocation, close.family),
        (v4.allocation, Family::V4)
    );
    assert_eq!(close.reason, CloseReason::Disconnected);
    assert_eq!(server.relay.poll_output(), None);
    let action = opened(&mut server, v6, "[2600::1]:50000");
    assert_eq!(action, Action::Dropped(DropReason::NoAllocation));
    assert_eq!(server.relay.allocations(), 0);
}
