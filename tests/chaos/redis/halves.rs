//! Members in two processes, since one has too few descriptors for all: a test runs its own binary once more.
//!
//! Both play the same scene with rooms of their own, and judge what their own members saw. The first alone has the
//! nodes and Redis; they meet before and after something is done to these.

use std::{net::SocketAddr, ops::Range, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use trunkline_tests::{Again, PATIENCE};

use super::{Outage, Scene};
use crate::{faults::seed, field::Field, history::Micros};

/// Where the first process waits for the second, and where the nodes are.
const ADDRESSES: &str = "CHAOS_ADDRESSES";
/// Longest wait for the other half: it may have thousands of members to bring in.
const MEETING: Duration = Duration::from_secs(240);

/// One of the two.
pub(super) struct Half {
    stage: Stage,
    other: BufReader<TcpStream>,
}

enum Stage {
    First(Box<Scene>, Option<Again>),
    Second(Field),
}

impl Half {
    /// Starts three nodes and the second process, in which the same test, of this name, comes here too.
    pub(super) async fn begin(test: &str) -> Self {
        let seed = seed();
        if let Ok(addresses) = std::env::var(ADDRESSES) {
            let mut addresses = addresses.split(',').map(|it| it.parse().unwrap());
            let first: SocketAddr = addresses.next().unwrap();
            let mut field = Field::new(seed);
            for node in addresses {
                field.open(node);
            }
            let other = TcpStream::connect(first).await.unwrap();
            return Self {
                stage: Stage::Second(field),
                other: BufReader::new(other),
            };
        }
        let scene = Scene::start(seed, 3);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [listener.local_addr().unwrap()].into_iter();
        let addresses = addresses.chain(scene.fleet.addresses());
        let addresses: Vec<String> = addresses.map(|address| address.to_string()).collect();
        let variables = [
            (ADDRESSES, addresses.join(",")),
            ("CHAOS_SEED", (seed + 1).to_string()),
        ];
        let again = Again::start(test, &variables);
        let accepted = timeout(PATIENCE * 3, listener.accept()).await;
        let (other, _) = accepted.expect("the second process").unwrap();
        Self {
            stage: Stage::First(Box::new(scene), Some(again)),
            other: BufReader::new(other),
        }
    }

    /// The members of this process.
    pub(super) fn field(&mut self) -> &mut Field {
        match &mut self.stage {
            Stage::First(scene, _) => &mut scene.field,
            Stage::Second(field) => field,
        }
    }

    /// Those of so many rooms that are this process's.
    pub(super) fn rooms(&self, all: u32) -> Range<u32> {
        match &self.stage {
            Stage::First(..) => 0..all / 2,
            Stage::Second(_) => all / 2..all,
        }
    }

    /// Waits until the other is at this point too.
    pub(super) async fn meet(&mut self, point: &str) {
        let met = timeout(MEETING, self.exchange(point)).await;
        let heard = met.unwrap_or_else(|_| format!("nothing, long before {point}"));
        if heard == point {
            return;
        }
        if let Stage::First(_, again) = &mut self.stage
            && let Some(again) = again.take()
        {
            println!("the second process said:\n{}", again.end());
        }
        panic!("waited for {point} of the other half, and heard: {heard}");
    }

    async fn exchange(&mut self, point: &str) -> String {
        let mut line = String::new();
        let said = self.other.write_all(format!("{point}\n").as_bytes()).await;
        let heard = self.other.read_line(&mut line).await;
        match said.and(heard) {
            Ok(0) => "its end".to_owned(),
            Ok(_) => line.trim_end().to_owned(),
            Err(error) => error.to_string(),
        }
    }

    /// The nodes and Redis, where they are this process's.
    pub(super) fn scene(&mut self) -> Option<&mut Scene> {
        match &mut self.stage {
            Stage::First(scene, _) => Some(scene),
            Stage::Second(_) => None,
        }
    }

    /// Kills the node at a host.
    pub(super) async fn kill(&mut self, host: usize) {
        self.meet("all is ready for a kill").await;
        if let Stage::Second(field) = &mut self.stage {
            field.will_kill(host + 1);
        }
        self.meet("the kill is expected").await;
        if let Some(scene) = self.scene() {
            scene.fleet.kill(&mut scene.field, host);
        }
    }

    /// From now on Redis is away; returns since when.
    pub(super) async fn lose_redis(&mut self, outage: Outage) -> Micros {
        self.meet("all is ready for an outage").await;
        let since = self.field().now();
        self.meet("the outage is expected").await;
        if let Some(scene) = self.scene() {
            scene.lose_redis(outage).await;
        }
        self.meet("Redis is away").await;
        since
    }

    /// Redis is back.
    pub(super) async fn find_redis(&mut self, outage: Outage, since: Micros) {
        self.meet("the outage may end").await;
        if let Some(scene) = self.scene() {
            scene.find_redis(outage, since).await;
        }
        self.meet("Redis is back").await;
        if let Stage::Second(field) = &mut self.stage {
            let now = field.now();
            field.deeds.outages.push((since, now));
        }
    }

    /// To be said when nothing was found wrong; returns when the other half has said so too.
    pub(super) async fn end(mut self) {
        self.meet("all was right").await;
    }
}
