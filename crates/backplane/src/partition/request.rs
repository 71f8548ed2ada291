use bytes::Bytes;
use bytestring::ByteString;

use crate::{Change, Entry, NodeId};

/// Where something is published. Every channel belongs to the partition that its partition's link serves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// What one node alone hears: its own beats, and messages of other nodes.
    Node(NodeId),
    /// What every node in a room hears: changes of its roster, and messages to the room.
    Room(ByteString),
}

/// A roster's life and its version within it. Of two versions of one epoch the higher one is the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RosterVersion {
    /// Another one means that the roster was made anew, or that the store may have lost something of it.
    pub epoch: u64,
    /// Raised by one with every change.
    pub version: u64,
}

/// What a node asks of the store. Each is carried out whole or not at all, in the order in which one node asks,
/// and what it publishes is published in the same step.
///
/// Times are the store's. The store keeps, for a partition:
/// - the *lease* of each node: until when it counts as alive;
/// - the *rooms* of each node: every room in which the roster has, or had, a member of it;
/// - the *roster* of each room: a *birth* (a random number below 2³¹, drawn when the room was empty before), a
///   version, and the members with their nodes, fences and data; a room without members does not exist;
/// - the *life* of the store itself (below 2²¹), and when it began: with the first beat that named it;
/// - the *link* of each node: the highest number that a beat of it has brought. What a node asks on a link with a
///   lower number changes nothing: such a link is dead, and what was on its way there is not wanted any more,
///   however late it arrives.
///
/// A room's epoch is `birth * 2²¹ + life`. A *fence* is given as `max(stored + 1, floor + 1, now in µs)`, where
/// `stored` is the fence that the roster has for the member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Renews `node`'s lease to `ttl` milliseconds from now, sets the store's life, and publishes
    /// [`Published::Beat`] on the node's own channel. Answered by [`Reply::Beaten`].
    Beat {
        /// The node that asks.
        node: NodeId,
        /// The number of the node's link; a later link has a higher one.
        link: u64,
        /// Milliseconds.
        ttl: u64,
        /// Comes back in the beat.
        nonce: u64,
        /// Which server this is; another one after a restart or a failover, whereupon all epochs change.
        life: u64,
        /// As for a join: what was sent so long ago is no sign of life, and does nothing.
        until: u64,
    },
    /// Enters a member as held by `node`, whichever node held it, and publishes [`Published::Changed`] to the room.
    /// Answered by [`Reply::Joined`], or by [`Reply::NoLease`] if the node has no lease or a lapsed
    /// one, if the link is dead, or if it is too late: the node has given the link up then, and has told its peer that
    /// nobody elsewhere knows of it. It may have gone to another node, which must not lose it to what is of before.
    ///
    /// Where the roster has the member with data of an [`owner`](crate::owner()) that this data does not name, nothing
    /// is done, and the answer is [`Reply::Refused`]; the lease of the node that holds the member does not matter.
    Join {
        /// The node that asks.
        node: NodeId,
        /// The number of the node's link; a later link has a higher one.
        link: u64,
        /// The room.
        room: ByteString,
        /// Who.
        member: ByteString,
        /// What the roster keeps of it; begins with its [`owner`](crate::owner()).
        data: Bytes,
        /// The room's birth if it is born now.
        birth: u64,
        /// The highest fence that the node has seen.
        floor: u64,
        /// Not done later than this, in milliseconds of the store's clock.
        until: u64,
        /// Whether the answer brings the roster.
        want_roster: bool,
    },
    /// Takes a member out if `node` holds it with a fence not above this one, and publishes
    /// [`Published::Changed`] to the room. Answered by [`Reply::Done`].
    Leave {
        /// The node that asks.
        node: NodeId,
        /// The number of the node's link; a later link has a higher one.
        link: u64,
        /// The room.
        room: ByteString,
        /// Who.
        member: ByteString,
        /// The claim that ends.
        fence: u64,
        /// Told to the other nodes.
        data: Bytes,
    },
    /// Takes the room out of `node`'s rooms: it has no member there any more. Answered by [`Reply::Done`].
    Forget {
        /// The node that asks.
        node: NodeId,
        /// The number of the node's link; a later link has a higher one.
        link: u64,
        /// The room.
        room: ByteString,
    },
    /// Makes the roster hold just these members for `node`, publishing a [`Published::Changed`] for each
    /// difference. Answered by [`Reply::Asserted`], or by [`Reply::NoLease`] as for a join.
    ///
    /// The node's members that are not listed leave first. Then, for each listed member:
    /// - held by the node with the same data: stays, unless the claim is 0, or above the roster's, which has lost it
    ///   then: it enters with the claim's fence;
    /// - held by another node with data of an [`owner`](crate::owner()) that this data does not name: stays with the
    ///   other where the claim is 0;
    /// - held by another node, with a fence above that of the claim, which is not 0: stays with the other, unless owners
    ///   differ as above, this data has one too, and the claim was made before the store's life began and the roster's
    ///   after. Then the roster had been lost, and has got another member meanwhile: it enters with a new fence;
    /// - not in the roster, or held by another node with a lower fence: enters with the claim's fence, or with a
    ///   new one when that is 0;
    /// - else (its data changed, it came again unseen, or it took the id over unseen): enters with a new fence.
    Assert {
        /// The node that asks.
        node: NodeId,
        /// The number of the node's link; a later link has a higher one.
        link: u64,
        /// The room.
        room: ByteString,
        /// Who, the fence of the claim (0 for a claim that the roster has not seen, 1 for such a one that is older than
        /// any that it has), data.
        members: Vec<(ByteString, u64, Bytes)>,
        /// The room's birth if it is born now.
        birth: u64,
        /// The highest fence that the node has seen.
        floor: u64,
        /// As for a join.
        until: u64,
    },
    /// Takes every member of `dead` out of up to `limit` of its rooms, with a [`Published::Changed`] for each,
    /// and those rooms out of its rooms; when none is left, the lease too. Does nothing when `dead` has a valid
    /// lease. Answered by [`Reply::Swept`].
    Sweep {
        /// Whose members.
        dead: NodeId,
        /// Rooms at most.
        limit: u64,
    },
    /// Ends `node`'s lease now. Answered by [`Reply::Done`].
    Resign {
        /// The node that asks.
        node: NodeId,
    },
    /// Answered by [`Reply::Versions`].
    Versions {
        /// Of these rooms.
        rooms: Vec<ByteString>,
    },
    /// Answered by [`Reply::Leases`].
    Leases {
        /// Of these nodes.
        nodes: Vec<NodeId>,
    },
    /// Publishes bytes as they are. Answered by [`Reply::Done`].
    Publish {
        /// Where.
        channel: Channel,
        /// What.
        payload: Bytes,
    },
}

/// What the store answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To a beat.
    Beaten {
        /// Whether the lease was still valid. Where it was not, others may have swept the node's members.
        renewed: bool,
        /// Nodes whose lease has lapsed, some of them.
        lapsed: Vec<NodeId>,
        /// Milliseconds until the next lease of another node ends, if it is not renewed; `None` without others.
        next: Option<u64>,
        /// What the store's clock shows, in milliseconds.
        now: u64,
    },
    /// To a join.
    Joined {
        /// The claim that the join got.
        fence: u64,
        /// The roster's version with the join.
        version: RosterVersion,
        /// The roster with the join, where it was wanted.
        roster: Option<Vec<Entry>>,
    },
    /// To an assert.
    Asserted {
        /// The roster's version; all 0 of a room that does not exist.
        version: RosterVersion,
        /// Its members.
        roster: Vec<Entry>,
    },
    /// To a join or an assert of a node without a valid lease, or too late: nothing was done.
    NoLease,
    /// To a join of a name that is another owner's: nothing was done.
    Refused,
    /// To a sweep.
    Swept {
        /// Rooms that the node still has; 0 as well where nothing is to be swept.
        left: u64,
    },
    /// In the order asked; all 0 of a room that does not exist.
    Versions(Vec<RosterVersion>),
    /// In the order asked: whether the node has a valid lease.
    Leases(Vec<bool>),
    /// To anything else.
    Done,
}

/// What the store itself publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// A node's beat, on its own channel.
    Beat {
        /// As in the request.
        nonce: u64,
    },
    /// A change, on the room's channel.
    Changed {
        /// The roster's version after it.
        version: RosterVersion,
        /// How.
        change: Change,
    },
}
