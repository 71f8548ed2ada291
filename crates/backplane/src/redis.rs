//! A backplane over Redis 7 or later: one server, several independent ones, one behind sentinels, or a Cluster.
//!
//! Every room belongs to one partition, and every partition to one server at a time. A task for each partition drives
//! its [`Partition`] over a link to that server: one connection for commands, one that hears what is published.
//!
//! Redis is an index that can be rebuilt, and a bus: what it keeps needs no persistence.

mod answers;
mod attempt;
mod driver;
mod error;
mod farewell;
mod fleet;
mod keys;
mod lane;
mod link;
mod published;
mod request;
mod scripts;
mod server;
mod status;
#[cfg(test)]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "any other answer is a failure"
)]
pub(crate) mod tests;
mod topology;
mod url;

use std::{fmt, sync::Arc};

use tokio::sync::mpsc;

use crate::{
    Backplane, Command, Counters, EVENT_QUEUE, Events, Health, NodeId, Overloaded, Pressure,
    event::{self, EventSink},
    fleet::{Fleet, Kicks},
    partition::{Config, Partition},
    pressure::Intake,
};
use attempt::random;
use driver::{Driver, Submitted};
use keys::{Keys, partition_of_room};
use status::Status;
use topology::Topology;
use url::Source;
pub use url::UrlError;

/// Commands, and bytes of them, that wait for one partition's task at most.
const COMMAND_QUEUE: usize = 4096;
const COMMAND_QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// The version of what is kept in Redis: belongs into the prefix, so that nodes with another layout do not meet.
pub const LAYOUT: u32 = 3;

/// What all nodes of a cluster agree on, besides the URLs and their order.
#[derive(Clone, Debug)]
pub struct Options {
    /// With what every key and channel begins; without braces. It carries the layout's version.
    pub prefix: String,
    /// Times and bounds.
    pub config: Config,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prefix: format!("trunkline:{LAYOUT}:"),
            config: Config::default(),
        }
    }
}

/// A cluster whose nodes meet in Redis.
#[derive(Clone, Debug)]
pub struct Redis {
    sources: Vec<Source>,
    options: Options,
}

impl Redis {
    /// Reads a list of URLs, separated by commas:
    ///
    /// - `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`: a server, and a partition on it;
    /// - `redis-sentinel://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]/MASTER`: a partition on the master that the
    ///   sentinels name;
    /// - `redis-cluster://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]`: 64 partitions on the Cluster's masters.
    ///
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// [`UrlError`] where that is not what the list is, or the prefix has braces.
    pub fn new(urls: &str, options: Options) -> Result<Self, UrlError> {
        if options.prefix.contains(['{', '}']) {
            return Err(UrlError::Prefix);
        }
        let sources = url::read(urls)?;
        Ok(Self { sources, options })
    }

    /// Hosts and ports that are named in the URLs: of servers, sentinels and members of a Cluster. Others that these tell
    /// of are not among them.
    pub fn hosts(&self) -> Vec<(String, u16)> {
        let addresses = self.sources.iter().flat_map(Source::addresses);
        addresses
            .map(|address| (address.host.clone(), address.port))
            .collect()
    }

    /// Attaches a node under a name that no other node has, now or earlier. Must be called in a Tokio runtime.
    ///
    /// This does not fail when Redis is down: it goes on trying. When the [`Backplane`] is dropped, the node leaves
    /// its rooms, which takes up to 2 s; after that, [`Events::next`] gives `None`.
    pub fn attach(&self, node: NodeId) -> (Arc<dyn Backplane>, Events) {
        self.attach_with_queue(node, EVENT_QUEUE)
    }

    /// Attaches a relay, or somebody who wants to know of relays. All of them are in the first partition, whatever it
    /// has besides. Must be called in a Tokio runtime.
    ///
    /// This does not fail when Redis is down: it goes on trying. When the [`Fleet`] is dropped, the relay is taken off
    /// the list, which takes up to 2 s; after that, [`Kicks::next`] gives `None`.
    pub fn attach_fleet(&self) -> (Arc<dyn Fleet>, Kicks) {
        let prefix = &self.options.prefix;
        fleet::attach(prefix, Topology::new(prefix, self.sources.clone()))
    }

    pub(crate) fn attach_with_queue(
        &self,
        node: NodeId,
        bound: usize,
    ) -> (Arc<dyn Backplane>, Events) {
        let (sink, events) = event::queue(bound);
        let prefix = &self.options.prefix;
        let topology = Arc::new(Topology::new(prefix, self.sources.clone()));
        let status = Arc::new(Status::new(topology.partitions()));
        let mut partitions = Vec::new();
        let mut config = self.options.config.clone();
        config.rings_bytes /= topology.partitions().max(1);
        for index in 0..topology.partitions() {
            let (commands, received) = mpsc::channel(COMMAND_QUEUE);
            let intake = Arc::new(Intake::new(COMMAND_QUEUE, COMMAND_QUEUE_BYTES));
            partitions.push((commands, intake.clone()));
            let driver = Driver {
                node: node.clone(),
                index,
                partition: Partition::new(node.clone(), config.clone(), random()),
                keys: Keys::new(prefix, index, topology.database(index)),
                topology: topology.clone(),
                status: status.clone(),
                sink: sink.clone(),
                commands: received,
                intake,
            };
            tokio::spawn(driver.run());
        }
        let attached = Attached {
            node,
            partitions,
            sink,
            status,
        };
        (Arc::new(attached), events)
    }
}

/// One node's half; the node leaves when it is dropped.
struct Attached {
    node: NodeId,
    /// The queue of each, and what is in it.
    partitions: Vec<(mpsc::Sender<Submitted>, Arc<Intake>)>,
    sink: EventSink,
    status: Arc<Status>,
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached")
            .field("node", &self.node)
            .field("partitions", &self.partitions.len())
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Backplane for Attached {
    fn node(&self) -> &NodeId {
        &self.node
    }

    fn submit(&self, command: Command) -> Result<(), Overloaded> {
        let (room, is_answered) = match &command {
            Command::Join { room, .. }
            | Command::Assert { room, .. }
            | Command::Leave { room, .. } => (room, true),
            Command::Forget { room }
            | Command::Confirm { room, .. }
            | Command::Send { room, .. }
            | Command::Publish { room, .. } => (room, false),
        };
        let partition = partition_of_room(room, self.partitions.len());
        let answer = if is_answered {
            Some(self.sink.reserve()?)
        } else {
            None
        };
        let (queue, intake) = self.partitions.get(partition).ok_or(Overloaded)?;
        let size = command.size();
        intake.enter(size)?;
        let submitted = Submitted {
            command,
            answer,
            size,
        };
        queue.try_send(submitted).map_err(|_| {
            intake.leave(size);
            Overloaded
        })
    }

    fn pressure(&self) -> Pressure {
        Pressure::new(self.partitions.iter().map(|(_, intake)| intake.clone()))
    }

    fn health(&self) -> Health {
        self.status.health()
    }

    fn counters(&self) -> Counters {
        self.status.counters()
    }

    fn events_lost(&self) -> u64 {
        self.sink.lost()
    }
}
