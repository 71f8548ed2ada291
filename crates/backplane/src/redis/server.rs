//! The connections to one server: one for commands, and one that hears what is published.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, PushInfo,
    PushKind, RedisConnectionInfo, Value, aio::MultiplexedConnection, cmd, io::tcp::TcpSettings,
    pipe,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    error::LinkError,
    keys::{fnv1a, partition_of_channel},
    scripts::{Digests, Script},
    url::Address,
};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(1);

/// Longest wait for an answer. redis' own half a second is less than a server's pause for a fork.
const RESPONSE: Duration = Duration::from_secs(2);

/// Pushes, and bytes of them, that wait for one partition at most. It takes them as fast as it can.
const PUSHES: usize = 16 * 1024;
const PUSHES_BYTES: usize = 64 * 1024 * 1024;

/// What the subscriber connection says of one partition's channels.
#[derive(Debug)]
pub(crate) enum Push {
    /// The channel is subscribed.
    Subscribed(Bytes),
    /// The channel is subscribed no more, whether that was asked or not.
    Unsubscribed(Bytes),
    /// Something was published.
    Message(Bytes, Bytes),
}

/// What waits for one partition.
#[derive(Debug)]
pub(crate) struct Pushes {
    queue: mpsc::Receiver<Push>,
    bytes: Arc<AtomicUsize>,
}

impl Push {
    fn size(&self) -> usize {
        match self {
            Self::Subscribed(channel) | Self::Unsubscribed(channel) => channel.len(),
            Self::Message(channel, payload) => channel.len() + payload.len(),
        }
    }
}

impl Pushes {
    pub(crate) async fn recv(&mut self) -> Option<Push> {
        let push = self.queue.recv().await;
        self.taken(push)
    }

    pub(crate) fn try_recv(&mut self) -> Option<Push> {
        let push = self.queue.try_recv().ok();
        self.taken(push)
    }

    fn taken(&self, push: Option<Push>) -> Option<Push> {
        let size = push.as_ref().map_or(0, Push::size);
        self.bytes.fetch_sub(size, Ordering::Relaxed);
        push
    }
}

/// The two connections, shared by all partitions that the server holds.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) commands: MultiplexedConnection,
    pub(crate) subscriber: MultiplexedConnection,
    pub(crate) digests: Digests,
    /// Which start of which server this is.
    pub(crate) life: u64,
    routes: Arc<Routes>,
}

type Queue = (mpsc::Sender<Push>, Arc<AtomicUsize>);

/// Where the pushes of each partition go.
#[derive(Debug)]
struct Routes {
    prefix: Arc<str>,
    /// Each with the bytes in it.
    queues: Mutex<HashMap<usize, Queue>>,
    overrun: AtomicBool,
    broken: CancellationToken,
}

impl Server {
    /// Connects, checks what answers, and loads the scripts.
    pub(crate) async fn connect(
        address: &Address,
        prefix: Arc<str>,
        in_cluster: bool,
    ) -> Result<Self, LinkError> {
        let routes = Arc::new(Routes {
            prefix,
            queues: Mutex::default(),
            overrun: AtomicBool::new(false),
            broken: CancellationToken::new(),
        });
        let mut commands = connect(address, Some(routes.clone())).await?;
        let life = check(address, &mut commands, in_cluster).await?;
        let mut loading = pipe();
        for script in Script::ALL {
            loading.cmd("SCRIPT").arg("LOAD").arg(script.source());
        }
        let digests: [String; Script::ALL.len()] = loading
            .query_async::<Vec<String>>(&mut commands)
            .await
            .map_err(|error| LinkError::redis(address, error))?
            .try_into()
            .map_err(|_| LinkError::Answer(address.to_string()))?;
        let subscriber = connect(address, Some(routes.clone())).await?;
        Ok(Self {
            commands,
            subscriber,
            digests: Digests::new(digests),
            life,
            routes,
        })
    }

    /// Directs a partition's pushes to a new queue.
    pub(crate) fn route(&self, partition: usize) -> Pushes {
        let (sender, queue) = mpsc::channel(PUSHES);
        let bytes = Arc::new(AtomicUsize::new(0));
        let mut queues = lock(&self.routes.queues);
        queues.insert(partition, (sender, bytes.clone()));
        Pushes { queue, bytes }
    }

    /// Whether that is because more was published than was taken in.
    pub(crate) fn is_overrun(&self) -> bool {
        self.routes.overrun.load(Ordering::Relaxed)
    }

    /// Cancelled when one of the connections is lost or has lost something.
    pub(crate) fn broken(&self) -> &CancellationToken {
        &self.routes.broken
    }
}

/// A connection; with routes one that hears pushes, and breaks with them.
async fn connect(
    address: &Address,
    routes: Option<Arc<Routes>>,
) -> Result<MultiplexedConnection, LinkError> {
    let failed = |error| LinkError::redis(address, error);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(5))
        .with_interval(Duration::from_secs(2));
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive);
    let mut settings = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_db(address.database)
        .set_lib_name("trunkline", env!("CARGO_PKG_VERSION"));
    if let Some(user) = &address.credentials.user {
        settings = settings.set_username(user);
    }
    if let Some(password) = &address.credentials.password {
        settings = settings.set_password(password);
    }
    let info = ConnectionAddr::Tcp(address.host.clone(), address.port)
        .into_connection_info()
        .map_err(failed)?
        .set_tcp_settings(tcp)
        .set_redis_settings(settings);
    let mut config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(RESPONSE));
    if let Some(routes) = routes {
        config = config.set_push_sender(move |push: PushInfo| routes.push(push));
    }
    let client = Client::open(info).map_err(failed)?;
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
        .map_err(failed)
}

/// A connection that only asks, of a sentinel or a member of a cluster.
pub(crate) async fn ask(address: &Address) -> Result<MultiplexedConnection, LinkError> {
    connect(address, None).await
}

/// Whether this server will do; its life.
async fn check(
    address: &Address,
    connection: &mut MultiplexedConnection,
    in_cluster: bool,
) -> Result<u64, LinkError> {
    let mut questions = pipe();
    for section in ["server", "replication"] {
        questions.add_command(cmd("INFO").arg(section).clone());
    }
    let told: Vec<String> = questions
        .query_async(connection)
        .await
        .map_err(|error| LinkError::redis(address, error))?;
    let told = told.concat();
    let field = |name: &str| {
        told.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .unwrap_or_default()
    };
    let version = field("redis_version");
    let major = version
        .split('.')
        .next()
        .and_then(|n| n.parse::<u32>().ok());
    if major.is_none_or(|major| major < 7) {
        return Err(LinkError::TooOld {
            address: address.to_string(),
            version: version.chars().take(20).collect(),
        });
    }
    match (field("redis_mode"), in_cluster) {
        ("cluster", false) => return Err(LinkError::IsCluster(address.to_string())),
        ("cluster", true) => {}
        ("sentinel", _) => return Err(LinkError::IsSentinel(address.to_string())),
        (_, true) => return Err(LinkError::NoCluster(address.to_string())),
        (_, false) => {}
    }
    if field("role") != "master" {
        return Err(LinkError::IsReplica(address.to_string()));
    }
    let run_id = fnv1a(field("run_id").as_bytes());
    Ok((run_id ^ (run_id >> 21) ^ (run_id >> 42)) & ((1 << 21) - 1))
}

impl Routes {
    /// Called on the connection's own task, which must not be held up: what does not fit breaks the link.
    fn push(&self, push: PushInfo) -> Result<(), ()> {
        let PushInfo { kind, data } = push;
        let mut data = data.into_iter();
        let mut next = || {
            let value = data.next().ok_or(())?;
            let Value::BulkString(bytes) = value else {
                return Err(());
            };
            Ok(Bytes::from(bytes))
        };
        let (channel, push) = match kind {
            PushKind::SMessage => {
                let (channel, payload) = (next()?, next()?);
                (channel.clone(), Push::Message(channel, payload))
            }
            PushKind::SSubscribe => {
                let channel = next()?;
                (channel.clone(), Push::Subscribed(channel))
            }
            PushKind::SUnsubscribe => {
                let channel = next()?;
                (channel.clone(), Push::Unsubscribed(channel))
            }
            PushKind::Disconnection => {
                self.broken.cancel();
                return Ok(());
            }
            PushKind::Other(_)
            | PushKind::Invalidate
            | PushKind::Message
            | PushKind::PMessage
            | PushKind::Unsubscribe
            | PushKind::PUnsubscribe
            | PushKind::Subscribe
            | PushKind::PSubscribe
            | _ => return Ok(()),
        };
        let partition = partition_of_channel(&self.prefix, &channel).ok_or(())?;
        let queues = lock(&self.queues);
        let Some((queue, bytes)) = queues.get(&partition) else {
            return Ok(());
        };
        let size = push.size();
        let fits = bytes.fetch_add(size, Ordering::Relaxed) + size <= PUSHES_BYTES;
        let full = |pushed| matches!(pushed, Err(mpsc::error::TrySendError::Full(_)));
        if !fits || full(queue.try_send(push)) {
            tracing::warn!(
                partition,
                "more is published than is taken in; reconnecting"
            );
            self.overrun.store(true, Ordering::Relaxed);
            self.broken.cancel();
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
