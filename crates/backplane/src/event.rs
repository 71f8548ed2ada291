use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use bytestring::ByteString;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::{EVENT_QUEUE_BYTES, Overloaded};

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
    /// What the node said of it; begins with its [`owner`](crate::owner()).
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
    /// The name is another owner's: the roster has it with data of an [`owner`](crate::owner()) that the join's data does
    /// not name. Nothing was changed.
    JoinRefused {
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
    /// The roster cannot be read now: assert the room later.
    AssertFailed {
        /// The room.
        room: ByteString,
    },
    /// A departure could not be entered in the roster, or may not have been: assert the room later.
    LeaveFailed {
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
    bytes: Arc<AtomicUsize>,
    gaps: Gaps,
}

/// Rooms of which a node has lost something.
type Gaps = Arc<Mutex<BTreeSet<ByteString>>>;

/// Where a node's events are put; never waits for the node.
#[derive(Clone, Debug)]
pub(crate) struct EventSink {
    queue: mpsc::Sender<Event>,
    /// In the queue; what has room kept for it is not counted.
    bytes: Arc<AtomicUsize>,
    gaps: Gaps,
    lost: Arc<AtomicU64>,
}

/// Room for one event.
pub(crate) type Permit = mpsc::OwnedPermit<Event>;

/// Both ends of a node's queue.
pub(crate) fn queue(bound: usize) -> (EventSink, Events) {
    let (queue, receiver) = mpsc::channel(bound);
    let gaps = Gaps::default();
    let bytes = Arc::new(AtomicUsize::new(0));
    let sink = EventSink {
        queue,
        bytes: bytes.clone(),
        gaps: gaps.clone(),
        lost: Arc::default(),
    };
    let events = Events {
        queue: receiver,
        bytes,
        gaps,
    };
    (sink, events)
}

impl EventSink {
    /// Room for an answer, kept before anything is done for it.
    pub(crate) fn reserve(&self) -> Result<Permit, Overloaded> {
        let queue = self.queue.clone();
        queue.try_reserve_owned().map_err(|_| Overloaded)
    }

    /// What does not fit is counted, and its room remembered as having a gap.
    pub(crate) fn send(&self, event: Event) {
        let size = event.size();
        if self.bytes.fetch_add(size, Ordering::Relaxed) + size > EVENT_QUEUE_BYTES {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            return self.lose(event);
        }
        match self.queue.try_send(event) {
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(event)) => {
                self.bytes.fetch_sub(size, Ordering::Relaxed);
                self.lose(event);
            }
        }
    }

    fn lose(&self, event: Event) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        if let Some(room) = event.into_room() {
            let mut gaps = self.gaps.lock().unwrap_or_else(PoisonError::into_inner);
            gaps.insert(room);
        }
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Event {
    /// Bytes of what others sent or published; what answers this node has room kept for it.
    fn size(&self) -> usize {
        match self {
            Self::Received { payload, .. } | Self::Published { payload, .. } => payload.len(),
            Self::Changed { change, .. } => match change {
                Change::Joined(entry) => entry.data.len(),
                Change::Left { data, .. } => data.len(),
            },
            Self::Joined { .. }
            | Self::JoinFailed { .. }
            | Self::JoinRefused { .. }
            | Self::Asserted { .. }
            | Self::AssertFailed { .. }
            | Self::LeaveFailed { .. }
            | Self::Confirmed { .. }
            | Self::Gap { .. } => 0,
        }
    }

    /// The room that must be compared if the node does not hear of this.
    fn into_room(self) -> Option<ByteString> {
        match self {
            Self::Joined { room, .. }
            | Self::JoinFailed { room, .. }
            | Self::JoinRefused { room, .. }
            | Self::Changed { room, .. }
            | Self::Asserted { room, .. }
            | Self::AssertFailed { room }
            | Self::LeaveFailed { room }
            | Self::Confirmed { room, .. }
            | Self::Gap { room }
            | Self::Published { room, .. } => Some(room),
            Self::Received { .. } => None,
        }
    }
}

impl Events {
    /// The next event; `None` when the backplane is gone.
    pub async fn next(&mut self) -> Option<Event> {
        if let Ok(event) = self.queue.try_recv() {
            return Some(self.taken(event));
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
        let event = self.queue.recv().await?;
        Some(self.taken(event))
    }

    fn taken(&self, event: Event) -> Event {
        self.bytes.fetch_sub(event.size(), Ordering::Relaxed);
        event
    }
}
