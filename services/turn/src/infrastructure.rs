//! Where our own infrastructure is: Redis, and whatever of ours listens beside the relay. No client reaches it through
//! the relay, also where the operator opens its network to peers.

use std::{collections::BTreeSet, io, net::SocketAddr, sync::Arc, time::Duration};

use backplane::redis::{Options, Redis, UrlError};
use relay::PeerPolicy;
use tokio::{
    net::lookup_host,
    time::{sleep, timeout},
};

use crate::{addresses::interfaces, control::Control};

/// Longest wait for a name's addresses.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two looks at what names stand for, and where one of them or a thread has not answered yet.
const LOOK: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Addresses that are remembered at most; those of a name that has had more are not denied any more, and a warning
/// says so.
const MAX_ADDRESSES: usize = 256;

/// What no client may reach.
#[derive(Clone, Debug, Default)]
pub struct Infrastructure {
    /// On this host.
    listeners: BTreeSet<SocketAddr>,
    /// Hosts and ports, on whichever host.
    names: Vec<(String, u16)>,
    /// Names for which the last look found nothing.
    missing: usize,
    /// What the names stood for, now or earlier.
    known: BTreeSet<SocketAddr>,
}

impl Infrastructure {
    /// Sockets of this process that serve something else than STUN and TURN; a wildcard is all addresses of this host.
    pub fn of_listeners(listeners: impl IntoIterator<Item = SocketAddr>) -> Self {
        let all = |address: SocketAddr| match address.ip().is_unspecified() {
            true => interfaces()
                .unwrap_or_default()
                .into_iter()
                .map(|ip| SocketAddr::new(ip, address.port()))
                .collect(),
            false => vec![address],
        };
        Self {
            listeners: listeners.into_iter().flat_map(all).collect(),
            ..Self::default()
        }
    }

    /// With the servers that `--redis` names.
    ///
    /// # Errors
    /// When its URLs are none.
    pub async fn with_redis(self, urls: Option<&str>) -> Result<Self, UrlError> {
        let Some(urls) = urls else {
            return Ok(self);
        };
        let hosts = Redis::new(urls, Options::default())?.hosts();
        Ok(self.with_names(hosts).await)
    }

    /// With servers elsewhere, whose names are looked up.
    async fn with_names(mut self, names: Vec<(String, u16)>) -> Self {
        self.names = names;
        self.look_up().await;
        self
    }

    /// What listens on this host.
    pub(crate) fn listeners(&self) -> Vec<SocketAddr> {
        self.listeners.iter().copied().collect()
    }

    /// Closes the servers to peers.
    pub(crate) fn deny(&self, policy: PeerPolicy) -> PeerPolicy {
        deny(policy, &self.known)
    }

    /// Looks the names up again and again: a server may move, and a name may not be known yet.
    pub(crate) async fn follow(mut self, control: Arc<Control>) {
        if self.names.is_empty() {
            return;
        }
        let mut new = BTreeSet::new();
        loop {
            let is_done = self.missing == 0 && new.is_empty();
            sleep(if is_done { LOOK } else { LOOK_AGAIN }).await;
            new.extend(self.look_up().await);
            if new.is_empty() {
                continue;
            }
            let denied = control.configure(|config| {
                let policy = PeerPolicy::clone(&config.peer_policy);
                config.peer_policy = Arc::new(deny(policy, &new));
            });
            match denied.await {
                Ok(()) => new.clear(),
                Err(error) => {
                    tracing::warn!(%error, "not all threads know where Redis is now");
                }
            }
        }
    }

    /// Addresses that were not known before.
    async fn look_up(&mut self) -> BTreeSet<SocketAddr> {
        let mut new = BTreeSet::new();
        let mut missing = 0;
        for (host, port) in &self.names {
            let found = timeout(PATIENCE, lookup_host((host.as_str(), *port))).await;
            let found = found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            match found {
                Ok(found) => new.extend(found.filter(|address| !self.known.contains(address))),
                Err(error) => {
                    missing += 1;
                    tracing::warn!(host, %error, "where Redis is cannot be looked up: peers may reach it there");
                }
            }
        }
        self.missing = missing;
        if self.known.len() + new.len() > MAX_ADDRESSES {
            tracing::warn!("Redis has had too many addresses: peers may reach it at new ones");
            return BTreeSet::new();
        }
        self.known.extend(&new);
        new
    }
}

/// Of this host the port is closed at every address, as Redis may listen at them all. On other hosts only the ports of
/// relays stay open: there may be one. Loopback is what is on this host besides, which whoever opens it means: but for
/// the very port, it stays as it was.
fn deny(policy: PeerPolicy, servers: &BTreeSet<SocketAddr>) -> PeerPolicy {
    let own = interfaces().unwrap_or_default();
    let hosts = servers.iter().map(|server| server.ip().to_canonical());
    let is_here = |server: &&SocketAddr| {
        let ip = server.ip().to_canonical();
        ip.is_loopback() || own.contains(&ip)
    };
    let here = servers.iter().filter(is_here);
    let here = here.flat_map(|server| own.iter().map(|ip| SocketAddr::new(*ip, server.port())));
    policy
        .deny_sockets(servers.iter().copied().chain(here))
        .confine(hosts.filter(|ip| !ip.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_listens_on_every_address_of_this_host() {
        let addresses = ["0.0.0.0:81", "192.0.2.1:82"].map(|text| text.parse().unwrap());
        let listeners = Infrastructure::of_listeners(addresses).listeners();
        let loopback = SocketAddr::from(([127, 0, 0, 1], 81));
        assert!(listeners.contains(&loopback), "{listeners:?}");
        assert!(listeners.contains(&addresses[1]));
        assert!(
            listeners
                .iter()
                .all(|address| !address.ip().is_unspecified())
        );
    }

    #[tokio::test]
    async fn names_are_looked_up_once_and_what_is_no_name_is_left_out() {
        let names = [
            ("localhost", 6379),
            ("127.0.0.9", 6380),
            ("nobody.invalid", 1),
        ];
        let names = names.map(|(host, port)| (host.to_owned(), port)).to_vec();
        let mut servers = Infrastructure::default().with_names(names).await;
        assert!(
            servers
                .known
                .contains(&SocketAddr::from(([127, 0, 0, 9], 6380)))
        );
        let is_local = |address: &SocketAddr| address.ip().is_loopback() && address.port() == 6379;
        assert!(servers.known.iter().any(is_local));
        assert!(servers.look_up().await.is_empty(), "nothing is new");
        assert_eq!(servers.missing, 1);
    }
}
