use std::{net::SocketAddr, sync::Arc, time::Duration};

use backplane::{Backplane, Events, redis::UrlError};
use daemon::{
    admin::{self, Readiness},
    cluster_key,
    listen::{self, ListenError},
    metrics::Metrics,
    reload::FileError,
    serve,
};
use prometheus_client::registry::Registry;
use switchboard::Config;
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    CloseCode, SignalArgs,
    http::{self, App},
    ice::IceServers,
    node::Node,
    resume::ResumeKey,
};

/// Longest time between the order to stop and the end: connections get their close frames meanwhile.
const STOP_PATIENCE: Duration = Duration::from_secs(8);

/// Between two looks at whether every peer has moved.
const HANDOVER_LOOK: Duration = Duration::from_millis(100);

/// Longest time to tell the other nodes that this one is gone.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(3);

/// A signalling node with its sockets bound.
#[derive(Debug)]
pub struct Signal {
    node: Arc<Node>,
    events: Events,
    public: Vec<TcpListener>,
    admin: Vec<TcpListener>,
    ping_interval: Duration,
    registry: Registry,
    ice: IceServers,
    /// How long peers may take to move to other nodes, where there are any, when this one stops.
    handover: Option<Duration>,
}

impl Signal {
    /// A node as its options say, as [`Self::bind`]: with others over Redis, or by itself.
    ///
    /// # Errors
    /// When an address cannot be bound, or the Redis URL is none; the error names the option.
    pub fn open(args: &SignalArgs) -> Result<Self, OpenError> {
        if args.redis.redis.is_some() && args.cluster_key_file.is_none() {
            tracing::warn!(
                "no --cluster-key-file: native clients that lose their connection cannot resume at another node"
            );
        }
        let (backplane, events) = args.redis.attach(args.suspend_window, random_seed()?)?;
        let mut signal = Self::bind(args, backplane, events)?;
        if args.redis.redis.is_some() {
            signal.handover = Some(args.suspend_window);
        }
        Ok(signal)
    }

    /// Binds the sockets; nothing is accepted before [`Self::run`]. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// When an address cannot be bound, where the error names the option, or there are no random numbers.
    pub fn bind(
        args: &SignalArgs,
        backplane: Arc<dyn Backplane>,
        events: Events,
    ) -> Result<Self, OpenError> {
        let seed = random_seed()?;
        let config = Config {
            suspend_window: args.suspend_window,
            ..Config::default()
        };
        let resume_key = match &args.cluster_key_file {
            Some(path) => ResumeKey::derive(cluster_key::read(path)?.as_bytes()),
            None => ResumeKey::random()?,
        };
        let region = &args.redis.region;
        let node = Arc::new(Node::new(config, backplane, region, resume_key, seed));
        let mut registry = Registry::default();
        node.metrics.register(Arc::downgrade(&node), &mut registry);
        Ok(Self {
            node,
            events,
            public: listen::tcp("listen", &args.listen)?,
            admin: listen::tcp("admin-listen", &args.admin_listen)?,
            ping_interval: args.ping_interval,
            registry,
            ice: IceServers::none(),
            handover: None,
        })
    }

    /// What whoever asks at `/v1/ice` is told; nothing otherwise.
    pub fn name_servers(&mut self, servers: IceServers) {
        servers.register(&mut self.registry);
        self.ice = servers;
    }

    /// Where others that run in this process enter their metrics.
    pub fn registry_mut(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// Where WebSockets and pages are served.
    pub fn public_addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.public)
    }

    /// Where metrics are served.
    pub fn admin_addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.admin)
    }

    /// Serves until `shutdown`, then closes every connection with 1001 and returns within 8 seconds; in a cluster,
    /// when every peer has moved to another node or its window is over.
    ///
    /// # Errors
    /// When the node had to stop by itself.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Stopped> {
        for (name, addresses) in [
            ("public", self.public_addresses()),
            ("admin", self.admin_addresses()),
        ] {
            for address in addresses {
                tracing::info!(name, %address, "listening");
            }
        }
        let ready = self.node.clone();
        let readiness = Readiness::new(move || ready.ready());
        let tasks = TaskTracker::new();
        let app = App {
            node: self.node.clone(),
            ping_interval: self.ping_interval,
            tasks: tasks.clone(),
            ice: Arc::new(self.ice),
        };
        let public = http::router(app.clone(), readiness.clone());
        for listener in self.public {
            let (public, app) = (public.clone(), app.clone());
            let serving = serve::http(listener, public, app, tasks.clone(), shutdown.clone());
            tasks.spawn(serving);
        }
        // Operators may look on until the last connection is closed.
        let stopped = CancellationToken::new();
        let metrics = Metrics::new(self.registry, env!("CARGO_PKG_VERSION"));
        let admin = admin::router(metrics, readiness);
        let admin_tasks = TaskTracker::new();
        for listener in self.admin {
            let serving = serve::http(
                listener,
                admin.clone(),
                (),
                admin_tasks.clone(),
                stopped.clone(),
            );
            admin_tasks.spawn(serving);
        }
        let node = self.node;
        // Tasks of their own, ended with this one: to wake them costs less.
        let (mut working, mut hearing) = (JoinSet::new(), JoinSet::new());
        let (writer, clock, ear) = (node.clone(), node.clone(), node.clone());
        working.spawn(async move { writer.write_out().await });
        working.spawn(async move { clock.keep_time().await });
        let mut events = self.events;
        hearing.spawn(async move { ear.pump(&mut events).await });
        let ended = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            _ = working.join_next() => Err(Stopped),
            _ = hearing.join_next() => Err(Stopped),
        };
        shutdown.cancel();
        node.close_all(CloseCode::GoingAway);
        tasks.close();
        if timeout(STOP_PATIENCE, tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not close in time");
        }
        if let Some(window) = self.handover {
            hand_over(&node, &mut hearing, window).await;
        }
        stopped.cancel();
        ended
    }
}

/// Peers whose sockets were closed are suspended, and come back at other nodes: what waits for them follows. Those
/// that do not come have left when their window is over, as if the node were still there.
async fn hand_over(node: &Node, hearing: &mut JoinSet<()>, window: Duration) {
    let moved = async {
        while node.stats().members > 0 {
            tokio::time::sleep(HANDOVER_LOOK).await;
        }
    };
    tokio::select! {
        () = moved => {}
        () = tokio::time::sleep(window + HANDOVER_LOOK) => {}
    }
    node.leave();
    if timeout(FAREWELL_PATIENCE, hearing.join_next())
        .await
        .is_err()
    {
        tracing::warn!("the other nodes could not be told that this one is gone");
    }
}

/// Why a node cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An address cannot be bound.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// What `--redis` says cannot be read.
    #[error("--redis: {0}")]
    Redis(#[from] UrlError),
    /// The cluster's key is none.
    #[error(transparent)]
    ClusterKey(#[from] FileError),
    /// Two nodes with one name would undo each other's work.
    #[error("no random numbers, of which the node's name is made: {0}")]
    Random(#[from] getrandom::Error),
}

/// The backplane is gone, without which a node knows nothing of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the backplane is gone")]
pub struct Stopped;

fn addresses(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .collect()
}

fn random_seed() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}
