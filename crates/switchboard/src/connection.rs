use std::{collections::VecDeque, time::Instant};

use protocol::{ClientMessage, Payload, PeerId, RoomId};

use crate::{DropReason, effects::Effects};

/// One socket, numbered by the node; never reused, so that it tells two sockets of one peer apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// What the answer to an announce tells a connection of its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// How many are there: they answer its announcement themselves.
    Count,
    /// Who is there.
    Members,
}

/// A room and the id under which a connection is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) room: RoomId,
    pub(crate) peer: PeerId,
}

impl Seat {
    /// The seat of a peer that announces itself in a room or a directory.
    pub(crate) fn new(room: &RoomId, peer: &PeerId) -> Self {
        Self {
            room: room.place_of(peer),
            peer: peer.clone(),
        }
    }
}

/// What a connection is to the switchboard.
#[derive(Debug)]
pub(crate) enum Connection {
    /// Has not announced itself; `until` is set while frames are held.
    Waiting { held: Held, until: Option<Instant> },
    /// Has announced itself; the cluster has not answered yet, and later frames wait for that.
    Joining {
        seat: Seat,
        attributes: Payload,
        held: Held,
        closed: bool,
    },
    /// Speaks for the peer of its seat.
    Member(Seat),
    /// A newer connection speaks for the peer of its seat.
    Muted {
        seat: Seat,
        /// Whether that connection is at another node.
        elsewhere: bool,
    },
}

impl Connection {
    pub(crate) fn waiting() -> Self {
        Self::Waiting {
            held: Held::default(),
            until: None,
        }
    }

    /// Whether it is what the peer of this seat says that counts.
    pub(crate) fn speaks_for(&self, seat: &Seat) -> bool {
        matches!(self, Self::Member(own) if own == seat)
    }
}

/// A client's frames that cannot be handled yet, in order, bounded.
#[derive(Debug, Default)]
pub(crate) struct Held {
    frames: VecDeque<ClientMessage>,
    bytes: usize,
    /// The last with which it comes or goes, for which there always is room; nothing is kept behind it.
    last: Option<ClientMessage>,
}

impl Held {
    /// Keeps `message`; counts it as dropped, and is false, when there is no room for it.
    pub(crate) fn push(&mut self, message: &ClientMessage, effects: &mut Effects) -> bool {
        let size = message.size();
        if self.last.is_some()
            || self.frames.len() >= effects.config.hold_frames
            || self.bytes + size > effects.config.hold_bytes
            || !effects.hold(size)
        {
            // Left out, it would be in the room as long as it is connected, or wait for ever to be.
            if let ClientMessage::Announce { .. } | ClientMessage::Leave { .. } = message {
                self.last = Some(message.clone());
                return true;
            }
            effects.dropped(DropReason::HoldFull);
            return false;
        }
        self.bytes += size;
        self.frames.push_back(message.clone());
        true
    }

    /// Gives the frames up, and their bytes back.
    pub(crate) fn release(mut self, effects: &mut Effects) -> VecDeque<ClientMessage> {
        effects.release(self.bytes);
        self.frames.extend(self.last);
        self.frames
    }
}
