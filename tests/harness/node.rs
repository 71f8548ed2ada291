use std::{net::SocketAddr, time::Duration};

use backplane::{Memory, NodeId};
use signal::{RedisArgs, Signal, SignalArgs};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{PATIENCE, metric};

/// With what the nodes make their tokens.
const KEY_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/cluster.key");

/// Nodes that share a backplane.
#[derive(Debug, Default)]
pub struct Cluster {
    backplane: Memory,
    nodes: usize,
}

/// A node in this process; it stops when it is dropped.
#[derive(Debug)]
pub struct Node {
    /// Where its WebSockets and pages are.
    pub public: SocketAddr,
    /// Where its metrics are.
    pub admin: SocketAddr,
    shutdown: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Cluster {
    /// Starts a node with the usual options.
    pub fn start(&mut self) -> Node {
        self.start_with(Duration::from_secs(8), Duration::from_secs(25))
    }

    /// Starts a node with its timers set.
    pub fn start_with(&mut self, suspend_window: Duration, ping_interval: Duration) -> Node {
        self.nodes += 1;
        let name = NodeId(format!("node-{}", self.nodes).into());
        let (backplane, events) = self.backplane.attach(name);
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let args = SignalArgs {
            listen: vec![free],
            admin_listen: vec![free],
            suspend_window,
            ping_interval,
            cluster_key_file: Some(KEY_FILE.into()),
            redis: RedisArgs::alone(),
        };
        let signal = Signal::bind(&args, backplane, events).unwrap();
        let shutdown = CancellationToken::new();
        let (public, admin) = (signal.public_addresses()[0], signal.admin_addresses()[0]);
        let running = signal.run(shutdown.clone());
        let task = Some(tokio::spawn(async { running.await.unwrap() }));
        Node {
            public,
            admin,
            shutdown,
            task,
        }
    }
}

impl Node {
    /// A node by itself.
    pub fn alone() -> Self {
        Cluster::default().start()
    }

    /// Waits until so many of its peers have lost their connection.
    pub async fn until_suspended(&self, members: u32) {
        let end = Instant::now() + PATIENCE;
        while metric(self.admin, "trunkline_members_suspended").await != f64::from(members) {
            assert!(Instant::now() < end, "nobody was suspended");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Asks the node to stop and waits until it has.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        if let Some(task) = self.task.take() {
            tokio::time::timeout(PATIENCE, task)
                .await
                .expect("the node to stop")
                .unwrap();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
