//! RFC 8489's part of authentication, written by the attributes' numbers: the `stun` crate knows none of it.

use aws_lc_rs::{digest, hmac};

use super::*;
use crate::Authentication;

const MD5: &[u8] = &[0, 1, 0, 0];
const SHA256: &[u8] = &[0, 2, 0, 0];
const OFFERED: &[u8] = &[0, 2, 0, 0, 0, 1, 0, 0];

/// How a client makes use of what it was offered.
#[derive(Clone, Copy)]
struct Style<'a> {
    hashed_name: bool,
    algorithm: Option<&'a [u8]>,
    algorithms: Option<&'a [u8]>,
    /// MESSAGE-INTEGRITY-SHA256, and not MESSAGE-INTEGRITY.
    sha256: bool,
}

const MODERN: Style<'_> = Style {
    hashed_name: false,
    algorithm: Some(SHA256),
    algorithms: Some(OFFERED),
    sha256: true,
};

const OLD: Style<'_> = Style {
    hashed_name: false,
    algorithm: None,
    algorithms: None,
    sha256: false,
};

fn long_term_key(login: Login, algorithm: Option<&[u8]>) -> Vec<u8> {
    if algorithm == Some(SHA256) {
        let text = format!("{}:{REALM}:{}", login.name, login.password);
        let key = digest::digest(&digest::SHA256, text.as_bytes());
        return key.as_ref().to_vec();
    }
    key(login).0
}

/// A MESSAGE-INTEGRITY-SHA256 over `raw` and so many bytes of its own value.
fn mac(raw: &[u8], key: &[u8], bytes: usize) -> Vec<u8> {
    let mut protected = raw.to_vec();
    let length = (raw.len() - 20 + 4 + bytes) as u16;
    protected[2..4].copy_from_slice(&length.to_be_bytes());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &protected);
    tag.as_ref()[..bytes].to_vec()
}

fn sign_as(message: &mut Message, login: Login, nonce: &[u8], style: Style<'_>) {
    if style.hashed_name {
        let text = format!("{}:{REALM}", login.name);
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        message.add(AttrType(0x001E), hash.as_ref());
    } else {
        message.add(AttrType(0x0006), login.name.as_bytes());
    }
    message.add(AttrType(0x0014), REALM.as_bytes());
    message.add(AttrType(0x0015), nonce);
    if let Some(algorithm) = style.algorithm {
        message.add(AttrType(0x001D), algorithm);
    }
    if let Some(algorithms) = style.algorithms {
        message.add(AttrType(0x8002), algorithms);
    }
    let key = long_term_key(login, style.algorithm);
    if style.sha256 {
        let mac = mac(&message.raw, &key, 32);
        message.add(AttrType(0x001C), &mac);
    } else {
        MessageIntegrity(key).add_to(message).unwrap();
    }
}

fn allocate_as(server: &mut Server, login: Login, style: Style<'_>) -> Reaction {
    let nonce = server.nonce(HERE);
    allocate_with(server, login, &nonce, style)
}

fn allocate_with(server: &mut Server, login: Login, nonce: &[u8], style: Style<'_>) -> Reaction {
    let transaction = server.transaction();
    let mut message = request(METHOD_ALLOCATE, transaction, &[Attr::Transport(17)]);
    sign_as(&mut message, login, nonce, style);
    server.receive(HERE, &message.raw)
}

/// The answer is signed with SHA-256 by the key, and with nothing else.
#[track_caller]
fn check_answer(server: &Server, login: Login, algorithm: Option<&[u8]>) {
    let answer = server.relay.answer();
    let (content, integrity) = answer.split_at(answer.len() - 36);
    assert_eq!(integrity[..4], [0, 0x1C, 0, 32]);
    let key = long_term_key(login, algorithm);
    assert_eq!(integrity[4..], mac(content, &key, 32));
}

/// One without secrets.
fn without_secrets() -> Server {
    let credentials = Credentials::new(REALM)
        .unwrap()
        .with_static_user(ALICE.name, ALICE.password);
    Server::with(Config {
        credentials: Arc::new(credentials),
        ..config()
    })
}

#[test]
fn defect_22_a_request_that_is_signed_with_sha256_is_answered_so() {
    let mut server = Server::new();
    assert_eq!(code_of(&allocate_as(&mut server, ALICE, MODERN)), 200);
    check_answer(&server, ALICE, Some(SHA256));
    // An error behind the password too.
    assert_eq!(code_of(&allocate_as(&mut server, ALICE, MODERN)), 437);
    check_answer(&server, ALICE, Some(SHA256));
    // The algorithm of the password and the hash of the message are two choices.
    let md5 = Style {
        algorithm: Some(MD5),
        ..MODERN
    };
    assert_eq!(code_of(&allocate_as(&mut server, ALICE, md5)), 437);
    check_answer(&server, ALICE, Some(MD5));
    let sha1 = Style {
        sha256: false,
        ..MODERN
    };
    assert_eq!(code_of(&allocate_as(&mut server, ALICE, sha1)), 437);
    check_answer(&server, ALICE, Some(SHA256));
}

#[test]
fn defect_22_a_client_of_rfc_5389_is_answered_as_it_asks() {
    let mut server = Server::new();
    let reply = allocate_as(&mut server, ALICE, OLD).success();
    assert!(reply.contains(0x0008) && !reply.contains(0x001C));
}

#[test]
fn defect_22_a_challenge_offers_both_algorithms_and_says_so_in_its_nonce() {
    let mut server = Server::new();
    let message = request(METHOD_ALLOCATE, [1; 12], &[Attr::Transport(17)]);
    let reply = server.receive(HERE, &message.raw).error(401);
    assert_eq!(reply.get(0x8002), OFFERED);
    assert!(reply.get(0x0015).starts_with(b"obMatJos2gAAA"));
    let nonce = reply.get(0x0015);
    let code = code_of(&allocate_with(&mut server, ALICE, &nonce, MODERN));
    assert_eq!(code, 200);
    // A 438 does too.
    let reply = allocate_with(&mut server, ALICE, b"old", MODERN).error(438);
    assert_eq!(reply.get(0x8002), OFFERED);
    assert!(reply.get(0x0015).starts_with(b"obMatJos2gAAA"));
}

#[test]
fn a_list_of_algorithms_that_was_changed_on_its_way_is_noticed() {
    for (algorithm, algorithms) in [
        (Some(MD5), Some(MD5)),
        (Some(SHA256), Some(&OFFERED[..4])),
        (Some(MD5), Some(&[0, 1, 0, 0, 0, 2, 0, 0])),
        (Some(&[0, 3, 0, 0][..]), Some(OFFERED)),
        (Some(&[0, 2][..]), Some(OFFERED)),
        (None, Some(OFFERED)),
        (Some(SHA256), None),
    ] {
        let mut server = Server::new();
        let style = Style {
            algorithm,
            algorithms,
            ..MODERN
        };
        let reply = allocate_as(&mut server, ALICE, style).error(400);
        assert!(!reply.verified && !reply.contains(0x0015));
        let result = server.relay.authentication();
        assert_eq!(result, Some(Authentication::Malformed));
    }
}

#[test]
fn a_nonce_whose_cookie_was_taken_off_on_its_way_is_stale() {
    let mut server = Server::new();
    let nonce = server.nonce(HERE);
    let without_features = [b"obMatJos2AAAA", &nonce[13..]].concat();
    for nonce in [&nonce[13..], &without_features] {
        for style in [OLD, MODERN] {
            let code = code_of(&allocate_with(&mut server, ALICE, nonce, style));
            assert_eq!(code, 438);
        }
    }
}

#[test]
fn the_list_is_looked_at_before_the_name_and_the_name_before_the_nonce() {
    let mut server = Server::new();
    let nobody = Login::new("nobody", "x");
    let changed = Style {
        algorithms: Some(MD5),
        ..MODERN
    };
    assert_eq!(code_of(&allocate_as(&mut server, nobody, changed)), 400);
    let stale = b"obMatJos2gAAAxxxxxxxxxxx";
    assert_eq!(
        code_of(&allocate_with(&mut server, nobody, stale, MODERN)),
        401
    );
    assert_eq!(
        code_of(&allocate_with(&mut server, ALICE, stale, MODERN)),
        438
    );
}

#[test]
fn a_wrong_password_is_401_with_every_algorithm() {
    for algorithm in [MD5, SHA256] {
        let mut server = Server::new();
        let style = Style {
            algorithm: Some(algorithm),
            ..MODERN
        };
        let login = Login::new(ALICE.name, "wrong");
        allocate_as(&mut server, login, style).error(401);
    }
}

#[test]
fn a_time_limited_user_signs_with_sha256_too() {
    let mut server = Server::new();
    let credential = turn_credentials::mint(&secret(), UNIX + 60, "carol", None);
    let name: &'static str = credential.username.leak();
    let password: &'static str = credential.password.as_str().to_owned().leak();
    let carol = Login::new(name, password);
    assert_eq!(code_of(&allocate_as(&mut server, carol, MODERN)), 200);
    check_answer(&server, carol, Some(SHA256));
    assert_eq!(server.opened[0].user.as_str(), "carol");
}

#[test]
fn where_all_users_are_static_a_name_may_be_hashed_and_the_nonce_says_so() {
    let mut server = without_secrets();
    let hashed = Style {
        hashed_name: true,
        ..MODERN
    };
    assert!(server.nonce(HERE).starts_with(b"obMatJos2wAAA"));
    assert_eq!(code_of(&allocate_as(&mut server, ALICE, hashed)), 200);
    check_answer(&server, ALICE, Some(SHA256));
    assert_eq!(*server.opened[0].username, *ALICE.name);
    // Whose allocation it is does not depend on how the name was written.
    assert_eq!(server.permit(&[PEER]), 200);
    let nobody = Login::new("nobody", "x");
    allocate_as(&mut server, nobody, hashed).error(401);
    // Nor who is put out.
    let now = server.now;
    server.relay.handle_kick(ALICE.name, UNIX + 9, now);
    allocate_as(&mut server, ALICE, hashed).error(401);
    let result = server.relay.authentication();
    assert_eq!(result, Some(Authentication::Kicked));
}

#[test]
fn a_hashed_name_is_good_for_static_users_alone() {
    let mut server = Server::new();
    let hashed = Style {
        hashed_name: true,
        ..MODERN
    };
    // The nonce does not ask for it.
    assert!(server.nonce(HERE).starts_with(b"obMatJos2gAAA"));
    assert_eq!(code_of(&allocate_as(&mut server, ALICE, hashed)), 200);
    let credential = turn_credentials::mint(&secret(), UNIX + 60, "carol", None);
    let name: &'static str = credential.username.leak();
    let password: &'static str = credential.password.as_str().to_owned().leak();
    allocate_as(&mut server, Login::new(name, password), hashed).error(401);
}

#[test]
fn a_truncated_or_longer_mac_is_401() {
    for bytes in [0, 4, 16, 20, 28] {
        let mut server = Server::new();
        let nonce = server.nonce(HERE);
        let mut message = request(METHOD_ALLOCATE, [1; 12], &[Attr::Transport(17)]);
        sign_as(&mut message, ALICE, &nonce, MODERN);
        message.raw.truncate(message.raw.len() - 36);
        let key = long_term_key(ALICE, Some(SHA256));
        let mac = mac(&message.raw, &key, bytes);
        message.length -= 36;
        message.add(AttrType(0x001C), &mac);
        assert_eq!(code_of(&server.receive(HERE, &message.raw)), 401, "{bytes}");
    }
}

/// With two signatures, and attributes that are behind the first.
#[test]
fn checklist_11_only_what_stands_before_the_first_signature_counts() {
    let mut server = Server::new();
    let nonce = server.nonce(HERE);
    let sha1_style = Style {
        sha256: false,
        ..MODERN
    };
    let key = long_term_key(ALICE, Some(SHA256));
    let mut message = request(METHOD_ALLOCATE, [1; 12], &[Attr::Transport(17)]);
    sign_as(&mut message, ALICE, &nonce, sha1_style);
    Attr::Lifetime(1800).add_to(&mut message);
    let good = mac(&message.raw, &key, 32);
    let mut forged = message.clone();
    message.add(AttrType(0x001C), &good);
    Attr::Lifetime(3000).add_to(&mut message);
    Attr::Raw(0x7777, b"x").add_to(&mut message);
    let message = fingerprinted(message);
    // Of the two the better one is checked, even if the other one is right.
    forged.add(AttrType(0x001C), &[7; 32]);
    assert_eq!(code_of(&server.receive(HERE, &forged.raw)), 401);
    let reply = server.receive(HERE, &message.raw).success();
    assert_eq!(reply.lifetime(), 600);
    // MESSAGE-INTEGRITY behind the other is one of those that do not count.
    let mut message = request(METHOD_REFRESH, [2; 12], &[]);
    sign_as(&mut message, ALICE, &nonce, MODERN);
    message.add(AttrType(0x0008), &[7; 20]);
    assert_eq!(code_of(&server.receive(HERE, &message.raw)), 200);
}
