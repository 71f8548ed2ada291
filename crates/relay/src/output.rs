use std::{net::SocketAddr, sync::Arc};

use crate::{AllocationId, Client, UserId};

/// What the caller must do about relay sockets, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Charge the quotas, open a UDP socket, and say how that went to
    /// [`Relay::handle_opened`](crate::Relay::handle_opened); at once, if possible.
    Open(Open),
    /// The allocation is over: close its relay socket, and release what was charged for it. Said exactly
    /// once for every socket that was opened.
    Close(Close),
}

/// A relay socket is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The allocation that it is for.
    pub allocation: AllocationId,
    /// Of which family its address must be.
    pub family: Family,
    /// Whether its port must be even, RFC 8656 §7.2.
    pub even_port: bool,
    /// Whose quota is charged.
    pub user: UserId,
    /// The username in full, for the audit log and the trace; see
    /// [`turn_credentials::Username::trace`].
    pub username: Arc<str>,
    /// Where the user is.
    pub client: Client,
}

/// An allocation has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Which.
    pub allocation: AllocationId,
    /// Whose it was.
    pub user: UserId,
    /// Where the user was.
    pub client: Client,
    /// The relayed address, as the client was told.
    pub relayed: SocketAddr,
    /// Why it ended.
    pub reason: CloseReason,
    /// What it relayed.
    pub traffic: Traffic,
}

/// The family of a relayed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of `address`, as it is written.
    pub fn of(address: SocketAddr) -> Self {
        if address.is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }
}

/// Why no relay socket could be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The user has as many allocations as it may: 486.
    QuotaReached,
    /// No free port, no file descriptor, as many allocations as there may be, or the relay is draining: 508.
    InsufficientCapacity,
}

/// Why an allocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CloseReason {
    /// The client gave it back.
    Deleted,
    /// It was not refreshed in time, or has reached its greatest age.
    Expired,
    /// The stream that carried it has ended.
    Disconnected,
}

impl CloseReason {
    /// A word for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Expired => "expired",
            Self::Disconnected => "disconnected",
        }
    }
}

/// What an allocation has relayed, without encapsulation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets from the client to peers.
    pub packets_to_peers: u64,
    /// Their bytes.
    pub bytes_to_peers: u64,
    /// Packets from peers to the client.
    pub packets_to_client: u64,
    /// Their bytes.
    pub bytes_to_client: u64,
}
