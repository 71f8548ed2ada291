use bytestring::ByteString;
use protocol::{LeaveReason, Payload, PeerId, RoomId};

use crate::ConnectionId;

/// A node of the cluster; new at every start of the process, so that it is its own incarnation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub ByteString);

/// Orders the claims on one peer id: assigned by the cluster when a peer joins, the highest holds the id.
/// 0 belongs to a join that the cluster has not seen.
pub type Fence = u64;

/// A peer as the cluster's roster has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterEntry {
    /// Who.
    pub peer: PeerId,
    /// The node that holds its connection.
    pub node: NodeId,
    /// Which claim on the id this is.
    pub fence: Fence,
    /// Its announcement.
    pub attributes: Payload,
}

/// Follows what a node has sent to a peer along the way that the peer took, from the node that it left to the one
/// where it is: when it is there, so is all that was sent before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flush {
    /// The room.
    pub room: RoomId,
    /// The peer that has moved.
    pub peer: PeerId,
    /// The claim with which it moved, or an earlier one.
    pub fence: Fence,
    /// The node that waits to be told.
    pub origin: NodeId,
    /// Nodes that have passed it on.
    pub hops: u8,
}

/// What this node asks of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterCommand {
    /// Enter `peer` in the room's roster and tell the other nodes; answered by [`ClusterEvent::Joined`],
    /// [`ClusterEvent::JoinFailed`] or [`ClusterEvent::JoinRefused`].
    Join {
        /// Returned in the answer.
        connection: ConnectionId,
        /// The room.
        room: RoomId,
        /// Who.
        peer: PeerId,
        /// Its announcement.
        attributes: Payload,
        /// Whether the answer must bring the room's roster.
        want_roster: bool,
    },
    /// Take `peer` out of the roster and tell the other nodes, unless a later claim holds the id.
    Leave {
        /// The room.
        room: RoomId,
        /// Who.
        peer: PeerId,
        /// The claim that ends.
        fence: Fence,
        /// Why, for the other nodes' peers.
        reason: LeaveReason,
    },
    /// No peer of this node is in the room any more: nothing of it needs to be heard.
    Forget {
        /// The room.
        room: RoomId,
    },
    /// Compare what this node has of the room with the roster; answered by [`ClusterEvent::Asserted`].
    Assert {
        /// The room.
        room: RoomId,
        /// This node's peers.
        members: Vec<(PeerId, Fence, Payload)>,
    },
    /// Find out whether the roster has all that another node has in the room; answered by
    /// [`ClusterEvent::Confirmed`].
    Confirm {
        /// The room.
        room: RoomId,
        /// The other node.
        node: NodeId,
    },
    /// Deliver to a peer of another node.
    Send {
        /// The node that holds the receiver.
        node: NodeId,
        /// The room of both.
        room: RoomId,
        /// The sender.
        from: PeerId,
        /// The receiver.
        to: PeerId,
        /// What is said.
        payload: Payload,
        /// Nodes that have passed it on to where the receiver has moved.
        hops: u8,
    },
    /// Pass on to a node that a peer has left, behind everything that was sent to it for the peer.
    Pass {
        /// That node.
        node: NodeId,
        /// What.
        flush: Flush,
    },
    /// Tell a node that everything sent before its flush has been delivered.
    HandedOver {
        /// The node where the flush began.
        node: NodeId,
        /// The room.
        room: RoomId,
        /// The peer that has moved.
        peer: PeerId,
    },
    /// Deliver to every peer of the room on other nodes.
    Broadcast {
        /// The room.
        room: RoomId,
        /// The other nodes that have a peer there.
        nodes: Vec<NodeId>,
        /// The sender.
        from: PeerId,
        /// What is said.
        payload: Payload,
    },
}

/// What the cluster tells this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterEvent {
    /// A join is entered in the roster.
    Joined {
        /// As in the command.
        connection: ConnectionId,
        /// The room.
        room: RoomId,
        /// The claim this join got.
        fence: Fence,
        /// The life of the room's roster; another one means the roster was made anew.
        epoch: u64,
        /// The roster's version that includes this join.
        version: u64,
        /// Everybody in the room, where it was wanted.
        roster: Option<Vec<RosterEntry>>,
    },
    /// The cluster cannot be asked now: the peer is in the room for this node's peers only, and the room is
    /// asserted until that succeeds.
    JoinFailed {
        /// As in the command.
        connection: ConnectionId,
        /// The room.
        room: RoomId,
    },
    /// The peer's id is another owner's: nothing has changed, and the peer is not in the room.
    JoinRefused {
        /// As in the command.
        connection: ConnectionId,
        /// The room.
        room: RoomId,
    },
    /// The roster changed. This node's own changes are told too, so that versions have no gap.
    Changed(RosterChange),
    /// The answer to [`ClusterCommand::Assert`].
    Asserted {
        /// The room.
        room: RoomId,
        /// The life of the room's roster.
        epoch: u64,
        /// The roster's version.
        version: u64,
        /// Everybody in the room.
        roster: Vec<RosterEntry>,
    },
    /// The cluster could not be asked to compare; asked again later.
    AssertFailed {
        /// The room.
        room: RoomId,
    },
    /// Whatever the node has in the room is in the roster by now, or the node is gone.
    Confirmed {
        /// The room.
        room: RoomId,
        /// The other node.
        node: NodeId,
    },
    /// Events of the room were lost on the way: it must be compared.
    Gap {
        /// The room.
        room: RoomId,
    },
    /// A peer of another node says something to a peer of this one.
    Received {
        /// The room of both.
        room: RoomId,
        /// The sender.
        from: PeerId,
        /// The receiver.
        to: PeerId,
        /// What is said.
        payload: Payload,
        /// As in the command.
        hops: u8,
    },
    /// There was no room for a [`ClusterCommand::Send`].
    Unsent {
        /// The room of both.
        room: RoomId,
        /// The sender.
        from: PeerId,
        /// The receiver.
        to: PeerId,
        /// What was said.
        payload: Payload,
    },
    /// A flush has come to this node: to be passed on until it is where its peer is.
    Passed(Flush),
    /// What this node sent before its flush has been delivered.
    HandedOver {
        /// The room.
        room: RoomId,
        /// The peer that has moved.
        peer: PeerId,
    },
    /// A peer of another node says something to the room.
    Heard {
        /// The room.
        room: RoomId,
        /// The sender.
        from: PeerId,
        /// What is said.
        payload: Payload,
    },
}

/// One step of a room's roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterChange {
    /// The room.
    pub room: RoomId,
    /// The life of the room's roster.
    pub epoch: u64,
    /// One more than before the change.
    pub version: u64,
    /// What changed.
    pub change: Change,
}

/// What a step changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A peer joined, announced itself again, or moved to another node.
    Joined(RosterEntry),
    /// A peer left.
    Left {
        /// Who.
        peer: PeerId,
        /// The node that held it.
        node: NodeId,
        /// The claim that ended.
        fence: Fence,
        /// Why.
        reason: LeaveReason,
    },
}
