use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use bytestring::ByteString;
use tokio::sync::mpsc;

/// A node; another one after every start of its process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub ByteString);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A member as the roster has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who.
    pub member: ByteString,
    /// The node that holds it.
    pub node: NodeId,
    /// Which claim on the id this is.
    pub fence: u64,
    /// What the node said of it.
    pub data: Bytes,
}

/// What a node hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A join is in the roster.
    Joined {
        /// As in the command.
        token: u64,
        /// The room.
        room: ByteString,
        /// The claim that it got.
        fence: u64,
        /// The life of the roster; a room that was empty, or whose roster was lost, begins another.
        epoch: u64,
        /// The roster's version with this join.
        version: u64,
        /// The roster with this join, where it was wanted.
        roster: Option<Vec<Entry>>,
    },
    /// The roster cannot be changed now.
    JoinFailed {
        /// As in the command.
        token: u64,
        /// The room.
        room: ByteString,
    },
    /// The roster was changed, by whichever node.
    Changed {
        /// The room.
        room: ByteString,
        /// The life of the roster.
        epoch: u64,
        /// One above the version before.
        version: u64,
        /// How.
        change: Change,
    },
    /// The roster, with what this node asserted.
    Asserted {
        /// The room.
        room: ByteString,
        /// The life of the roster.
        epoch: u64,
        /// Its version.
        version: u64,
        /// Its members.
        roster: Vec<Entry>,
    },
    /// The roster cannot be read now, or a departure could not be entered in it: assert the room later.
    AssertFailed {
        /// The room.
        room: ByteString,
    },
    /// Whatever the node has in the room is in the roster by now, or the node is gone: of its members, those that
    /// the next roster lacks have left.
    Confirmed {
        /// The room.
        room: ByteString,
        /// The other node.
        node: NodeId,
    },
    /// What is known of the room may not be all: it must be asserted.
    Gap {
        /// The room.
        room: ByteString,
    },
    /// Another node sent this to this one.
    Received {
        /// The other node.
        from: NodeId,
        /// What.
        payload: Bytes,
    },
    /// Another node published this to the room.
    Published {
        /// The room.
        room: ByteString,
        /// The other node.
        from: NodeId,
        /// What.
        payload: Bytes,
    },
}

/// A change of a roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A member is new, has new data, or is held by another node.
    Joined(Entry),
    /// A member is gone.
    Left {
        /// Who.
        member: ByteString,
        /// The node that held it.
        node: NodeId,
        /// The claim that ended.
        fence: u64,
        /// What the node said when it left; empty when the node itself is gone.
        data: Bytes,
    },
}

/// Where a node hears.
#[derive(Debug)]
pub struct Events {
    queue: mpsc::Receiver<Event>,
    gaps: Gaps,
}

/// Rooms of which a node has lost something.
pub(crate) type Gaps = Arc<Mutex<BTreeSet<ByteString>>>;

impl Events {
    pub(crate) fn new(queue: mpsc::Receiver<Event>, gaps: Gaps) -> Self {
        Self { queue, gaps }
    }

    /// The next event; `None` when the backplane is gone.
    pub async fn next(&mut self) -> Option<Event> {
        if let Ok(event) = self.queue.try_recv() {
            return Some(event);
        }
        // What was lost comes after what was not.
        if let Some(room) = self
            .gaps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_first()
        {
            return Some(Event::Gap { room });
        }
        self.queue.recv().await
    }
}
