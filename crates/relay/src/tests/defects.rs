//! What is wrong with the server of the `turn` crate, 0.17.2, by number; see the crate's documentation.

use stun::{
    fingerprint::fingerprint_value,
    message::{METHOD_BINDING, METHOD_CONNECT, METHOD_CONNECTION_BIND},
};

use super::*;

#[test]
fn defect_01_unauthenticated_requests_leave_nothing_behind() {
    let mut server = Server::new();
    for n in 0..1000_u16 {
        let client = format!("192.0.2.10:{}", n + 1);
        let message = request(METHOD_ALLOCATE, [1; 12], &[]);
        assert_eq!(code_of(&server.receive(&client, &message.raw)), 401);
    }
    assert_eq!(server.relay.allocations(), 0);
    assert_eq!(server.relay.outputs.capacity(), 0);
    // Every one of those nonces is valid all the same: they are computed.
    let nonce = server.nonce("192.0.2.10:7");
    let mut message = request(METHOD_REFRESH, [1; 12], &[]);
    sign(&mut message, ALICE.name, ALICE.password, &nonce);
    assert_eq!(code_of(&server.receive("192.0.2.10:7", &message.raw)), 437);
}

#[test]
fn defect_02_a_challenge_to_20_bytes_is_60() {
    let mut server = Server::new();
    let message = request(METHOD_ALLOCATE, [1; 12], &[]);
    assert_eq!(message.raw.len(), 20);
    server.receive(HERE, &message.raw);
    assert_eq!(server.relay.answer().len(), 60);
}

#[test]
fn defect_03_a_wrong_password_or_user_is_401_and_errors_behind_the_password_are_signed() {
    let mut server = Server::new();
    for login in [
        Login::new("alice", "wrong"),
        Login::new("mallory", "alice's password"),
    ] {
        let reaction = server.ask(HERE, login, METHOD_ALLOCATE, &[Attr::Transport(17)]);
        let reply = reaction.error(401);
        assert!(reply.contains(0x0014) && reply.contains(0x0015));
        assert!(!reply.verified);
    }
    // The signature was checked by asking.
    let reaction = server.ask(HERE, ALICE, METHOD_ALLOCATE, &[Attr::Transport(6)]);
    assert!(matches!(
        reaction,
        Reaction::Error(442, Reply { verified: true, .. })
    ));
}

#[test]
fn defect_04_another_realm_is_401_whichever_the_key_was_made_with() {
    for key_realm in ["elsewhere", REALM] {
        let mut server = Server::new();
        let nonce = server.nonce(HERE);
        let mut message = request(METHOD_ALLOCATE, [1; 12], &[Attr::Transport(17)]);
        message.add(AttrType(0x0006), ALICE.name.as_bytes());
        message.add(AttrType(0x0014), b"elsewhere");
        message.add(AttrType(0x0015), &nonce);
        let (name, password) = (ALICE.name.into(), ALICE.password.into());
        let key = MessageIntegrity::new_long_term_integrity(name, key_realm.into(), password);
        key.add_to(&mut message).unwrap();
        assert_eq!(code_of(&server.receive(HERE, &message.raw)), 401);
    }
}

#[test]
fn defect_05_another_user_on_the_5_tuple_is_441() {
    let mut server = Server::with_allocation();
    let bind = [Attr::Channel(0x4000), Attr::Peer(PEER)];
    for (method, attributes) in [
        (METHOD_REFRESH, &[Attr::Lifetime(0)][..]),
        (METHOD_CREATE_PERMISSION, &[Attr::Peer(PEER)]),
        (METHOD_CHANNEL_BIND, &bind),
    ] {
        assert_eq!(server.code(HERE, BOB, method, attributes), 441);
    }
    assert_eq!(
        server.send(PEER, b"x"),
        Reaction::Dropped(DropReason::NoPermission)
    );
    assert_eq!(server.closed, []);
    let allocate = server.code(HERE, BOB, METHOD_ALLOCATE, &[Attr::Transport(17)]);
    assert_eq!(allocate, 437);
}

#[test]
fn defect_06_a_request_without_an_allocation_is_437_behind_the_password() {
    let mut server = Server::new();
    for method in [
        METHOD_REFRESH,
        METHOD_CREATE_PERMISSION,
        METHOD_CHANNEL_BIND,
    ] {
        assert_eq!(server.code(HERE, ALICE, method, &[]), 437);
        let unsigned = request(method, [1; 12], &[]);
        assert_eq!(code_of(&server.receive(HERE, &unsigned.raw)), 401);
    }
}

#[test]
fn defect_07_what_is_not_understood_is_420_and_connect_is_answered() {
    let mut server = Server::new();
    let unknown = [
        Attr::Raw(0x7777, b"x"),
        Attr::Transport(17),
        Attr::Raw(0x0042, &[]),
    ];
    let reaction = server.ask(HERE, ALICE, METHOD_ALLOCATE, &unknown);
    let reply = reaction.error(420);
    assert_eq!(reply.get(0x000A), [0x77, 0x77, 0x00, 0x42]);
    assert!(reply.verified);

    let unsigned = request(METHOD_ALLOCATE, [1; 12], &unknown);
    assert_eq!(code_of(&server.receive(HERE, &unsigned.raw)), 401);

    let binding = request(METHOD_BINDING, [1; 12], &[Attr::Raw(0x0003, &[0; 4])]);
    let reply = server.receive(HERE, &binding.raw).error(420);
    assert_eq!(reply.get(0x000A), [0x00, 0x03]);

    server.allocate(HERE, ALICE);
    assert_eq!(
        server.code(HERE, ALICE, METHOD_CONNECT, &[Attr::Peer(PEER)]),
        437
    );
    assert_eq!(server.code(HERE, ALICE, METHOD_CONNECTION_BIND, &[]), 400);

    let mut unknown_method = MessageType::default();
    unknown_method.read_value(0x000F);
    let datagram = message(unknown_method, [1; 12], &[]).raw;
    let dropped = Reaction::Dropped(DropReason::UnknownMethod);
    assert_eq!(server.receive(HERE, &datagram), dropped);
}

#[test]
fn defect_08_a_retransmitted_allocate_gets_the_same_answer() {
    let mut server = Server::new();
    let attributes = [Attr::Transport(17), Attr::Lifetime(1200)];
    let request = server.signed(HERE, ALICE, METHOD_ALLOCATE, &attributes);
    server.receive(HERE, &request.raw);
    let first = server.relay.answer().to_vec();
    server.advance(2 * SECOND);
    server.receive(HERE, &request.raw);
    assert_eq!(server.relay.answer(), first);
    assert_eq!(server.relay.allocations(), 1);
    assert_eq!(server.opened.len(), 1);
    let another = server.code(HERE, ALICE, METHOD_ALLOCATE, &attributes);
    assert_eq!(another, 437);
    // The same id of another user is no retransmission.
    let mut foreign = super::request(METHOD_ALLOCATE, request.transaction_id.0, &attributes);
    let nonce = server.nonce(HERE);
    sign(&mut foreign, BOB.name, BOB.password, &nonce);
    assert_eq!(code_of(&server.receive(HERE, &foreign.raw)), 437);
}

#[test]
fn defect_09_a_longer_lifetime_than_the_longest_is_the_longest() {
    let mut server = Server::new();
    let reply = server.allocate_with(HERE, ALICE, &[Attr::Lifetime(86_400)]);
    assert_eq!(reply.lifetime(), 3600);
    let end = server.now.monotonic + 3600 * SECOND;
    assert_eq!(server.relay.poll_timeout(), Some(end));
}

#[test]
fn defect_10_every_peer_of_a_create_permission_gets_one() {
    let mut server = Server::with_allocation();
    let peers = ["8.8.8.8:1", "8.8.4.4:2", "1.1.1.1:3"];
    assert_eq!(server.permit(&peers), 200);
    for peer in peers {
        assert_eq!(server.send(peer, b"x"), to_peer(peer, b"x"));
    }
}

#[test]
fn defect_11_a_create_permission_without_a_peer_is_400() {
    let mut server = Server::with_allocation();
    assert_eq!(server.permit(&[]), 400);
}

#[test]
fn defect_12_channels_are_4000_to_4fff() {
    let mut server = Server::with_allocation();
    for number in [0x0000, 0x3000, 0x3FFF, 0x5000, 0x7000, 0x7FFF, 0xFFFF] {
        assert_eq!(server.bind(number, PEER), 400, "{number:04x}");
    }
    assert_eq!(server.bind(0x4000, "8.8.8.8:1"), 200);
    assert_eq!(server.bind(0x4FFF, "8.8.8.8:2"), 200);
}

#[test]
fn defect_13_attributes_after_message_integrity_are_not_looked_at() {
    let mut server = Server::with_allocation();
    let mut message = server.signed(HERE, ALICE, METHOD_CREATE_PERMISSION, &[Attr::Peer(PEER)]);
    Attr::Peer("8.8.4.4:1").add_to(&mut message);
    Attr::Raw(0x7777, b"x").add_to(&mut message);
    let message = fingerprinted(message);
    assert_eq!(code_of(&server.receive(HERE, &message.raw)), 200);
    let dropped = Reaction::Dropped(DropReason::NoPermission);
    assert_eq!(server.send("8.8.4.4:1", b"x"), dropped);
    assert_eq!(server.send(PEER, b"x"), to_peer(PEER, b"x"));

    let mut message = server.signed(HERE, ALICE, METHOD_CREATE_PERMISSION, &[]);
    Attr::Peer("8.8.4.4:1").add_to(&mut message);
    assert_eq!(code_of(&server.receive(HERE, &message.raw)), 400);

    let mut message = server.signed(HERE, ALICE, METHOD_REFRESH, &[]);
    Attr::Lifetime(0).add_to(&mut message);
    assert_eq!(code_of(&server.receive(HERE, &message.raw)), 200);
    assert_eq!(server.closed, []);
}

#[test]
fn defect_16_channel_data_needs_the_permission_too() {
    let mut server = Server::with_allocation();
    server.bind(0x4000, PEER);
    server.advance(300 * SECOND);
    let dropped = Reaction::Dropped(DropReason::NoPermission);
    assert_eq!(server.channel_data(0x4000, b"x"), dropped);
}

#[test]
fn defect_17_denied_peers_are_403() {
    let mut server = Server::with_allocation();
    for peer in ["127.0.0.1:6379", "10.0.0.1:1", "169.254.169.254:80"] {
        assert_eq!(server.permit(&[peer]), 403);
        assert_eq!(server.bind(0x4000, peer), 403);
        assert_eq!(
            server.send(peer, b"x"),
            Reaction::Dropped(DropReason::NoPermission)
        );
    }
}

#[test]
fn defect_18_quotas_are_486_and_permissions_and_channels_are_bounded() {
    let mut server = Server::new();
    server.refusals[0] = Some(Refusal::QuotaReached);
    let allocate = server.code(HERE, ALICE, METHOD_ALLOCATE, &[Attr::Transport(17)]);
    assert_eq!(allocate, 486);
    server.allocate(HERE, ALICE);
    for n in 0..128_u16 {
        assert_eq!(server.bind(0x4000 + n, &format!("8.8.8.{n}:1")), 200);
    }
    assert_eq!(server.permit(&["8.8.4.4:1"]), 508);
    assert_eq!(server.bind(0x4100, "8.8.8.1:2"), 508);
}

#[test]
fn defect_23_a_wrong_fingerprint_trailing_bytes_and_foreign_first_bits_are_dropped() {
    let mut server = Server::new();
    let good = fingerprinted(request(METHOD_BINDING, [1; 12], &[])).raw;
    assert_eq!(code_of(&server.receive(HERE, &good)), 200);
    let mut dropped = |datagram: &[u8], reason| {
        assert_eq!(server.receive(HERE, datagram), Reaction::Dropped(reason));
    };
    let mut wrong = good.clone();
    wrong[27] ^= 1;
    dropped(&wrong, DropReason::BadFingerprint);
    // Right, for the header counts what follows, but not last.
    let mut not_last = good.clone();
    not_last.extend(b"\x80\x22\x00\x04self");
    not_last[3] += 8;
    let value = fingerprint_value(&not_last[..20]);
    not_last[24..28].copy_from_slice(&value.to_be_bytes());
    dropped(&not_last, DropReason::BadFingerprint);
    dropped(&[&good[..], &[0]].concat(), DropReason::NotStun);
    dropped(&[&good[..], &[0; 4]].concat(), DropReason::NotStun);
    dropped(&good[..good.len() - 4], DropReason::NotStun);
    for first in [0x80, 0xC0] {
        let mut foreign = good.clone();
        foreign[0] |= first;
        dropped(&foreign, DropReason::NotStun);
    }
    let mut old = good.clone();
    old[4] = 0;
    dropped(&old, DropReason::NotStun);
}
