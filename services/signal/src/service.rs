use std::{net::SocketAddr, sync::Arc, time::Duration};

use backplane::{Backplane, Events, Memory, NodeId};
use daemon::{
    admin::{self, Readiness},
    listen::{self, ListenError},
    metrics::Metrics,
    serve,
};
use prometheus_client::registry::Registry;
use switchboard::Config;
use tokio::{net::TcpListener, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    CloseCode, SignalArgs,
    http::{self, App},
    ice::IceServers,
    node::Node,
};

/// Longest time between the order to stop and the end: connections get their close frames meanwhile.
const STOP_PATIENCE: Duration = Duration::from_secs(8);

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
}

impl Signal {
    /// A node by itself, as [`Self::bind`]: without Redis its backplane is this process's memory.
    ///
    /// # Errors
    /// As [`Self::bind`].
    pub fn alone(args: &SignalArgs) -> Result<Self, ListenError> {
        let (backplane, events) = Memory::default().attach(NodeId("local".into()));
        Self::bind(args, backplane, events)
    }

    /// Binds the sockets; nothing is accepted before [`Self::run`]. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// When an address cannot be bound; the error names the option.
    pub fn bind(
        args: &SignalArgs,
        backplane: Arc<dyn Backplane>,
        events: Events,
    ) -> Result<Self, ListenError> {
        let config = Config {
            suspend_window: args.suspend_window,
            ..Config::default()
        };
        let node = Arc::new(Node::new(config, backplane, random_seed()));
        let mut registry = Registry::default();
        node.metrics.register(Arc::downgrade(&node), &mut registry);
        Ok(Self {
            node,
            events,
            public: listen::tcp("listen", &args.listen)?,
            admin: listen::tcp("admin-listen", &args.admin_listen)?,
            ping_interval: args.ping_interval,
            registry,
            ice: IceServers::default(),
        })
    }

    /// What whoever asks at `/v1/ice` is told; nothing otherwise.
    pub fn name_servers(&mut self, servers: IceServers) {
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

    /// Serves until `shutdown`, then closes every connection with 1001 and returns within 8 seconds.
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
        let public = http::router(app, readiness.clone());
        for listener in self.public {
            let serving = serve::http(listener, public.clone(), tasks.clone(), shutdown.clone());
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
                admin_tasks.clone(),
                stopped.clone(),
            );
            admin_tasks.spawn(serving);
        }
        let node = self.node;
        let ended = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            () = node.keep_time() => Err(Stopped),
            () = node.pump(self.events) => Err(Stopped),
        };
        shutdown.cancel();
        node.close_all(CloseCode::GoingAway);
        tasks.close();
        if timeout(STOP_PATIENCE, tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not close in time");
        }
        stopped.cancel();
        ended
    }
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

fn random_seed() -> u64 {
    getrandom::u64().unwrap_or_else(|error| {
        tracing::warn!(%error, "no random numbers: ids' hashes are predictable");
        0
    })
}
