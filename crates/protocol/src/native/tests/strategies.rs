//! Frames, and what is in them, by chance.

use proptest::{collection::vec, option, prelude::*};

use super::*;

/// A value, as somebody may write it.
pub(super) fn values() -> impl Strategy<Value = Json> {
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

pub(super) fn objects() -> impl Strategy<Value = Json> {
    values().prop_map(|value| json(&format!("{{\"a\":{}}}", value.as_str())))
}

pub(super) fn texts() -> impl Strategy<Value = bytestring::ByteString> {
    "[^|]{1,16}".prop_map(Into::into)
}

pub(super) fn peers() -> impl Strategy<Value = PeerId> {
    texts().prop_map(|text| PeerId::new(text).unwrap())
}

fn digests() -> impl Strategy<Value = Digest> {
    vec((peers(), any::<String>()), 0..9).prop_map(|members| {
        let mut digest = Digest::default();
        for (peer, data) in members {
            digest.toggle(Tag::of(&peer, &data, None));
        }
        digest
    })
}

pub(super) fn rooms() -> impl Strategy<Value = RoomId> {
    texts().prop_map(|text| RoomId::new(text).unwrap())
}

pub(super) fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![1..=MAX_NUMBER, Just(1), Just(MAX_NUMBER)]
}

pub(super) fn client_frames() -> impl Strategy<Value = ClientFrame> {
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
        (
            rooms(),
            option::of(peers()),
            objects(),
            option::of(digests())
        )
            .prop_map(|(room, peer, data, known)| ClientFrame::Announce(Announce {
                room,
                peer,
                data,
                known
            })),
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

pub(super) fn presences() -> impl Strategy<Value = server::Present> {
    (peers(), values(), peers(), option::of(texts())).prop_map(|(peer, data, tagged, dialect)| {
        let tag = Tag::of(&tagged, data.as_str(), None).text();
        server::Present {
            peer,
            data,
            tag,
            dialect,
        }
    })
}

pub(super) fn reasons() -> impl Strategy<Value = server::Reason> {
    (0..server::Reason::ALL.len()).prop_map(|at| server::Reason::ALL[at])
}

pub(super) fn welcomes() -> impl Strategy<Value = ServerFrame> {
    (
        vec(texts(), 4),
        option::of(texts()),
        values(),
        vec(numbers(), 4),
    )
        .prop_map(|(texts, trace, ice_servers, numbers)| {
            ServerFrame::Welcome(server::Welcome {
                session: texts[0].clone(),
                node: texts[1].clone(),
                region: texts[2].clone(),
                resume: texts[3].clone(),
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

pub(super) fn answers() -> impl Strategy<Value = ServerFrame> {
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

pub(super) fn messages() -> impl Strategy<Value = ServerFrame> {
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

pub(super) fn server_frames() -> impl Strategy<Value = ServerFrame> {
    let member = (presences(), any::<bool>()).prop_map(|(present, suspended)| server::Member {
        peer: present.peer,
        data: present.data,
        tag: present.tag,
        suspended,
        dialect: present.dialect,
    });
    prop_oneof![
        welcomes(),
        answers(),
        messages(),
        (
            rooms(),
            peers(),
            texts(),
            option::of(vec(0..16_u8, 0..3)),
            vec(member, 0..3)
        )
            .prop_map(|(room, peer, resume, parts, peers)| {
                ServerFrame::Members(server::Members {
                    room,
                    peer,
                    resume,
                    parts,
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
