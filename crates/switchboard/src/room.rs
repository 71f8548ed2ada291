use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    time::Instant,
};

use protocol::{Form, Payload, PeerId, RoomId, ServerMessage, native::Searchable};

use crate::{
    ConnectionId, Fence, Flush, NodeId, RosterChange,
    connection::Seat,
    directory::Lookup,
    effects::{Effects, Timer},
    handover::Handover,
    waiting::{Behind, Strangers, Waiting},
};

/// Changes kept while the roster is on its way; beyond it the room is asserted instead.
const MAX_EARLY_CHANGES: usize = 1024;

/// A room in which this node has, or is about to have, a peer: the cluster's whole roster of it.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) members: BTreeMap<PeerId, Member>,
    pub(crate) roster: RosterState,
    /// Joins of this node that are not answered yet.
    pub(crate) joining: usize,
    /// Peers of other nodes that have joined while a join of this node was not answered, with the roster's epoch and
    /// version: whoever turns out to have joined before them must be told of them.
    pub(crate) newcomers: BTreeMap<PeerId, (u64, u64)>,
    /// Peers of this node that have left and whose departure has not come back from the cluster, with the claim that ended.
    /// Those alone whose claim the cluster has seen: while it cannot be asked, no more of them come.
    pub(crate) departed: BTreeMap<PeerId, Fence>,
    pub(crate) assert: Assert,
    /// Messages of peers that this node has not heard of: they wait until the room is compared.
    pub(crate) strangers: Strangers,
    /// What came behind those messages.
    pub(crate) behind: Vec<Behind>,
    /// Until when it is kept though nobody of this node is in it any more.
    pub(crate) kept_until: Option<Instant>,
    /// When nodes are asked to confirm that peers are gone which a new roster lacks.
    pub(crate) confirm_at: Option<Instant>,
    /// Nodes that have confirmed, since the last assert was sent and before it.
    pub(crate) confirmed_late: BTreeSet<NodeId>,
    pub(crate) confirmed: BTreeSet<NodeId>,
    /// Peers of this node address the one whose entry this is.
    pub(crate) lookup: Option<Box<Lookup>>,
}

/// Whether the room is to be compared with the cluster's roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assert {
    No,
    /// As soon as no join is under way: an assert would undo one that it does not know of.
    Wanted,
    /// At this time.
    At(Instant),
    /// The answer is awaited.
    Sent,
    /// The answer is awaited, and will be too old.
    SentAgain,
}

/// How much of the cluster's roster this node has.
#[derive(Debug)]
pub(crate) enum RosterState {
    /// None yet, or something is missing; changes wait for the roster.
    Unknown {
        /// The life of the roster that was known before.
        epoch: Option<u64>,
        early: Vec<RosterChange>,
    },
    /// All, up to this version.
    Known { epoch: u64, version: u64 },
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) holder: Holder,
    pub(crate) fence: Fence,
    /// The last claim is one that the cluster has not seen; `fence` is of one before it.
    pub(crate) unseen: bool,
    pub(crate) attributes: Payload,
    /// The same for requests, once one has looked for it.
    searchable: Option<Searchable>,
    /// Its node, another one, says that the connection is lost.
    pub(crate) is_suspended: bool,
    /// A roster that was made anew lacks it: it is gone only when its node says so.
    pub(crate) unconfirmed: bool,
    /// Whether a peer of this node has said something to it where it is now.
    pub(crate) addressed: bool,
    /// It has moved, and what was said to it before is on its way through the node that it left.
    pub(crate) handover: Option<Box<Handover>>,
    /// Other nodes that wait for it to be handed over; it has moved, and this node has yet to hear of it.
    pub(crate) flushes: Vec<Flush>,
}

/// What has become of a message for a member.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Its connection is told.
    Here,
    /// It waits until the connection has returned.
    Waits,
    /// It is dropped, since too much waits already.
    Full,
    /// Nobody is told: the member is at this node.
    At(NodeId),
}

/// Where a member's connection is.
#[derive(Debug)]
pub(crate) enum Holder {
    /// Here.
    Local(ConnectionId),
    /// Lost; what is meant for the peer waits until it returns or `until`.
    Suspended { until: Instant, held: Waiting },
    /// At another node.
    Remote(NodeId),
}

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            members: BTreeMap::new(),
            roster: RosterState::Unknown {
                epoch: None,
                early: Vec::new(),
            },
            joining: 0,
            newcomers: BTreeMap::new(),
            departed: BTreeMap::new(),
            assert: Assert::No,
            strangers: Strangers::default(),
            behind: Vec::new(),
            kept_until: None,
            confirm_at: None,
            confirmed_late: BTreeSet::new(),
            confirmed: BTreeSet::new(),
            lookup: None,
        }
    }

    /// Whether this node has anybody here, suspended peers included.
    pub(crate) fn has_local(&self) -> bool {
        self.joining > 0
            || self
                .members
                .values()
                .any(|member| !matches!(member.holder, Holder::Remote(_)))
    }

    /// Tells a connection that has taken its seat of the room: who is there, or how many. Native clients do not answer
    /// announcements, so that those who wait for that are told theirs. Who announces itself again has heard all that.
    pub(crate) fn answer_announce(
        &self,
        connection: ConnectionId,
        seat: &Seat,
        (is_told_members, is_update): (bool, bool),
        effects: &mut Effects,
    ) {
        let others = self.members.iter().filter(|(peer, _)| **peer != seat.peer);
        if is_told_members {
            let others = others.filter(|(_, member)| !is_update || member.waits());
            let peers = others.map(|(peer, member)| protocol::Member {
                peer: peer.clone(),
                attributes: member.attributes.clone(),
                suspended: member.waits(),
            });
            let members = ServerMessage::Members {
                room: seat.room.clone(),
                peer: seat.peer.clone(),
                is_whole: !is_update,
                peers: peers.collect(),
            };
            effects.deliver(connection, members);
            return;
        }
        let member_count = self.members.len();
        effects.deliver(connection, ServerMessage::RoomInfo { member_count });
        for (peer, member) in others {
            if member.attributes.form() == Form::Announcement && !is_update {
                let joined = ServerMessage::Joined {
                    peer: peer.clone(),
                    attributes: member.attributes.clone(),
                };
                effects.deliver(connection, joined);
            }
        }
    }

    /// Whether a native client is here, wherever: those alone are told who is suspended.
    pub(crate) fn has_native(&self) -> bool {
        let mut members = self.members.values();
        members.any(|member| member.attributes.form() == Form::Announcement)
    }

    /// The other nodes that have a peer here.
    pub(crate) fn remote_nodes(&self) -> Vec<NodeId> {
        let nodes = self
            .members
            .values()
            .filter_map(|member| match &member.holder {
                Holder::Remote(node) => Some(node),
                Holder::Local(_) | Holder::Suspended { .. } => None,
            });
        let nodes: BTreeSet<&NodeId> = nodes.collect();
        nodes.into_iter().cloned().collect()
    }

    /// Tells every peer of this node but `except`. Native clients that are away are told who is there when they return, so that
    /// news of that do not take the place of messages.
    pub(crate) fn tell_others(
        &mut self,
        except: &PeerId,
        message: ServerMessage,
        effects: &mut Effects,
    ) {
        let mut to = Vec::new();
        for (peer, member) in &mut self.members {
            if peer == except {
                continue;
            }
            match &mut member.holder {
                Holder::Local(connection) => to.push(*connection),
                Holder::Suspended { held, .. } => {
                    let is_native = member.attributes.form() == Form::Announcement;
                    if !is_native || matches!(message, ServerMessage::Message { .. }) {
                        held.push(&message, effects);
                    }
                }
                Holder::Remote(_) => {}
            }
        }
        effects.deliver_all(to, message);
    }

    /// Keeps a change for when the roster is known; when there are too many, the room is compared instead.
    pub(crate) fn keep_early(&mut self, change: RosterChange, effects: &mut Effects) {
        let RosterState::Unknown { early, .. } = &mut self.roster else {
            return;
        };
        if early.len() < MAX_EARLY_CHANGES {
            early.push(change);
            return;
        }
        effects.counters.changes_overrun += 1;
        if self.assert == Assert::No {
            self.assert = Assert::Wanted;
        }
    }

    /// Nobody of this node is here: what the room is known by may be old, and whoever comes has been told nothing of it.
    pub(crate) fn begin_anew(&mut self) {
        self.members
            .retain(|_, member| member.handover.is_some() || !member.flushes.is_empty());
        self.roster = RosterState::Unknown {
            epoch: None,
            early: Vec::new(),
        };
    }

    /// What is known is not whole: from here on changes wait for the roster.
    pub(crate) fn lose_track(&mut self) {
        if let RosterState::Known { epoch, .. } = self.roster {
            self.roster = RosterState::Unknown {
                epoch: Some(epoch),
                early: Vec::new(),
            };
        }
    }
}

impl Member {
    pub(crate) fn new(holder: Holder, fence: Fence, attributes: Payload) -> Self {
        Self {
            holder,
            fence,
            unseen: fence == 0,
            attributes,
            searchable: None,
            is_suspended: false,
            unconfirmed: false,
            addressed: false,
            handover: None,
            flushes: Vec::new(),
        }
    }

    /// Whether it is here, over this connection.
    pub(crate) fn is_held_by(&self, connection: ConnectionId) -> bool {
        matches!(self.holder, Holder::Local(holder) if holder == connection)
    }

    /// A newer claim on the id. 0, of a join that the cluster has not seen, hides no fence that it has.
    pub(crate) fn claim(&mut self, fence: Fence, attributes: &Payload) {
        self.unseen = fence == 0;
        if !self.unseen {
            self.fence = fence;
        }
        self.unconfirmed = false;
        self.is_suspended = false;
        self.announce(attributes.clone());
    }

    /// It has announced this.
    pub(crate) fn announce(&mut self, attributes: Payload) {
        self.attributes = attributes;
        self.searchable = None;
    }

    /// What requests look at.
    pub(crate) fn searchable(&mut self) -> &Searchable {
        let attributes = &self.attributes;
        self.searchable
            .get_or_insert_with(|| Searchable::new(attributes.body()))
    }

    /// Whether its connection is lost, wherever it was.
    pub(crate) fn waits(&self) -> bool {
        self.is_suspended || matches!(self.holder, Holder::Suspended { .. })
    }

    /// Tells a member of this node.
    pub(crate) fn tell(&mut self, message: ServerMessage, effects: &mut Effects) -> Told {
        match &mut self.holder {
            Holder::Local(connection) => {
                effects.deliver(*connection, message);
                Told::Here
            }
            Holder::Suspended { held, .. } => match held.push(&message, effects) {
                true => Told::Waits,
                false => Told::Full,
            },
            Holder::Remote(node) => Told::At(node.clone()),
        }
    }

    /// Puts another holder in place. What a suspended peer was waiting for is returned, its timer is off.
    pub(crate) fn move_to(
        &mut self,
        holder: Holder,
        room: &RoomId,
        peer: &PeerId,
        effects: &mut Effects,
    ) -> Previous {
        effects.count(&holder);
        let previous = mem::replace(&mut self.holder, holder);
        effects.discount(&previous);
        match previous {
            Holder::Local(connection) => Previous::Local(connection),
            Holder::Remote(node) => Previous::Remote(node),
            Holder::Suspended { until, held } => {
                let timer = Timer::SuspendWindow(room.clone(), peer.clone());
                effects.timers.remove(&(until, timer));
                Previous::Suspended(held.release(effects))
            }
        }
    }
}

/// Who held a member before.
#[derive(Debug)]
pub(crate) enum Previous {
    Local(ConnectionId),
    Suspended(VecDeque<ServerMessage>),
    Remote(NodeId),
}
