//! What may be told to whom.
//!
//! The oracle knows what the clients did, what went wrong, and when; of the nodes it sees only what they tell. It
//! folds that as rtc.io clients do: `joined` makes a peer known, `left` makes it unknown, anything else about a
//! peer means that it is there.
//!
//! # What is demanded
//!
//! - Nobody is told that a peer joined that it knows, that a peer left that it does not know, or anything else of
//!   a peer that has left. Every `left` has a cause of its own: the peer said that it leaves, or its window ended,
//!   or the lease of its node did. No outage, flush or restart of the store is a cause.
//! - When all is quiet, and a lease and four seconds have passed, every node's roster is what the clients made it,
//!   and so is what each client was told. Five seconds after the store is back nobody is missing.
//! - Where nothing goes wrong, every join and every departure is told to every observer.
//! - A message arrives once, in order, at whom it was meant for.
//! - In a directory (`../directory.rs`) nobody is told of anybody. When all is quiet, whoever is there is found by its id
//!   from every node, and neither the store nor a node has anybody else.
//!
//! # Exceptions
//!
//! Each is a consequence of the design.
//!
//! 1. *A node without contact for longer than its lease*, because it stands still or is cut off alone: its peers are
//!    left once and join again, and messages to and from it may be lost (for the others it is dead).
//! 2. *A killed node*: what it had not passed on is lost (the dialects without numbers are best effort then).
//! 3. *An observer whose node missed something*: a departure and a join between which nothing was heard may be told
//!    as one update, since rosters are compared, not histories.
//! 4. *A peer that returns to another node*: its old node hears of it through the store. Where either has trouble
//!    reaching it, the window may end before, and what waits there for the peer is lost. What is said to it alone
//!    follows it, once and in order (of one member: who leaves and comes again is another), unless one of the nodes
//!    of its stay, or the sender's, was in trouble alone; what is said to the room may come late, or twice if the new
//!    node heard it too, or not at all.
//!    While the store is away it does not hear at all; the peer's connection may be lost again before it is back, and
//!    then neither node can say which claim was the last: the one in the roster stands.
//! 5. *A peer that returns to a node that stands still*, or that does so before it has answered: it stands still for
//!    the peer too.
//! 6. *An id that two clients use*: which of them holds it is decided by the store, and neither they nor the oracle
//!    know when. Of such an id only the final rosters are checked, and what others are told of it but the causes.
//! 7. *A socket that broke unnoticed*: what the node wrote to it counts as told.
//! 8. *A peer that goes to another node while the old one does not know yet that its socket broke, or stands
//!    still, or has announced it and waits for the store*: what the old node enters in the roster then looks like the later claim. The client is superseded and
//!    comes back.
//! 9. *A store that goes on without its last writes*: who left in them, or went to another node, may be back as before
//!    until their node has said otherwise, and is told joined and left once more.
//! 10. *A peer that leaves and comes back*: with its stay, a conversation has ended. What it said before may reach a
//!     peer that has moved meanwhile after what it says now; one that has stayed where it was hears all in order.

mod hindrance;
mod leases;
mod messages;
mod quiet;
mod seats;
mod stays;
mod told;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use protocol::{PeerId, ServerMessage};

use crate::node::{MILLISECOND, SECOND, Time};

use leases::Leases;
use messages::{Messages, Overtaken};
pub(crate) use messages::{Receiver, Said};
use stays::Stays;
pub(crate) use wire::Wire;

/// A room and a person in it, by number.
pub(crate) type Seat = (usize, usize);

/// How long troubles echo: what was delayed by one may be told so much later.
const ECHO: Time = 15 * SECOND;

/// A client's number, and its person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who {
    pub(crate) client: usize,
    pub(crate) person: usize,
}

#[derive(Debug)]
pub(crate) struct Oracle {
    window: Time,
    /// The longest way from a node over the store to another.
    transit: Time,
    /// Whether nothing goes wrong in this run.
    calm: bool,
    contested: BTreeSet<usize>,
    seats: BTreeMap<Seat, History>,
    /// What each client has been told on its connection.
    views: BTreeMap<usize, View>,
    pub(crate) leases: Leases,
    pub(crate) messages: Messages,
    pub(crate) wire: Wire,
    /// When each node had trouble.
    troubles: Vec<Vec<(Time, Time)>>,
    /// When each node had trouble that the others had not.
    ails: Vec<Vec<(Time, Time)>>,
    /// When the store was back without its last writes, and when it had gone.
    rollbacks: Vec<(Time, Time)>,
    /// When each node began, and had contact for the first time.
    births: Vec<(Time, Time)>,
    /// When the store lost something that it held.
    losses: Vec<Time>,
    /// When each node stood still.
    freezes: Vec<Vec<(Time, Time)>>,
    violation: Option<String>,
}

/// What a person did in a room.
#[derive(Debug, Default)]
struct History {
    arrivals: Vec<Time>,
    departures: Vec<Departure>,
    /// At which nodes it was, and from when on.
    nodes: Vec<(Time, usize)>,
}

#[derive(Debug)]
struct Departure {
    /// Not told before.
    from: Time,
    /// Of a lost connection: its node and when it was lost.
    lost: Option<(usize, Time)>,
    /// To which node the peer returned in its window.
    returned: Option<usize>,
}

/// How a client comes to a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It was not there.
    New,
    /// In its window, to another node, or to one that may not know that it was away.
    Moved,
    /// In its window, to the node where it was: what it was told goes on.
    Resumed,
}

/// What a client knows.
#[derive(Debug)]
struct View {
    room: usize,
    node: usize,
    connection: u64,
    /// Those before, in the last of which the peer is taken to hear until the node knows of the new one.
    previous: Vec<u64>,
    since: Option<Time>,
    /// Whether it was told what happened while the client was away.
    replayed: bool,
    peers: BTreeMap<usize, Seen>,
    /// Causes of departures that were told.
    told: BTreeSet<(usize, Cause)>,
    joins: BTreeMap<usize, usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Known,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Departure(usize),
    Lapse(usize, Time),
    Rollback(Time),
}

/// A connection that a client has lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    pub(crate) node: usize,
    /// When the node knew.
    pub(crate) noticed: Time,
    /// Whether an announce had not been answered.
    pub(crate) unanswered: bool,
}

/// Who speaks for a seat, and at which node.
pub(crate) type Truth = BTreeMap<Seat, (usize, usize)>;

impl Oracle {
    pub(crate) fn new(
        (window, lease): (Time, Time),
        transit: Time,
        calm: bool,
        contested: BTreeSet<usize>,
    ) -> Self {
        Self {
            window,
            transit,
            calm,
            contested,
            seats: BTreeMap::new(),
            views: BTreeMap::new(),
            leases: Leases::new(lease),
            messages: Messages::new(calm),
            wire: Wire::default(),
            troubles: Vec::new(),
            ails: Vec::new(),
            rollbacks: Vec::new(),
            losses: Vec::new(),
            births: Vec::new(),
            freezes: Vec::new(),
            violation: None,
        }
    }

    /// The first thing that was wrong.
    pub(crate) fn violation(&self) -> Option<&String> {
        let wire = self.wire.violation.as_ref();
        self.violation
            .as_ref()
            .or(wire)
            .or(self.messages.violation.as_ref())
    }

    pub(crate) fn wrong(&mut self, at: Time, what: impl FnOnce() -> String) {
        if self.violation().is_none() {
            self.violation = Some(format!("{}: {}", clock(at), what()));
        }
    }

    pub(crate) fn is_contested(&self, person: usize) -> bool {
        self.contested.contains(&person)
    }

    pub(crate) fn add_node(&mut self) {
        self.troubles.push(Vec::new());
        self.ails.push(Vec::new());
        self.freezes.push(Vec::new());
        self.leases.add_node();
    }

    /// The node's way to the store does not work from `from` to `until`.
    pub(crate) fn trouble(&mut self, node: usize, from: Time, until: Time) {
        self.troubles[node].push((from, until));
        self.messages.trouble(from, until);
    }

    /// The node alone cannot do its work from `from` to `until`.
    pub(crate) fn ail(&mut self, node: usize, from: Time, until: Time) {
        self.ails[node].push((from, until));
    }

    /// Whether one of these nodes alone was ill, or counted as dead, in that time.
    fn ailed(&self, nodes: impl IntoIterator<Item = usize>, from: Time, until: Time) -> bool {
        let from = from.saturating_sub(ECHO);
        nodes.into_iter().any(|node| {
            let overlaps = |(begin, end): &(Time, Time)| *begin <= until && from <= *end;
            self.ails[node].iter().any(overlaps) || self.leases.lapsed(node, from, until)
        })
    }

    pub(crate) fn froze(&mut self, node: usize, from: Time, until: Time) {
        self.freezes[node].push((from, until));
        self.trouble(node, from, until);
    }

    fn is_troubled(&self, node: usize, from: Time, until: Time) -> bool {
        let overlaps =
            |(begin, end): &(Time, Time)| *begin <= until && from <= end.saturating_add(ECHO);
        self.troubles[node].iter().any(overlaps)
    }

    /// The store is back, and has lost what it was told last before it went.
    pub(crate) fn rolled_back(&mut self, gone: Time, at: Time) {
        self.rollbacks.push((gone, at));
    }

    /// Whether a client may be superseded by what it did on a connection before, which was lost at that time.
    pub(crate) fn may_be_late(&self, lost: Lost, at: Time) -> bool {
        let Lost {
            node,
            noticed,
            unanswered,
        } = lost;
        (unanswered && self.is_troubled(node, noticed.saturating_sub(ECHO), noticed))
            || at <= noticed + self.transit
            || self.stands_still(node, at.saturating_sub(ECHO), at)
    }

    fn stands_still(&self, node: usize, from: Time, until: Time) -> bool {
        let overlaps = |(begin, end): &(Time, Time)| *begin <= until && from <= *end;
        self.freezes[node].iter().any(overlaps)
    }

    /// A client listens on a connection from now on; what it knows it keeps or not.
    pub(crate) fn listen(
        &mut self,
        client: usize,
        room: usize,
        node: usize,
        connection: u64,
        keep: bool,
    ) {
        if keep && let Some(view) = self.views.get_mut(&client) {
            view.previous.push(view.connection);
            view.connection = connection;
            return;
        }
        let view = View {
            room,
            node,
            connection,
            previous: Vec::new(),
            since: None,
            replayed: false,
            peers: BTreeMap::new(),
            told: BTreeSet::new(),
            joins: BTreeMap::new(),
        };
        self.views.insert(client, view);
    }

    /// A client hears no more.
    pub(crate) fn forget(&mut self, client: usize) {
        self.views.remove(&client);
    }

    /// Whom a client knows.
    pub(crate) fn known(&self, client: usize) -> Vec<usize> {
        let peers = self
            .views
            .get(&client)
            .into_iter()
            .flat_map(|view| &view.peers);
        peers
            .filter(|(_, seen)| **seen == Seen::Known)
            .map(|(person, _)| *person)
            .collect()
    }
}

/// The number in a person's id.
pub(crate) fn person(peer: &PeerId) -> usize {
    peer.as_str()[1..].parse().unwrap()
}

/// Seconds and the rest.
pub(crate) fn clock(at: Time) -> String {
    format!("{}.{:06}", at / SECOND, at % SECOND)
}

#[cfg(test)]
mod tests;
