//! Addresses that answer for each other, so that clients find out what NAT they are behind, RFC 5780.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use crate::ListenerId;

/// For each listener of datagrams, those that answer in its stead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery(Vec<Place>);

/// One of four listeners, that answers itself, at its other port, at the other IP address, or at both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place([Origin; 4]);

/// A listener, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) listener: ListenerId,
    pub(crate) address: SocketAddr,
}

impl Discovery {
    /// `listeners` are those of datagrams, by number: two IP addresses at the same two ports, in one family or in each;
    /// `None` where they are anything else.
    pub fn among(listeners: &[SocketAddr]) -> Option<Self> {
        for is_ipv4 in [true, false] {
            let of_family = || listeners.iter().filter(|at| at.is_ipv4() == is_ipv4);
            let ips: BTreeSet<IpAddr> = of_family().map(SocketAddr::ip).collect();
            let ports: BTreeSet<u16> = of_family().map(SocketAddr::port).collect();
            let number = of_family().count();
            if number > 0 && (number, ips.len(), ports.len()) != (4, 2, 2) {
                return None;
            }
        }
        let places = listeners.iter().map(|at| {
            let other = |other_ip: bool, other_port: bool| {
                let is_it = |candidate: &SocketAddr| {
                    candidate.is_ipv4() == at.is_ipv4()
                        && (candidate.ip() != at.ip()) == other_ip
                        && (candidate.port() != at.port()) == other_port
                };
                let number = listeners.iter().position(is_it)?;
                Some(Origin {
                    listener: ListenerId(u16::try_from(number).ok()?),
                    address: listeners[number],
                })
            };
            Some(Place([
                other(false, false)?,
                other(false, true)?,
                other(true, false)?,
                other(true, true)?,
            ]))
        });
        places.collect::<Option<_>>().map(Self)
    }

    pub(crate) fn place(&self, listener: ListenerId) -> Option<&Place> {
        self.0.get(usize::from(listener.0))
    }
}

impl Place {
    /// Who answers when it is to be done from another IP address, or port.
    pub(crate) fn answering(&self, changes_ip: bool, changes_port: bool) -> Origin {
        self.0[2 * usize::from(changes_ip) + usize::from(changes_port)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(listeners: &str) -> Option<Discovery> {
        let listeners = listeners.split(' ').map(|at| at.parse().unwrap());
        Discovery::among(&listeners.collect::<Vec<SocketAddr>>())
    }

    const FOUR: &str = "192.0.2.1:1 192.0.2.1:2 192.0.2.2:1 192.0.2.2:2";
    const FOUR_OF_V6: &str = "[2001:db8::1]:5 [2001:db8::2]:7 [2001:db8::2]:5 [2001:db8::1]:7";

    #[test]
    fn of_four_listeners_each_has_another_port_another_address_and_the_opposite() {
        let discovery = among(&format!("{FOUR} {FOUR_OF_V6}")).unwrap();
        for (listener, others) in [(0, [0, 1, 2, 3]), (3, [3, 2, 1, 0]), (4, [4, 7, 6, 5])] {
            let place = discovery.place(ListenerId(listener)).unwrap();
            let found = [(false, false), (false, true), (true, false), (true, true)]
                .map(|(ip, port)| place.answering(ip, port).listener.0);
            assert_eq!(found, others);
        }
        // TCP.
        assert!(discovery.place(ListenerId(8)).is_none());
    }

    #[test]
    fn anything_but_four_of_a_family_is_refused() {
        assert!(among(FOUR).is_some() && among(FOUR_OF_V6).is_some());
        for listeners in [
            "192.0.2.1:1",
            "192.0.2.1:1 192.0.2.2:1",
            "192.0.2.1:1 192.0.2.1:2 192.0.2.2:1 192.0.2.2:3",
            "192.0.2.1:1 192.0.2.1:2 192.0.2.2:1 192.0.2.3:2",
            "192.0.2.1:1 192.0.2.1:2 192.0.2.2:1 192.0.2.2:2 [2001:db8::1]:1",
        ] {
            assert_eq!(among(listeners), None, "{listeners}");
        }
        assert_eq!(among(&format!("{FOUR} 192.0.2.3:1")), None);
    }
}
