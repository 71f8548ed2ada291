use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use prometheus_client::registry::Registry;
use relay::{
    Config, Credentials, Discovery, Mobility, NonceKey, PeerPolicy, Relay, SHORT_REALM_BYTES,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    Infrastructure, SetupError, TurnArgs,
    addresses::Addresses,
    control::Control,
    handovers::Handovers,
    metrics::{Counters, Sum},
    moves::Moves,
    openings::Openings,
    orders::Stop,
    oversight::{Overseen, Oversight, ProcessState},
    quotas::Quotas,
    relay_sockets::{CAN_SEND_WHOLE, Ports, udp},
    reservations::Reservations,
    running::Running,
    secrets::Secrets,
    streams::{Bound, Counts, Exported, SourceLimits, Sources, Terms},
    tls::Certificates,
    worker::{Parts, Worker},
};

/// How long a credential is taken after its expiry, for a host whose clock is ahead of the one that minted it.
const EXPIRY_LEEWAY: Duration = Duration::from_secs(10);

/// A relay with its listeners bound.
#[derive(Debug)]
pub struct Turn {
    listening: Vec<SocketAddr>,
    listening_tls: Vec<SocketAddr>,
    listening_dtls: Vec<SocketAddr>,
    certificates: Option<Arc<Certificates>>,
    workers: Vec<(Worker, Stop)>,
    sum: Sum,
    overseen: Overseen,
    control: Arc<Control>,
    secrets: Secrets,
    infrastructure: Infrastructure,
    connections: Arc<Counts>,
}

impl Turn {
    /// Binds the listeners; nothing is relayed before [`Self::run`].
    ///
    /// `own_hosts` are addresses of this host that clients may reach besides, over UDP; never the listeners' own, nor
    /// `infrastructure`.
    ///
    /// # Errors
    /// [`SetupError`] names the option.
    pub fn bind(
        args: &TurnArgs,
        own_hosts: Vec<IpAddr>,
        infrastructure: &Infrastructure,
    ) -> Result<Self, SetupError> {
        Self::bind_as(args, own_hosts, infrastructure, None)
    }

    /// The same, with the key of the fleet's nonces; without one, a random one.
    pub(crate) fn bind_as(
        args: &TurnArgs,
        own_hosts: Vec<IpAddr>,
        infrastructure: &Infrastructure,
        nonce_key: Option<NonceKey>,
    ) -> Result<Self, SetupError> {
        let secrets = Secrets::open(args)?;
        if secrets.is_empty() {
            return Err(SetupError::NoCredentials);
        }
        if args.turn_realm.len() > SHORT_REALM_BYTES {
            tracing::warn!(
                "--turn-realm has more than {SHORT_REALM_BYTES} bytes: answers to strangers are more than three times \
                 their requests"
            );
        }
        let addresses = Addresses::decide(args)?;
        for ip in addresses.internal() {
            udp(SocketAddr::new(ip, 0)).map_err(|source| SetupError::RelayIp { ip, source })?;
        }
        let threads = match args.turn_threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            threads => threads.into(),
        };
        let bound = Bound::bind(args, threads)?;
        let listening = bound.listening();
        let own_sockets = [listening, infrastructure.listeners()].concat();
        let policy = addresses.policy(args, own_hosts, addresses.of_listeners(&own_sockets));
        let policy = infrastructure.deny(policy);
        let nonce_key = match nonce_key {
            Some(key) => key,
            None => NonceKey::new(&random_key()?),
        };
        let challenge_limit = args.limits.of_challenges()?;
        let config = Config {
            transports: bound.transports(),
            discovery: discovery(args, &bound)?,
            challenge_limit: challenge_limit.clone(),
            ..config(args, &addresses, policy, secrets.credentials()?, nonce_key)
        };
        // Each thread's listeners, its poll and its waker.
        let quotas = quotas(args, threads * (config.transports.len() + 2));
        let connections = Arc::new(Counts::default());
        let terms = Arc::new(terms(args, &bound, &quotas, &connections)?);
        let reservations = Arc::new(Reservations::new(Instant::now()));
        let handovers = Arc::new(Handovers::new(Instant::now()));
        let mut workers = Vec::new();
        let mut counters = Vec::new();
        let mut overseen = Vec::new();
        let mobility = random_key()?;
        let threads = bound.of_threads;
        for (moves, listeners) in Moves::between(threads.len()).into_iter().zip(threads) {
            let relay = Relay::new(config.clone(), getrandom::u64()?);
            let oversight = Arc::new(Oversight::default());
            overseen.push(oversight.clone());
            let count = Arc::new(Counters::default());
            counters.push(count.clone());
            workers.push(Worker::new(Parts {
                listeners,
                stream_terms: terms.clone(),
                addresses,
                relay: match args.turn_mobility {
                    true => relay.with_mobility(Mobility::new(&mobility, moves.thread())),
                    false => relay,
                },
                openings: Openings::new(
                    Ports::new(args.turn_relay_ports.clone()),
                    addresses,
                    quotas.clone(),
                    reservations.clone(),
                ),
                handovers: handovers.clone(),
                moves,
                limits: config.limits,
                keeps_icmp: args.turn_icmp,
                counters: count,
                oversight,
            })?);
        }
        let process = Arc::new(ProcessState::default());
        process.secrets.store(secrets.count(), Ordering::Relaxed);
        let orders = workers.iter().map(|(_, stop)| stop.orders.clone());
        let control = Control::new(orders.collect(), config, quotas.clone(), process.clone());
        Ok(Self {
            listening: bound.addresses,
            listening_tls: bound.tls_addresses,
            listening_dtls: bound.dtls_addresses,
            certificates: bound.certificates,
            workers,
            sum: Sum {
                threads: counters,
                quotas,
            },
            overseen: Overseen {
                threads: overseen,
                process,
                challenge_limit,
            },
            control: Arc::new(control),
            secrets,
            infrastructure: infrastructure.clone(),
            connections,
        })
    }

    /// Where STUN and TURN are served over UDP and TCP.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// Where they are served over TLS.
    pub fn tls_addresses(&self) -> &[SocketAddr] {
        &self.listening_tls
    }

    /// Serves until `shutdown`. What the threads count is entered in `registry` first. Must be called in a tokio
    /// runtime.
    pub fn start(self, registry: &mut Registry, shutdown: CancellationToken) -> Running {
        for address in &self.listening_dtls {
            tracing::info!(name = "turn-dtls", %address, "listening");
        }
        for address in &self.listening_tls {
            tracing::info!(name = "turn-tls", %address, "listening");
        }
        for address in &self.listening {
            tracing::info!(name = "turn", %address, "listening");
        }
        registry.register_collector(Box::new(self.sum));
        registry.register_collector(Box::new(self.overseen));
        registry.register_collector(Box::new(Exported(self.connections)));
        let (ids, secret_ids) = watch::channel(self.secrets.ids());
        let (secrets, infrastructure) = (self.secrets, self.infrastructure);
        let control = self.control.clone();
        let following = tokio::spawn(async move {
            tokio::join!(
                follow(secrets, control.clone(), ids),
                infrastructure.follow(control)
            );
        });
        let (workers, stops): (Vec<Worker>, Vec<Stop>) = self.workers.into_iter().unzip();
        let ended = CancellationToken::new();
        let threads = workers
            .into_iter()
            .enumerate()
            .map(|(number, worker)| {
                // Cancels also when the thread panics.
                let end = ended.clone().drop_guard();
                let thread = thread::Builder::new().name(format!("relay-{number}"));
                thread.spawn(move || {
                    if let Err(error) = worker.run() {
                        tracing::error!(%error, "a relay thread cannot go on");
                    }
                    drop(end);
                })
            })
            .collect();
        Running {
            threads,
            stops,
            certificates: self.certificates,
            ended,
            shutdown,
            control: self.control,
            secret_ids,
            following,
        }
    }
}

fn random_key() -> Result<[u8; 32], getrandom::Error> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    Ok(key)
}

fn quotas(args: &TurnArgs, descriptors_of_threads: usize) -> Arc<Quotas> {
    let descriptors = Quotas::total_of_process(descriptors_of_threads);
    let (of_source, of_all) = (
        args.limits.turn_source_quota,
        args.limits.turn_max_allocations,
    );
    Arc::new(Quotas::new(args.turn_user_quota, descriptors).with_limits(of_source, of_all))
}

fn discovery(args: &TurnArgs, bound: &Bound) -> Result<Option<Arc<Discovery>>, SetupError> {
    if !args.turn_discovery {
        return Ok(None);
    }
    if !args.turn_external_ip.is_empty() {
        return Err(SetupError::DiscoveryBehindNat);
    }
    let discovery = Discovery::among(&bound.addresses);
    discovery.map_or(Err(SetupError::Discovery), |found| {
        Ok(Some(Arc::new(found)))
    })
}

fn terms(
    args: &TurnArgs,
    bound: &Bound,
    quotas: &Arc<Quotas>,
    counts: &Arc<Counts>,
) -> Result<Terms, SetupError> {
    let tls = bound.certificates.as_ref().map(Certificates::config);
    let of_sources = SourceLimits {
        connections: args.streams.turn_source_connections,
        per_second: args.streams.turn_source_connection_rate,
    };
    Ok(Terms {
        patience: args.streams.turn_connection_timeout,
        trusted_proxies: args.streams.turn_trusted_proxy.clone(),
        tls: tls.transpose().map_err(io::Error::other)?.map(Arc::new),
        certificates: bound.certificates.clone(),
        sources: Arc::new(Sources::new(of_sources, Instant::now())),
        quotas: quotas.clone(),
        counts: counts.clone(),
    })
}

fn config(
    args: &TurnArgs,
    addresses: &Addresses,
    policy: PeerPolicy,
    credentials: Credentials,
    nonce_key: NonceKey,
) -> Config {
    Config {
        peer_policy: Arc::new(policy),
        ipv4: addresses.told_v4(),
        ipv6: addresses.told_v6(),
        max_allocation_age: args.turn_max_allocation_age,
        old_channels: args.turn_old_channels,
        limits: args.limits.of_allocations(),
        end_revoked: args.turn_end_with_secret,
        expiry_leeway: EXPIRY_LEEWAY,
        dont_fragment: CAN_SEND_WHOLE,
        tcp_peers: args.turn_tcp_peers,
        ..Config::new(Arc::new(credentials), nonce_key)
    }
}

/// Takes other secrets as they are written; allocations that were made before go on.
async fn follow(mut secrets: Secrets, control: Arc<Control>, ids: watch::Sender<Vec<String>>) {
    loop {
        secrets.changed().await;
        let credentials = match secrets.credentials() {
            Ok(credentials) => Arc::new(credentials),
            Err(error) => {
                tracing::error!(%error, "the realm");
                return;
            }
        };
        let configured = control.configure(|config| config.credentials = credentials);
        if let Err(error) = configured.await {
            tracing::warn!(%error, "not all threads have the new secrets");
        }
        let process = &control.process;
        process.secrets.store(secrets.count(), Ordering::Relaxed);
        process.rotations.fetch_add(1, Ordering::Relaxed);
        ids.send_replace(secrets.ids());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;
    use relay::Limits;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        turn: TurnArgs,
    }

    fn configured(options: &str) -> Config {
        let words = ["x", "--turn-listen", "127.0.0.1:0"].into_iter();
        let args = Cli::parse_from(words.chain(options.split_whitespace())).turn;
        let addresses = Addresses::decide(&args).unwrap();
        let credentials = Secrets::open(&args).unwrap().credentials().unwrap();
        let key = NonceKey::new(&[0; 32]);
        config(&args, &addresses, PeerPolicy::default(), credentials, key)
    }

    #[test]
    fn options_reach_what_they_set() {
        let config = configured("");
        assert_eq!(config.max_allocation_age, Duration::from_secs(12 * 3600));
        assert!(!config.old_channels);
        assert!(!config.end_revoked);
        assert_eq!(config.credentials.realm(), "trunkline");
        assert_eq!(config.limits.packets_per_second, 10_000);
        assert_eq!(config.limits.bits_per_second, 100_000_000);
        assert_eq!(config.limits.new_peers_per_second, 5);
        let options = "--turn-max-allocation-age 90s --turn-old-channels --turn-realm elsewhere \
                       --turn-max-pps 7 --turn-max-bps 9k --turn-max-new-peers 0 --turn-end-with-secret";
        let config = configured(options);
        assert_eq!(config.max_allocation_age, Duration::from_secs(90));
        assert!(config.old_channels);
        assert_eq!(config.credentials.realm(), "elsewhere");
        assert!(config.end_revoked);
        let limits = Limits {
            packets_per_second: 7,
            bits_per_second: 9000,
            new_peers_per_second: 0,
        };
        assert_eq!(config.limits, limits);
    }
}
