#![allow(clippy::wildcard_enum_match_arm, reason = "these are tests")]

use std::time::{Duration, Instant};

use protocol::{
    PeerId, RoomId,
    native::{
        ClientFrame, Json,
        client::{self, Wanted},
        server::Reason,
    },
};

use super::*;
use crate::{Asked, Event, Output, Settled, State};

mod link;
mod messages;
mod refused;
mod requests;

const PATIENCE: Duration = Duration::from_secs(60);

fn json(text: &str) -> Json {
    Json::new(text).unwrap()
}

fn id(id: &str) -> PeerId {
    PeerId::new(id.to_owned()).unwrap()
}

fn config(peer: Option<&str>) -> Config {
    Config {
        room: RoomId::new("r").unwrap(),
        peer: peer.map(id),
        token: None,
        resume: None,
        patience: PATIENCE,
        seed: 7,
    }
}

/// A session, and what it has said and told.
struct Bench {
    session: Session,
    now: Instant,
    frames: Vec<ClientFrame>,
    events: Vec<Event>,
    settled: Vec<(Ticket, Result<Settled, Failure>)>,
}

impl Bench {
    fn new(config: Config) -> Self {
        Self {
            session: Session::new(config),
            now: Instant::now(),
            frames: Vec::new(),
            events: Vec::new(),
            settled: Vec::new(),
        }
    }

    /// Bob, who is in the room.
    fn bob() -> Self {
        let mut bob = Self::new(config(Some("bob")));
        bob.session.announce(bob.now, json("{}"));
        bob.connect("s1");
        bob.hear(MEMBERS);
        bob.clear();
        bob
    }

    fn poll(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Frame(frame) => self.frames.push(client::decode(&frame).unwrap()),
                Output::Event(event) => self.events.push(event),
                Output::Settled(ticket, outcome) => self.settled.push((ticket, outcome)),
                Output::Reconnect => panic!("nobody migrates here"),
            }
        }
    }

    fn clear(&mut self) {
        self.poll();
        self.frames.clear();
        self.events.clear();
        self.settled.clear();
    }

    fn connect(&mut self, session: &str) {
        self.session.handle_connected(self.now);
        self.hear(&format!(
            r#"{{"type":"welcome","session":"{session}","resume":"t","node":"n","region":"r","window_ms":8000,
            "ice_servers":[],"ttl":60,"limits":{{"frame_bytes":1000,"unacknowledged":4}}}}"#
        ));
    }

    fn hear(&mut self, frame: &str) {
        self.session.handle_frame(self.now, frame);
        self.poll();
    }

    fn lose(&mut self) {
        self.session.handle_disconnected(self.now);
        self.poll();
    }

    fn send(&mut self, body: &str) -> Ticket {
        let ticket = self.session.send(self.now, id("sue"), json(body));
        self.poll();
        ticket
    }

    /// Lets all happen that is to happen in this time.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now);
            self.poll();
        }
        self.now = end;
    }

    /// The messages that were said since this was asked last, as number and lowest number.
    fn said(&mut self) -> Vec<(u64, u64)> {
        let said = self.frames.iter().filter_map(|frame| match frame {
            ClientFrame::Send(send) => Some((send.n, send.first.unwrap())),
            _ => None,
        });
        let said = said.collect();
        self.frames.clear();
        said
    }

    fn acks(&mut self) -> Vec<u64> {
        let acks = self.frames.iter().filter_map(|frame| match frame {
            ClientFrame::Ack(ack) => Some(ack.n),
            _ => None,
        });
        let acks = acks.collect();
        self.frames.clear();
        acks
    }

    /// A message of sue's comes. Gives whether it is told.
    fn message(&mut self, session: &str, n: u64, first: u64) -> bool {
        let before = self.events.len();
        self.hear(&format!(
            r#"{{"type":"message","from":"sue","session":"{session}","n":{n},"first":{first},"to":"bob","body":{n}}}"#
        ));
        self.events.len() > before
    }

    /// What has come of it.
    fn outcome(&self, ticket: Ticket) -> Option<Result<Settled, Failure>> {
        let mut of_it = self.settled.iter().filter(|(of, _)| *of == ticket);
        let outcome = of_it.next().map(|(_, outcome)| outcome.clone());
        assert!(of_it.next().is_none(), "settled twice");
        outcome
    }

    fn why_not(&self, ticket: Ticket) -> Option<Reason> {
        self.outcome(ticket)?.unwrap_err().reason()
    }
}

const MEMBERS: &str = r#"{"type":"members","room":"r","peer":"bob","resume":"t","peers":[{"peer":"sue","data":{},"tag":"0123456789abcdef0"}]}"#;

fn acked(n: u64) -> String {
    format!(r#"{{"type":"acked","by":"sue","session":"s1","n":{n}}}"#)
}

fn undelivered(n: u64, reason: &str) -> String {
    format!(r#"{{"type":"undelivered","to":"sue","session":"s1","n":{n},"reason":"{reason}"}}"#)
}

#[test]
fn what_is_announced_before_there_is_a_socket_goes_right_behind_the_greeting() {
    let mut bob = Bench::new(config(Some("bob")));
    let ticket = bob.session.announce(bob.now, json(r#"{"a":1}"#));
    bob.poll();
    assert_eq!(bob.frames, []);
    bob.connect("s1");
    let kinds: Vec<_> = bob.frames.iter().map(ClientFrame::kind).collect();
    assert_eq!(kinds, ["hello", "announce"]);
    bob.hear(MEMBERS);
    assert_eq!(bob.outcome(ticket), Some(Ok(Settled::Announced(id("bob")))));
    assert!(
        matches!(bob.events[2], Event::Joined(_)),
        "{:?}",
        bob.events
    );
}

#[test]
fn of_the_roster_only_what_has_changed_is_told_on_the_next_socket() {
    let mut bob = Bench::bob();
    let told = |bob: &mut Bench, members: &str| {
        bob.lose();
        bob.connect("s1");
        bob.events.clear();
        bob.hear(members);
        let told = bob.events.iter().map(|event| match event {
            Event::Joined(member) => format!("joined {}", member.peer),
            Event::Updated(member) => format!("updated {}", member.peer),
            Event::Suspended(member) => format!("suspended {}", member.peer),
            Event::Resumed(member) => format!("resumed {}", member.peer),
            Event::Left { member, .. } => format!("left {}", member.peer),
            Event::State(_) => "state".to_owned(),
            other => panic!("{other:?}"),
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(told(&mut bob, MEMBERS), ["state"]);
    let suspended = MEMBERS.replace(r#""data":{}"#, r#""data":{},"suspended":true"#);
    assert_eq!(told(&mut bob, &suspended), ["suspended sue", "state"]);
    let other = MEMBERS.replace(r#""data":{}"#, r#""data":{"a":1}"#);
    let expected = ["resumed sue", "updated sue", "state"];
    assert_eq!(told(&mut bob, &other), expected);
    let another = MEMBERS.replace("sue", "ann");
    assert_eq!(
        told(&mut bob, &another),
        ["left sue", "joined ann", "state"]
    );
}

#[test]
fn a_session_that_no_node_knows_any_more_counts_anew_and_says_what_may_have_come() {
    let mut bob = Bench::bob();
    let said = bob.send("1");
    bob.lose();
    let unsaid = bob.send("2");
    bob.said();
    bob.connect("s2");
    bob.hear(MEMBERS);
    assert_eq!(bob.why_not(said), Some(Reason::Unreachable));
    assert_eq!(bob.said(), [(1, 1)]);
    bob.hear(&acked(1).replace("s1", "s2"));
    assert_eq!(bob.outcome(unsaid), Some(Ok(Settled::Delivered)));
}

#[test]
fn what_is_said_to_a_peer_that_acknowledges_nothing_is_settled_when_it_is_on_its_way() {
    let mut bob = Bench::bob();
    bob.hear(
        r#"{"type":"joined","peer":"sue","data":{},"tag":"0123456789abcdef0","dialect":"rtc.io"}"#,
    );
    let ticket = bob.send("1");
    assert_eq!(bob.outcome(ticket), Some(Ok(Settled::Delivered)));
    assert_eq!(bob.said(), [(1, 1)]);
}

#[test]
fn leaving_settles_everything_and_a_later_announce_enters_again() {
    let mut bob = Bench::bob();
    let tickets = [
        bob.send("1"),
        bob.session.request(bob.now, Wanted::Peer(id("sue")), None),
        bob.session.announce(bob.now, json("{}")),
    ];
    bob.session.leave();
    bob.poll();
    for ticket in tickets {
        assert_eq!(bob.outcome(ticket), Some(Err(Failure::Left)));
    }
    let ticket = bob.send("2");
    assert_eq!(bob.outcome(ticket), Some(Err(Failure::NotAnnounced)));
    // What the node says to the announce before is not the answer to the next one.
    let ticket = bob.session.announce(bob.now, json("{}"));
    bob.hear(MEMBERS);
    assert_eq!(bob.outcome(ticket), None);
    bob.hear(MEMBERS);
    assert_eq!(bob.outcome(ticket), Some(Ok(Settled::Announced(id("bob")))));
    let is_announced = |event: &Event| matches!(event, Event::State(State::Announced { .. }));
    assert!(bob.events.iter().any(is_announced));
}

#[test]
fn who_has_left_and_entered_again_comes_back_as_the_same_peer() {
    let mut bob = Bench::bob();
    bob.session.leave();
    bob.session.announce(bob.now, json("{}"));
    bob.hear(&MEMBERS.replace(r#""resume":"t""#, r#""resume":"u""#));
    bob.lose();
    bob.clear();
    bob.session.handle_connected(bob.now);
    bob.poll();
    let ClientFrame::Hello(hello) = &bob.frames[0] else {
        panic!("{:?}", bob.frames);
    };
    assert_eq!(hello.resume.as_deref(), Some("u"));
    assert!(!hello.anew);
}
