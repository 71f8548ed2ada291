//! What native peers may be told, and must be.
//!
//! The judge knows what the peers did and what went wrong; of the nodes it sees what they tell.
//!
//! # What is demanded
//!
//! 1. *Messages.* What one peer says to another is told to the other's application once and in order, whatever is lost, dies
//!    or stands still, without exception: for each session of the sender and each life of the receiver (a page that is
//!    loaded anew begins another one). Nothing counts as delivered that was not told. What is not delivered is answered
//!    with a verdict, which needs a cause; when all is quiet nothing is open.
//! 2. *Requests.* Each comes to something, once, at the latest half a second after its time. That the requester's client has
//!    to end the waiting itself needs a cause. A yes names a peer that has said yes to this request, a no one that has said
//!    no; that nobody is meant, or the one that is meant has gone, is said only where it may seem so.
//! 3. *Ids.* As long as a peer is in its room, its window and its node's lease included, nobody else gets its id, and it is
//!    never told that it is another's, or superseded by another.
//! 4. *Rosters.* Nobody is told that a peer has left that has not: it said so, its window ended or its node's lease did. On a
//!    connection nothing is told of a peer that is not known there, and nobody joins twice. When all is quiet, what the
//!    nodes, the store and the peers know is who is there; nobody is suspended then, but whoever has lost its connection is,
//!    for all others.
//!
//! # Exceptions
//!
//! Each is a consequence of the design. *Hindered* is a node whose way to the store does not work, or that stands still,
//! and for [`ECHO`] afterwards.
//!
//! 1. *Hindered nodes* say what they know: verdicts, answers and rosters at such a node, and of peers at such a node, need no
//!    other cause. Who enters a room there where nobody is of it is told that nobody is there, and its client takes that for
//!    departures. Whoever is killed together with a node, and has come back elsewhere, is no exception.
//! 2. *A node without contact for longer than its lease*: its peers are left once, and join again.
//! 3. *An id that was given out at a hindered node* is its peer's only when the store has heard of it: before that another
//!    one may get it elsewhere, and then the peer is told so.
//! 4. *A store that has lost what it held* ([`Exception::StoreForgot`]) gives an id to whoever asks first.
//! 5. *A peer whose own last connection had not been answered when it was lost* may be superseded by itself: what the old
//!    node enters late looks like the later claim.
//! 6. *A request behind an announce* waits until that is answered, which a store that stands still may prevent for long;
//!    its time begins then.

mod ids;
mod mail;
mod requests;
mod rosters;

use std::collections::{BTreeMap, BTreeSet};

use bytestring::ByteString;
use protocol::ServerMessage;

use crate::{
    node::{SECOND, Time},
    oracle::Oracle,
};
use ids::{Connection, Hold};
use mail::{Message, Receiver};
use requests::Ask;

/// For how long a trouble may still be the cause of something.
pub(super) const ECHO: Time = 15 * SECOND;

/// What may be wrong by design and is meant not to stay so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exception {
    /// After the store has lost what it held, and nobody of the room is at the node, an id can be got that belongs to a
    /// peer at another node.
    StoreForgot,
}

/// Those that are made.
pub(super) const EXCEPTIONS: &[Exception] = &[Exception::StoreForgot];

#[derive(Debug)]
pub(super) struct Judge {
    /// Of the fastest clock.
    window: Time,
    transit: Time,
    connections: BTreeMap<u64, Connection>,
    /// By id, in the order in which they were given out.
    holds: Vec<Vec<Hold>>,
    /// When somebody may have gone at the earliest whose announce or farewell may not have been heard by then, by id.
    departures: Vec<Vec<(usize, Time)>>,
    messages: Vec<Message>,
    /// By life.
    receivers: BTreeMap<u64, Receiver>,
    /// When each life was told last that a peer is there.
    there: BTreeMap<(u64, usize), Time>,
    asks: Vec<Ask>,
    names: BTreeMap<ByteString, usize>,
    /// Whether what a peer is told now comes of a roster that it was told as a whole.
    pub(super) is_roster: bool,
    /// The first thing that was wrong and was not reported.
    pub(super) violation: Option<String>,
}

impl Judge {
    /// Of so many ids.
    pub(super) fn new(window: Time, transit: Time, keys: usize) -> Self {
        Self {
            window: window - window / 1_000,
            transit,
            connections: BTreeMap::new(),
            holds: (0..keys).map(|_| Vec::new()).collect(),
            departures: vec![Vec::new(); keys],
            messages: Vec::new(),
            receivers: BTreeMap::new(),
            there: BTreeMap::new(),
            asks: Vec::new(),
            names: BTreeMap::new(),
            is_roster: false,
            violation: None,
        }
    }

    pub(super) fn wrong(&mut self, what: impl FnOnce() -> String) {
        self.violation.get_or_insert_with(what);
    }

    /// A node tells something to a connection.
    pub(super) fn told(
        &mut self,
        (node, connection): (usize, u64),
        owner: &ByteString,
        message: &ServerMessage,
        (oracle, at): (&Oracle, Time),
    ) {
        let place = (node, connection);
        let mut connections = self.connections.get(&connection).into_iter();
        if connections.any(|state| state.is_lost(at)) {
            return;
        }
        match message {
            ServerMessage::Members { .. } => self.granted(place, owner, (oracle, at)),
            ServerMessage::IdInUse { .. } => self.refused(place, owner, (oracle, at)),
            ServerMessage::Superseded => self.superseded(connection, (oracle, at)),
            ServerMessage::Joined { .. }
            | ServerMessage::Updated { .. }
            | ServerMessage::Resumed { .. }
            | ServerMessage::Suspended { .. }
            | ServerMessage::Left { .. }
            | ServerMessage::Message { .. }
            | ServerMessage::Answer { .. }
            | ServerMessage::RoomInfo { .. } => {}
        }
        self.told_of_others(connection, message);
    }

    /// Whether a peer was in its room all that time, at nodes that were not hindered.
    fn is_steady(&self, oracle: &Oracle, key: usize, from: Time, until: Time) -> bool {
        let mut holds = self.holds[key].iter();
        holds.any(|hold| {
            let is_whole = hold.since <= from && self.is_live(oracle, key, hold, until);
            is_whole
                && hold
                    .stays(from, until)
                    .all(|(node, from, until)| !is_hindered(oracle, node, from, until))
        })
    }
}

/// Whether the node's way to the store did not work then or shortly before, it stood still, or the others took it for dead.
fn is_hindered(oracle: &Oracle, node: usize, from: Time, until: Time) -> bool {
    let from = from.saturating_sub(ECHO);
    oracle.was_hindered(node, from, until) || oracle.leases.lapsed(node, from, until)
}

/// What is not to be done again.
fn once<T: Ord>(seen: &mut BTreeSet<T>, it: T) -> bool {
    seen.insert(it)
}
