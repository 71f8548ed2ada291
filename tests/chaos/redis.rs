//! Several nodes over Redis, and what happens to nodes, to Redis, and to the network between them.

mod alone;
mod crash;
mod exact;
mod halves;
mod outage;
mod several;
mod zombie;

use std::time::Duration;

use tokio::time::sleep;
use trunkline_tests::{PATIENCE, Proxy, Redis, Reply, until};

use crate::{
    faults::long,
    field::Field,
    fleet::Fleet,
    history::{Micros, Rules, SECOND},
    member::Order,
};

/// The options of these nodes' timers: the usual ones in long runs, else shorter ones.
fn timers() -> [&'static str; 4] {
    match long() {
        true => ["--suspend-window", "8s", "--lease", "10s"],
        false => ["--suspend-window", "2s", "--lease", "3s"],
    }
}

/// What is promised with those timers.
fn rules() -> Rules {
    let (window, lease) = if long() { (8, 10) } else { (2, 3) };
    let beat = lease * SECOND / 10;
    Rules {
        lease: (lease * SECOND).max(window * SECOND + beat * 2),
        beat,
        in_flight: 3 * SECOND,
        noticed: 2 * SECOND,
        ..Rules::for_window(window * SECOND)
    }
}

/// Waits for so many microseconds.
async fn wait(length: Micros) {
    sleep(Duration::from_micros(length)).await;
}

/// Nodes over one Redis, with a network between them that can fail.
struct Scene {
    field: Field,
    fleet: Fleet,
    hosts: u64,
    redis: Redis,
    network: Proxy,
}

/// What can happen to it.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// A node dies; its members go to others; it is started again.
    NodeKilled,
    /// A node stands still, for less than its lease.
    NodeFrozen,
    /// Members lose their connections and come back anywhere.
    MembersCut,
    RedisSleeps,
    RedisFlushed,
    SubscribersEnded,
    ConnectionsEnded,
    NetworkSliced,
    /// The network carries less than is said.
    NetworkSlow,
    /// Redis loses its connections, and the nodes are not told.
    NetworkHalfOpen,
    WithoutRedis(Outage),
}

/// How Redis can be away.
#[derive(Clone, Copy, Debug)]
enum Outage {
    /// It ends, and starts again empty.
    Stopped,
    Frozen,
    /// The network resets connections and refuses new ones.
    Cut,
    /// The network lets nothing through.
    Held,
    /// The network lets nothing through to Redis, or nothing from it.
    HeldToRedis,
    HeldFromRedis,
}

const FAULTS: [Fault; 16] = [
    Fault::NodeKilled,
    Fault::NodeFrozen,
    Fault::MembersCut,
    Fault::RedisSleeps,
    Fault::RedisFlushed,
    Fault::SubscribersEnded,
    Fault::ConnectionsEnded,
    Fault::NetworkSliced,
    Fault::NetworkSlow,
    Fault::NetworkHalfOpen,
    Fault::WithoutRedis(Outage::Stopped),
    Fault::WithoutRedis(Outage::Frozen),
    Fault::WithoutRedis(Outage::Cut),
    Fault::WithoutRedis(Outage::Held),
    Fault::WithoutRedis(Outage::HeldToRedis),
    Fault::WithoutRedis(Outage::HeldFromRedis),
];

impl Scene {
    fn start(seed: u64, nodes: usize) -> Self {
        let redis = Redis::start();
        let network = Proxy::start(([127, 0, 0, 1], redis.port()).into());
        let url = format!("redis://{}", network.address);
        let mut field = Field::new(seed);
        let options = [&["--redis", &url][..], &timers()].concat();
        let fleet = Fleet::start(&mut field, nodes, &options);
        Self {
            field,
            fleet,
            hosts: nodes as u64,
            redis,
            network,
        }
    }

    /// Carries a fault out and returns when it is over.
    async fn suffer(&mut self, fault: Fault) {
        println!("{:>6} ms: {fault:?}", self.field.now() / 1000);
        let host = self.field.seed.within(0..self.hosts) as usize;
        match fault {
            Fault::NodeKilled => {
                self.fleet.kill(&mut self.field, host);
                wait(SECOND).await;
                self.fleet.start_again(&mut self.field, host);
            }
            Fault::NodeFrozen => {
                let length = Duration::from_millis(1500);
                self.fleet.freeze(&mut self.field, host, length).await;
            }
            Fault::MembersCut => {
                for _ in 0..5 {
                    let all = self.field.peers();
                    let peer = self.field.seed.within(0..u64::from(all.end)) as u32;
                    let soon = Duration::from_millis(self.field.seed.within(0..1200));
                    self.field.returns(peer, Some(soon));
                    self.field.order(peer, Order::Cut);
                }
                // Until they are back, and what followed them has arrived.
                wait(3 * SECOND / 2).await;
            }
            Fault::RedisSleeps => self.redis.sleep(Duration::from_secs(1)),
            Fault::RedisFlushed => self.flush(),
            Fault::SubscribersEnded => self.disconnect("pubsub").await,
            Fault::ConnectionsEnded => self.disconnect("normal").await,
            Fault::NetworkSliced => {
                self.network.slice(5);
                self.network.latency(Duration::from_millis(20));
                wait(SECOND).await;
                self.network.restore().await;
            }
            Fault::NetworkSlow => {
                self.network.bandwidth(20_000);
                wait(SECOND).await;
                self.network.restore().await;
            }
            Fault::NetworkHalfOpen => self.half_open().await,
            Fault::WithoutRedis(outage) => self.without_redis(outage, 1_500_000).await,
        }
    }

    /// Every connection to Redis is dead; returns when the nodes have made new ones.
    async fn half_open(&mut self) {
        let (since, network) = (self.field.now(), &self.network);
        let before = network.accepted();
        network.half_open();
        let anew = || network.accepted() >= before + self.hosts;
        self.field
            .until("the nodes to connect anew", PATIENCE, anew)
            .await;
        let now = self.field.now();
        self.field.deeds.outages.push((since, now));
    }

    /// Redis loses everything.
    fn flush(&self) {
        let reply = self.redis.cli(&["FLUSHALL"]);
        assert_eq!(reply, Reply::Text("OK".to_owned()));
    }

    /// Redis ends the nodes' connections of this kind; after another fault it may take a while until there are some.
    async fn disconnect(&self, kind: &str) {
        until("connections to end", async || {
            self.redis.disconnect(kind) > 0
        })
        .await;
    }

    /// Redis is away in this way for so long.
    async fn without_redis(&mut self, outage: Outage, length: Micros) {
        let since = self.lose_redis(outage).await;
        wait(length).await;
        self.find_redis(outage, since).await;
    }

    /// From now on Redis is away; returns since when.
    async fn lose_redis(&mut self, outage: Outage) -> Micros {
        let since = self.field.now();
        match outage {
            Outage::Stopped => self.redis.stop(),
            Outage::Frozen => self.redis.freeze(),
            Outage::Cut => self.network.cut().await,
            Outage::Held => self.network.blackhole(),
            Outage::HeldToRedis => self.network.blackhole_to_server(),
            Outage::HeldFromRedis => self.network.blackhole_to_client(),
        }
        since
    }

    /// Redis is back.
    async fn find_redis(&mut self, outage: Outage, since: Micros) {
        match outage {
            Outage::Stopped => self.redis.start_again(),
            Outage::Frozen => self.redis.thaw(),
            Outage::Cut | Outage::Held | Outage::HeldToRedis | Outage::HeldFromRedis => {
                self.network.restore().await;
            }
        }
        let now = self.field.now();
        self.field.deeds.outages.push((since, now));
    }
}
