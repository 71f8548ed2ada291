//! What peers of the two dialects hear of each other, and what peers of one dialect do.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "what a test does not expect is wrong"
)]

use proptest::prelude::*;

use super::*;
use crate::{
    ClientMessage, RoomId,
    native::{ClientFrame, client, payload, server},
    rtcio,
};

fn peer(id: &str) -> PeerId {
    PeerId::new(id).unwrap()
}

fn native(message: &ServerMessage) -> Option<ServerFrame> {
    let text = encode(message, Seated::default)?;
    Some(server::decode(&text).unwrap_or_else(|error| panic!("{text}: {error}")))
}

fn client_frame(text: &str) -> ClientFrame {
    client::decode(text).unwrap()
}

/// What bob's native client sends, of session `s`.
fn sent(text: &str) -> ServerMessage {
    let payload = match client_frame(text) {
        ClientFrame::Send(send) => payload::message("s", &send),
        ClientFrame::Broadcast(said) => payload::broadcast("s", &said),
        frame => panic!("{frame:?}"),
    };
    let from = peer("bob");
    ServerMessage::Message { from, payload }
}

/// What bob's rtc.io client sends.
fn sent_by_rtcio(text: &str) -> ServerMessage {
    match rtcio::decode(text).unwrap() {
        ClientMessage::Send { payload, .. } | ClientMessage::Broadcast { payload, .. } => {
            let from = peer("bob");
            ServerMessage::Message { from, payload }
        }
        message => panic!("{message:?}"),
    }
}

fn announced(owner: &str, text: &str) -> Payload {
    match client_frame(text) {
        ClientFrame::Announce(announce) => payload::announcement(owner, &announce),
        frame => panic!("{frame:?}"),
    }
}

fn joined(attributes: Payload) -> ServerMessage {
    let peer = peer("bob");
    ServerMessage::Joined { peer, attributes }
}

#[test]
fn a_message_between_native_clients_has_its_session_its_numbers_and_its_receiver() {
    let text = r#"{"type":"send","to":"sue","n":7,"first":5,"body":{"a" : 1.0}}"#;
    let ServerFrame::Message(message) = native(&sent(text)).unwrap() else {
        panic!();
    };
    assert_eq!(message.session.as_deref(), Some("s"));
    assert_eq!((message.n, message.first), (Some(7), Some(5)));
    assert_eq!(message.to, Some(peer("sue")));
    assert_eq!(message.body.as_str(), r#"{"a" : 1.0}"#);
    let text = r#"{"type":"broadcast","n":7,"body":null}"#;
    let ServerFrame::Message(message) = native(&sent(text)).unwrap() else {
        panic!();
    };
    assert_eq!(
        (message.n, message.first, message.to),
        (Some(7), None, None)
    );
}

#[test]
fn a_frame_of_an_rtcio_client_is_a_string_to_a_native_one() {
    let sent = sent_by_rtcio(r#"/to|sue|/sdp|bob|{"type":"offer"}"#);
    let ServerFrame::Message(message) = native(&sent).unwrap() else {
        panic!();
    };
    assert_eq!(message.to, Some(peer("sue")));
    assert_eq!((message.session, message.n), (None, None));
    assert_eq!(message.body.as_str(), r#""/sdp|bob|{\"type\":\"offer\"}""#);
    let ServerFrame::Message(message) = native(&sent_by_rtcio("/hello|bob")).unwrap() else {
        panic!();
    };
    assert_eq!(
        (message.to, message.body.as_str()),
        (None, r#""/hello|bob""#)
    );
}

#[test]
fn a_string_of_a_native_client_that_is_a_frame_with_its_id_is_one_to_rtcio_clients() {
    for (text, frame) in [
        (
            r#"{"type":"send","to":"sue","n":1,"body":"/sdp|bob|{\"a\":\"x|y\"}"}"#,
            Some(r#"/to|sue|/sdp|bob|{"a":"x\u007cy"}"#),
        ),
        (
            r#"{"type":"send","to":"sue","n":1,"body":"\/hello|b\u006fb"}"#,
            Some("/to|sue|/hello|bob"),
        ),
        (
            r#"{"type":"broadcast","n":1,"body":"/hello|bob"}"#,
            Some("/hello|bob"),
        ),
        // In another's name.
        (
            r#"{"type":"send","to":"sue","n":1,"body":"/sdp|ann|{}"}"#,
            None,
        ),
        (r#"{"type":"send","to":"sue","n":1,"body":"/sdp"}"#, None),
        (r#"{"type":"send","to":"sue","n":1,"body":"hello"}"#, None),
        (r#"{"type":"send","to":"sue","n":1,"body":{"a":1}}"#, None),
    ] {
        assert_eq!(rtcio::encode(&sent(text)).as_deref(), frame, "{text}");
    }
}

#[test]
fn an_rtcio_client_reads_of_a_native_peer_its_data_its_own_id_and_room() {
    for (data, frame) in [
        ("{}", r#"/announce|bob|{"id":"bob","room":"r"}"#),
        ("{ }", r#"/announce|bob|{"id":"bob","room":"r"}"#),
        (
            r#"{"name":"a|b","id":"sue"}"#,
            r#"/announce|bob|{"name":"a\u007cb","id":"sue","id":"bob","room":"r"}"#,
        ),
    ] {
        let text = format!(r#"{{"type":"announce","room":"r","data":{data}}}"#);
        let message = joined(announced("o", &text));
        let written = rtcio::encode(&message).unwrap();
        assert_eq!(written, frame);
        // Of several, the last counts.
        let read = rtcio::decode(&written).unwrap();
        let ClientMessage::Announce { peer, room, .. } = read else {
            panic!("{read:?}");
        };
        assert_eq!((peer.as_str(), room.as_str()), ("bob", "r"));
    }
}

#[test]
fn a_native_client_reads_what_a_peer_has_announced_and_what_it_speaks() {
    let text = r#"{"type":"announce","room":"r","data":{"name" : "Bob"}}"#;
    let ServerFrame::Joined(present) = native(&joined(announced("o", text))).unwrap() else {
        panic!();
    };
    assert_eq!(
        (present.data.as_str(), present.dialect),
        (r#"{"name" : "Bob"}"#, None)
    );
    let read = rtcio::decode(r#"/announce|bob|{"id":"bob","room":"r"}"#).unwrap();
    let ClientMessage::Announce { attributes, .. } = read else {
        panic!("{read:?}");
    };
    let ServerFrame::Joined(present) = native(&joined(attributes)).unwrap() else {
        panic!();
    };
    assert_eq!(present.data.as_str(), r#"{"id":"bob","room":"r"}"#);
    assert_eq!(present.dialect.as_deref(), Some("rtc.io"));
}

#[test]
fn who_owns_an_announcement_is_told_to_nobody() {
    let message = joined(announced("secret", r#"{"type":"announce","room":"r"}"#));
    assert!(!rtcio::encode(&message).unwrap().contains("secret"));
    assert!(
        !encode(&message, Seated::default)
            .unwrap()
            .contains("secret")
    );
}

#[test]
fn what_comes_of_messages_and_requests_is_told_to_native_clients_alone() {
    let ack = client::Ack {
        from: peer("sue"),
        session: "s".into(),
        n: 3,
    };
    let data = Json::new(r#"{"name":"Bob"}"#).unwrap();
    for (payload, frame) in [
        (
            payload::ack(&ack),
            Some(r#"{"type":"acked","by":"bob","session":"s","n":3}"#),
        ),
        (
            payload::undelivered("s", 3, Reason::Gone),
            Some(r#"{"type":"undelivered","to":"bob","session":"s","n":3,"reason":"gone"}"#),
        ),
        (
            payload::request("q", &data),
            Some(r#"{"type":"requested","from":"bob","id":"q","data":{"name":"Bob"}}"#),
        ),
        (payload::accept("q"), None),
        (payload::decline("q", Some("no")), None),
        (payload::suspension(7), None),
    ] {
        let from = peer("bob");
        let message = ServerMessage::Message { from, payload };
        assert_eq!(encode(&message, Seated::default).as_deref(), frame);
        if frame.is_some() {
            native(&message).unwrap();
        }
        assert_eq!(rtcio::encode(&message), None);
    }
}

#[test]
fn a_reply_to_a_request_is_read_as_it_was_written() {
    let reply = payload::reply(&payload::decline("q\"|", Some("no\n"))).unwrap();
    assert_eq!(
        (&*reply.id, reply.message.as_deref()),
        ("q\"|", Some("no\n"))
    );
    let reply = payload::reply(&payload::accept("q")).unwrap();
    assert_eq!((&*reply.id, reply.message), ("q", None));
    assert_eq!(payload::reply(&payload::suspension(1)), None);
}

/// Everybody whose name is given, as a node lists them.
fn members(names: &[(&str, bool)]) -> ServerMessage {
    let member = |(name, suspended): &(&str, bool)| crate::Member {
        peer: peer(name),
        attributes: announced(
            "o",
            &format!(r#"{{"type":"announce","room":"r","data":{{"n":"{name}"}}}}"#),
        ),
        suspended: *suspended,
    };
    ServerMessage::Members {
        room: RoomId::new("r").unwrap(),
        peer: peer("me"),
        is_whole: true,
        peers: names.iter().map(member).collect(),
    }
}

fn listed_for(message: &ServerMessage, known: Option<Digest>) -> Members {
    let resume = ByteString::from_static("token");
    let text = encode(message, || Seated { resume, known }).unwrap();
    match server::decode(&text).unwrap() {
        ServerFrame::Members(members) => members,
        frame => panic!("{frame:?}"),
    }
}

#[test]
fn who_comes_back_is_told_what_it_does_not_know_and_who_is_away() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|name| (name, false));
    let all = listed_for(&members(&names), None);
    assert_eq!(
        (all.parts, all.peers.len(), &*all.resume),
        (None, 8, "token")
    );
    let mut known = Digest::default();
    for member in &all.peers {
        known.toggle(Tag::read(&member.tag).unwrap());
    }
    let same = listed_for(&members(&names), Some(known.clone()));
    assert_eq!((same.parts, same.peers), (Some(Vec::new()), Vec::new()));
    let mut away = names;
    away[3].1 = true;
    let away = listed_for(&members(&away), Some(known.clone()));
    assert_eq!(away.parts, Some(Vec::new()));
    let names_of = |peers: &[Member]| -> Vec<String> {
        peers.iter().map(|member| member.peer.to_string()).collect()
    };
    assert_eq!(names_of(&away.peers), ["d"]);
    // One has left: of its part everybody is told.
    let part_of = |name| Tag::of(&peer(name), "", None).part();
    let one_less = listed_for(&members(&names[..7]), Some(known));
    assert_eq!(one_less.parts, Some(vec![part_of("h")]));
    let beside = ["a", "b", "c", "d", "e", "f", "g"];
    let beside: Vec<_> = beside
        .into_iter()
        .filter(|name| part_of(name) == part_of("h"))
        .collect();
    assert_eq!(names_of(&one_less.peers), beside);
}

proptest! {
    #[test]
    fn every_body_arrives_as_it_was_written_with_its_number(
        value in any::<String>(), n in 1..=crate::native::MAX_NUMBER, session in "[A-Za-z0-9_-]{1,22}",
    ) {
        let body = Json::new(&serde_json::to_string(&value).unwrap()).unwrap();
        let send = client::Send { to: peer("sue"), n, first: None, body: body.clone() };
        let payload = payload::message(&session, &send);
        prop_assert_eq!(payload.body(), body.as_str());
        let numbered = payload::numbered(&payload);
        prop_assert_eq!(numbered, Some((session.into(), n)));
        let from = peer("bob");
        let Some(ServerFrame::Message(told)) = native(&ServerMessage::Message { from, payload }) else {
            panic!();
        };
        prop_assert_eq!((told.body, told.n, told.first), (body, Some(n), Some(n)));
    }

    #[test]
    fn an_rtcio_client_never_reads_another_sender_than_who_sends(
        from in "[a-c|]{1,3}", frame in "/[a-z]{1,4}[|][a-c|{}\":,x]{0,12}",
    ) {
        let Ok(from) = PeerId::new(from) else { return Ok(()); };
        let body = Json::new(&serde_json::to_string(&frame).unwrap()).unwrap();
        let send = client::Send { to: peer("sue"), n: 1, first: None, body };
        let payload = payload::message("s", &send);
        let message = ServerMessage::Message { from: from.clone(), payload };
        if let Some(told) = rtcio::encode(&message) {
            let sender = match rtcio::decode(&told) {
                Ok(ClientMessage::Send { sender, .. }) => sender,
                other => panic!("{told}: {other:?}"),
            };
            prop_assert_eq!(sender.as_deref(), Some(from.as_str()));
        }
    }
}
