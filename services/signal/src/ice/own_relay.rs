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
    tls_addresses: Vec<SocketAddr>,
    /// What the certificate is for; otherwise the name by which the client reached the node.
    tls_name: Option<String>,
}

impl OwnRelay {
    /// `secrets` are what the relay verifies credentials with, `addresses` where it serves STUN and TURN over UDP and
    /// TCP.
    pub fn new(secrets: MintSecrets, addresses: Vec<SocketAddr>) -> Self {
        Self {
            secrets,
            addresses,
            tls_addresses: Vec::new(),
            tls_name: None,
        }
    }

    /// It serves TLS there as well, and shows a certificate for `name`, if that is known.
    #[must_use]
    pub fn with_tls(mut self, addresses: Vec<SocketAddr>, name: Option<String>) -> Self {
        (self.tls_addresses, self.tls_name) = (addresses, name);
        self
    }

    /// STUN and TURN where this client reaches them; nothing when it cannot.
    pub(super) fn servers(&self, asked: Asked<'_>) -> Vec<Value> {
        let stun = authorities(&self.addresses, asked);
        let stun: Vec<String> = stun.iter().map(|it| format!("stun:{it}")).collect();
        let turn = self.turn(asked);
        let mut servers = Vec::new();
        if !stun.is_empty() {
            servers.push(json!({ "urls": stun }));
        }
        let secrets = self.secrets.all();
        let secret = secrets.first().filter(|_| !turn.is_empty());
        servers.extend(secret.map(|secret| relay(secret, &turn, &user(asked), asked.ttl)));
        servers
    }

    /// A credential, and where it is good; nothing when this client cannot reach it.
    pub(super) fn grant(&self, asked: Asked<'_>) -> Option<Grant> {
        let urls = self.turn(asked);
        let secrets = self.secrets.all();
        let secret = secrets.first().filter(|_| !urls.is_empty())?;
        let credential = credential(secret, &user(asked), asked.ttl);
        Some(Grant { urls, credential })
    }

    /// UDP comes first: browsers gather from all of them, and media prefers it.
    fn turn(&self, asked: Asked<'_>) -> Vec<String> {
        let authorities = authorities(&self.addresses, asked);
        let over = |transport: &'static str| {
            let url = move |authority| format!("turn:{authority}?transport={transport}");
            authorities.iter().map(url)
        };
        let plain = over("udp").chain(over("tcp"));
        plain.chain(self.over_tls(asked)).collect()
    }

    fn over_tls(&self, asked: Asked<'_>) -> Vec<String> {
        let mut urls = Vec::new();
        for authority in authorities(&self.tls_addresses, asked) {
            let authority = match (&self.tls_name, authority.rsplit_once(':')) {
                (Some(name), Some((_, port))) => format!("{name}:{port}"),
                (Some(_) | None, _) => authority,
            };
            let url = format!("turns:{authority}?transport=tcp");
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
        urls
    }
}

/// Host and port, the best first. The name that the client asked for is good where the relay listens at the
/// address that the name led to; otherwise addresses are named. Who comes over the network cannot reach
/// what listens on loopback.
fn authorities(addresses: &[SocketAddr], asked: Asked<'_>) -> Vec<String> {
    let is_asked = |address: &&SocketAddr| address.ip() == asked.own;
    let mut addresses: Vec<&SocketAddr> = addresses
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
    use std::time::Duration;

    use super::*;

    fn parsed(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn asked<'a>(own: &str, host: &'a str) -> Asked<'a> {
        Asked {
            client: IpAddr::from([192, 0, 2, 99]),
            own: own.parse().unwrap(),
            host: Some(host),
            user: None,
            ttl: Duration::from_secs(3600),
        }
    }

    fn authorities(relay: &[&str], own: &str, host: &str) -> Vec<String> {
        super::authorities(&parsed(relay), asked(own, host))
    }

    fn urls(relay: &OwnRelay, own: &str) -> Value {
        let servers = relay.servers(asked(own, "localhost"));
        servers
            .iter()
            .map(|server| server["urls"].clone())
            .collect()
    }

    #[test]
    fn a_relay_is_offered_over_udp_tcp_and_where_it_has_a_certificate_tls() {
        let secrets = MintSecrets::open(&["s".to_owned()], None).unwrap();
        let relay = OwnRelay::new(secrets, parsed(&["127.0.0.1:3478"]));
        let stun = json!(["stun:localhost:3478"]);
        let (udp, tcp) = (
            "turn:localhost:3478?transport=udp",
            "turn:localhost:3478?transport=tcp",
        );
        assert_eq!(urls(&relay, "127.0.0.1"), json!([stun, [udp, tcp]]));
        let tls = parsed(&["127.0.0.1:5349", "192.0.2.2:5349"]);
        let unnamed = relay.clone().with_tls(tls.clone(), None);
        assert_eq!(
            urls(&unnamed, "127.0.0.1"),
            json!([stun, [udp, tcp, "turns:localhost:5349?transport=tcp"]])
        );
        let named = relay.with_tls(tls, Some("turn.example".to_owned()));
        let turns = "turns:turn.example:5349?transport=tcp";
        assert_eq!(urls(&named, "127.0.0.1"), json!([stun, [udp, tcp, turns]]));
        assert_eq!(urls(&named, "192.0.2.2"), json!([[turns]]));
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
