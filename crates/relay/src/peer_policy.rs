//! Which peers may be reached: nobody special, in no encoding, unless the operator says so.
//!
//! One choke point, [`PeerPolicy::judge`], decides over an IP address; its [`Ruling`] is kept in the
//! permission and asked again, with the port, for every packet. In order:
//!
//! 1. a denied network: no;
//! 2. an address of this host, in `dev`: yes, over UDP;
//! 3. an allowed network: yes;
//! 4. an address of a relay of the fleet: yes, its relay ports;
//! 5. a special-purpose address: no;
//! 6. any other: yes.
//!
//! What is open by this has but its relay ports open where our own infrastructure is, and never a denied port.
//!
//! An IPv6 address in which an IPv4 address is embedded must pass in every form that it has, so that no
//! encoding reaches what the plain one does not.

mod embedded;
mod special_purpose;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
};

use ipnet::IpNet;

use self::{embedded::embedded_ipv4, special_purpose::is_special_purpose};
use crate::Protocol;

/// Which peers clients may reach. The default denies everything special-purpose and knows no relay.
#[derive(Clone, Debug)]
pub struct PeerPolicy {
    allowed: Vec<IpNet>,
    denied: Vec<IpNet>,
    denied_sockets: Vec<SocketAddr>,
    confined: Vec<IpAddr>,
    own_hosts: Vec<IpAddr>,
    internal_by_external: BTreeMap<IpAddr, IpAddr>,
    external_by_internal: BTreeMap<IpAddr, IpAddr>,
    relay_ports: RangeInclusive<u16>,
}

impl Default for PeerPolicy {
    fn default() -> Self {
        Self {
            allowed: Vec::new(),
            denied: Vec::new(),
            denied_sockets: Vec::new(),
            confined: Vec::new(),
            own_hosts: Vec::new(),
            internal_by_external: BTreeMap::new(),
            external_by_internal: BTreeMap::new(),
            relay_ports: 49152..=65535,
        }
    }
}

impl PeerPolicy {
    /// Opens special-purpose networks.
    #[must_use]
    pub fn allow(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.allowed.extend(networks);
        self
    }

    /// Closes networks, whatever opens them: our own infrastructure.
    #[must_use]
    pub fn deny(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.denied.extend(networks);
        self
    }

    /// Closes single ports of addresses that are open otherwise: our own infrastructure on a host that is
    /// a peer besides.
    #[must_use]
    pub fn deny_sockets(mut self, sockets: impl IntoIterator<Item = SocketAddr>) -> Self {
        let sockets = sockets.into_iter();
        self.denied_sockets.extend(
            sockets.map(|socket| SocketAddr::new(one_loopback(socket.ip()), socket.port())),
        );
        self
    }

    /// Leaves but the relay ports of addresses that are open otherwise: our own infrastructure on a host that may be
    /// that of a relay besides. What the operator allows by its very address, and not within a larger network, is open
    /// as before, but for [denied sockets](Self::deny_sockets).
    #[must_use]
    pub fn confine(mut self, hosts: impl IntoIterator<Item = IpAddr>) -> Self {
        self.confined
            .extend(hosts.into_iter().map(|host| host.to_canonical()));
        self
    }

    /// Opens all UDP ports of this host's own addresses, for a process that serves the machine it runs on.
    #[must_use]
    pub fn allow_own_hosts(mut self, hosts: impl IntoIterator<Item = IpAddr>) -> Self {
        self.own_hosts.extend(hosts);
        self
    }

    /// Names the relays of the fleet, this one too: a client's peer may be another client's relayed address.
    /// Packets for `external` go to `internal`, and packets from `internal` come from `external`; the two are
    /// one where no NAT is between.
    #[must_use]
    pub fn with_relays(mut self, relays: impl IntoIterator<Item = RelayAddress>) -> Self {
        for RelayAddress { external, internal } in relays {
            self.internal_by_external.insert(external, internal);
            if external != internal {
                self.external_by_internal.insert(internal, external);
            }
        }
        self
    }

    /// Sets the ports at which the fleet's relays have relayed addresses; 49152 to 65535 otherwise.
    #[must_use]
    pub fn with_relay_ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.relay_ports = ports;
        self
    }

    /// Whether a permission for `peer` may be installed, and for which ports it then counts.
    pub(crate) fn judge(&self, peer: IpAddr) -> Option<Ruling> {
        self.judge_over(peer, Protocol::Udp)
    }

    fn judge_over(&self, peer: IpAddr, protocol: Protocol) -> Option<Ruling> {
        let ruling = self.judge_form(peer, protocol)?;
        let IpAddr::V6(peer) = peer else {
            return Some(ruling);
        };
        for form in embedded_ipv4(peer) {
            // Ports are compared with plain addresses only.
            if self.judge_form(IpAddr::V4(form), protocol)?.ports != Ports::All {
                return None;
            }
        }
        Some(ruling)
    }

    fn judge_form(&self, peer: IpAddr, protocol: Protocol) -> Option<Ruling> {
        let is_own = protocol == Protocol::Udp && self.own_hosts.contains(&peer);
        let contains = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&peer));
        let relay = self.internal_by_external.get(&peer).copied();
        let internal = relay.unwrap_or(peer);
        let any = self.open_otherwise(peer, internal);
        let ports = if contains(&self.denied) {
            return None;
        } else if is_own || contains(&self.allowed) {
            any
        } else if relay.is_some() {
            Ports::Relay
        } else if is_special_purpose(peer) {
            return None;
        } else {
            any
        };
        Some(Ruling { ports, internal })
    }

    /// What our own infrastructure leaves of an address that is open, and goes to `internal`: who is denied by the one
    /// name is by the other.
    fn open_otherwise(&self, peer: IpAddr, internal: IpAddr) -> Ports {
        let is_named = |network: &IpNet| {
            network.prefix_len() == network.max_prefix_len() && network.addr() == peer
        };
        let is_ours = |host: &IpAddr| [peer, internal].contains(host);
        if self.confined.iter().any(is_ours) && !self.allowed.iter().any(is_named) {
            return Ports::Relay;
        }
        let hosts = [peer, internal].map(one_loopback);
        let mut denied = self.denied_sockets.iter();
        match denied.any(|socket| hosts.contains(&socket.ip())) {
            true => Ports::AllBut,
            false => Ports::All,
        }
    }

    /// Where a TCP connection to `peer` goes, if it may be opened, RFC 6062 §5.2. This host's own addresses are open to
    /// UDP alone: what a process of this machine listens on in TCP is seldom meant for others.
    pub(crate) fn judge_connect(&self, peer: SocketAddr) -> Option<SocketAddr> {
        let ruling = self.judge_over(peer.ip(), Protocol::Tcp)?;
        self.admits(ruling, peer)
            .then(|| SocketAddr::new(ruling.internal, peer.port()))
    }

    /// Whether `ruling`, that of the peer's IP address, covers the peer's port.
    pub(crate) fn admits(&self, ruling: Ruling, peer: SocketAddr) -> bool {
        match ruling.ports {
            Ports::All => true,
            Ports::AllBut => !self.is_denied(ruling, peer),
            Ports::Relay => {
                self.relay_ports.contains(&peer.port()) && !self.is_denied(ruling, peer)
            }
        }
    }

    /// By the name that the client has for it, or where its packets go.
    fn is_denied(&self, ruling: Ruling, peer: SocketAddr) -> bool {
        let hosts = [peer.ip(), ruling.internal].map(one_loopback);
        let mut denied = self.denied_sockets.iter();
        denied.any(|socket| socket.port() == peer.port() && hosts.contains(&socket.ip()))
    }

    /// The addresses by which a client may know the sender of a packet that came from `source`, the likeliest first.
    /// At a relay port the sender is most likely a relayed address, known by its relay's external address; at any
    /// other a service on the relay's host, which who may reach it knows by the address that it has.
    pub(crate) fn names(&self, source: SocketAddr) -> impl Iterator<Item = SocketAddr> + use<> {
        let ip = source.ip().to_canonical();
        let external = match self.external_by_internal.is_empty() {
            true => None,
            false => self.external_by_internal.get(&ip).copied(),
        };
        let (first, second) = match external {
            Some(external) if self.relay_ports.contains(&source.port()) => (external, Some(ip)),
            Some(_) | None => (ip, external),
        };
        let named = move |ip| SocketAddr::new(ip, source.port());
        std::iter::once(first).chain(second).map(named)
    }
}

/// A host by the one name that is compared: all of 127.0.0.0/8 reaches what listens at a wildcard.
fn one_loopback(host: IpAddr) -> IpAddr {
    match host.to_canonical() {
        IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    }
}

/// Where a relay of the fleet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayAddress {
    /// The address that its clients are told.
    pub external: IpAddr,
    /// The address that its sockets have.
    pub internal: IpAddr,
}

/// What was decided about an IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ruling {
    ports: Ports,
    /// Where packets for it go.
    pub(crate) internal: IpAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ports {
    All,
    /// All but the denied sockets.
    AllBut,
    /// The relay ports, but for the denied sockets.
    Relay,
}

#[cfg(test)]
mod tests;
