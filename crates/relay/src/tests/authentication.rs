use super::*;
use crate::SHORT_REALM_BYTES;

use stun::message::METHOD_BINDING;
use turn_credentials::{Credential, mint};

/// The challenge that an Allocate without credentials gets.
fn challenge(server: &mut Server, client: &str) -> Reply {
    let transaction = server.transaction();
    let message = request(METHOD_ALLOCATE, transaction, &[Attr::Transport(17)]);
    server.receive(client, &message.raw).error(401)
}

/// Allocates with any username, password and nonce.
fn allocate_as(server: &mut Server, name: &str, password: &str, nonce: &[u8]) -> Reaction {
    ask_as(server, METHOD_ALLOCATE, name, password, nonce)
}

fn ask_as(
    server: &mut Server,
    method: StunMethod,
    name: &str,
    password: &str,
    nonce: &[u8],
) -> Reaction {
    let transaction = server.transaction();
    let mut message = request(method, transaction, &[Attr::Transport(17)]);
    sign(&mut message, name, password, nonce);
    server.receive(HERE, &message.raw)
}

fn as_credential(server: &mut Server, method: StunMethod, credential: &Credential) -> u16 {
    let nonce = server.nonce(HERE);
    let password = credential.password.as_str();
    code_of(&ask_as(
        server,
        method,
        &credential.username,
        password,
        &nonce,
    ))
}

#[test]
fn a_client_authenticates_with_the_nonce_that_it_was_given() {
    let mut server = Server::new();
    let reply = challenge(&mut server, HERE);
    assert_eq!(reply.get(0x0014), REALM.as_bytes());
    let nonce = reply.get(0x0015);
    let reaction = allocate_as(&mut server, ALICE.name, ALICE.password, &nonce);
    assert_eq!(code_of(&reaction), 200);
}

#[test]
fn checklist_02_a_challenge_is_at_most_three_times_its_request() {
    let mut server = Server::new();
    let message = request(METHOD_ALLOCATE, [1; 12], &[Attr::Transport(17)]);
    assert_eq!(message.raw.len(), 28);
    server.receive(HERE, &message.raw);
    assert_eq!(server.relay.answer().len(), 84);
    let message = fingerprinted(message);
    server.receive(HERE, &message.raw);
    assert_eq!(server.relay.answer().len(), 92);

    let message = request(METHOD_ALLOCATE, [1; 12], &[]);
    assert_eq!(message.raw.len(), 20);
    server.receive(HERE, &message.raw);
    assert_eq!(server.relay.answer().len(), 60);
    let message = fingerprinted(message);
    assert_eq!(message.raw.len(), 28);
    server.receive(HERE, &message.raw);
    assert_eq!(server.relay.answer().len(), 68);
}

#[test]
fn a_challenge_outgrows_three_times_the_shortest_request_with_a_long_realm_alone() {
    // The shortest of all: a request without attributes, which is asked for its credentials first.
    let message = request(METHOD_REFRESH, [1; 12], &[]);
    assert_eq!(message.raw.len(), 20);
    for bytes in 1..=127 {
        let credentials = Credentials::new(&"r".repeat(bytes)).unwrap();
        let mut server = Server::with(Config {
            credentials: Arc::new(credentials),
            ..config()
        });
        assert_eq!(code_of(&server.receive(HERE, &message.raw)), 401);
        let answer = server.relay.answer().len();
        assert_eq!(answer, 48 + bytes.next_multiple_of(4));
        assert_eq!(answer <= 3 * 20, bytes <= SHORT_REALM_BYTES, "{bytes}");
    }
}

#[test]
fn checklist_02_a_challenge_has_neither_reason_phrase_nor_software() {
    let mut server = Server::new();
    let reply = challenge(&mut server, HERE);
    assert_eq!(reply.get(0x0009), [0, 0, 4, 1]);
    assert!(!reply.contains(0x8022));
    assert_eq!(reply.message.attributes.0.len(), 4);
}

#[test]
fn signed_but_incomplete_is_400() {
    for left_out in [0x0006, 0x0014, 0x0015] {
        let mut server = Server::new();
        let nonce = server.nonce(HERE);
        let mut message = request(METHOD_ALLOCATE, [1; 12], &[Attr::Transport(17)]);
        for (attribute, value) in [
            (0x0006, ALICE.name.as_bytes()),
            (0x0014, REALM.as_bytes()),
            (0x0015, &nonce),
        ] {
            if attribute != left_out {
                message.add(AttrType(attribute), value);
            }
        }
        key(ALICE).add_to(&mut message).unwrap();
        let reaction = server.receive(HERE, &message.raw);
        assert_eq!(code_of(&reaction), 400, "{left_out:04x}");
    }
}

#[test]
fn a_nonce_of_yesterday_of_another_source_or_of_nobody_is_438_with_a_new_one() {
    let mut server = Server::new();
    let old = server.nonce(HERE);
    let foreign = server.nonce("192.0.2.11:4000");
    server.advance(3600 * SECOND);
    // What a request without attributes is answered.
    let bare = request(METHOD_ALLOCATE, [1; 12], &[]);
    let bare = server.receive(HERE, &bare.raw).error(401).get(0x0015);
    for nonce in [&*old, &foreign, &bare, b"x", b""] {
        let reaction = allocate_as(&mut server, ALICE.name, ALICE.password, nonce);
        let reply = reaction.error(438);
        let nonce = reply.get(0x0015);
        assert_eq!(reply.get(0x0014), REALM.as_bytes());
        let reaction = allocate_as(&mut server, ALICE.name, ALICE.password, &nonce);
        assert_eq!(code_of(&reaction), 200);
        server.refresh(&[Attr::Lifetime(0)]);
    }
}

#[test]
fn a_wrong_password_is_told_before_an_old_nonce() {
    let mut server = Server::new();
    let reaction = allocate_as(&mut server, ALICE.name, "wrong", b"old");
    assert_eq!(code_of(&reaction), 401);
}

#[test]
fn another_node_with_the_same_key_takes_the_nonce() {
    let nonce = Server::new().nonce(HERE);
    let mut other = Server::new();
    let reaction = allocate_as(&mut other, ALICE.name, ALICE.password, &nonce);
    assert_eq!(code_of(&reaction), 200);
}

#[test]
fn time_limited_users_are_verified_by_every_live_secret() {
    for (secret, code) in [(b"old" as &[u8], 200), (b"new", 200), (b"foreign", 401)] {
        let credentials = Credentials::new(REALM)
            .unwrap()
            .with_secret(Secret::new(b"new"))
            .with_secret(Secret::new(b"old"));
        let mut server = Server::with(Config {
            credentials: Arc::new(credentials),
            ..config()
        });
        let credential = mint(&Secret::new(secret), UNIX + 60, "carol", None);
        let found = as_credential(&mut server, METHOD_ALLOCATE, &credential);
        assert_eq!(found, code);
    }
}

#[test]
fn an_expired_credential_makes_no_allocation_but_keeps_its_own() {
    let mut server = Server::new();
    let credential = mint(&secret(), UNIX + 60, "carol", None);
    assert_eq!(
        as_credential(&mut server, METHOD_ALLOCATE, &credential),
        200
    );
    server.advance(61 * SECOND);
    assert_eq!(as_credential(&mut server, METHOD_REFRESH, &credential), 200);
    assert_eq!(
        as_credential(&mut server, METHOD_ALLOCATE, &credential),
        401
    );
}

#[test]
fn a_newer_credential_of_the_same_user_goes_on_with_the_allocation() {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut server = Server::new();
    let first = mint(&secret(), UNIX + 60, "carol", Some(trace));
    assert_eq!(as_credential(&mut server, METHOD_ALLOCATE, &first), 200);
    assert_eq!(server.opened[0].user.as_str(), "carol");
    assert_eq!(*server.opened[0].username, *first.username);
    let newer = mint(&secret(), UNIX + 600, "carol", None);
    assert_eq!(as_credential(&mut server, METHOD_REFRESH, &newer), 200);
    let other = mint(&secret(), UNIX + 600, "dave", Some(trace));
    assert_eq!(as_credential(&mut server, METHOD_REFRESH, &other), 441);
}

#[test]
fn checklist_07_a_static_user_and_a_time_limited_one_of_the_same_name_are_two() {
    let mut server = Server::with_allocation();
    let credential = mint(&secret(), UNIX + 60, ALICE.name, None);
    assert_eq!(as_credential(&mut server, METHOD_REFRESH, &credential), 441);
}

#[test]
fn names_that_are_no_text_or_too_long_are_unknown() {
    let mut server = Server::new();
    let nonce = server.nonce(HERE);
    let long = "x".repeat(509);
    for name in [&b"\xFF\xFE"[..], long.as_bytes(), b""] {
        let mut message = request(METHOD_ALLOCATE, [1; 12], &[]);
        message.add(AttrType(0x0006), name);
        message.add(AttrType(0x0014), REALM.as_bytes());
        message.add(AttrType(0x0015), &nonce);
        key(ALICE).add_to(&mut message).unwrap();
        assert_eq!(code_of(&server.receive(HERE, &message.raw)), 401);
    }
}

#[test]
fn binding_is_answered_to_everybody() {
    let mut server = Server::new();
    for client in [HERE, "[2001:db8::5]:1"] {
        let message = request(METHOD_BINDING, [1; 12], &[]);
        let reply = server.receive(client, &message.raw).success();
        assert_eq!(reply.mapped().to_string(), client);
        assert_eq!(reply.message.transaction_id.0, [1; 12]);
        assert!(!reply.contains(0x8028));
    }
}

#[test]
fn an_ipv4_client_on_a_socket_of_both_families_is_told_its_ipv4_address() {
    let mut server = Server::new();
    let message = request(METHOD_BINDING, [1; 12], &[]);
    let reaction = server.receive("[::ffff:192.0.2.10]:4000", &message.raw);
    let reply = reaction.success();
    assert_eq!(reply.mapped().to_string(), HERE);
}

#[test]
fn a_fingerprint_is_answered_with_one() {
    let mut server = Server::new();
    let binding = request(METHOD_BINDING, [1; 12], &[]);
    let unsigned = request(METHOD_ALLOCATE, [2; 12], &[]);
    let signed = server.signed(HERE, ALICE, METHOD_ALLOCATE, &[Attr::Transport(17)]);
    for message in [binding, unsigned, signed] {
        server.receive(HERE, &fingerprinted(message).raw);
        let mut answer = Message::new();
        answer.write(server.relay.answer()).unwrap();
        FINGERPRINT.check(&answer).unwrap();
    }
}

#[test]
fn checklist_01_nothing_is_kept_for_sources_that_are_not_verified() {
    let mut server = Server::new();
    for n in 0..20_000_u32 {
        let client = format!("10.{}.{}.1:{}", n / 256 % 256, n % 256, 1 + n % 60_000);
        let message = match n % 4 {
            0 => request(METHOD_BINDING, [1; 12], &[]),
            1 => request(METHOD_ALLOCATE, [1; 12], &[Attr::Transport(17)]),
            2 => server.signed(&client, BOB, METHOD_ALLOCATE, &[]),
            _ => server.signed(HERE, ALICE, METHOD_ALLOCATE, &[Attr::Transport(17)]),
        };
        server.receive(&client, &message.raw);
    }
    assert_eq!(server.relay.allocations(), 0);
    assert_eq!(server.relay.poll_timeout(), None);
    assert_eq!(server.opened, []);
    assert!(server.relay.answer.capacity() <= 2048);
    assert!(server.relay.outputs.capacity() == 0);
}

#[test]
fn checklist_09_no_password_secret_or_key_is_printed() {
    let server = Server::with_allocation();
    let printed = format!("{:?}", server.relay);
    assert!(printed.contains("alice"));
    for hidden in [ALICE.password, BOB.password, "a shared secret", "[7, 7, 7"] {
        assert!(!printed.contains(hidden), "{hidden}");
    }
}
