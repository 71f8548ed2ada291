use bytestring::ByteString;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Refusal, decode, encode};
use crate::{ClientMessage, LeaveReason, Payload, PeerId, ServerMessage};

mod properties;

fn read(frame: &str) -> Result<ClientMessage, Refusal> {
    decode(&ByteString::from(frame))
}

#[track_caller]
fn announce(frame: &str) -> (String, String, Payload) {
    match read(frame) {
        Ok(ClientMessage::Announce {
            room,
            peer,
            attributes,
        }) => (room.to_string(), peer.to_string(), attributes),
        other => panic!("{frame}: {other:?}"),
    }
}

#[track_caller]
fn send(frame: &str) -> (Option<ByteString>, PeerId, Payload) {
    match read(frame) {
        Ok(ClientMessage::Send {
            sender,
            to,
            payload,
        }) => (sender, to, payload),
        other => panic!("{frame}: {other:?}"),
    }
}

#[test]
fn an_announce_keeps_its_text_and_names_room_and_peer() {
    let frame = r#"/announce|ca00|{"browser":"node","id":"ca00","room":"r1","name":"Bob"}"#;
    let (room, peer, attributes) = announce(frame);
    assert_eq!((room.as_str(), peer.as_str()), ("r1", "ca00"));
    assert_eq!(attributes.text(), frame);
    assert_eq!(attributes.body(), &frame[15..]);
}

#[test]
fn the_json_of_an_announce_is_read_greedily() {
    let (room, _, attributes) = announce(r#"/announce|a|{"id":"a","room":"r","name":"pi|pe"}"#);
    assert_eq!(room, "r");
    assert_eq!(
        attributes.text(),
        r#"/announce|a|{"id":"a","room":"r","name":"pi\u007cpe"}"#
    );
}

#[test]
fn numeric_ids_are_texts() {
    let (_, peer, _) = announce(r#"/announce|12345|{"id":12345,"room":7}"#);
    assert_eq!(peer, "12345");
    assert_eq!(send("/to|12345|/hello|1.50|x").1.as_str(), "12345");
}

#[test]
fn the_last_of_repeated_keys_counts_as_in_javascript() {
    let (_, peer, _) = announce(r#"/announce|b|{"id":"a","id":"b","room":"r"}"#);
    assert_eq!(peer, "b");
}

#[test]
fn an_announce_without_a_room_leaves() {
    for frame in [
        r#"/announce|a|{"id":"a"}"#,
        r#"/announce|a|{"id":"a","room":""}"#,
        r#"/announce|a|{"id":"a","room":null}"#,
    ] {
        assert_eq!(
            read(frame),
            Ok(ClientMessage::Leave {
                sender: Some("a".into())
            })
        );
    }
}

#[test]
fn announces_that_crash_the_reference_server_are_refused() {
    for (frame, refusal) in [
        ("/announce", Refusal::NoAttributes),
        ("/announce|", Refusal::NoAttributes),
        ("/announce|x", Refusal::NoAttributes),
        ("/announce|x|", Refusal::NoAttributes),
        ("/announce|x|null", Refusal::NoAttributes),
        ("/announce|x|[]", Refusal::NoAttributes),
        ("/announce|x|{\"id\":\"x\"", Refusal::NoAttributes),
        (r#"/announce|x|{"id":{},"room":"r"}"#, Refusal::BadPeerId),
        (r#"/announce|x|{"id":"","room":"r"}"#, Refusal::BadPeerId),
        (r#"/announce||{"room":"r"}"#, Refusal::BadPeerId),
        (r#"/announce|x|{"id":"x","room":[]}"#, Refusal::BadRoom),
        (r#"/announce|x|{"id":"x","room":"a|b"}"#, Refusal::BadRoom),
        (
            r#"/announce|x|{"id":"y","room":"r"}"#,
            Refusal::ForeignSender,
        ),
    ] {
        assert_eq!(read(frame), Err(refusal), "{frame}");
    }
    let (open, close) = ("[".repeat(9_000), "]".repeat(9_000));
    let deep = format!(r#"/announce|x|{{"id":"x","room":"r","y":{open}{close}}}"#);
    assert_eq!(read(&deep), Err(Refusal::NoAttributes));
}

#[test]
fn a_directed_frame_is_handed_on_whole() {
    let frame = r#"/to|sue|/sdp|bob|{"type":"offer","sdp":"v=0\r\n"}"#;
    let (sender, to, payload) = send(frame);
    assert_eq!(sender.as_deref(), Some("bob"));
    assert_eq!(to.as_str(), "sue");
    assert_eq!(payload.text(), frame);
    assert!(payload.body().starts_with("/sdp|bob|"));
}

#[test]
fn commands_are_matched_in_any_case_and_handed_on_as_written() {
    let (_, to, payload) = send(r#"/TO|sue|/hello|rr|"upper""#);
    assert_eq!(to.as_str(), "sue");
    assert_eq!(payload.text(), r#"/TO|sue|/hello|rr|"upper""#);
    assert!(matches!(
        read(r#"/HeLLo|rr|"case""#),
        Ok(ClientMessage::Broadcast { .. })
    ));
}

#[test]
fn the_sender_is_read_bare_or_from_the_metadata_of_older_clients() {
    assert_eq!(send("/to|t|/hello|me|x").0.as_deref(), Some("me"));
    assert_eq!(
        send(r#"/to|t|/hello|{"id":"me"}|x"#).0.as_deref(),
        Some("me")
    );
    assert_eq!(
        send(r#"/to|t|/hello|{"id":["me"]}|x"#).0.as_deref(),
        Some(r#"{"id":["me"]}"#)
    );
    assert_eq!(send("/to|t|plain").0, None);
    assert_eq!(send("/to|t|/bare").0, None);
    assert_eq!(send("/to|t|/to|victim|x").0.as_deref(), Some("victim"));
}

#[test]
fn a_frame_without_a_command_or_a_target_is_refused() {
    for (frame, refusal) in [
        ("", Refusal::NotACommand),
        ("plain|id", Refusal::NotACommand),
        ("primus::ping::1", Refusal::Primus),
        ("/to", Refusal::NoTarget),
        ("/to|", Refusal::NoTarget),
        ("/to||/hello|x", Refusal::NoTarget),
    ] {
        assert_eq!(read(frame), Err(refusal), "{frame:?}");
    }
}

#[test]
fn the_leave_of_a_peer_is_written_in_the_6x_form() {
    let left = |id: &str| {
        encode(&ServerMessage::Left {
            peer: PeerId::new(id).unwrap(),
            reason: LeaveReason::Expired,
        })
    };
    assert_eq!(
        left("rawpeer").unwrap(),
        r#"/leave|rawpeer|{"id":"rawpeer"}"#
    );
    assert_eq!(left("q\"\n").unwrap(), "/leave|q\"\n|{\"id\":\"q\\\"\\n\"}");
}

#[test]
fn the_dialect_has_no_word_for_a_suspended_peer() {
    let peer = PeerId::new("a").unwrap();
    assert_eq!(encode(&ServerMessage::Suspended { peer }), None);
    assert_eq!(encode(&ServerMessage::Superseded), None);
}
