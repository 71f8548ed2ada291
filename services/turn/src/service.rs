use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    thread,
};

use daemon::{
    admin::{self, Readiness},
    listen::{self, ListenError},
    metrics::Metrics,
    serve,
};
use prometheus_client::registry::Registry;
use relay::{Config, Credentials, InvalidRealm, NonceKey, Relay};
use tokio::task;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use turn_credentials::Secret;

use crate::{
    AddressError, TurnArgs,
    addresses::{Addresses, interfaces},
    metrics::{Counters, Sum},
    quotas::Quotas,
    relay_sockets::{Ports, udp},
    streams::{Bound, Counts, Exported, Sources, Terms},
    tls::{Certificates, TlsError},
    worker::{Parts, Stop, Worker},
};

/// A relay with its listeners bound.
#[derive(Debug)]
pub struct Turn {
    listening: Vec<SocketAddr>,
    listening_tls: Vec<SocketAddr>,
    certificates: Option<Arc<Certificates>>,
    workers: Vec<(Worker, Stop)>,
    sum: Sum,
    connections: Arc<Counts>,
}

/// Why a relay cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Nobody could use it.
    #[error("--turn-secret: give one, or a --turn-user; nobody could use the relay")]
    NoCredentials,
    /// The realm.
    #[error("--turn-realm")]
    Realm(#[from] InvalidRealm),
    /// The addresses.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A listener.
    #[error("--turn-listen {address}")]
    Listen {
        /// What the option said.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The same port in TCP.
    #[error("--turn-listen {address}: over TCP")]
    ListenTcp {
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// A listener of TLS.
    #[error("--turn-tls-listen {address}")]
    ListenTls {
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Where relayed packets would come from.
    #[error(
        "--turn-relay-ip {ip}: not an address of this host; behind a NAT, name it with --turn-external-ip"
    )]
    RelayIp {
        /// The address.
        ip: IpAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// A thread has ended by itself.
    #[error("a relay thread ended, and its allocations with it")]
    ThreadEnded,
    /// The admin listener.
    #[error(transparent)]
    Admin(#[from] ListenError),
    /// Anything else of the system's.
    #[error("the relay's threads")]
    System(#[from] io::Error),
    /// No random numbers.
    #[error("no random numbers")]
    Random(#[from] getrandom::Error),
}

impl SetupError {
    /// Whether an option says what cannot be, and not the system.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::NoCredentials
            | Self::Realm(_)
            | Self::Address(_)
            | Self::Tls(_)
            | Self::RelayIp { .. } => true,
            Self::Listen { .. }
            | Self::ListenTcp { .. }
            | Self::ListenTls { .. }
            | Self::ThreadEnded
            | Self::Admin(_)
            | Self::System(_)
            | Self::Random(_) => false,
        }
    }
}

impl Turn {
    /// Binds the listeners; nothing is relayed before [`Self::run`].
    ///
    /// `own_hosts` are addresses of this host that clients may reach besides; never the listeners' own.
    ///
    /// # Errors
    /// [`SetupError`] names the option.
    pub fn bind(args: &TurnArgs, own_hosts: Vec<IpAddr>) -> Result<Self, SetupError> {
        if args.turn_secret.is_empty() && args.turn_user.is_empty() {
            return Err(SetupError::NoCredentials);
        }
        let addresses = Addresses::decide(args)?;
        for ip in addresses.internal() {
            udp(SocketAddr::new(ip, 0), false)
                .map_err(|source| SetupError::RelayIp { ip, source })?;
        }
        let threads = match args.turn_threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            threads => threads.into(),
        };
        let bound = Bound::bind(args, threads)?;
        let listening = bound.addresses();
        let policy = addresses.policy(args, own_hosts, addresses.of_listeners(&listening));
        let mut nonce_key = [0; 32];
        getrandom::fill(&mut nonce_key)?;
        let config = Config {
            peer_policy: Arc::new(policy),
            ipv4: addresses.told_v4(),
            ipv6: addresses.told_v6(),
            max_allocation_age: args.turn_max_allocation_age,
            old_channels: args.turn_old_channels,
            transports: bound.transports(),
            ..Config::new(Arc::new(credentials(args)?), NonceKey::new(&nonce_key))
        };
        let quotas = Arc::new(Quotas::new(
            args.turn_user_quota,
            Quotas::total_of_process(threads * (config.transports.len() + 2)),
        ));
        let connections = Arc::new(Counts::default());
        let terms = Arc::new(terms(args, &bound, &quotas, &connections)?);
        let mut workers = Vec::new();
        let mut counters = Vec::new();
        let streams = bound.streams_of_threads.into_iter();
        for (listeners, stream_listeners) in bound.datagrams.of_threads.into_iter().zip(streams) {
            let count = Arc::new(Counters::default());
            counters.push(count.clone());
            workers.push(Worker::new(Parts {
                listeners,
                stream_listeners,
                stream_terms: terms.clone(),
                relay: Relay::new(config.clone(), getrandom::u64()?),
                ports: Ports::new(args.turn_relay_ports.clone()),
                addresses,
                quotas: quotas.clone(),
                counters: count,
            })?);
        }
        let sum = Sum {
            threads: counters,
            quotas,
        };
        Ok(Self {
            listening: bound.datagrams.addresses,
            listening_tls: bound.tls_addresses,
            certificates: bound.certificates,
            workers,
            sum,
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

    /// Serves until `shutdown`. What the threads count is entered in `registry` first.
    pub fn start(self, registry: &mut Registry, shutdown: CancellationToken) -> Running {
        for address in &self.listening_tls {
            tracing::info!(name = "turn-tls", %address, "listening");
        }
        for address in &self.listening {
            tracing::info!(name = "turn", %address, "listening");
        }
        registry.register_collector(Box::new(self.sum));
        registry.register_collector(Box::new(Exported(self.connections)));
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
        }
    }
}

/// A relay by itself: its metrics and health are served on the admin listener.
///
/// # Errors
/// When a socket cannot be bound; the error names the option.
pub async fn run_alone(
    args: &TurnArgs,
    admin_listen: &[SocketAddr],
    shutdown: CancellationToken,
) -> Result<(), SetupError> {
    let admin = listen::tcp("admin-listen", admin_listen)?;
    let turn = Turn::bind(args, Vec::new())?;
    for listener in &admin {
        if let Ok(address) = listener.local_addr() {
            tracing::info!(name = "admin", %address, "listening");
        }
    }
    let mut registry = Registry::default();
    let running = turn.start(&mut registry, shutdown.clone());
    let draining = shutdown.clone();
    let readiness = Readiness::new(move || match draining.is_cancelled() {
        true => Err("shutting down"),
        false => Ok(()),
    });
    let router = admin::router(Metrics::new(registry, env!("CARGO_PKG_VERSION")), readiness);
    let tasks = TaskTracker::new();
    for listener in admin {
        let serving = serve::http(listener, router.clone(), tasks.clone(), shutdown.clone());
        tasks.spawn(serving);
    }
    running.wait().await
}

/// A relay at work.
#[derive(Debug)]
pub struct Running {
    threads: Vec<io::Result<thread::JoinHandle<()>>>,
    stops: Vec<Stop>,
    certificates: Option<Arc<Certificates>>,
    ended: CancellationToken,
    shutdown: CancellationToken,
}

impl Running {
    /// Waits for the end of every thread; `shutdown` brings it about. A thread that ends by itself leaves clients
    /// without an answer, since the kernel goes on giving it theirs: that ends the process.
    ///
    /// # Errors
    /// [`SetupError::ThreadEnded`] then.
    pub async fn wait(self) -> Result<(), SetupError> {
        if let Some(certificates) = self.certificates {
            let watching = certificates.watch(self.shutdown.clone());
            task::spawn(async {
                if let Err(error) = watching.await {
                    tracing::error!(%error, "the certificate for TLS will not be renewed");
                }
            });
        }
        let result = tokio::select! {
            () = self.shutdown.cancelled() => Ok(()),
            () = self.ended.cancelled() => Err(SetupError::ThreadEnded),
        };
        self.shutdown.cancel();
        for stop in &self.stops {
            stop.stop();
        }
        let threads = self.threads;
        let joined = task::spawn_blocking(|| {
            for thread in threads.into_iter().flatten() {
                // A panic has been printed where it happened.
                let _ = thread.join();
            }
        });
        if let Err(error) = joined.await {
            tracing::error!(%error, "the relay's threads");
        }
        result
    }
}

fn terms(
    args: &TurnArgs,
    bound: &Bound,
    quotas: &Arc<Quotas>,
    counts: &Arc<Counts>,
) -> Result<Terms, SetupError> {
    let tls = bound.certificates.as_ref().map(Certificates::config);
    Ok(Terms {
        patience: args.streams.turn_connection_timeout,
        trusted_proxies: args.streams.trusted_proxy.clone(),
        tls: tls.transpose().map_err(io::Error::other)?.map(Arc::new),
        sources: Arc::new(Sources::new(args.streams.turn_source_connections)),
        quotas: quotas.clone(),
        counts: counts.clone(),
    })
}

fn credentials(args: &TurnArgs) -> Result<Credentials, InvalidRealm> {
    let mut credentials = Credentials::new(&args.turn_realm)?;
    for secret in &args.turn_secret {
        credentials = credentials.with_secret(Secret::new(secret.as_bytes()));
    }
    for (name, password) in &args.turn_user {
        credentials = credentials.with_static_user(name, password);
    }
    Ok(credentials)
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
