use bytes::Bytes;
use bytestring::ByteString;

use crate::NodeId;

/// What a node asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Enter `member` in the room's roster as held by this node; answered by
    /// [`Event::Joined`](crate::Event::Joined), [`Event::JoinFailed`](crate::Event::JoinFailed), or, where the name is
    /// another owner's, [`Event::JoinRefused`](crate::Event::JoinRefused).
    Join {
        /// Returned in the answer.
        token: u64,
        /// The room.
        room: ByteString,
        /// Who.
        member: ByteString,
        /// What the roster keeps of it; begins with its [`owner`](crate::owner()).
        data: Bytes,
        /// Whether the answer brings the roster.
        want_roster: bool,
    },
    /// Take `member` out of the roster, if this node's claim on it is the last; answered, by
    /// [`Event::LeaveFailed`](crate::Event::LeaveFailed), only where that fails.
    Leave {
        /// The room.
        room: ByteString,
        /// Who.
        member: ByteString,
        /// The claim that ends.
        fence: u64,
        /// Told to the other nodes.
        data: Bytes,
    },
    /// Hear no more of the room.
    Forget {
        /// The room.
        room: ByteString,
    },
    /// Make the roster hold just these members for this node, and bring the roster; answered by
    /// [`Event::Asserted`](crate::Event::Asserted) or [`Event::AssertFailed`](crate::Event::AssertFailed).
    ///
    /// A member whose claim is older than the roster's stays as the roster has it, and so does one of another owner where
    /// the roster has not seen the claim. A later claim than the roster's, which was granted, takes a name that another
    /// owner has there.
    Assert {
        /// The room.
        room: ByteString,
        /// This node's members: who, fence (0 for a claim the roster has not seen), data.
        members: Vec<(ByteString, u64, Bytes)>,
    },
    /// After a new epoch: find out whether the roster has all that another node has in the room. Answered by
    /// [`Event::Confirmed`](crate::Event::Confirmed), at the latest when the node has been without a lease for
    /// long enough that it is gone; not at all if the room is forgotten first.
    Confirm {
        /// The room.
        room: ByteString,
        /// The other node.
        node: NodeId,
    },
    /// Deliver to one node.
    Send {
        /// The node.
        node: NodeId,
        /// The room that it is about; what is sent about one room arrives in order.
        room: ByteString,
        /// What.
        payload: Bytes,
    },
    /// Deliver to several nodes in the room, in order with what is sent to each of them.
    Publish {
        /// The room.
        room: ByteString,
        /// The other nodes in the room, as far as this one knows.
        nodes: Vec<NodeId>,
        /// What.
        payload: Bytes,
    },
}

impl Command {
    /// Bytes of memory, about.
    pub(crate) fn size(&self) -> usize {
        let text = match self {
            Self::Join {
                room, member, data, ..
            }
            | Self::Leave {
                room, member, data, ..
            } => room.len() + member.len() + data.len(),
            Self::Forget { room } | Self::Confirm { room, .. } => room.len(),
            Self::Assert { room, members } => {
                let sizes = members.iter();
                let sizes = sizes.map(|(member, _, data)| 64 + member.len() + data.len());
                room.len() + sizes.sum::<usize>()
            }
            Self::Send { room, payload, .. } => room.len() + payload.len(),
            Self::Publish {
                room,
                nodes,
                payload,
            } => room.len() + nodes.len() * 32 + payload.len(),
        };
        128 + text
    }
}

/// The command was not taken, since it or its answer would not have fitted a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the backplane is overloaded")]
pub struct Overloaded;
