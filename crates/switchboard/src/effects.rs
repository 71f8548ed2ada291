use std::{
    collections::{BTreeSet, VecDeque},
    time::Instant,
};

use protocol::{PeerId, RoomId, ServerMessage};

use crate::{
    ClusterCommand, Config, ConnectionId, requests::RequestKey, room::Holder, switchboard::Counters,
};

/// What the caller must do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Tell these connections.
    Deliver {
        /// Whom.
        to: Recipients,
        /// What.
        message: ServerMessage,
    },
    /// Ask the cluster.
    Cluster(ClusterCommand),
    /// Something a client sent, or that was meant for one, was dropped: to be counted.
    Dropped(DropReason),
}

/// Whom to tell; nearly every message has one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// A single connection.
    One(ConnectionId),
    /// Several, each once.
    Many(Vec<ConnectionId>),
}

impl Recipients {
    /// The connections.
    pub fn as_slice(&self) -> &[ConnectionId] {
        match self {
            Self::One(connection) => std::slice::from_ref(connection),
            Self::Many(connections) => connections,
        }
    }
}

/// Why something was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The connection did not announce itself in time.
    NotAnnounced,
    /// More than may be held for a connection that is about to announce itself, or to be answered.
    HoldFull,
    /// More than may be held for a suspended peer.
    SuspendedFull,
    /// The frame names another sender than the connection's own id.
    ForeignSender,
    /// A newer connection speaks for the sender.
    Muted,
    /// The receiver is not in the sender's room.
    NoSuchPeer,
}

impl DropReason {
    /// A word for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::NotAnnounced => "not-announced",
            Self::HoldFull => "hold-full",
            Self::SuspendedFull => "suspended-full",
            Self::ForeignSender => "foreign-sender",
            Self::Muted => "muted",
            Self::NoSuchPeer => "no-such-peer",
        }
    }
}

/// What is to happen at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A connection has had its time to announce itself.
    AnnounceWindow(ConnectionId),
    /// A suspended peer has had its time to return.
    SuspendWindow(RoomId, PeerId),
    /// A room is to be compared with the cluster's roster.
    Assert(RoomId),
    /// Nodes are to confirm that peers are gone.
    Confirm(RoomId),
    /// A peer that has moved has not been handed over yet.
    Handover(RoomId, PeerId),
    /// Something that is said to an id of a directory has waited long enough, or the id was not addressed for long.
    Lookup(RoomId),
    /// A room that the last peer of this node left for another node may be forgotten.
    Forget(RoomId),
    /// Somebody else is to be asked, or the request has taken too long.
    Request(RequestKey),
}

/// All that inputs have caused, and the limits they are held to.
#[derive(Debug)]
pub(crate) struct Effects {
    pub(crate) config: Config,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) timers: BTreeSet<(Instant, Timer)>,
    pub(crate) counters: Counters,
    /// Bytes held for connections and for suspended peers.
    pub(crate) held_bytes: usize,
    /// Peers of this node in rooms, suspended ones included.
    pub(crate) members: usize,
    /// Peers of this node whose connection is lost.
    pub(crate) suspended: usize,
}

impl Effects {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            outputs: VecDeque::new(),
            timers: BTreeSet::new(),
            counters: Counters::default(),
            held_bytes: 0,
            members: 0,
            suspended: 0,
        }
    }

    /// Counts a holder that a member gets.
    pub(crate) fn count(&mut self, holder: &Holder) {
        match holder {
            Holder::Local(_) => self.members += 1,
            Holder::Suspended { .. } => {
                self.members += 1;
                self.suspended += 1;
            }
            Holder::Remote(_) => {}
        }
    }

    /// Counts a holder that a member loses.
    pub(crate) fn discount(&mut self, holder: &Holder) {
        match holder {
            Holder::Local(_) => self.members -= 1,
            Holder::Suspended { .. } => {
                self.members -= 1;
                self.suspended -= 1;
            }
            Holder::Remote(_) => {}
        }
    }

    /// Takes so many bytes of what the node may hold; false when there are not so many left.
    pub(crate) fn hold(&mut self, bytes: usize) -> bool {
        let fits = self.held_bytes + bytes <= self.config.hold_bytes_total;
        if fits {
            self.held_bytes += bytes;
        }
        fits
    }

    pub(crate) fn release(&mut self, bytes: usize) {
        self.held_bytes -= bytes;
    }

    pub(crate) fn deliver(&mut self, connection: ConnectionId, message: ServerMessage) {
        let to = Recipients::One(connection);
        self.outputs.push_back(Output::Deliver { to, message });
    }

    /// Several to one, in order.
    pub(crate) fn deliver_each(
        &mut self,
        connection: ConnectionId,
        messages: VecDeque<ServerMessage>,
    ) {
        for message in messages {
            self.deliver(connection, message);
        }
    }

    pub(crate) fn deliver_all(&mut self, mut to: Vec<ConnectionId>, message: ServerMessage) {
        let to = match to.len() {
            0 => return,
            1 => Recipients::One(to.remove(0)),
            _ => Recipients::Many(to),
        };
        self.outputs.push_back(Output::Deliver { to, message });
    }

    pub(crate) fn cluster(&mut self, command: ClusterCommand) {
        self.outputs.push_back(Output::Cluster(command));
    }

    pub(crate) fn dropped(&mut self, reason: DropReason) {
        self.outputs.push_back(Output::Dropped(reason));
    }
}
