//! What clients are told.

mod decode;

use bytestring::ByteString;
use serde::Serialize;

pub use self::decode::decode;
use super::Json;
use crate::{PeerId, RoomId};

/// A frame for a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
    /// The answer to `hello`.
    Welcome(Welcome),
    /// Everybody in the room that the client has entered, itself left out.
    Members(Members),
    /// A peer has entered the room.
    Joined(Present),
    /// A peer tells of other data.
    Updated(Present),
    /// A peer's connection is lost; it may return.
    Suspended(Absent),
    /// A suspended peer is back.
    Resumed(Present),
    /// A peer is no longer in the room.
    Left(Left),
    /// A peer says something.
    Message(Message),
    /// A receiver has got a message, and all before it.
    Acked(Acked),
    /// A message has not been delivered.
    Undelivered(Undelivered),
    /// A peer asks whether the client will talk.
    Requested(Requested),
    /// What has come of a request of the client's.
    Answer(Answer),
    /// ICE servers that are to be used from now on.
    IceServers(IceServers),
    /// The node is about to stop: connect again, to another.
    Migrate(Migrate),
    /// What is wrong with a frame of the client's, or with the client.
    Error(ErrorFrame),
    /// The answer to `ping`.
    Pong,
}

/// What a client must know to begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Welcome {
    /// The client's session: it is the same after a connection was lost, and another one after a page was loaded anew.
    pub session: ByteString,
    /// What to say hello with after the connection was lost, to have the same ids again.
    pub resume: ByteString,
    /// The node.
    pub node: ByteString,
    /// Its region.
    pub region: ByteString,
    /// How long a lost connection may take to return, in milliseconds.
    pub window_ms: u64,
    /// ICE servers, as `RTCPeerConnection` takes them.
    pub ice_servers: Json,
    /// For how many seconds their credentials are good.
    pub ttl: u64,
    /// What the node takes.
    pub limits: Limits,
    /// The trace that the connection is part of, as W3C's `traceparent` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<ByteString>,
}

/// What a node takes of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Longest frame, in bytes.
    pub frame_bytes: u64,
    /// Messages that a client keeps at most that no receiver has acknowledged.
    pub unacknowledged: u64,
}

/// Who is in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Members {
    /// The room.
    pub room: RoomId,
    /// The id under which the client is in it.
    pub peer: PeerId,
    /// The same token as in `welcome`.
    pub resume: ByteString,
    /// The parts that `peers` is of, where the client has said what it knows, or has been in the room already: the others are
    /// as it knows them. Whoever is suspended is in `peers` in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<u8>>,
    /// The others.
    pub peers: Vec<Member>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Who.
    pub peer: PeerId,
    /// What it has announced.
    pub data: Json,
    /// Its [`Tag`](super::Tag).
    pub tag: ByteString,
    /// Whether its connection is lost, and it may return.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// What it speaks, if that is another dialect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<ByteString>,
}

/// A peer that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Present {
    /// Who.
    pub peer: PeerId,
    /// What it has announced.
    pub data: Json,
    /// Its [`Tag`](super::Tag).
    pub tag: ByteString,
    /// What it speaks, if that is another dialect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<ByteString>,
}

/// A peer that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Absent {
    /// Who.
    pub peer: PeerId,
}

/// A departure, said once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Who.
    pub peer: PeerId,
    /// `left` when it has said so, `expired` when it has not returned in time.
    pub reason: ByteString,
}

/// What a peer says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Who.
    pub from: PeerId,
    /// Its session, and the message's number in it; none of peers of other dialects, which do not number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<ByteString>,
    /// See there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// The lowest number that may still come of this session; of messages that not everybody is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// The client itself; none where everybody in the room is told. Such messages have numbers of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<PeerId>,
    /// What.
    pub body: Json,
}

/// What a receiver has got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Acked {
    /// The receiver.
    pub by: PeerId,
    /// The session that said it: not the client's own where that began anew.
    pub session: ByteString,
    /// The number of the last message.
    pub n: u64,
}

/// A message that has not been delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undelivered {
    /// To whom.
    pub to: PeerId,
    /// The session that said it.
    pub session: ByteString,
    /// Its number.
    pub n: u64,
    /// Why.
    pub reason: Reason,
}

/// A question of another peer's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Requested {
    /// That peer's name for it.
    pub id: ByteString,
    /// Who asks.
    pub from: PeerId,
    /// What that peer has announced.
    pub data: Json,
}

/// What has come of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The client's name for it.
    pub id: ByteString,
    /// Whether somebody will talk.
    pub ok: bool,
    /// Who will; or of whom it is known why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerId>,
    /// What that peer has announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Json>,
    /// Why nobody will.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What the peer that declined has said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<ByteString>,
}

/// Why a message was not delivered, or a request not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Nobody in the room is meant.
    NoMatch,
    /// The peer does not want to.
    Declined,
    /// It has left.
    Gone,
    /// Its connection is lost. What waits for it is delivered if it returns: this is a notice, no verdict.
    Suspended,
    /// Its node cannot be reached.
    Unreachable,
    /// Too much waits already.
    Overloaded,
    /// It took too long.
    Timeout,
}

impl Reason {
    /// Each of them.
    pub const ALL: [Self; 7] = [
        Self::NoMatch,
        Self::Declined,
        Self::Gone,
        Self::Suspended,
        Self::Unreachable,
        Self::Overloaded,
        Self::Timeout,
    ];

    /// The word on the wire.
    pub fn label(self) -> &'static str {
        match self {
            Self::NoMatch => "no-match",
            Self::Declined => "declined",
            Self::Gone => "gone",
            Self::Suspended => "suspended",
            Self::Unreachable => "unreachable",
            Self::Overloaded => "overloaded",
            Self::Timeout => "timeout",
        }
    }
}

/// ICE servers, and how long they are good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IceServers {
    /// As `RTCPeerConnection` takes them.
    pub ice_servers: Json,
    /// For how many seconds their credentials are good.
    pub ttl: u64,
}

/// How soon a node stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Migrate {
    /// In how many milliseconds the connection ends at the latest.
    pub within_ms: u64,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorFrame {
    /// For programs.
    pub code: ByteString,
    /// For people.
    pub message: ByteString,
    /// Whether it may be right later, unchanged.
    pub temporary: bool,
    /// The type of the frame that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<ByteString>,
}

/// Writes a frame for a client.
pub fn encode(frame: &ServerFrame) -> ByteString {
    super::json::written(frame)
}
