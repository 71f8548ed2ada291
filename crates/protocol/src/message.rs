use bytestring::ByteString;

use crate::{Payload, PeerId, RoomId};

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
}

impl ClientMessage {
    /// Bytes this message takes in a queue.
    pub fn size(&self) -> usize {
        match self {
            Self::Announce { attributes, .. } => attributes.size(),
            Self::Leave { .. } => 0,
            Self::Send { payload, .. } | Self::Broadcast { payload, .. } => payload.size(),
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
            Self::RoomInfo { .. } | Self::Superseded => 0,
        }
    }
}
