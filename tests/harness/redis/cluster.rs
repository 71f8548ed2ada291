use super::{Redis, server::until};
use crate::{PATIENCE, Reply, free_port};

/// Slots of a Redis Cluster.
const SLOTS: usize = 16_384;

/// Three masters that share the slots, without replicas.
#[derive(Debug)]
pub struct RedisCluster {
    /// The masters, in the order of their slots.
    pub masters: Vec<Redis>,
}

impl RedisCluster {
    /// Starts them and waits until each of them says that the cluster is complete.
    pub fn start() -> Self {
        let (masters, buses): (Vec<Redis>, Vec<String>) = (0..3).map(|_| master()).unzip();
        let share = SLOTS.div_ceil(masters.len());
        for (n, master) in masters.iter().enumerate() {
            let (first, end) = (n * share, SLOTS.min((n + 1) * share));
            let (first, last) = (first.to_string(), (end - 1).to_string());
            done(master.cli(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]));
            done(master.cli(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()]));
        }
        for (other, bus) in masters.iter().zip(&buses).skip(1) {
            let port = other.port().to_string();
            done(masters[0].cli(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]));
        }
        let cluster = Self { masters };
        cluster.until_complete();
        cluster
    }

    /// Where they are, as `--redis` takes it.
    pub fn url(&self) -> String {
        let places: Vec<String> = self
            .masters
            .iter()
            .map(|master| format!("127.0.0.1:{}", master.port()))
            .collect();
        format!("redis-cluster://{}", places.join(","))
    }

    /// Waits until every master says that all slots are served and that it knows the others.
    pub fn until_complete(&self) {
        for master in &self.masters {
            until("a complete cluster", PATIENCE * 3, || {
                let info = master.cli(&["CLUSTER", "INFO"]).text();
                let known = format!("cluster_known_nodes:{}\r", self.masters.len());
                info.contains("cluster_state:ok") && info.contains(&known)
            });
        }
    }
}

/// A master and the port at which the others gossip with it.
fn master() -> (Redis, String) {
    let bus = free_port().to_string();
    let options = [
        ["--cluster-enabled", "yes"],
        ["--cluster-config-file", "nodes.conf"],
        ["--cluster-node-timeout", "2000"],
        ["--cluster-port", &bus],
    ];
    (Redis::start_with(&options.concat()), bus)
}

#[track_caller]
fn done(reply: Reply) {
    assert_eq!(reply, Reply::Text("OK".to_owned()));
}
