//! What the targets share: a relay on virtual time, and what must hold after every input.

pub mod messages;
pub mod world;

use std::{net::SocketAddr, sync::Arc};

use relay::{Config, Credentials, Limits, NonceKey, RelayedFamily};
use turn_credentials::Secret;

pub const REALM: &str = "trunkline";
pub const UNIX: u64 = 1_700_000_000;

const CLIENTS: [&str; 4] = [
    "192.0.2.10:4000",
    "192.0.2.10:4001",
    "[2001:db8:1::10]:4000",
    "[::ffff:192.0.2.10]:4000",
];

const PEERS: [&str; 8] = [
    "8.8.8.8:5000",
    "8.8.8.8:5001",
    "8.8.4.4:5000",
    "[2001:4860:4860::8888]:5000",
    "[::ffff:8.8.8.8]:5000",
    "127.0.0.1:80",
    "10.0.0.1:80",
    "[::1]:80",
];

/// Mostly one of a few; a quarter of the numbers are a crowd, each at a port of its own.
pub fn client(number: u8) -> SocketAddr {
    let mut client: SocketAddr = address(CLIENTS[usize::from(number % 4)]);
    if number >= 192 {
        client.set_port(5000 + u16::from(number));
    }
    client
}

pub fn peer(number: u8) -> SocketAddr {
    address(PEERS[usize::from(number % 8)])
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn secret() -> Secret {
    Secret::new(b"a shared secret")
}

/// Name and password.
pub fn login(number: u8) -> (String, String) {
    match number % 5 {
        0 => ("alice".into(), "alice's password".into()),
        1 => ("bob".into(), "bob's password".into()),
        2 => ("alice".into(), "not hers".into()),
        newer => {
            let username = format!("{}:carol", UNIX + 3600 * u64::from(newer));
            let password = secret().password(&username).as_str().to_owned();
            (username, password)
        }
    }
}

pub fn config(flags: u8) -> Config {
    let credentials = Credentials::new(REALM)
        .expect("a realm")
        .with_secret(secret())
        .with_static_user("alice", "alice's password")
        .with_static_user("bob", "bob's password");
    let mut config = Config::new(Arc::new(credentials), NonceKey::new(&[7; 32]));
    if flags & 1 == 0 {
        config.ipv6 = RelayedFamily::AsBound;
    }
    if flags & 2 != 0 {
        config.ipv4 = RelayedFamily::None;
    }
    if flags & 4 != 0 {
        config.ipv4 = RelayedFamily::External([203, 0, 113, 1].into());
    }
    if flags & 8 != 0 {
        (config.max_permissions, config.max_channels) = (2, 2);
    }
    config.old_channels = flags & 16 != 0;
    config.dont_fragment = flags & 32 == 0;
    if flags & 64 != 0 {
        config.limits = Limits {
            packets_per_second: 2,
            bits_per_second: 1000,
            new_peers_per_second: 1,
        };
    }
    config.end_revoked = flags & 128 != 0;
    config
}
