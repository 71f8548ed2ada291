use std::time::Duration;

use crate::{AllocationId, Client, UserId};
use std::net::SocketAddr;

/// RFC 6062 §5.2: "The timeout value MUST be at least 30 seconds."
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// RFC 6062 §5.2 and §5.3: how long a connection waits for its ConnectionBind.
pub const BIND_TIMEOUT: Duration = Duration::from_secs(30);

/// What a client is told of a connection with a peer that waits for it, RFC 6062 §6.2.1. The caller draws it at random,
/// one that no other connection has that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u32);

/// A Connect that waits for its connection; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectId(pub(crate) u64);

/// A connection to a peer is wanted, from the allocation's relayed address of the peer's family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// What the outcome is told for.
    pub connect: ConnectId,
    /// Whose it is to be.
    pub allocation: AllocationId,
    /// Where the peer is.
    pub peer: SocketAddr,
    /// Who will bind it.
    pub user: UserId,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// The allocation has one with this peer, or one is being made: 446.
    AlreadyExists,
    /// The peer refused, or did not answer in time, or there is no way to it: 447.
    TimeoutOrFailure,
    /// There are as many as there may be: 508.
    InsufficientCapacity,
}

/// A client has brought the id of a connection, over one of its own that is to carry that one's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// The connection that the id came by.
    pub client: Client,
    /// The id.
    pub connection: ConnectionId,
    /// Whose it must be.
    pub user: UserId,
}
