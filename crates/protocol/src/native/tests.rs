use proptest::{collection::vec, option, prelude::*};

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

/// A value, as somebody may write it.
fn values() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just(" true ".trim().to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON has no others", |number| number.is_finite())
            .prop_map(|number| format!("{number:?}")),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just("1.000e+2".to_owned()),
        Just("\"\\u00e9|\\/\"".to_owned()),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|all| format!("[ {} ]", all.join(" , "))),
            vec((any::<String>(), inner), 0..4).prop_map(|all| {
                let all = all.into_iter().map(|(name, value)| {
                    format!("{}:\t{value}", serde_json::to_string(&name).unwrap())
                });
                format!("{{{}}}", all.collect::<Vec<_>>().join(","))
            }),
        ]
    })
    .prop_map(|text| json(&text))
}

fn objects() -> impl Strategy<Value = Json> {
    values().prop_map(|value| json(&format!("{{\"a\":{}}}", value.as_str())))
}

fn texts() -> impl Strategy<Value = bytestring::ByteString> {
    "[^|]{1,16}".prop_map(Into::into)
}

fn peers() -> impl Strategy<Value = PeerId> {
    texts().prop_map(|text| PeerId::new(text).unwrap())
}

fn rooms() -> impl Strategy<Value = RoomId> {
    texts().prop_map(|text| RoomId::new(text).unwrap())
}

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![1..=MAX_NUMBER, Just(1), Just(MAX_NUMBER)]
}

fn client_frames() -> impl Strategy<Value = ClientFrame> {
    let wanted = prop_oneof![
        objects().prop_map(Wanted::Match),
        peers().prop_map(Wanted::Peer),
    ];
    prop_oneof![
        (option::of(texts()), option::of(texts()), any::<bool>()).prop_map(
            |(token, resume, anew)| {
                let v = VERSION;
                ClientFrame::Hello(Hello {
                    v,
                    token,
                    resume,
                    anew,
                })
            }
        ),
        (rooms(), option::of(peers()), objects())
            .prop_map(|(room, peer, data)| ClientFrame::Announce(Announce { room, peer, data })),
        Just(ClientFrame::Leave),
        (peers(), numbers(), option::of(numbers()), values()).prop_map(|(to, n, first, body)| {
            let first = first.map(|first| first.min(n));
            ClientFrame::Send(Send { to, n, first, body })
        }),
        (numbers(), values()).prop_map(|(n, body)| ClientFrame::Broadcast(Broadcast { n, body })),
        (texts(), wanted, option::of(1..=MAX_TIMEOUT_MS)).prop_map(|(id, wanted, timeout_ms)| {
            ClientFrame::Request(Request {
                id,
                wanted,
                timeout_ms,
            })
        }),
        (peers(), texts()).prop_map(|(from, id)| ClientFrame::Accept(Accept { from, id })),
        (peers(), texts(), option::of(texts()))
            .prop_map(|(from, id, reason)| ClientFrame::Decline(Decline { from, id, reason })),
        (peers(), texts(), numbers()).prop_map(|(from, session, n)| ClientFrame::Ack(Ack {
            from,
            session,
            n
        })),
        Just(ClientFrame::Ping),
    ]
}

fn presences() -> impl Strategy<Value = server::Present> {
    (peers(), values(), option::of(texts())).prop_map(|(peer, data, dialect)| server::Present {
        peer,
        data,
        dialect,
    })
}

fn reasons() -> impl Strategy<Value = server::Reason> {
    (0..server::Reason::ALL.len()).prop_map(|at| server::Reason::ALL[at])
}

fn welcomes() -> impl Strategy<Value = ServerFrame> {
    (
        vec(texts(), 3),
        option::of(texts()),
        values(),
        vec(numbers(), 4),
    )
        .prop_map(|(texts, trace, ice_servers, numbers)| {
            ServerFrame::Welcome(server::Welcome {
                session: texts[0].clone(),
                node: texts[1].clone(),
                region: texts[2].clone(),
                window_ms: numbers[0],
                ice_servers,
                ttl: numbers[1],
                limits: server::Limits {
                    frame_bytes: numbers[2],
                    unacknowledged: numbers[3],
                },
                trace,
            })
        })
}

fn answers() -> impl Strategy<Value = ServerFrame> {
    (
        texts(),
        any::<bool>(),
        option::of(peers()),
        option::of(objects()),
        option::of(reasons()),
        option::of(texts()),
    )
        .prop_map(|(id, ok, peer, data, reason, message)| {
            ServerFrame::Answer(server::Answer {
                id,
                ok,
                peer,
                data,
                reason,
                message,
            })
        })
}

fn messages() -> impl Strategy<Value = ServerFrame> {
    (
        peers(),
        option::of(texts()),
        option::of(numbers()),
        option::of(numbers()),
        option::of(peers()),
        values(),
    )
        .prop_map(|(from, session, n, first, to, body)| {
            ServerFrame::Message(server::Message {
                from,
                session,
                n,
                first,
                to,
                body,
            })
        })
}

fn server_frames() -> impl Strategy<Value = ServerFrame> {
    let member = (presences(), any::<bool>()).prop_map(|(present, suspended)| server::Member {
        peer: present.peer,
        data: present.data,
        suspended,
        dialect: present.dialect,
    });
    prop_oneof![
        welcomes(),
        answers(),
        messages(),
        (rooms(), peers(), texts(), vec(member, 0..3)).prop_map(|(room, peer, resume, peers)| {
            ServerFrame::Members(server::Members {
                room,
                peer,
                resume,
                peers,
            })
        }),
        presences().prop_map(ServerFrame::Joined),
        presences().prop_map(ServerFrame::Updated),
        presences().prop_map(ServerFrame::Resumed),
        peers().prop_map(|peer| ServerFrame::Suspended(server::Absent { peer })),
        (peers(), texts())
            .prop_map(|(peer, reason)| ServerFrame::Left(server::Left { peer, reason })),
        (peers(), texts(), numbers())
            .prop_map(|(by, session, n)| ServerFrame::Acked(server::Acked { by, session, n })),
        (peers(), texts(), numbers(), reasons()).prop_map(|(to, session, n, reason)| {
            ServerFrame::Undelivered(server::Undelivered {
                to,
                session,
                n,
                reason,
            })
        }),
        (texts(), peers(), values()).prop_map(|(id, from, data)| {
            ServerFrame::Requested(server::Requested { id, from, data })
        }),
        (values(), numbers()).prop_map(|(ice_servers, ttl)| {
            ServerFrame::IceServers(server::IceServers { ice_servers, ttl })
        }),
        numbers().prop_map(|within_ms| ServerFrame::Migrate(server::Migrate { within_ms })),
        (texts(), texts(), any::<bool>(), option::of(texts())).prop_map(
            |(code, message, temporary, about)| {
                ServerFrame::Error(server::ErrorFrame {
                    code,
                    message,
                    temporary,
                    about,
                })
            }
        ),
        Just(ServerFrame::Pong),
    ]
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
