use std::time::Duration;

use bytestring::ByteString;

use crate::{
    Payload, PeerId, RoomId,
    native::{client::Wanted, server::Reason},
};

/// What a client asks of its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// Enter `room` as `peer`, or tell the room of new attributes.
    Announce {
        /// The room, or a directory; a connection of a one-room dialect leaves the room it was in.
        room: RoomId,
        /// Who the peer says it is.
        peer: PeerId,
        /// The announcement; its body is the JSON object of attributes.
        attributes: Payload,
    },
    /// Leave the room at once.
    Leave {
        /// The id written in the frame, if one was.
        sender: Option<ByteString>,
    },
    /// Tell one peer of the room.
    Send {
        /// The id written in the frame, if one was: it must be the connection's own.
        sender: Option<ByteString>,
        /// The receiver.
        to: PeerId,
        /// What is said.
        payload: Payload,
    },
    /// Tell everybody else in the room.
    Broadcast {
        /// The id written in the frame, if one was: it must be the connection's own.
        sender: Option<ByteString>,
        /// What is said.
        payload: Payload,
    },
    /// Find a peer that will talk; always answered, by [`ServerMessage::Answer`].
    Request {
        /// The client's name for it.
        id: ByteString,
        /// Who is meant.
        wanted: Wanted,
        /// How long it may take.
        timeout: Duration,
    },
}

impl ClientMessage {
    /// Bytes this message takes in a queue.
    pub fn size(&self) -> usize {
        match self {
            Self::Announce { attributes, .. } => attributes.size(),
            Self::Leave { .. } => 0,
            Self::Request { id, wanted, .. } => {
                id.len()
                    + match wanted {
                        Wanted::Match(data) => data.as_str().len(),
                        Wanted::Peer(peer) => peer.as_str().len(),
                    }
            }
            Self::Send { payload, .. } | Self::Broadcast { payload, .. } => payload.size(),
        }
    }
}

/// A peer in a room, as whoever enters it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub peer: PeerId,
    /// Its announcement.
    pub attributes: Payload,
    /// Whether its connection is lost, and it may return.
    pub suspended: bool,
}

/// What has come of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A peer will talk.
    Accepted {
        /// Who.
        peer: PeerId,
        /// Its announcement.
        attributes: Payload,
    },
    /// Nobody will.
    Failed {
        /// Why.
        reason: Reason,
        /// Of whom that is known, the last one that was asked.
        peer: Option<PeerId>,
        /// What that peer has said of it.
        message: Option<ByteString>,
    },
}

impl Outcome {
    /// Nobody in particular is why.
    pub fn failed(reason: Reason) -> Self {
        Self::Failed {
            reason,
            peer: None,
            message: None,
        }
    }
}

/// Why a peer is no longer in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// It said so, or went to another room.
    Left,
    /// Its connection was lost and it did not return within the suspend window.
    Expired,
}

/// What a node tells a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerMessage {
    /// The answer to an announce.
    RoomInfo {
        /// Peers in the room over the whole cluster, the announcer and suspended ones included.
        member_count: usize,
    },
    /// The same, for those who want to know who is there.
    Members {
        /// The room.
        room: RoomId,
        /// The announcer.
        peer: PeerId,
        /// Whether the others are all in `peers`; else those who are away, and the client knows who is there.
        is_whole: bool,
        /// The others.
        peers: Vec<Member>,
    },
    /// The answer to an announce under an id that is another's.
    IdInUse {
        /// The id.
        peer: PeerId,
    },
    /// The answer to a request.
    Answer {
        /// The client's name for it.
        id: ByteString,
        /// What has come of it.
        outcome: Outcome,
    },
    /// A peer entered the room.
    Joined {
        /// Who.
        peer: PeerId,
        /// Its announcement.
        attributes: Payload,
    },
    /// A peer that is in the room announced itself again.
    Updated {
        /// Who.
        peer: PeerId,
        /// Its announcement.
        attributes: Payload,
    },
    /// A suspended peer is back.
    Resumed {
        /// Who.
        peer: PeerId,
        /// Its announcement.
        attributes: Payload,
    },
    /// A peer's connection was lost; it may return within the suspend window.
    Suspended {
        /// Who.
        peer: PeerId,
    },
    /// A peer is no longer in the room; said exactly once per departure.
    Left {
        /// Who.
        peer: PeerId,
        /// Why.
        reason: LeaveReason,
    },
    /// A peer said something to this one, or to the room.
    Message {
        /// Who.
        from: PeerId,
        /// What.
        payload: Payload,
    },
    /// A newer connection speaks for this connection's peer; what this one sends is no longer heard.
    Superseded,
}

impl ServerMessage {
    /// Bytes this message takes in a queue, without the size of its own envelope.
    pub fn size(&self) -> usize {
        match self {
            Self::Joined { peer, attributes }
            | Self::Updated { peer, attributes }
            | Self::Resumed { peer, attributes } => peer.as_str().len() + attributes.size(),
            Self::Message { from, payload } => from.as_str().len() + payload.size(),
            Self::Suspended { peer } | Self::Left { peer, .. } => peer.as_str().len(),
            Self::Members { peers, .. } => {
                let sizes = peers.iter();
                let size = |member: &Member| member.peer.as_str().len() + member.attributes.size();
                sizes.map(size).sum()
            }
            Self::Answer { id, outcome } => {
                id.len()
                    + match outcome {
                        Outcome::Accepted { peer, attributes } => {
                            peer.as_str().len() + attributes.size()
                        }
                        Outcome::Failed { message, .. } => {
                            message.as_ref().map_or(0, |message| message.len())
                        }
                    }
            }
            Self::RoomInfo { .. } | Self::Superseded | Self::IdInUse { .. } => 0,
        }
    }
}
