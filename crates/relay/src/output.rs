use std::{
    iter::Sum,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::{AllocationId, Bind, Client, Connect, ReservationToken, UserId};

/// What the caller must do about sockets, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Charge the quotas, open a UDP socket, and say how that went to
    /// [`Relay::handle_opened`](crate::Relay::handle_opened); at once, if possible.
    Open(Open),
    /// The relayed address is over: close its socket, and release what was charged for it. Said exactly once for
    /// every socket that was opened, of which an allocation may have one in each family.
    Close(Close),
    /// An allocation's client has moved, RFC 8016: what is charged to where it is goes with it.
    Moved(Moved),
    /// Open a TCP connection, and say how that went to [`Relay::handle_connected`](crate::Relay::handle_connected),
    /// once; the client's time is up after [`CONNECT_TIMEOUT`](crate::CONNECT_TIMEOUT).
    Connect(Connect),
    /// A client wants a connection that waits: say to [`Relay::handle_bound`](crate::Relay::handle_bound), at once,
    /// whether it is this user's. If it is, the client's own connection carries data from behind the answer on.
    Bind(Bind),
}

/// A relay socket is wanted. An allocation of both families asks for two, each by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The allocation that it is for.
    pub allocation: AllocationId,
    /// Of which family its address must be.
    pub family: Family,
    /// Whether it is a socket of UDP, or one that takes TCP connections.
    pub protocol: Protocol,
    /// Which port it must have.
    pub port: Port,
    /// Whose quota is charged.
    pub user: UserId,
    /// The username in full, for the audit log and the trace; see
    /// [`turn_credentials::Username::trace`].
    pub username: Arc<str>,
    /// Where the user is.
    pub client: Client,
}

/// What is relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// Connections, RFC 6062.
    Tcp,
}

/// Which port a relay socket must have, RFC 8656 §7.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Any one.
    Any,
    /// An even one.
    Even,
    /// An even one, and the next one is to be had too: it is reserved, charged to the same user, for at least
    /// [`RESERVATION_LIFETIME`](crate::RESERVATION_LIFETIME), and [`Bound::reserved`] says how it is asked for.
    EvenAndNext,
    /// The one that was reserved, by the same user, and with it what was charged for it. Where there is none, the
    /// answer is [`Refusal::InsufficientCapacity`].
    Reserved(ReservationToken),
}

/// A relay socket that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The address that it is bound to, in the family that was asked for.
    pub address: SocketAddr,
    /// What stands for the next port, if that was asked for as well.
    pub reserved: Option<ReservationToken>,
}

impl From<SocketAddr> for Bound {
    fn from(address: SocketAddr) -> Self {
        Self {
            address,
            reserved: None,
        }
    }
}

/// A relayed address has ended, and with the last one of an allocation that allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Whose it was.
    pub allocation: AllocationId,
    /// Which of its sockets it was.
    pub family: Family,
    /// Whose the allocation was.
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
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of `address`, as it is written.
    pub fn of(address: SocketAddr) -> Self {
        Self::of_ip(address.ip())
    }

    pub(crate) fn of_ip(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Its place among [`Self::ALL`].
    pub(crate) fn place(self) -> usize {
        match self {
            Self::V4 => 0,
            Self::V6 => 1,
        }
    }
}

/// An allocation serves another 5-tuple from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Which.
    pub allocation: AllocationId,
    /// Whose.
    pub user: UserId,
    /// Where the user was.
    pub from: Client,
    /// Where the user is.
    pub to: Client,
}

/// Why no relay socket could be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The user has as many allocations as it may: 486.
    QuotaReached,
    /// No free port, no such reservation, no file descriptor, or as many allocations as there may be: 508.
    InsufficientCapacity,
}

/// Why an allocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CloseReason {
    /// The client gave it back.
    Deleted,
    /// It was not refreshed in time, or has reached its greatest age.
    Expired,
    /// An operator ended it, or put its user out.
    Kicked,
    /// The relay's time to drain is over.
    Drained,
    /// The stream that carried it has ended.
    Disconnected,
    /// Its secret was taken away; see [`Config::end_revoked`](crate::Config::end_revoked).
    Revoked,
}

impl CloseReason {
    /// A word for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Expired => "expired",
            Self::Kicked => "kicked",
            Self::Drained => "drained",
            Self::Disconnected => "disconnected",
            Self::Revoked => "revoked",
        }
    }
}

/// What a relayed address has relayed, without encapsulation.
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

impl Sum for Traffic {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| Self {
            packets_to_peers: a.packets_to_peers + b.packets_to_peers,
            bytes_to_peers: a.bytes_to_peers + b.bytes_to_peers,
            packets_to_client: a.packets_to_client + b.packets_to_client,
            bytes_to_client: a.bytes_to_client + b.bytes_to_client,
        })
    }
}
