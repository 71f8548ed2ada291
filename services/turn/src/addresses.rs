//! What clients are told, and which of our own sockets no client may reach through the relay.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use relay::{PeerPolicy, RelayAddress, RelayedFamily};

use crate::TurnArgs;

/// Where relay sockets are, in each family, and what clients are told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) v4: Option<Ipv4Addr>,
    pub(crate) v6: Option<Ipv6Addr>,
    external_v4: Option<Ipv4Addr>,
    external_v6: Option<Ipv6Addr>,
}

/// Why the relay's addresses cannot be decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Two addresses of one family.
    #[error("--{option}: one address for each family")]
    Twice {
        /// The option, without its dashes.
        option: &'static str,
    },
    /// An external address of a family in which there is no relay.
    #[error(
        "--turn-external-ip {0}: the relay has no address of this family; name it with --turn-relay-ip"
    )]
    NoInternal(IpAddr),
    /// The unspecified address.
    #[error("--{option} {ip}: name an address that others can reach")]
    Unspecified {
        /// The option, without its dashes.
        option: &'static str,
        /// What it said.
        ip: IpAddr,
    },
    /// Nothing says where relayed packets come from.
    #[error(
        "--turn-relay-ip: this host has no route to anywhere; name the address that relayed packets come from"
    )]
    None,
}

impl Addresses {
    /// As the options say; else where the listeners are, of which loopback is the last choice; for a wildcard the
    /// address this host reaches others with.
    ///
    /// # Errors
    /// [`AddressError`] names the option that must be given or changed.
    pub(crate) fn decide(args: &TurnArgs) -> Result<Self, AddressError> {
        let (mut v4, mut v6) = families("turn-relay-ip", &args.turn_relay_ip)?;
        if args.turn_relay_ip.is_empty() {
            let listeners = args.turn_listen.iter().map(SocketAddr::ip);
            // Loopback last: a relay there is of no use to clients of another listener.
            let (loopback, reachable): (Vec<IpAddr>, Vec<IpAddr>) =
                listeners.partition(IpAddr::is_loopback);
            for ip in reachable.into_iter().chain(loopback) {
                match ip {
                    IpAddr::V4(ip) if ip.is_unspecified() => v4 = v4.or_else(outgoing_v4),
                    IpAddr::V6(ip) if ip.is_unspecified() => v6 = v6.or_else(outgoing_v6),
                    IpAddr::V4(ip) => v4 = v4.or(Some(ip)),
                    IpAddr::V6(ip) => v6 = v6.or(Some(ip)),
                }
            }
        }
        let (external_v4, external_v6) = families("turn-external-ip", &args.turn_external_ip)?;
        if let (None, Some(ip)) = (v4, external_v4) {
            return Err(AddressError::NoInternal(ip.into()));
        }
        if let (None, Some(ip)) = (v6, external_v6) {
            return Err(AddressError::NoInternal(ip.into()));
        }
        if v4.is_none() && v6.is_none() {
            return Err(AddressError::None);
        }
        Ok(Self {
            v4,
            v6,
            external_v4,
            external_v6,
        })
    }

    /// Relay sockets at one address.
    #[cfg(test)]
    pub(crate) fn of_v4(ip: Ipv4Addr) -> Self {
        Self {
            v4: Some(ip),
            ..Self::default()
        }
    }

    pub(crate) fn told_v4(&self) -> RelayedFamily<Ipv4Addr> {
        told(self.v4, self.external_v4)
    }

    pub(crate) fn told_v6(&self) -> RelayedFamily<Ipv6Addr> {
        told(self.v6, self.external_v6)
    }

    /// Where relay sockets are.
    pub(crate) fn internal(&self) -> impl Iterator<Item = IpAddr> {
        let v6 = self.v6.map(IpAddr::from);
        self.v4.map(IpAddr::from).into_iter().chain(v6)
    }

    /// Every address at which the listeners are reached, through the NAT before them too: a relay that is its
    /// own peer would serve strangers in its own name.
    pub(crate) fn of_listeners(&self, listeners: &[SocketAddr]) -> Vec<SocketAddr> {
        let mut sockets = listeners.to_vec();
        for listener in listeners {
            let external = match listener {
                SocketAddr::V4(_) => self.external_v4.map(IpAddr::from),
                SocketAddr::V6(_) => self.external_v6.map(IpAddr::from),
            };
            sockets.extend(external.map(|ip| SocketAddr::new(ip, listener.port())));
        }
        sockets
    }

    /// Special addresses denied but for the allowed ones, this relay's own allowed, and `own_sockets`, which
    /// are not for peers, denied always.
    pub(crate) fn policy(
        &self,
        args: &TurnArgs,
        own_hosts: Vec<IpAddr>,
        own_sockets: Vec<SocketAddr>,
    ) -> PeerPolicy {
        let relays = [
            self.v4
                .map(|ip| (ip.into(), self.external_v4.unwrap_or(ip).into())),
            self.v6
                .map(|ip| (ip.into(), self.external_v6.unwrap_or(ip).into())),
        ];
        let relay_address = |(internal, external)| RelayAddress { external, internal };
        PeerPolicy::default()
            .allow(args.turn_allow_peers.iter().copied())
            .allow_own_hosts(own_hosts)
            .deny_sockets(own_sockets)
            .with_relays(relays.into_iter().flatten().map(relay_address))
            .with_relay_ports(args.turn_relay_ports.clone())
    }
}

fn told<Ip>(internal: Option<Ip>, external: Option<Ip>) -> RelayedFamily<Ip> {
    match (internal, external) {
        (None, _) => RelayedFamily::None,
        (Some(_), None) => RelayedFamily::AsBound,
        (Some(_), Some(external)) => RelayedFamily::External(external),
    }
}

fn families(
    option: &'static str,
    addresses: &[IpAddr],
) -> Result<(Option<Ipv4Addr>, Option<Ipv6Addr>), AddressError> {
    let (mut v4, mut v6) = (None, None);
    for ip in addresses {
        if ip.is_unspecified() {
            return Err(AddressError::Unspecified { option, ip: *ip });
        }
        let twice = match *ip {
            IpAddr::V4(ip) => v4.replace(ip).is_some(),
            IpAddr::V6(ip) => v6.replace(ip).is_some(),
        };
        if twice {
            return Err(AddressError::Twice { option });
        }
    }
    Ok((v4, v6))
}

/// The addresses of this host that a process may open to peers which serves the machine it runs on. Once others
/// reach its listeners, loopback is not among them: what listens there is for this machine alone.
pub fn own_hosts(args: &TurnArgs) -> Vec<IpAddr> {
    let mut listeners = args.turn_listen.iter().chain(&args.streams.turn_tls_listen);
    let is_local = listeners.all(|listener| listener.ip().is_loopback());
    let mut hosts = interfaces().unwrap_or_default();
    hosts.retain(|ip| is_local || !ip.is_loopback());
    hosts
}

/// The addresses of this host's interfaces. `if-addrs` leaves out the link-local ones of IPv6 (fe80::/10), as it
/// should: clients would have to name the link. Those of IPv4 (169.254.0.0/16) are among them.
pub(crate) fn interfaces() -> io::Result<Vec<IpAddr>> {
    let interfaces = if_addrs::get_if_addrs()?;
    Ok(interfaces.iter().map(if_addrs::Interface::ip).collect())
}

/// The address from which this host would reach a host on the Internet. Connecting a UDP socket sends nothing.
fn outgoing_v4() -> Option<Ipv4Addr> {
    match outgoing(
        (Ipv4Addr::UNSPECIFIED, 0).into(),
        (Ipv4Addr::new(192, 0, 2, 1), 9).into(),
    )? {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    }
}

fn outgoing_v6() -> Option<Ipv6Addr> {
    let documentation = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    match outgoing((Ipv6Addr::UNSPECIFIED, 0).into(), (documentation, 9).into())? {
        IpAddr::V6(ip) => Some(ip),
        IpAddr::V4(_) => None,
    }
}

fn outgoing(from: SocketAddr, to: SocketAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind(from).ok()?;
    socket.connect(to).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        turn: TurnArgs,
    }

    fn decide(options: &str) -> Result<Addresses, AddressError> {
        let words = std::iter::once("x").chain(options.split_whitespace());
        Addresses::decide(&Cli::parse_from(words).turn)
    }

    #[test]
    fn a_listener_s_own_address_is_the_relay_s() {
        let decided = decide("--turn-listen 127.0.0.1:3478,[::1]:3478").unwrap();
        assert_eq!(decided.v4, Some(Ipv4Addr::LOCALHOST));
        assert_eq!(decided.v6, Some(Ipv6Addr::LOCALHOST));
        assert!(matches!(decided.told_v4(), RelayedFamily::AsBound));
    }

    #[test]
    fn of_several_listeners_one_that_others_reach_is_the_relay_s() {
        for listen in [
            "127.0.0.1:1,192.0.2.2:1,[::1]:1,[2001:db8::2]:1",
            "[2001:db8::2]:1,[::1]:1,192.0.2.2:1,127.0.0.1:1",
        ] {
            let decided = decide(&format!("--turn-listen {listen}")).unwrap();
            assert_eq!(decided.v4, Some(Ipv4Addr::new(192, 0, 2, 2)), "{listen}");
            let v6 = "2001:db8::2".parse().unwrap();
            assert_eq!(decided.v6, Some(v6), "{listen}");
        }
        // The other family's listener changes nothing.
        let decided = decide("--turn-listen 127.0.0.1:1,[2001:db8::2]:1").unwrap();
        assert_eq!(decided.v4, Some(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn an_external_address_is_told_instead() {
        let decided = decide("--turn-relay-ip 10.0.0.5 --turn-external-ip 198.51.100.5").unwrap();
        assert!(matches!(decided.told_v4(), RelayedFamily::External(ip) if ip.octets()[0] == 198));
        assert!(matches!(decided.told_v6(), RelayedFamily::None));
    }

    #[test]
    fn a_listener_is_no_peer_at_the_nat_before_it_either() {
        let decided = decide("--turn-relay-ip 127.0.0.1 --turn-external-ip 198.51.100.5").unwrap();
        let listeners = [
            "127.0.0.1:3478".parse().unwrap(),
            "[::1]:5000".parse().unwrap(),
        ];
        let sockets = decided.of_listeners(&listeners);
        let expected = ["127.0.0.1:3478", "[::1]:5000", "198.51.100.5:3478"];
        assert_eq!(sockets, expected.map(|address| address.parse().unwrap()));
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (options, option) in [
            ("--turn-relay-ip 10.0.0.5,10.0.0.6", "--turn-relay-ip"),
            ("--turn-relay-ip 0.0.0.0", "--turn-relay-ip"),
            (
                "--turn-relay-ip ::1 --turn-external-ip 198.51.100.5",
                "--turn-external-ip",
            ),
        ] {
            let error = decide(options).unwrap_err().to_string();
            assert!(error.starts_with(option), "{error}");
        }
    }
}
