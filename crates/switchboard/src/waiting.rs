//! What cannot be delivered yet, in order, bounded.

use std::{collections::VecDeque, mem};

use protocol::{Payload, PeerId, ServerMessage};

use crate::{DropReason, Flush, effects::Effects};

/// What a peer says that this node does not know yet.
#[derive(Debug)]
pub(crate) struct Stranger {
    pub(crate) from: PeerId,
    /// The receiver; the room where there is none.
    pub(crate) to: Option<PeerId>,
    pub(crate) payload: Payload,
    /// Nodes that have passed it on.
    pub(crate) hops: u8,
}

/// What tells that all that was sent before it has come; so it must not overtake that.
#[derive(Debug)]
pub(crate) enum Behind {
    Flush(Flush),
    /// To this node, of a peer.
    HandedOver(PeerId),
}

/// Messages of peers not known yet, in order, bounded.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    messages: VecDeque<Stranger>,
    bytes: usize,
}

impl Strangers {
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(crate) fn push(&mut self, stranger: Stranger, effects: &mut Effects) {
        let size = stranger.payload.text().len();
        if self.messages.len() >= effects.config.hold_frames
            || self.bytes + size > effects.config.hold_bytes
            || !effects.hold(size)
        {
            effects.dropped(DropReason::HoldFull);
            return;
        }
        self.bytes += size;
        self.messages.push_back(stranger);
    }

    /// Gives the messages up, and their bytes back.
    pub(crate) fn release(&mut self, effects: &mut Effects) -> VecDeque<Stranger> {
        effects.release(mem::take(&mut self.bytes));
        mem::take(&mut self.messages)
    }
}

/// Messages for a suspended peer, in order, bounded.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    messages: VecDeque<ServerMessage>,
    bytes: usize,
}

impl Waiting {
    /// False when there is no room for it.
    pub(crate) fn push(&mut self, message: &ServerMessage, effects: &mut Effects) -> bool {
        let size = message.size();
        if self.messages.len() >= effects.config.hold_frames
            || self.bytes + size > effects.config.hold_bytes
            || !effects.hold(size)
        {
            effects.dropped(DropReason::SuspendedFull);
            return false;
        }
        self.bytes += size;
        self.messages.push_back(message.clone());
        true
    }

    /// Gives the messages up, and their bytes back.
    pub(crate) fn release(self, effects: &mut Effects) -> VecDeque<ServerMessage> {
        effects.release(self.bytes);
        self.messages
    }
}
