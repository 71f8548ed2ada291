//! The reference of the dialect, `services/signal/web/docs/protocol.md`, beside the types.

use std::{collections::BTreeSet, fs, path::Path};

use protocol::{
    PeerId, RoomId,
    native::{
        ClientFrame, Digest, ErrorCode, Json,
        client::{self, Accept, Ack, Announce, Broadcast, Decline, Hello, Request, Send, Wanted},
        server::{
            self, Absent, Acked, Answer, ErrorFrame, IceServers, Limits, Member, Members, Message,
            Migrate, Present, Requested, Undelivered, Welcome,
        },
    },
};

use super::*;

fn page() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join("services/signal/web/docs/protocol.md")).unwrap()
}

/// What stands under a heading, up to the next one of its level or above.
fn part<'a>(page: &'a str, heading: &str) -> &'a str {
    let level = heading.split(' ').next().unwrap().len();
    let begin = format!("\n{heading}\n");
    let rest = page.split(&begin).nth(1);
    let rest = rest.unwrap_or_else(|| panic!("the page has no {heading}"));
    let ends = (1..=level).map(|level| format!("\n{} ", "#".repeat(level)));
    let end = ends.filter_map(|end| rest.find(&end)).min();
    &rest[..end.unwrap_or(rest.len())]
}

/// What is quoted first in each row of the tables of a part.
fn rows(part: &str) -> BTreeSet<&str> {
    let rows = part.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).collect()
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn fields(frame: &Value) -> BTreeSet<String> {
    let fields = frame.as_object().unwrap().keys();
    fields.filter(|name| *name != "type").cloned().collect()
}

fn json(text: &str) -> Json {
    Json::new(text).unwrap()
}

fn peer() -> PeerId {
    PeerId::new("sue").unwrap()
}

/// A frame of each type that a client says, with all that it may have.
fn said() -> Vec<ClientFrame> {
    let (from, to) = (peer(), peer());
    let request = |wanted| {
        ClientFrame::Request(Request {
            id: "q".into(),
            wanted,
            timeout_ms: Some(1),
        })
    };
    vec![
        ClientFrame::Hello(Hello {
            v: 1,
            token: Some("t".into()),
            resume: Some("r".into()),
            anew: true,
        }),
        ClientFrame::Announce(Announce {
            room: RoomId::new("r").unwrap(),
            peer: Some(peer()),
            data: json("{}"),
            known: Some(Digest::default()),
        }),
        ClientFrame::Leave,
        ClientFrame::Send(Send {
            to,
            n: 1,
            first: Some(1),
            body: json("1"),
        }),
        ClientFrame::Broadcast(Broadcast {
            n: 1,
            body: json("1"),
        }),
        request(Wanted::Match(json("{}"))),
        request(Wanted::Peer(peer())),
        ClientFrame::Accept(Accept {
            from: from.clone(),
            id: "q".into(),
        }),
        ClientFrame::Decline(Decline {
            from: from.clone(),
            id: "q".into(),
            reason: Some("no".into()),
        }),
        ClientFrame::Ack(Ack {
            from,
            session: "s".into(),
            n: 1,
        }),
        ClientFrame::Ping,
    ]
}

fn present() -> Present {
    Present {
        peer: peer(),
        data: json("{}"),
        tag: "t".into(),
        dialect: Some("rtc.io".into()),
    }
}

/// A frame of each type that a client is told, with all that it may have.
fn told() -> Vec<ServerFrame> {
    let (session, ice_servers, n) = ("s".into(), json("[]"), 1);
    vec![
        ServerFrame::Welcome(Welcome {
            session,
            resume: "r".into(),
            node: "n".into(),
            region: "r".into(),
            window_ms: 1,
            ice_servers: ice_servers.clone(),
            ttl: 1,
            limits: Limits {
                frame_bytes: 1,
                unacknowledged: 1,
            },
            trace: Some("t".into()),
        }),
        ServerFrame::Members(Members {
            room: RoomId::new("r").unwrap(),
            peer: peer(),
            resume: "r".into(),
            parts: Some(Vec::new()),
            peers: vec![Member {
                peer: peer(),
                data: json("{}"),
                tag: "t".into(),
                suspended: true,
                dialect: Some("rtc.io".into()),
            }],
        }),
        ServerFrame::Joined(present()),
        ServerFrame::Updated(present()),
        ServerFrame::Suspended(Absent { peer: peer() }),
        ServerFrame::Resumed(present()),
        ServerFrame::Left(Left {
            peer: peer(),
            reason: "left".into(),
        }),
        ServerFrame::Message(Message {
            from: peer(),
            session: Some("s".into()),
            n: Some(1),
            first: Some(1),
            to: Some(peer()),
            body: json("1"),
        }),
        ServerFrame::Acked(Acked {
            by: peer(),
            session: "s".into(),
            n,
        }),
        ServerFrame::Undelivered(Undelivered {
            to: peer(),
            session: "s".into(),
            n,
            reason: Reason::Gone,
        }),
        ServerFrame::Requested(Requested {
            id: "q".into(),
            from: peer(),
            data: json("{}"),
        }),
        ServerFrame::Answer(Answer {
            id: "q".into(),
            ok: false,
            peer: Some(peer()),
            data: Some(json("{}")),
            reason: Some(Reason::Gone),
            message: Some("no".into()),
        }),
        ServerFrame::IceServers(IceServers {
            ice_servers,
            ttl: 1,
        }),
        ServerFrame::Migrate(Migrate { within_ms: 1 }),
        ServerFrame::Error(ErrorFrame {
            code: "c".into(),
            message: "m".into(),
            temporary: false,
            about: Some("hello".into()),
        }),
        ServerFrame::Pong,
    ]
}

/// How many types there are. One more makes this fail to compile: it wants a frame above, and a part on the page.
fn client_types(frame: &ClientFrame) -> usize {
    match frame {
        ClientFrame::Hello(_)
        | ClientFrame::Announce(_)
        | ClientFrame::Leave
        | ClientFrame::Send(_)
        | ClientFrame::Broadcast(_)
        | ClientFrame::Request(_)
        | ClientFrame::Accept(_)
        | ClientFrame::Decline(_)
        | ClientFrame::Ack(_)
        | ClientFrame::Ping => 10,
    }
}

/// The same, of what clients are told.
fn server_types(frame: &ServerFrame) -> usize {
    match frame {
        ServerFrame::Welcome(_)
        | ServerFrame::Members(_)
        | ServerFrame::Joined(_)
        | ServerFrame::Updated(_)
        | ServerFrame::Suspended(_)
        | ServerFrame::Resumed(_)
        | ServerFrame::Left(_)
        | ServerFrame::Message(_)
        | ServerFrame::Acked(_)
        | ServerFrame::Undelivered(_)
        | ServerFrame::Requested(_)
        | ServerFrame::Answer(_)
        | ServerFrame::IceServers(_)
        | ServerFrame::Migrate(_)
        | ServerFrame::Error(_)
        | ServerFrame::Pong => 16,
    }
}

/// The types that a part has, and that each has all its fields and no other, and an example.
fn assert_documented(part_of: &str, frames: &[Value]) -> usize {
    let page = page();
    let part_of = part(&page, part_of);
    let types: BTreeSet<&str> = frames.iter().map(kind).collect();
    let headings = part_of
        .lines()
        .filter_map(|line| line.strip_prefix("### `"));
    let headings: BTreeSet<&str> = headings.map(|name| name.trim_end_matches('`')).collect();
    assert_eq!(headings, types);
    for name in &types {
        let section = part(part_of, &format!("### `{name}`"));
        let of_type = frames.iter().filter(|frame| kind(frame) == *name);
        let all: BTreeSet<String> = of_type.flat_map(fields).collect();
        let on_page: BTreeSet<String> = rows(section).into_iter().map(str::to_owned).collect();
        assert_eq!(on_page, all, "fields of {name}");
        let examples: Vec<Value> = section
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(read)
            .collect();
        let shown: BTreeSet<String> = examples.iter().flat_map(fields).collect();
        assert!(examples.iter().all(|example| kind(example) == *name));
        assert!(!examples.is_empty(), "{name} has no example");
        assert!(shown.is_subset(&all), "examples of {name}");
    }
    types.len()
}

#[test]
fn every_frame_has_its_part_of_the_page_with_each_field_and_an_example() {
    let all = said();
    let written: Vec<Value> = all
        .iter()
        .map(|frame| read(&client::encode(frame)))
        .collect();
    let types = assert_documented("## What a client says", &written);
    assert_eq!(types, client_types(&all[0]));
    let all = told();
    let written: Vec<Value> = all
        .iter()
        .map(|frame| read(&server::encode(frame)))
        .collect();
    let types = assert_documented("## What a client is told", &written);
    assert_eq!(types, server_types(&all[0]));
}

#[test]
fn what_the_page_shows_is_understood_and_written_again_has_the_same_fields() {
    let says: BTreeSet<&str> = said().iter().map(ClientFrame::kind).collect();
    let page = page();
    // In a dialogue, whoever says it stands before it.
    let frames = page
        .lines()
        .filter_map(|line| line.find(r#"{"type":"#).map(|at| &line[at..]));
    let mut shown = 0;
    for text in frames {
        let frame = read(text);
        let again = if says.contains(kind(&frame)) {
            client::decode(text).map(|frame| client::encode(&frame))
        } else {
            server::decode(text).map(|frame| server::encode(&frame))
        };
        let again = again.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(read(&again), frame);
        shown += 1;
    }
    assert!(shown > 30, "{shown}");
}

#[test]
fn every_error_and_every_reason_has_its_row_and_none_is_invented() {
    let page = page();
    let errors = part(&page, "## Errors");
    let codes: BTreeSet<&str> = ErrorCode::ALL.into_iter().map(ErrorCode::label).collect();
    assert_eq!(rows(errors), codes);
    for code in ErrorCode::ALL {
        let temporary = if code.is_temporary() { "yes" } else { "no" };
        let row = format!("| `{}` | {temporary} | ", code.label());
        assert!(errors.contains(&row), "{row}");
    }
    let reasons: BTreeSet<&str> = Reason::ALL.into_iter().map(Reason::label).collect();
    assert_eq!(rows(part(&page, "## Reasons")), reasons);
}
