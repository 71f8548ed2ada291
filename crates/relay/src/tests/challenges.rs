//! How often a network is told to prove who it is, of which nobody has.

use std::num::NonZeroU32;

use super::*;
use crate::{ChallengeLimit, Discovery, Transport};

const RATE: u32 = 10;

fn limited() -> Server {
    limited_with(config())
}

fn limited_with(config: Config) -> Server {
    let mut server = Server::with(config);
    let rate = NonZeroU32::new(RATE).unwrap();
    let limit = ChallengeLimit::new(rate, 1, server.now.monotonic);
    server.relay.config.challenge_limit = Some(Arc::new(limit));
    server
}

/// How many of so many requests without credentials are answered.
fn answered(server: &mut Server, client: &str, number: usize) -> usize {
    let request = request(METHOD_ALLOCATE, [1; 12], &[Attr::Transport(17)]);
    let is_answered = |_: &usize| {
        let reaction = server.receive(client, &request.raw);
        let is_dropped = reaction == Reaction::Dropped(DropReason::ChallengeRate);
        assert!(is_dropped || matches!(reaction, Reaction::Error(401, _)));
        !is_dropped
    };
    (0..number).filter(is_answered).count()
}

#[test]
fn checklist_02_a_network_that_never_returned_a_nonce_is_challenged_so_often_and_no_more() {
    let mut server = limited();
    assert_eq!(answered(&mut server, "192.0.2.1:1", 7), 7);
    // The same /24, and an encoding of it.
    assert_eq!(answered(&mut server, "192.0.2.200:9", 2), 2);
    assert_eq!(answered(&mut server, "[::ffff:192.0.2.7]:9", 100), 1);
    // Others.
    assert_eq!(answered(&mut server, "192.0.3.1:1", 100), 10);
    assert_eq!(answered(&mut server, "[2001:db8:0:100::1]:1", 9), 9);
    // The same /56, and the next.
    assert_eq!(answered(&mut server, "[2001:db8:0:1ff:1::]:1", 100), 1);
    assert_eq!(answered(&mut server, "[2001:db8:0:200::1]:1", 100), 10);
    server.advance(SECOND / 2);
    assert_eq!(answered(&mut server, "192.0.2.1:1", 100), 5);
    server.advance(60 * SECOND);
    assert_eq!(answered(&mut server, "192.0.2.1:1", 100), 10);
}

#[test]
fn checklist_02_every_refusal_to_strangers_counts() {
    let mut server = limited();
    let unknown = request(METHOD_ALLOCATE, [1; 12], &[Attr::Raw(0x0003, &[0; 4])]);
    let wrong = server.signed(HERE, Login::new("alice", "wrong"), METHOD_ALLOCATE, &[]);
    let mut no_nonce = request(METHOD_ALLOCATE, [1; 12], &[]);
    key(ALICE).add_to(&mut no_nonce).unwrap();
    let binding = request(
        stun::message::METHOD_BINDING,
        [1; 12],
        &[Attr::Raw(0x0003, &[0; 4])],
    );
    let mut stale = request(METHOD_ALLOCATE, [1; 12], &[]);
    sign(&mut stale, ALICE.name, ALICE.password, b"not ours");
    for (client, message) in [
        ("203.0.113.1:1", unknown),
        // A nonce that is another address's.
        ("203.0.114.1:1", wrong),
        ("203.0.115.1:1", no_nonce),
        ("203.0.116.1:1", binding),
        ("203.0.117.1:1", stale),
    ] {
        for _ in 0..RATE {
            let reaction = server.receive(client, &message.raw);
            assert!(matches!(reaction, Reaction::Error(..)), "{reaction:?}");
        }
        let reaction = server.receive(client, &message.raw);
        assert_eq!(reaction, Reaction::Dropped(DropReason::ChallengeRate));
    }
}

#[test]
fn a_network_of_which_a_client_has_returned_a_nonce_is_answered_as_often_as_it_asks() {
    let mut server = limited();
    assert_eq!(answered(&mut server, HERE, 100), 10);
    server.allocate(HERE, ALICE);
    assert_eq!(answered(&mut server, HERE, 1000), 1000);
    assert_eq!(answered(&mut server, "192.0.2.99:1", 1000), 1000);
    // With a wrong password as well: who has the nonce is there.
    let there = "203.0.113.1:1";
    assert_eq!(answered(&mut server, there, 100), 10);
    let wrong = server.signed(
        there,
        Login::new("alice", "wrong"),
        METHOD_ALLOCATE,
        &[Attr::Transport(17)],
    );
    server.receive(there, &wrong.raw).error(401);
    assert_eq!(answered(&mut server, there, 1000), 1000);
}

#[test]
fn this_machine_and_streams_are_asked_as_often_as_they_like() {
    let mut server = limited();
    for client in [
        "127.0.0.1:1",
        "127.9.9.9:1",
        "[::1]:1",
        "[::ffff:127.0.0.1]:1",
    ] {
        assert_eq!(answered(&mut server, client, 1000), 1000, "{client}");
    }
    for transport in [Transport::Tcp, Transport::Tls, Transport::Dtls] {
        let mut server = limited_with(Config {
            transports: [transport].into(),
            ..config()
        });
        assert_eq!(answered(&mut server, HERE, 1000), 1000);
    }
}

#[test]
fn checklist_02_what_clients_are_told_of_their_nat_counts_where_there_is_more_of_it() {
    let listeners: [SocketAddr; 4] = [
        "198.51.100.1:1",
        "198.51.100.1:2",
        "198.51.100.2:1",
        "198.51.100.2:2",
    ]
    .map(address);
    let discovery = Discovery::among(&listeners).map(Arc::new);
    let mut server = limited_with(Config {
        discovery,
        ..config()
    });
    let binding = request(stun::message::METHOD_BINDING, [1; 12], &[]);
    let other = AttrType(0x802C);
    for _ in 0..RATE {
        let answer = server.receive(HERE, &binding.raw).success();
        assert!(answer.contains(other.value()));
    }
    // Beyond that what any STUN server tells, and nothing to who wants more.
    let answer = server.receive(HERE, &binding.raw).success();
    assert!(!answer.contains(other.value()));
    assert!(server.relay.answer().len() <= 3 * binding.raw.len());
    let changes = [Attr::Raw(0x0003, &[0, 0, 0, 4])];
    let elsewhere = request(stun::message::METHOD_BINDING, [1; 12], &changes);
    let reaction = server.receive(HERE, &elsewhere.raw);
    assert_eq!(reaction, Reaction::Dropped(DropReason::ChallengeRate));
    // Who has shown that it is there is told as often as it asks.
    server.advance(SECOND);
    server.allocate(HERE, ALICE);
    for _ in 0..100 {
        server.receive("192.0.2.99:1", &binding.raw).success();
    }
}

#[test]
fn bindings_and_the_data_of_clients_are_not_limited() {
    let mut server = limited();
    assert_eq!(answered(&mut server, HERE, 100), 10);
    let binding = request(stun::message::METHOD_BINDING, [1; 12], &[]);
    for _ in 0..100 {
        server.receive(HERE, &binding.raw).success();
    }
}
