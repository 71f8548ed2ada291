use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use crate::{
    ChallengeLimit, Credentials, Discovery, Limits, ListenerId, NonceKey, PeerPolicy, Transport,
};

/// How a relay serves. All threads of a process share one.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who may use the relay.
    pub credentials: Arc<Credentials>,
    /// Which peers may be reached.
    pub peer_policy: Arc<PeerPolicy>,
    /// What makes nonces unforgeable; one for the fleet.
    pub nonce_key: NonceKey,
    /// How long a nonce may be used, at most four hours; RFC 8656 §5 wants a new one every hour.
    pub nonce_lifetime: Duration,
    /// What relayed IPv4 addresses clients are given.
    pub ipv4: RelayedFamily<Ipv4Addr>,
    /// What relayed IPv6 addresses clients are given.
    pub ipv6: RelayedFamily<Ipv6Addr>,
    /// Oldest an allocation may become, refreshed or not, as the expiry of its credential is looked at when
    /// it is made and no more.
    pub max_allocation_age: Duration,
    /// How long a credential is taken after its expiry, since clocks of hosts differ.
    pub expiry_leeway: Duration,
    /// Whether allocations end when the secret is taken away that their client proved itself with, the last time that it
    /// asked for them or refreshed them. Otherwise they go on, but are not refreshed with it.
    pub end_revoked: bool,
    /// Most users that are kept out at a time; see [`Relay::handle_kick`](crate::Relay::handle_kick).
    pub max_kicked: usize,
    /// Most peers' addresses that one allocation may have permissions for at a time; 508 beyond.
    pub max_permissions: usize,
    /// Most channels that one allocation may have bound at a time; 508 beyond.
    pub max_channels: usize,
    /// What each allocation may do in a second.
    pub limits: Limits,
    /// How often strangers are told to prove who they are; none where nobody says how often.
    pub challenge_limit: Option<Arc<ChallengeLimit>>,
    /// Whether channels are numbered 0x4000 to 0x7FFF as in RFC 5766, for clients of its time, and not only
    /// to 0x4FFF as in RFC 8656.
    pub old_channels: bool,
    /// Whether the caller can send packets that may not be fragmented: else DONT-FRAGMENT is answered 420 in an
    /// Allocate, and what is sent with it is dropped.
    pub dont_fragment: bool,
    /// Whether the caller can open and take TCP connections: else a relayed address of TCP is answered 442.
    pub tcp_peers: bool,
    /// Which listeners answer in each other's stead, RFC 5780; none where the attributes for that are unknown.
    pub discovery: Option<Arc<Discovery>>,
    /// How clients' packets come to each listener, by its number; UDP where none is named.
    pub transports: Arc<[Transport]>,
}

/// Whether, and as what, clients are given relayed addresses of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayedFamily<Ip> {
    /// The relay has no address of this family.
    None,
    /// Clients are told the address that the relay socket has.
    AsBound,
    /// Clients are told this IP address with the relay socket's port: the relay is behind a NAT.
    External(Ip),
}

impl Config {
    pub(crate) fn told(&self, bound: SocketAddr) -> SocketAddr {
        told(bound, self.ipv4, self.ipv6)
    }
}

/// The address under which peers reach the relay socket that is bound to `bound`, and which its client is told.
pub fn told(
    bound: SocketAddr,
    ipv4: RelayedFamily<Ipv4Addr>,
    ipv6: RelayedFamily<Ipv6Addr>,
) -> SocketAddr {
    let external = match bound {
        SocketAddr::V4(_) => ipv4.external().map(IpAddr::V4),
        SocketAddr::V6(_) => ipv6.external().map(IpAddr::V6),
    };
    SocketAddr::new(external.unwrap_or_else(|| bound.ip()), bound.port())
}

impl<Ip> RelayedFamily<Ip> {
    fn external(self) -> Option<Ip> {
        match self {
            Self::External(ip) => Some(ip),
            Self::AsBound | Self::None => None,
        }
    }

    pub(crate) fn is_some(&self) -> bool {
        !matches!(self, Self::None)
    }
}

impl Config {
    /// A relay of IPv4 addresses as they are bound, with the defaults of the RFCs and of this crate.
    pub fn new(credentials: Arc<Credentials>, nonce_key: NonceKey) -> Self {
        Self {
            credentials,
            peer_policy: Arc::default(),
            nonce_key,
            nonce_lifetime: Duration::from_secs(60 * 60),
            ipv4: RelayedFamily::AsBound,
            ipv6: RelayedFamily::None,
            max_allocation_age: Duration::from_secs(12 * 60 * 60),
            expiry_leeway: Duration::ZERO,
            end_revoked: false,
            max_kicked: 4096,
            max_permissions: 128,
            max_channels: 128,
            limits: Limits::default(),
            challenge_limit: None,
            old_channels: false,
            dont_fragment: true,
            tcp_peers: false,
            discovery: None,
            transports: Arc::default(),
        }
    }

    pub(crate) fn offers_discovery(&self, listener: ListenerId) -> bool {
        let discovery = self.discovery.as_ref();
        discovery.is_some_and(|discovery| discovery.place(listener).is_some())
    }

    pub(crate) fn transport(&self, listener: ListenerId) -> Transport {
        let transport = self.transports.get(usize::from(listener.0));
        transport.copied().unwrap_or_default()
    }
}
