use std::time::Duration;

use bytestring::ByteString;
use protocol::{
    PeerId,
    native::{Json, server::Member},
};

/// What an application is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Where the client stands.
    State(State),
    /// A peer is in the room.
    Joined(Member),
    /// A peer tells of other data.
    Updated(Member),
    /// A peer's connection is lost; it may return.
    Suspended(Member),
    /// A suspended peer is back.
    Resumed(Member),
    /// A peer is no longer in the room.
    Left {
        /// Who, as it was known last.
        member: Member,
        /// `left` or `expired`, as the node says.
        reason: ByteString,
    },
    /// A peer says something.
    Message(Said),
    /// A peer asks whether this one will talk.
    Requested(Asked),
    /// ICE servers that are to be used from now on.
    IceServers {
        /// As `RTCPeerConnection` takes them: an array.
        ice_servers: Json,
        /// For how long their credentials are good.
        ttl: Duration,
    },
    /// A node says that something is wrong. With the code `id-in-use` another peer has got the id: the client is in no room
    /// until it announces itself again.
    Error {
        /// For programs.
        code: ByteString,
        /// For people.
        message: ByteString,
        /// Whether it may be right later, unchanged.
        temporary: bool,
    },
}

/// Where a client stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// A node has welcomed it.
    Connected {
        /// The session's name; another one than before where a node did not know the token to resume with.
        session: ByteString,
        /// The node.
        node: ByteString,
        /// The node's region.
        region: ByteString,
    },
    /// It is in the room.
    Announced {
        /// Under this id.
        peer: PeerId,
    },
    /// The connection is lost, or was not to be had; another try follows.
    Reconnecting {
        /// In how long.
        delay: Duration,
    },
    /// It has ended, and nothing follows.
    Closed {
        /// The close code of the node that has said not to come back, if one has.
        code: Option<u16>,
        /// Why, for people.
        reason: ByteString,
    },
}

/// What a peer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Who.
    pub from: PeerId,
    /// What.
    pub body: Json,
    /// Whether everybody in the room is told.
    pub is_broadcast: bool,
}

/// A question of another peer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// That peer's name for it.
    pub id: ByteString,
    /// Who asks.
    pub from: PeerId,
    /// What that peer has announced.
    pub data: Json,
}
