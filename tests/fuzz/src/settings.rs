//! How the relays are configured, by two bytes.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration, time::Instant};

use ipnet::IpNet;
use relay::{
    ChallengeLimit, Config, Credentials, Discovery, Limits, NonceKey, PeerPolicy, RelayAddress,
    RelayedFamily,
};

use crate::{
    REALM, other_secret,
    places::{DISCOVERY, LISTENERS, address},
    secret,
};

/// Of the second byte: there is no answering in each other's stead.
pub const WITHOUT_DISCOVERY: u8 = 2;

/// Of the second byte: networks are open that are denied otherwise.
pub const INTERNAL: u8 = 32;

/// The first byte is of what clients are given, the second of who may have it and how.
pub fn config([given, serving]: [u8; 2], challenges: &mut Challenges) -> Config {
    let mut config = Config::new(Arc::new(credentials(serving)), NonceKey::new(&[7; 32]));
    if given & 1 == 0 {
        config.ipv6 = RelayedFamily::AsBound;
    }
    if given & 2 != 0 {
        config.ipv4 = RelayedFamily::None;
    }
    if given & 4 != 0 {
        config.ipv4 = RelayedFamily::External([203, 0, 113, 1].into());
    }
    if given & 8 != 0 {
        (config.max_permissions, config.max_channels) = (2, 2);
    }
    config.old_channels = given & 16 != 0;
    config.dont_fragment = given & 32 == 0;
    if given & 64 != 0 {
        config.limits = Limits {
            packets_per_second: 2,
            bits_per_second: 1000,
            new_peers_per_second: 1,
        };
    }
    config.end_revoked = given & 128 != 0;

    config.transports = Arc::new(LISTENERS);
    config.tcp_peers = serving & 1 == 0;
    if serving & WITHOUT_DISCOVERY == 0 {
        let discovery = Discovery::among(&DISCOVERY.map(address));
        config.discovery = Some(Arc::new(discovery.expect("four listeners")));
    }
    if serving & 4 != 0 {
        config.challenge_limit = Some(challenges.limit());
    }
    config.peer_policy = Arc::new(peer_policy(serving));
    if serving & 128 != 0 {
        config.max_kicked = 1;
        config.max_allocation_age = Duration::from_secs(1200);
        config.nonce_lifetime = Duration::from_secs(600);
        config.expiry_leeway = Duration::from_secs(60);
    }
    config
}

/// Secrets come and go.
fn credentials(serving: u8) -> Credentials {
    let mut credentials = Credentials::new(REALM)
        .expect("a realm")
        .with_static_user("alice", "alice's password")
        .with_static_user("bob", "bob's password");
    let secrets = serving >> 3 & 3;
    if matches!(secrets, 0 | 2) {
        credentials = credentials.with_secret(secret());
    }
    if matches!(secrets, 1 | 2) {
        credentials = credentials.with_secret(other_secret());
    }
    credentials
}

fn peer_policy(serving: u8) -> PeerPolicy {
    let networks = |texts: &[&str]| -> Vec<IpNet> {
        let texts = texts.iter();
        texts.map(|text| text.parse().expect("a network")).collect()
    };
    let ip = |text: &str| -> IpAddr { text.parse().expect("an IP address") };
    let mut policy = PeerPolicy::default();
    if serving & INTERNAL != 0 {
        policy = policy
            .allow(networks(&["127.0.0.0/8", "::1/128"]))
            .deny_sockets([address("127.0.0.1:80")])
            .with_relays([RelayAddress {
                external: ip("203.0.113.9"),
                internal: ip("10.0.0.1"),
            }]);
    }
    if serving & 64 != 0 {
        policy = policy
            .deny(networks(&["8.8.4.4/32", "2001:4860::/32"]))
            .deny_sockets([address("8.8.8.8:5001")])
            .confine([ip("198.51.100.1")])
            .allow_own_hosts([ip("198.51.100.1")]);
    }
    policy
}

/// The limit that all relays share, and every configuration; made when it is first wanted, as it is large.
pub struct Challenges {
    start: Instant,
    limit: Option<Arc<ChallengeLimit>>,
}

impl Challenges {
    pub fn new(start: Instant) -> Self {
        Self { start, limit: None }
    }

    fn limit(&mut self) -> Arc<ChallengeLimit> {
        let new = || Arc::new(ChallengeLimit::new(NonZeroU32::MIN, 1, self.start));
        self.limit.get_or_insert_with(new).clone()
    }
}
