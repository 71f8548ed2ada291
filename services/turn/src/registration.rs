//! What signalling nodes are told of this relay.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use backplane::fleet::{Fleet, Relay};
use tokio::{sync::watch, time::sleep};

use crate::{OperationArgs, TurnArgs, control::Control};

/// Between two looks at the load.
const LOOK: Duration = Duration::from_secs(1);

/// Most URLs that are told.
const MAX_URLS: usize = 16;

/// Of these, most for each transport.
const MAX_URLS_OF_TRANSPORT: usize = MAX_URLS / 3;

/// This relay's entry in the fleet.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) fleet: Arc<dyn Fleet>,
    pub(crate) control: Arc<Control>,
    pub(crate) id: String,
    pub(crate) region: String,
    pub(crate) urls: Vec<String>,
    /// Ids of the live secrets.
    pub(crate) secrets: watch::Receiver<Vec<String>>,
}

impl Registration {
    /// Says what the relay is now.
    pub(crate) fn say(&self) {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.fleet.register(Relay {
            id: self.id.clone(),
            region: self.region.clone(),
            urls: self.urls.clone(),
            secrets: self.secrets.borrow().clone(),
            load: number(self.control.allocations()),
            capacity: number(self.control.capacity()),
            draining: self.control.is_draining(),
        });
    }

    /// Says it again and again, and at once when other secrets are live.
    pub(crate) async fn keep(&self) {
        let mut secrets = self.secrets.clone();
        loop {
            self.say();
            let registered = u64::from(self.fleet.is_registered());
            let state = &self.control.process.registered;
            state.store(registered, Ordering::Relaxed);
            tokio::select! {
                () = sleep(LOOK) => {}
                Ok(()) = secrets.changed() => {}
            }
        }
    }
}

/// How clients reach the listeners, of which `plain` are UDP and TCP: as `--turn-public-url` says, else by name, else by
/// address. The best transport comes first.
pub(crate) fn urls(
    plain: &[SocketAddr],
    tls: &[SocketAddr],
    turn: &TurnArgs,
    operation: &OperationArgs,
) -> Vec<String> {
    if !operation.turn_public_url.is_empty() {
        let urls = operation.turn_public_url.iter().take(MAX_URLS);
        return urls.cloned().collect();
    }
    let urls = |scheme: &str, transport: &str, listening: &[SocketAddr]| -> Vec<String> {
        let name = turn.streams.turn_public_name.as_deref();
        let authorities = authorities(listening, name, &turn.turn_external_ip).into_iter();
        let authorities = authorities.take(MAX_URLS_OF_TRANSPORT);
        authorities
            .map(|authority| format!("{scheme}:{authority}?transport={transport}"))
            .collect()
    };
    [
        urls("turn", "udp", plain),
        urls("turn", "tcp", plain),
        urls("turns", "tcp", tls),
    ]
    .concat()
}

/// Host and port of listeners. Behind a NAT it is its address that counts; what listens on loopback is named where
/// nothing else does.
fn authorities(
    listening: &[SocketAddr],
    name: Option<&str>,
    external: &[IpAddr],
) -> BTreeSet<String> {
    if let Some(name) = name {
        let ports = listening.iter().map(SocketAddr::port);
        return ports.map(|port| format!("{name}:{port}")).collect();
    }
    let is_local = listening.iter().all(|address| address.ip().is_loopback());
    let reached = listening
        .iter()
        .filter(|address| is_local || !address.ip().is_loopback());
    let told = |address: &SocketAddr| {
        let same_family = |ip: &&IpAddr| ip.is_ipv4() == address.is_ipv4();
        let external = external.iter().find(same_family);
        SocketAddr::new(
            external.copied().unwrap_or_else(|| address.ip()),
            address.port(),
        )
        .to_string()
    };
    reached.map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(listening: &[&str], name: Option<&str>, external: &[&str]) -> Vec<String> {
        let listening: Vec<_> = listening.iter().map(|text| text.parse().unwrap()).collect();
        let external: Vec<_> = external.iter().map(|text| text.parse().unwrap()).collect();
        let authorities = authorities(&listening, name, &external);
        authorities.into_iter().collect()
    }

    fn urls_with(options: &[&str]) -> Vec<String> {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            turn: TurnArgs,
            #[command(flatten)]
            operation: OperationArgs,
        }
        let cli: Cli = clap::Parser::parse_from(["x"].iter().chain(options));
        let plain = ["192.0.2.1:3478".parse().unwrap()];
        let tls = ["192.0.2.1:5349".parse().unwrap()];
        urls(&plain, &tls, &cli.turn, &cli.operation)
    }

    #[test]
    fn every_transport_is_told_and_the_best_first() {
        let of = |host: &str| {
            [
                format!("turn:{host}:3478?transport=udp"),
                format!("turn:{host}:3478?transport=tcp"),
                format!("turns:{host}:5349?transport=tcp"),
            ]
        };
        assert_eq!(urls_with(&[]), of("192.0.2.1"));
        let named = urls_with(&["--turn-public-name", "turn.example"]);
        assert_eq!(named, of("turn.example"));
        let said = "turn:elsewhere.example:9?transport=udp";
        assert_eq!(urls_with(&["--turn-public-url", said]), [said]);
    }

    #[test]
    fn clients_are_told_what_they_can_reach() {
        let wildcard = [
            "127.0.0.1:3478",
            "192.0.2.1:3478",
            "[::1]:3478",
            "[2001:db8::1]:3478",
        ];
        let own = ["192.0.2.1:3478", "[2001:db8::1]:3478"];
        assert_eq!(told(&wildcard, None, &[]), own);
        assert_eq!(
            told(&wildcard, None, &["198.51.100.7"]),
            ["198.51.100.7:3478", "[2001:db8::1]:3478"]
        );
        assert_eq!(
            told(&wildcard, Some("turn.example"), &["198.51.100.7"]),
            ["turn.example:3478"]
        );
        assert_eq!(told(&["127.0.0.1:9"], None, &[]), ["127.0.0.1:9"]);
    }
}
