mod both_ends;

use proptest::prelude::*;

use self::both_ends::{Heard, PATIENCE, Peer, Server, client};
use super::*;
use crate::streams::SourceLimits;

#[test]
fn messages_of_every_length_go_both_ways() {
    let mut server = Server::new(SourceLimits::default());
    let client = client("192.0.2.1:4000");
    let mut peer = Peer::connect(&mut server, client);
    for length in [0, 1, 20, 1200, 9000, MAX_MESSAGE] {
        let message = vec![7; length];
        let there = peer.encrypt(&message);
        let heard = server.hear(client, &there);
        assert_eq!(heard.messages, [&message[..]], "{length}");
        let back = server.send(client, &message).unwrap();
        peer.hear(&back);
        peer.say();
        assert_eq!(peer.messages.pop(), Some(message), "{length}");
    }
    // Lost, and nothing with it.
    assert_eq!(server.send(client, &vec![7; MAX_MESSAGE + 1]), None);
    assert!(server.send(client, b"shorter").is_some());
}

#[test]
fn checklist_03_nothing_is_kept_for_who_does_not_bring_a_cookie_to_its_address() {
    let mut server = Server::new(SourceLimits::default());
    let mut peer = Peer::new(server.now);
    let own = client("192.0.2.1:4000");
    let hello = peer.say().remove(0);
    for port in 1..=5000 {
        let mut other = client("198.51.100.1:1");
        other.address.set_port(port);
        let heard = server.hear(other, &hello);
        assert_eq!(heard.answers.len(), 1);
        assert!(heard.answers[0].len() < hello.len());
    }
    // A cookie that was seen somewhere is of no use elsewhere, nor one that was made up.
    let heard = server.hear(own, &hello);
    peer.hear(&heard.answers);
    let hello = peer.say().remove(0);
    server.hear(client("192.0.2.2:4000"), &hello);
    server.hear(client("192.0.2.1:4001"), &hello);
    let mut forged = hello.clone();
    // After the headers, the version, the client's random, no session and the cookie's length.
    let cookie = 13 + 12 + 2 + 32 + 1 + 1;
    forged[cookie] ^= 1;
    server.hear(own, &forged);
    assert!(server.associations.by_client.is_empty());
    server.has_counted("trunkline_turn_connections_opened_total{transport=\"dtls\"} 0");
    // The real one is served all the same.
    peer.go_on(&mut server, own, vec![hello]);
    server.has_counted("trunkline_turn_connections_opened_total{transport=\"dtls\"} 1");
}

#[test]
fn checklist_03_who_is_not_agreed_with_yet_is_not_kept_much_of() {
    let mut server = Server::new(SourceLimits::default());
    let client = client("192.0.2.1:4000");
    let hello = Peer::new(server.now).greet(&mut server, client);
    server.hear(client, &hello);
    // Messages of the handshake that are not its next, which are kept until that comes.
    let message = |number: u8, length: usize| {
        let body = (length as u32).to_be_bytes();
        let header = [&[16], &body[1..], &[0, number, 0, 0, 0], &body[1..]].concat();
        let record = ((header.len() + length) as u16).to_be_bytes();
        let start = [22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 1, number];
        [&start[..], &record, &header, &vec![7; length]].concat()
    };
    let messages: Vec<_> = [60_000, 1900]
        .into_iter()
        .flat_map(|length| (3..40).map(move |number| message(number, length)))
        .collect();
    let kept = allocation_counter::measure(|| {
        for message in &messages {
            // With more of them than are kept it is over.
            server.hear(client, message);
        }
    });
    assert!(kept.bytes_max < 80 * 1024, "{kept:?}");
}

#[test]
fn who_greets_in_an_old_version_is_told_so() {
    let mut server = Server::new(SourceLimits::default());
    let client = client("192.0.2.1:4000");
    let mut hello = Peer::new(server.now).say().remove(0);
    hello[26] = 0xFF;
    let heard = server.hear(client, &hello);
    // An alert: fatal, protocol_version.
    assert_eq!(heard.answers[0][0], 21);
    assert_eq!(heard.answers[0][13..], [2, 70]);
    server.has_counted("trunkline_turn_connections_refused_total{reason=\"version\"} 1");
}

#[test]
fn a_handshake_goes_on_when_an_answer_was_lost() {
    let mut server = Server::new(SourceLimits::default());
    let client = client("192.0.2.1:4000");
    let mut peer = Peer::new(server.now);
    let hello = peer.greet(&mut server, client);
    let lost = server.hear(client, &hello);
    assert!(!lost.answers.is_empty());
    let (ended, mut again) = server.round(Duration::from_secs(2), false);
    assert!(ended.is_empty());
    assert!(!again.is_empty());
    // And when the client is the first to say it again.
    again.extend(server.hear(client, &hello).answers);
    peer.hear(&again);
    let said = peer.say();
    peer.go_on(&mut server, client, said);
}

#[test]
fn who_comes_anew_from_the_same_address_takes_the_place_of_what_was_there() {
    let mut server = Server::new(SourceLimits::default());
    let client = client("192.0.2.1:4000");
    let mut old = Peer::connect(&mut server, client);
    let mut new = Peer::new(server.now);
    let first = new.say().remove(0);
    let heard = server.hear(client, &first);
    // Anybody could have said that much in its name.
    assert!(!heard.is_over);
    let there = old.encrypt(b"still here");
    assert_eq!(server.hear(client, &there).messages.len(), 1);
    new.hear(&heard.answers);
    let hello = new.say().remove(0);
    let heard = server.hear(client, &hello);
    assert!(heard.is_over);
    new.hear(&heard.answers);
    let said = new.say();
    new.go_on(&mut server, client, said);
    let there = old.encrypt(b"too late");
    assert_eq!(server.hear(client, &there), Heard::default());
    server.has_counted("trunkline_turn_connections_closed_total{reason=\"replaced\"} 1");
    server.has_counted("trunkline_turn_connections 1");
}

#[test]
fn who_says_goodbye_is_gone() {
    let mut server = Server::new(SourceLimits::default());
    let client = client("192.0.2.1:4000");
    let mut peer = Peer::connect(&mut server, client);
    peer.dtls.close().unwrap();
    let goodbye = peer.say().remove(0);
    assert!(server.hear(client, &goodbye).is_over);
    assert_eq!(server.send(client, b"anything"), None);
    server.has_counted("trunkline_turn_connections_closed_total{reason=\"client\"} 1");
    assert_eq!(server.hear(client, &goodbye), Heard::default());
    server.has_counted("trunkline_turn_dtls_strays_total 1");
}

#[test]
fn who_has_no_allocation_is_told_goodbye_in_time_and_who_has_one_is_not() {
    let mut server = Server::new(SourceLimits::default());
    let client = client("192.0.2.1:4000");
    let mut peer = Peer::connect(&mut server, client);
    for _ in 0..20 {
        assert!(server.round(Duration::from_secs(1), true).0.is_empty());
    }
    assert!(server.round(Duration::from_secs(1), false).0.is_empty());
    let (ended, sent) = server.round(PATIENCE + Duration::from_secs(1), false);
    assert_eq!(ended, [client]);
    peer.hear(&sent);
    peer.say();
    assert!(peer.is_closed);
    server.round(Duration::from_secs(1), false);
    assert_eq!(server.associations.next_sweep(), None);
}

#[test]
fn a_handshake_that_stops_is_forgotten_in_time() {
    let mut server = Server::new(SourceLimits::default());
    let client = client("192.0.2.1:4000");
    let hello = Peer::new(server.now).greet(&mut server, client);
    server.hear(client, &hello);
    let mut seconds = 0;
    while server.round(Duration::from_secs(1), false).0.is_empty() {
        seconds += 1;
        assert!(seconds <= PATIENCE.as_secs() + 1);
    }
    assert!(server.associations.by_client.is_empty());
}

#[test]
fn checklist_03_a_source_has_its_share_of_associations() {
    let limits = SourceLimits {
        connections: 2,
        per_second: 0,
    };
    let mut server = Server::new(limits);
    let client = |port| client(&format!("192.0.2.1:{port}"));
    let mut first = Peer::connect(&mut server, client(1));
    Peer::connect(&mut server, client(2));
    let mut third = Peer::new(server.now);
    let hello = third.greet(&mut server, client(3));
    assert_eq!(server.hear(client(3), &hello), Heard::default());
    server.has_counted("trunkline_turn_connections_refused_total{reason=\"source\"} 1");
    first.dtls.close().unwrap();
    let goodbye = first.say().remove(0);
    server.hear(client(1), &goodbye);
    third.go_on(&mut server, client(3), vec![hello]);
}

#[test]
fn no_more_than_a_round_s_worth_of_handshakes_is_begun_and_who_was_late_is_next() {
    let mut server = Server::new(SourceLimits::default());
    let client = |port| client(&format!("192.0.2.1:{port}"));
    for port in 0..HANDSHAKE_BUDGET {
        let hello = Peer::new(server.now).greet(&mut server, client(port));
        assert!(!server.hear(client(port), &hello).answers.is_empty());
    }
    let late = client(4000);
    let mut peer = Peer::new(server.now);
    let hello = peer.greet(&mut server, late);
    assert_eq!(server.hear(late, &hello), Heard::default());
    server.has_counted("trunkline_turn_connections_refused_total{reason=\"busy\"} 1");
    server.round(Duration::ZERO, false);
    peer.go_on(&mut server, late, vec![hello]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whoever can write a client's address on a datagram can send it, but has not its keys.
    #[test]
    fn checklist_03_once_there_are_keys_what_a_stranger_sends_in_a_client_s_name_ends_nothing(
        noise in prop::collection::vec(
            (0_usize..6, any::<prop::sample::Index>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..80)),
            1..60,
        )
    ) {
        let mut server = Server::new(SourceLimits::default());
        let client = client("192.0.2.1:4000");
        let mut peer = Peer::new(server.now);
        let mut seen = vec![peer.greet(&mut server, client)];
        let hello = seen[0].clone();
        peer.go_on(&mut server, client, vec![hello]);
        for (kind, at, byte, bytes) in noise {
            let genuine = peer.encrypt(b"genuine");
            let mut datagram = match kind {
                // Of an earlier time, or what is on its way just now, changed.
                0 => seen[at.index(seen.len())].clone(),
                1 => genuine.clone(),
                // Records in the clear: an alert, a handshake message, data, a change of ciphers.
                2 => [&[21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2], &[2, byte][..]].concat(),
                3 => [&[22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 1, byte, 0, bytes.len() as u8], &bytes[..]].concat(),
                4 => [&[byte, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 1, 5, 0, bytes.len() as u8], &bytes[..]].concat(),
                _ => bytes,
            };
            if kind == 1 && !datagram.is_empty() {
                let at = at.index(datagram.len());
                datagram[at] = byte;
            }
            let was_changed = datagram != genuine;
            let heard = server.hear(client, &datagram);
            prop_assert!(!heard.is_over, "{kind} {datagram:?}");
            prop_assert!(heard.messages.is_empty() || !was_changed);
            let heard = server.hear(client, &genuine);
            prop_assert_eq!(heard.messages.is_empty(), !was_changed, "{} {:?}", kind, datagram);
            seen.push(genuine);
        }
    }
}
