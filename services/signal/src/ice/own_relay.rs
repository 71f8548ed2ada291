use std::{
    cmp::Ordering,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use serde_json::{Value, json};

use super::{Asked, Grant, MintSecrets, credential, relay};

/// The relay that runs in the same process as the node.
#[derive(Clone, Debug)]
pub struct OwnRelay {
    secrets: MintSecrets,
    addresses: Vec<SocketAddr>,
}

impl OwnRelay {
    /// `secrets` are what the relay verifies credentials with, `addresses` where it serves STUN and TURN over UDP.
    pub fn new(secrets: MintSecrets, addresses: Vec<SocketAddr>) -> Self {
        Self { secrets, addresses }
    }

    /// STUN and TURN where this client reaches them; nothing when it cannot.
    pub(super) fn servers(&self, asked: Asked<'_>) -> Vec<Value> {
        let authorities = self.authorities(asked);
        if authorities.is_empty() {
            return Vec::new();
        }
        let urls = |url: &dyn Fn(&String) -> String| -> Vec<String> {
            authorities.iter().map(url).collect()
        };
        let stun = urls(&|authority| format!("stun:{authority}"));
        let turn = urls(&|authority| format!("turn:{authority}?transport=udp"));
        let mut servers = vec![json!({ "urls": stun })];
        let secrets = self.secrets.all();
        servers.extend(
            secrets
                .first()
                .map(|secret| relay(secret, &turn, &user(asked))),
        );
        servers
    }

    /// A credential, and where it is good; nothing when this client cannot reach it.
    pub(super) fn grant(&self, asked: Asked<'_>) -> Option<Grant> {
        let authorities = self.authorities(asked).into_iter();
        let urls = authorities.map(|authority| format!("turn:{authority}?transport=udp"));
        let urls: Vec<String> = urls.collect();
        let secrets = self.secrets.all();
        let secret = secrets.first().filter(|_| !urls.is_empty())?;
        let credential = credential(secret, &user(asked));
        Some(Grant { urls, credential })
    }

    /// Host and port, the best first. The name that the client asked for is good where the relay listens at the
    /// address that the name led to; otherwise addresses are named. Who comes over the network cannot reach
    /// what listens on loopback.
    fn authorities(&self, asked: Asked<'_>) -> Vec<String> {
        let is_asked = |address: &&SocketAddr| address.ip() == asked.own;
        let mut addresses: Vec<&SocketAddr> = self
            .addresses
            .iter()
            .filter(|address| address.ip().is_loopback() == asked.own.is_loopback())
            .collect();
        addresses.sort_by(|a, b| match (is_asked(a), is_asked(b)) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (true, true) | (false, false) => Ordering::Equal,
        });
        let host = asked.host.filter(|_| addresses.iter().any(is_asked));
        let mut authorities = Vec::new();
        for address in addresses {
            let authority = match host {
                // A name may lead to the others as well, in the other family most likely.
                Some(host) if is_asked(&address) || !is_literal(host) => {
                    format!("{host}:{}", address.port())
                }
                Some(_) => continue,
                None => address.to_string(),
            };
            if !authorities.contains(&authority) {
                authorities.push(authority);
            }
        }
        authorities
    }
}

fn is_literal(host: &str) -> bool {
    host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok()
}

/// Whose credential it is, unless that was said. Without authentication an address is all that is known of a client, and all that a
/// quota can go by; in IPv6 its network, of which a host has as many addresses as it likes.
fn user(asked: Asked<'_>) -> String {
    match asked.user {
        Some(user) => user.to_owned(),
        None => address(asked.client),
    }
}

fn address(client: IpAddr) -> String {
    match client.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            match ip.is_loopback() {
                true => ip.to_string(),
                false => format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorities(relay: &[&str], own: &str, host: &str) -> Vec<String> {
        let addresses = relay.iter().map(|text| text.parse().unwrap()).collect();
        OwnRelay::new(MintSecrets::default(), addresses).authorities(Asked {
            client: IpAddr::from([192, 0, 2, 99]),
            own: own.parse().unwrap(),
            host: Some(host),
            user: None,
        })
    }

    #[test]
    fn the_name_that_was_asked_for_is_good_where_the_relay_is_at_its_address() {
        let both = ["127.0.0.1:3478", "[::1]:3478"];
        assert_eq!(
            authorities(&both, "::1", "localhost"),
            ["localhost:3478"],
            "one port, whichever address the name leads to"
        );
        assert_eq!(authorities(&both, "::1", "[::1]"), ["[::1]:3478"]);
        let open = ["127.0.0.1:3478", "192.0.2.2:3478"];
        assert_eq!(
            authorities(&open, "192.0.2.2", "a.example"),
            ["a.example:3478"]
        );
    }

    #[test]
    fn the_port_is_that_of_the_listener_that_the_client_can_reach() {
        let relay = ["127.0.0.1:5000", "[::1]:6000", "192.0.2.2:7000"];
        assert_eq!(
            authorities(&relay, "127.0.0.1", "127.0.0.1"),
            ["127.0.0.1:5000"]
        );
        assert_eq!(authorities(&relay, "::1", "[::1]"), ["[::1]:6000"]);
        assert_eq!(
            authorities(&relay, "192.0.2.2", "b.example"),
            ["b.example:7000"]
        );
        assert_eq!(
            authorities(&relay, "::1", "localhost"),
            ["localhost:6000", "localhost:5000"]
        );
    }

    #[test]
    fn who_comes_over_the_network_is_not_told_of_a_relay_on_loopback() {
        let none: [String; 0] = [];
        assert_eq!(
            authorities(&["127.0.0.1:3478"], "192.0.2.2", "a.example"),
            none
        );
        assert_eq!(
            authorities(&["192.0.2.3:3478"], "192.0.2.2", "a.example"),
            ["192.0.2.3:3478"],
            "another address of this host"
        );
    }

    #[test]
    fn a_user_is_an_address_or_a_network_of_ipv6() {
        for (client, expected) in [
            ("192.0.2.9", "192.0.2.9"),
            ("::ffff:192.0.2.9", "192.0.2.9"),
            ("::1", "::1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(address(client.parse().unwrap()), expected);
        }
    }
}
