//! What an operator does to a relay at work.

use turn_credentials::mint;

use super::*;
use crate::{Authentication, CloseReason, Drain, Page, nonce::Features};

/// A client's login with a credential that `secret` minted.
fn minted(secret: &Secret, user: &str, expires_at: u64) -> Login {
    let credential = mint(secret, expires_at, user, None);
    Login {
        name: credential.username.leak(),
        password: credential.password.as_str().to_owned().leak(),
    }
}

fn with_secrets(secrets: &[&Secret]) -> Config {
    let mut credentials = Credentials::new(REALM).unwrap();
    for secret in secrets {
        credentials = credentials.with_secret((*secret).clone());
    }
    Config {
        credentials: Arc::new(credentials),
        ..config()
    }
}

fn allocate(server: &mut Server, client: &str, login: Login) -> u16 {
    server.code(client, login, METHOD_ALLOCATE, &[Attr::Transport(17)])
}

const THERE: &str = "192.0.2.11:4000";

#[test]
fn checklist_10_secrets_are_rotated_while_allocations_go_on() {
    let (old, new) = (Secret::new(b"old"), Secret::new(b"new"));
    let mut server = Server::with(with_secrets(&[&old]));
    let by_old = minted(&old, "carol", UNIX + 3600);
    let by_new = minted(&new, "carol", UNIX + 3600);
    assert_eq!(allocate(&mut server, HERE, by_old), 200);
    assert_eq!(allocate(&mut server, THERE, by_new), 401);
    server.relay.handle_config(with_secrets(&[&new, &old]));
    assert_eq!(allocate(&mut server, THERE, by_new), 200);
    assert_eq!(server.code(HERE, by_old, METHOD_REFRESH, &[]), 200);
    server.relay.handle_config(with_secrets(&[&new]));
    // The same user, with a credential of its own of the secret that is left.
    assert_eq!(server.code(HERE, by_new, METHOD_REFRESH, &[]), 200);
    assert_eq!(server.code(HERE, by_old, METHOD_REFRESH, &[]), 401);
    assert_eq!(server.closed, []);
    assert_eq!(server.relay.allocations(), 2);
}

#[test]
fn checklist_10_allocations_end_with_their_secret_where_that_is_asked_for() {
    let (old, new) = (Secret::new(b"old"), Secret::new(b"new"));
    let config = |secrets: &[&Secret], end_revoked| {
        let credentials = (*with_secrets(secrets).credentials).clone();
        Config {
            credentials: Arc::new(credentials.with_static_user(BOB.name, BOB.password)),
            end_revoked,
            ..config()
        }
    };
    let [by_old, by_new] = [&old, &new].map(|secret| minted(secret, "carol", UNIX + 3600));
    for is_asked_for in [false, true] {
        let mut server = Server::with(config(&[&old, &new], is_asked_for));
        for (client, login) in [
            ("192.0.2.1:1", by_old),
            ("192.0.2.2:1", by_new),
            ("192.0.2.3:1", by_old),
            ("192.0.2.4:1", BOB),
        ] {
            assert_eq!(allocate(&mut server, client, login), 200);
        }
        // With a newer credential, the allocation outlives the older.
        let client = "192.0.2.3:1";
        assert_eq!(server.code(client, by_new, METHOD_REFRESH, &[]), 200);
        server
            .relay
            .handle_config(config(&[&new, &old], is_asked_for));
        assert_eq!(server.carry_out(Action::Pending), Action::Pending);
        assert_eq!(server.relay.allocations(), 4);
        server.relay.handle_config(config(&[&new], is_asked_for));
        assert_eq!(server.carry_out(Action::Pending), Action::Pending);
        let ended: Vec<_> = server
            .closed
            .iter()
            .map(|close| (close.client.address, close.reason))
            .collect();
        match is_asked_for {
            true => assert_eq!(ended, [(address("192.0.2.1:1"), CloseReason::Revoked)]),
            false => assert_eq!(ended, []),
        }
    }
}

#[test]
fn checklist_10_a_credential_is_taken_a_little_after_its_expiry_and_not_later() {
    let mut server = Server::with(Config {
        expiry_leeway: 10 * SECOND,
        ..config()
    });
    let late = minted(&secret(), "carol", UNIX - 10);
    let too_late = minted(&secret(), "carol", UNIX - 11);
    assert_eq!(allocate(&mut server, HERE, late), 200);
    assert_eq!(allocate(&mut server, THERE, too_late), 401);
    let result = server.relay.authentication();
    assert_eq!(result, Some(Authentication::Expired));
}

#[test]
fn checklist_10_a_kick_ends_a_user_s_allocations_and_refuses_its_credentials_for_so_long() {
    let mut server = Server::new();
    let carol = minted(&secret(), "carol", UNIX + 3600);
    let newer = minted(&secret(), "carol", UNIX + 7200);
    assert_eq!(allocate(&mut server, HERE, carol), 200);
    assert_eq!(allocate(&mut server, THERE, carol), 200);
    server.allocate("192.0.2.12:4000", BOB);
    let now = server.now;
    assert_eq!(server.relay.handle_kick("carol", UNIX + 3600, now), 2);
    assert_eq!(server.carry_out(Action::Pending), Action::Pending);
    let reasons: Vec<_> = server.closed.iter().map(|close| close.reason).collect();
    assert_eq!(reasons, [CloseReason::Kicked; 2]);
    for login in [carol, newer] {
        assert_eq!(allocate(&mut server, HERE, login), 401);
        let result = server.relay.authentication();
        assert_eq!(result, Some(Authentication::Kicked));
    }
    assert_eq!(server.code(HERE, carol, METHOD_REFRESH, &[]), 401);
    // Nobody else.
    assert_eq!(server.relay.allocations(), 1);
    assert_eq!(
        server.code("192.0.2.12:4000", BOB, METHOD_REFRESH, &[]),
        200
    );
    server.advance(3600 * SECOND);
    assert_eq!(allocate(&mut server, HERE, newer), 401);
    server.advance(SECOND);
    assert_eq!(allocate(&mut server, HERE, newer), 200);
}

#[test]
fn a_static_user_is_kicked_by_its_name() {
    let mut server = Server::with_allocation();
    let now = server.now;
    assert_eq!(server.relay.handle_kick(ALICE.name, UNIX + 9, now), 1);
    assert_eq!(allocate(&mut server, HERE, ALICE), 401);
    assert_eq!(server.relay.kicked(), 1);
}

#[test]
fn who_was_kicked_is_answered_as_a_stranger_is() {
    let mut server = Server::new();
    let attributes = [Attr::Transport(17)];
    let mallory = Login::new("mallory", "guess");
    let stranger = server.signed(HERE, mallory, METHOD_ALLOCATE, &attributes);
    let now = server.now;
    server.relay.handle_kick(BOB.name, UNIX + 9, now);
    let kicked = server.signed(HERE, BOB, METHOD_ALLOCATE, &attributes);
    let mut answers = [stranger, kicked].map(|request| {
        let reaction = server.receive(HERE, &request.raw);
        let Reaction::Error(401, reply) = reaction else {
            panic!("{reaction:?}");
        };
        reply.message.raw
    });
    for answer in &mut answers {
        // The transaction id alone differs.
        answer[8..20].fill(0);
    }
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn one_allocation_is_ended_by_its_id_and_its_user_may_come_again() {
    let mut server = Server::with_allocation();
    let listed = server.relay.list(
        Page {
            limit: 9,
            ..Page::default()
        },
        server.now.monotonic,
    );
    let id = AllocationId::from_bits(listed[0].allocation.to_bits());
    assert!(server.relay.handle_end(id));
    assert!(!server.relay.handle_end(id));
    assert_eq!(server.carry_out(Action::Pending), Action::Pending);
    assert_eq!(server.closed[0].reason, CloseReason::Kicked);
    server.allocate(HERE, ALICE);
    // The place is taken again, but not by the same allocation.
    assert!(!server.relay.handle_end(id));
}

#[test]
fn allocations_are_listed_page_by_page() {
    let mut server = Server::new();
    for n in 0..5 {
        let login = if n == 2 { BOB } else { ALICE };
        server.allocate(&format!("192.0.2.10:400{n}"), login);
    }
    server.permit(&[PEER]);
    let now = server.now.monotonic;
    let page = |from, limit, user| {
        let listed = server.relay.list(Page { from, limit, user }, now);
        let places = listed.iter().map(|listed| listed.allocation.index());
        places.collect::<Vec<_>>()
    };
    assert_eq!(page(0, 3, None), [0, 1, 2]);
    assert_eq!(page(3, 3, None), [3, 4]);
    assert_eq!(page(5, 3, None), []);
    assert_eq!(page(0, 3, Some("alice")), [0, 1, 3]);
    assert_eq!(page(0, 3, Some("bob")), [2]);
    let later = now + 600 * SECOND;
    let all = Page {
        limit: 9,
        ..Page::default()
    };
    assert_eq!(server.relay.list(all, later), [], "over, not taken away");
}

#[test]
fn an_allocation_of_both_families_is_listed_as_one_and_ended_or_kicked_with_both_its_addresses() {
    let mut server = Server::new();
    let both = [Attr::Transport(17), Attr::Raw(0x8000, &[2, 0, 0, 0])];
    let all = Page {
        limit: 9,
        ..Page::default()
    };
    for is_kicked in [false, true] {
        let reply = server.ask(HERE, ALICE, METHOD_ALLOCATE, &both).success();
        server.refresh(&[Attr::Family(2), Attr::Lifetime(1200)]);
        let listed = server.relay.list(all, server.now.monotonic);
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].relayed, reply.all_relayed());
        assert_eq!(listed[0].ends_in, 1200 * SECOND, "the later of the two");
        let later = server.now.monotonic + 600 * SECOND;
        let later = server.relay.list(all, later);
        assert_eq!(later[0].relayed, reply.all_relayed()[1..]);
        if is_kicked {
            let now = server.now;
            assert_eq!(server.relay.handle_kick(ALICE.name, UNIX + 9, now), 1);
        } else {
            assert!(server.relay.handle_end(listed[0].allocation));
        }
        assert_eq!(server.carry_out(Action::Pending), Action::Pending);
        let closed: Vec<_> = server.closed.drain(..).collect();
        let relayed: Vec<_> = closed.iter().map(|close| close.relayed).collect();
        assert_eq!(relayed, reply.all_relayed());
        let mut reasons = closed.iter().map(|close| close.reason);
        assert!(reasons.all(|reason| reason == CloseReason::Kicked));
        assert!(server.sockets.is_empty());
    }
}

#[test]
fn checklist_13_a_draining_relay_answers_new_allocates_508_and_goes_on_with_the_others() {
    let mut server = Server::with_allocation();
    let attributes = [Attr::Transport(17)];
    let first = server.signed(THERE, BOB, METHOD_ALLOCATE, &attributes);
    assert!(matches!(
        server.receive(THERE, &first.raw),
        Reaction::Success(_)
    ));
    server.relay.handle_drain(Some(Drain::default()));
    assert_eq!(allocate(&mut server, "192.0.2.12:4000", BOB), 508);
    // The answer to an Allocate that was granted before was lost.
    assert!(matches!(
        server.receive(THERE, &first.raw),
        Reaction::Success(_)
    ));
    let reply = server.refresh(&[Attr::Lifetime(3600)]).success();
    assert_eq!(reply.lifetime(), 3600, "nobody said until when");
    assert_eq!(server.permit(&[PEER]), 200);
    assert_eq!(server.send(PEER, b"data"), to_peer(PEER, b"data"));
    server.relay.handle_drain(None);
    assert_eq!(allocate(&mut server, "192.0.2.12:4000", BOB), 200);
}

#[test]
fn relays_with_one_cluster_key_take_each_other_s_nonces() {
    let source = HERE.parse().unwrap();
    let lifetime = 60 * SECOND;
    let [one, same, other] = [
        b"a key of the fleet",
        b"a key of the fleet",
        b"another fleet's...",
    ]
    .map(|key| NonceKey::derive(key));
    let features = Features::PasswordAlgorithms;
    let nonce = one.mint(source, UNIX, features);
    assert!(same.is_valid(&nonce, source, UNIX, lifetime, features));
    assert!(!other.is_valid(&nonce, source, UNIX, lifetime, features));
}
