use std::net::SocketAddr;

use protocol::native::{
    ServerFrame,
    server::{self, Members, Message, Welcome},
};
use serde_json::{Value, json};

use crate::Peer;

/// A client that speaks the native dialect, frame by frame.
#[derive(Debug)]
pub struct NativePeer {
    peer: Peer,
    /// What the node has said of its session.
    pub welcome: Welcome,
    /// What to come back with.
    pub resume: String,
}

impl NativePeer {
    /// Connects, without a word.
    pub async fn connect(address: SocketAddr) -> Peer {
        Peer::connect_to(address, "/v1/connect").await
    }

    /// Connects and says hello, with these fields.
    pub async fn hello(address: SocketAddr, fields: Value) -> Self {
        let mut peer = Self::connect(address).await;
        peer.send(&frame("hello", json!({ "v": 1 }), fields)).await;
        let told = next(&mut peer).await;
        let ServerFrame::Welcome(welcome) = told else {
            panic!("a welcome was expected: {told:?}");
        };
        let resume = String::new();
        Self {
            peer,
            welcome,
            resume,
        }
    }

    /// A peer of this name in the room, and who is there.
    pub async fn join(address: SocketAddr, room: &str, id: &str) -> (Self, Members) {
        let mut peer = Self::hello(address, json!({})).await;
        let members = peer.enter(room, id).await;
        (peer, members)
    }

    /// A peer that comes back with its token.
    pub async fn come_back(address: SocketAddr, room: &str, id: &str, resume: &str) -> Self {
        let mut peer = Self::hello(address, json!({ "resume": resume })).await;
        peer.announce(room, id).await;
        peer
    }

    /// Announces itself in the room, and returns who is there.
    pub async fn enter(&mut self, room: &str, id: &str) -> Members {
        self.announce(room, id).await;
        self.members().await
    }

    /// Announces itself without waiting for the answer.
    pub async fn announce(&mut self, room: &str, id: &str) {
        let fields = json!({ "room": room, "peer": id, "data": { "name": id } });
        self.say("announce", fields).await;
    }

    /// Expects to be told who is there.
    pub async fn members(&mut self) -> Members {
        let told = self.next().await;
        let ServerFrame::Members(members) = told else {
            panic!("members were expected: {told:?}");
        };
        self.resume = members.resume.to_string();
        members
    }

    /// Sends a frame.
    pub async fn say(&mut self, kind: &str, fields: Value) {
        self.peer.send(&frame(kind, json!({}), fields)).await;
    }

    /// Says something to one peer.
    pub async fn send(&mut self, to: &str, n: u64, body: Value) {
        let fields = json!({ "to": to, "n": n, "first": 1, "body": body });
        self.say("send", fields).await;
    }

    /// The next frame.
    pub async fn next(&mut self) -> ServerFrame {
        next(&mut self.peer).await
    }

    /// The next frame as JSON.
    pub async fn next_json(&mut self) -> Value {
        let text = self.peer.next().await;
        serde_json::from_str(&text).unwrap()
    }

    /// Expects a message next.
    pub async fn message(&mut self) -> Message {
        let told = self.next().await;
        let ServerFrame::Message(message) = told else {
            panic!("a message was expected: {told:?}");
        };
        message
    }

    /// Expects this error next.
    pub async fn error(&mut self, code: &str, about: Option<&str>) {
        let told = self.next().await;
        let ServerFrame::Error(error) = told else {
            panic!("{code} was expected: {told:?}");
        };
        assert_eq!((&*error.code, error.about.as_deref()), (code, about));
    }

    /// Expects the connection to be closed with this code.
    pub async fn closed(&mut self, code: u16) {
        assert_eq!(self.peer.close_code().await, code);
    }

    /// Returns when the node has handled everything sent before, and nothing has come.
    pub async fn assert_silent(&mut self) {
        self.peer.settle().await;
        self.peer.assert_silent();
    }

    /// Breaks the connection, as a network does.
    pub fn kill(self) -> String {
        self.peer.kill();
        self.resume
    }
}

async fn next(peer: &mut Peer) -> ServerFrame {
    let text = peer.next().await;
    server::decode(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn frame(kind: &str, mut fields: Value, more: Value) -> String {
    let all = fields.as_object_mut().unwrap();
    all.insert("type".into(), kind.into());
    if let Value::Object(more) = more {
        all.extend(more);
    }
    fields.to_string()
}
