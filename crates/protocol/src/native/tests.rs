mod strategies;

use proptest::prelude::*;

use self::strategies::{client_frames, server_frames, values};
use super::{
    client::{self, Accept, Ack, Announce, Broadcast, Decline, Hello, Request, Send, Wanted},
    server, *,
};
use crate::{PeerId, RoomId};

fn json(text: &str) -> Json {
    Json::new(text).unwrap()
}

fn peer(id: &str) -> PeerId {
    PeerId::new(id).unwrap()
}

proptest! {
    #[test]
    fn what_a_client_writes_a_node_reads(frame in client_frames()) {
        prop_assert_eq!(client::decode(&client::encode(&frame)), Ok(frame));
    }

    #[test]
    fn what_a_node_writes_a_client_reads(frame in server_frames()) {
        prop_assert_eq!(server::decode(&server::encode(&frame)), Ok(frame));
    }

    #[test]
    fn a_body_is_handed_on_as_it_was_written(body in values()) {
        let frame = format!(r#"{{"type":"send","to":"sue","n":1,"body":{}}}"#, body.as_str());
        let ClientFrame::Send(sent) = client::decode(&frame).unwrap() else { panic!() };
        prop_assert_eq!(sent.body.as_str(), body.as_str());
        let told = server::encode(&ServerFrame::Message(server::Message {
            from: peer("bob"), session: None, n: None, first: None, to: None, body: sent.body,
        }));
        prop_assert!(told.contains(body.as_str()), "{told}");
    }

    #[test]
    fn no_text_is_too_much_for_either_reader(frame in any::<String>()) {
        let _ = client::decode(&frame);
        let _ = server::decode(&frame);
    }

    #[test]
    fn a_frame_that_was_damaged_is_read_or_refused(
        frame in client_frames(), at: prop::sample::Index, with in "[\\x20-\\x7e]{0,3}",
    ) {
        let frame = client::encode(&frame).to_string();
        let mut cut = at.index(frame.len() + 1);
        while !frame.is_char_boundary(cut) {
            cut -= 1;
        }
        let damaged = format!("{}{with}{}", &frame[..cut], &frame[cut..]);
        let _ = client::decode(&damaged);
        let _ = client::decode(&frame[..cut]);
    }
}

#[test]
fn frames_look_as_the_reference_says() {
    for (text, frame) in [
        (
            r#"{"type":"hello","v":1}"#,
            ClientFrame::Hello(Hello {
                v: 1,
                token: None,
                resume: None,
                anew: false,
            }),
        ),
        (
            r#"{"type":"announce","room":"r","peer":"bob","data":{"name":"Bob"}}"#,
            ClientFrame::Announce(Announce {
                room: RoomId::new("r").unwrap(),
                peer: Some(peer("bob")),
                data: json(r#"{"name":"Bob"}"#),
                known: None,
            }),
        ),
        (
            r#"{"type":"request","id":"1","match":{"name":"Sue"},"timeout_ms":500}"#,
            ClientFrame::Request(Request {
                id: "1".into(),
                wanted: Wanted::Match(json(r#"{"name":"Sue"}"#)),
                timeout_ms: Some(500),
            }),
        ),
        (
            r#"{"type":"request","id":"1","peer":"sue"}"#,
            ClientFrame::Request(Request {
                id: "1".into(),
                wanted: Wanted::Peer(peer("sue")),
                timeout_ms: None,
            }),
        ),
        (r#"{"type":"ping"}"#, ClientFrame::Ping),
    ] {
        assert_eq!(client::encode(&frame), text);
        assert_eq!(client::decode(text), Ok(frame));
    }
    let answer = server::Answer {
        id: "1".into(),
        ok: false,
        peer: None,
        data: None,
        reason: Some(server::Reason::NoMatch),
        message: None,
    };
    let text = r#"{"type":"answer","id":"1","ok":false,"reason":"no-match"}"#;
    assert_eq!(server::encode(&ServerFrame::Answer(answer)), text);
}

#[test]
fn what_is_wrong_with_a_frame_is_named() {
    let long = "x".repeat(300);
    for (frame, code, word) in [
        ("", ErrorCode::NotJson, "JSON"),
        ("[1]", ErrorCode::NotJson, "JSON"),
        ("/announce|bob|{}", ErrorCode::NotJson, "JSON"),
        ("{}", ErrorCode::UnknownType, "type"),
        (r#"{"type":7}"#, ErrorCode::UnknownType, "type"),
        (r#"{"type":"shout"}"#, ErrorCode::UnknownType, "shout"),
        (r#"{"type":"hello"}"#, ErrorCode::BadField, "\"v\""),
        (r#"{"type":"hello","v":2}"#, ErrorCode::UnknownVersion, "2"),
        (r#"{"type":"announce"}"#, ErrorCode::BadField, "\"room\""),
        (
            r#"{"type":"announce","room":"a|b"}"#,
            ErrorCode::BadField,
            "\"room\" has a |",
        ),
        (
            r#"{"type":"announce","room":"r","peer":""}"#,
            ErrorCode::BadField,
            "\"peer\" is empty",
        ),
        (
            &format!(r#"{{"type":"announce","room":"r","peer":"{long}"}}"#),
            ErrorCode::BadField,
            "\"peer\" is too long",
        ),
        (
            r#"{"type":"announce","room":"r","data":[]}"#,
            ErrorCode::BadField,
            "\"data\"",
        ),
        (
            &format!(
                r#"{{"type":"announce","room":"r","data":{{"a":"{}"}}}}"#,
                "x".repeat(4096)
            ),
            ErrorCode::BadField,
            "4096",
        ),
        (
            r#"{"type":"announce","room":"r","known":["0"]}"#,
            ErrorCode::BadField,
            "\"known\"",
        ),
        (
            r#"{"type":"send","to":"a","n":0,"body":1}"#,
            ErrorCode::BadField,
            "\"n\"",
        ),
        (
            r#"{"type":"send","to":"a","n":9007199254740992,"body":1}"#,
            ErrorCode::BadField,
            "\"n\"",
        ),
        (
            r#"{"type":"send","to":"a","n":1.5,"body":1}"#,
            ErrorCode::BadField,
            "\"n\"",
        ),
        (
            r#"{"type":"send","to":"a","n":1}"#,
            ErrorCode::BadField,
            "\"body\"",
        ),
        (
            r#"{"type":"send","to":"a","n":1,"first":2,"body":1}"#,
            ErrorCode::BadField,
            "\"first\"",
        ),
        (
            r#"{"type":"request","id":"1"}"#,
            ErrorCode::BadField,
            "\"peer\"",
        ),
        (
            r#"{"type":"request","id":"1","peer":"a","match":{}}"#,
            ErrorCode::BadField,
            "exclude",
        ),
        (
            r#"{"type":"request","id":"1","peer":"a","timeout_ms":0}"#,
            ErrorCode::BadField,
            "\"timeout_ms\"",
        ),
        (
            &format!(r#"{{"type":"decline","from":"a","id":"1","reason":"{long}"}}"#),
            ErrorCode::BadField,
            "256",
        ),
    ] {
        let error = client::decode(frame).unwrap_err();
        assert_eq!(error.code, code, "{frame}: {error}");
        let names_a_type = !matches!(code, ErrorCode::NotJson | ErrorCode::UnknownType);
        assert_eq!(error.about.is_some(), names_a_type, "{frame}: {error}");
        assert!(error.message.contains(word), "{frame}: {error}");
    }
}

#[test]
fn what_a_request_matches_is_no_longer_than_data() {
    for (spaces, fits) in [(4094, true), (4095, false)] {
        let spaces = " ".repeat(spaces);
        let frame = format!(r#"{{"type":"request","id":"q","match":{{{spaces}}}}}"#);
        match client::decode(&frame) {
            Ok(_) => assert!(fits),
            Err(error) => {
                assert_eq!((error.code, fits), (ErrorCode::BadField, false));
                assert!(
                    error.message.contains("\"match\" has more than 4096"),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn fields_that_are_not_known_are_ignored_and_null_is_nothing() {
    let frame = r#"{"new":[1],"peer":null,"room":"r","type":"announce","data":null}"#;
    let ClientFrame::Announce(announce) = client::decode(frame).unwrap() else {
        panic!();
    };
    assert_eq!((announce.peer, announce.data.as_str()), (None, "{}"));
    // A body may be null.
    let frame = r#"{"type":"broadcast","n":1,"body":null}"#;
    let ClientFrame::Broadcast(said) = client::decode(frame).unwrap() else {
        panic!();
    };
    assert_eq!(said.body.as_str(), "null");
}
