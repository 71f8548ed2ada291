//! Which server holds which partition, now.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{Cmd, Value, cmd, pipe};

use super::{
    error::LinkError,
    keys::tag,
    server::{Pushes, Server, ask},
    url::{Address, Credentials, Source},
};

/// Partitions of a Redis Cluster: how finely its nodes can share the work. Part of the layout.
const CLUSTER_PARTITIONS: usize = 64;

/// How long an answer is passed on to those who ask the same. Partitions lose their links together.
const RECENT: Duration = Duration::from_millis(300);

/// Where the partitions are, and the links to there.
#[derive(Debug)]
pub(crate) struct Topology {
    prefix: Arc<str>,
    places: Vec<Place>,
    servers: Mutex<HashMap<Address, Arc<Slot>>>,
}

/// How a partition's server is found.
#[derive(Clone, Debug)]
enum Place {
    Server(Address),
    Sentinel(Arc<Sentinels>),
    /// The how-manieth of the cluster's partitions, and the first one of all partitions.
    Cluster(Arc<Cluster>, usize),
}

#[derive(Debug)]
struct Sentinels {
    addresses: Vec<Address>,
    /// Which of them is asked first.
    turn: AtomicUsize,
    master: String,
    found: Recent<Address>,
}

#[derive(Debug)]
struct Cluster {
    seeds: Vec<Address>,
    /// Which of them is asked first.
    turn: AtomicUsize,
    /// Number of its first partition, which is in the tags.
    first: usize,
    masters: Recent<Arc<Vec<Option<Address>>>>,
}

/// What was found a moment ago, or was not.
type Recent<T> = tokio::sync::Mutex<Option<(Instant, Result<T, LinkError>)>>;

/// The link to one server, as long as some partition uses it.
type Slot = Recent<Weak<Server>>;

/// A partition's share in a server's connections.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) server: Arc<Server>,
    pub(crate) pushes: Pushes,
}

impl Topology {
    pub(crate) fn new(prefix: &str, sources: Vec<Source>) -> Self {
        let mut places = Vec::new();
        for source in sources {
            match source {
                Source::Server(address) => places.push(Place::Server(address)),
                Source::Sentinel { sentinels, master } => {
                    places.push(Place::Sentinel(Arc::new(Sentinels {
                        addresses: sentinels,
                        turn: AtomicUsize::new(0),
                        master,
                        found: Recent::default(),
                    })));
                }
                Source::Cluster(seeds) => {
                    let cluster = Arc::new(Cluster {
                        seeds,
                        turn: AtomicUsize::new(0),
                        first: places.len(),
                        masters: Recent::default(),
                    });
                    let numbers = 0..CLUSTER_PARTITIONS;
                    places.extend(numbers.map(|number| Place::Cluster(cluster.clone(), number)));
                }
            }
        }
        Self {
            prefix: prefix.into(),
            places,
            servers: Mutex::default(),
        }
    }

    pub(crate) fn partitions(&self) -> usize {
        self.places.len()
    }

    /// The database that a partition is in.
    pub(crate) fn database(&self, partition: usize) -> i64 {
        match &self.places[partition] {
            Place::Server(address) => address.database,
            Place::Sentinel(_) | Place::Cluster(..) => 0,
        }
    }

    /// Finds the partition's server and links to it.
    pub(crate) async fn link(&self, partition: usize) -> Result<Link, LinkError> {
        let place = &self.places[partition];
        let (address, in_cluster) = match place {
            Place::Server(address) => (address.clone(), false),
            Place::Sentinel(sentinels) => (sentinels.find().await?, false),
            Place::Cluster(cluster, number) => (cluster.find(*number).await?, true),
        };
        let server = self.server(&address, in_cluster).await?;
        let pushes = server.route(partition);
        Ok(Link { server, pushes })
    }

    async fn server(&self, address: &Address, in_cluster: bool) -> Result<Arc<Server>, LinkError> {
        // Partitions that are bound to share do so; others have connections of their own.
        let slot = {
            let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            servers.entry(address.clone()).or_default().clone()
        };
        let mut slot = slot.lock().await;
        match &*slot {
            Some((_, Ok(server))) => {
                if let Some(server) = server.upgrade()
                    && !server.broken().is_cancelled()
                {
                    return Ok(server);
                }
            }
            Some((at, Err(error))) if at.elapsed() < RECENT => return Err(error.clone()),
            _ => {}
        }
        let made = Server::connect(address, self.prefix.clone(), in_cluster).await;
        let made = made.map(Arc::new);
        *slot = Some((
            Instant::now(),
            made.as_ref().map(Arc::downgrade).map_err(Clone::clone),
        ));
        made
    }
}

/// What was found lately, or else is found now; those who ask meanwhile wait for it.
async fn recent<T: Clone>(
    memory: &Recent<T>,
    find: impl Future<Output = Result<T, LinkError>>,
) -> Result<T, LinkError> {
    let mut memory = memory.lock().await;
    if let Some((at, found)) = &*memory
        && at.elapsed() < RECENT
    {
        return found.clone();
    }
    let found = find.await;
    *memory = Some((Instant::now(), found.clone()));
    found
}

/// All of them, beginning with another one each time: one that answers may be wrong, and there is nothing to find as long
/// as links work.
fn in_turn<'a>(all: &'a [Address], turn: &AtomicUsize) -> impl Iterator<Item = &'a Address> {
    let first = turn.fetch_add(1, Ordering::Relaxed) % all.len().max(1);
    let (last, first) = all.split_at(first);
    first.iter().chain(last)
}

impl Sentinels {
    async fn find(&self) -> Result<Address, LinkError> {
        recent(&self.found, async {
            let mut last = String::new();
            for sentinel in in_turn(&self.addresses, &self.turn) {
                match self.ask(sentinel).await {
                    Ok(Some(address)) => return Ok(address),
                    Ok(None) => last = format!("{sentinel} does not"),
                    Err(error) => last = error.to_string(),
                }
            }
            Err(LinkError::NoMaster {
                master: self.master.clone(),
                last,
            })
        })
        .await
    }

    /// Sentinels seldom have a password, and refuse one then.
    async fn ask(&self, sentinel: &Address) -> Result<Option<Address>, LinkError> {
        let open = Address {
            credentials: Credentials::default(),
            ..sentinel.clone()
        };
        let mut connection = match ask(&open).await {
            Err(_) if open != *sentinel => ask(sentinel).await?,
            other => other?,
        };
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master);
        let found: Option<(String, u16)> = question
            .query_async(&mut connection)
            .await
            .map_err(|error| LinkError::redis(sentinel, error))?;
        Ok(found.map(|(host, port)| Address {
            host,
            port,
            ..sentinel.clone()
        }))
    }
}

impl Cluster {
    async fn find(&self, number: usize) -> Result<Address, LinkError> {
        let masters = recent(&self.masters, async {
            let mut last = String::new();
            for seed in in_turn(&self.seeds, &self.turn) {
                match self.ask(seed).await {
                    Ok(masters) => return Ok(Arc::new(masters)),
                    Err(error) => last = error.to_string(),
                }
            }
            Err(LinkError::NoCover(last))
        })
        .await?;
        let master = masters.get(number).and_then(Option::as_ref);
        let uncovered =
            || LinkError::NoCover(format!("the slot of {{{}}}", tag(self.first + number)));
        master.cloned().ok_or_else(uncovered)
    }

    /// The masters of the partitions, as a member of the cluster sees them.
    async fn ask(&self, member: &Address) -> Result<Vec<Option<Address>>, LinkError> {
        let mut connection = ask(member).await?;
        let mut questions = pipe();
        questions.cmd("CLUSTER").arg("SLOTS");
        for number in 0..CLUSTER_PARTITIONS {
            questions.add_command(key_slot(&tag(self.first + number)));
        }
        let mut answers: Vec<Value> = questions
            .query_async(&mut connection)
            .await
            .map_err(|error| LinkError::redis(member, error))?;
        let slots = answers.split_off(1);
        let Some(Value::Array(ranges)) = answers.pop() else {
            return Err(LinkError::Answer(member.to_string()));
        };
        let ranges: Vec<_> = ranges.iter().filter_map(|r| range(r, member)).collect();
        let master = |slot: &Value| {
            let Value::Int(slot) = slot else { return None };
            let holds = |(first, last, _): &&(i64, i64, Address)| (*first..=*last).contains(slot);
            ranges
                .iter()
                .find(holds)
                .map(|(.., address)| address.clone())
        };
        Ok(slots.iter().map(master).collect())
    }
}

fn key_slot(tag: &str) -> Cmd {
    let mut question = cmd("CLUSTER");
    question.arg("KEYSLOT").arg(tag);
    question
}

/// First and last slot and their master. A member that does not know its own name is called as we called it.
fn range(value: &Value, asked: &Address) -> Option<(i64, i64, Address)> {
    let Value::Array(parts) = value else {
        return None;
    };
    let [
        Value::Int(first),
        Value::Int(last),
        Value::Array(master),
        ..,
    ] = parts.as_slice()
    else {
        return None;
    };
    let [host, Value::Int(port), ..] = master.as_slice() else {
        return None;
    };
    let host = if let Value::BulkString(host) = host
        && !host.is_empty()
    {
        String::from_utf8(host.clone()).ok()?
    } else {
        asked.host.clone()
    };
    let address = Address {
        host,
        port: u16::try_from(*port).ok()?,
        ..asked.clone()
    };
    Some((*first, *last, address))
}
