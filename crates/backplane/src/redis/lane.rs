//! Commands on their way to Redis, in batches, in order.

use std::{
    collections::VecDeque,
    future,
    pin::Pin,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::FuturesOrdered};
use redis::{Arg, Cmd, RedisError, Value, aio::MultiplexedConnection, pipe};
use tokio::{task::unconstrained, time::sleep_until};

/// Batches under way at most: enough to keep the line full, few enough that a batch fills while they are.
const BATCHES: usize = 4;

/// Commands, and bytes of them, in a batch at most.
const BATCH: usize = 128;
const BATCH_BYTES: usize = 256 * 1024;

/// Shortest time between two batches that are not full. Processes that wake up for each message spend more on that than
/// on the message; one that comes alone is sent at once.
const PACE: Duration = Duration::from_micros(500);

/// Commands that wait, and bytes of them, before messages are kept elsewhere.
const WAITING: usize = 1024;
const WAITING_BYTES: usize = 8 * 1024 * 1024;

/// Commands that wait, and bytes of them, before the connection counts as one that does not work.
const OVERRUN: usize = 64 * 1024;
const OVERRUN_BYTES: usize = 64 * 1024 * 1024;

type Batch<T> = (Vec<T>, Result<Vec<Value>, RedisError>);

/// One connection's commands. What each is for comes back with its value.
pub(crate) struct Lane<T> {
    connection: MultiplexedConnection,
    waiting: VecDeque<(Cmd, T)>,
    waiting_bytes: usize,
    /// When the next batch may go, full or not.
    next_at: Instant,
    under_way: FuturesOrdered<Pin<Box<dyn Future<Output = Batch<T>> + Send>>>,
}

impl<T: Send + 'static> Lane<T> {
    pub(crate) fn new(connection: MultiplexedConnection) -> Self {
        Self {
            connection,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            next_at: Instant::now(),
            under_way: FuturesOrdered::new(),
        }
    }

    /// Whether the caller should add no messages for now.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING || self.waiting_bytes >= WAITING_BYTES
    }

    /// Whether more waits than may.
    pub(crate) fn is_overrun(&self) -> bool {
        self.waiting.len() >= OVERRUN || self.waiting_bytes >= OVERRUN_BYTES
    }

    pub(crate) fn push(&mut self, command: Cmd, purpose: T) {
        self.waiting_bytes += length(&command);
        self.waiting.push_back((command, purpose));
    }

    /// Sends what waits, and returns the next batch's values when they are there.
    pub(crate) async fn next(&mut self) -> Batch<T> {
        loop {
            self.start();
            let may_start = !self.waiting.is_empty() && self.under_way.len() < BATCHES;
            tokio::select! {
                Some(batch) = self.under_way.next() => return batch,
                () = sleep_until(self.next_at.into()), if may_start => {}
                else => return future::pending().await,
            }
        }
    }

    /// `FuturesOrdered` first polls its futures in their order, and a connection writes in the order in which it was
    /// first asked: so the order of batches is kept. A future that tokio turned away, its task having done enough for
    /// once, would not have asked: another one might come before it.
    fn start(&mut self) {
        let now = Instant::now();
        while self.under_way.len() < BATCHES
            && !self.waiting.is_empty()
            && (self.waiting.len() >= BATCH || self.next_at <= now)
        {
            self.next_at = now + PACE;
            let mut batch = pipe();
            let (mut purposes, mut bytes) = (Vec::new(), 0);
            while purposes.len() < BATCH
                && bytes < BATCH_BYTES
                && let Some((command, purpose)) = self.waiting.pop_front()
            {
                let length = length(&command);
                self.waiting_bytes -= length;
                bytes += length;
                batch.add_command(command);
                purposes.push(purpose);
            }
            let mut connection = self.connection.clone();
            self.under_way.push_back(Box::pin(unconstrained(async move {
                let values = connection
                    .send_packed_commands(&batch, 0, purposes.len())
                    .await;
                (purposes, values)
            })));
        }
    }
}

fn length(command: &Cmd) -> usize {
    let length = |arg: Arg<&[u8]>| {
        if let Arg::Simple(bytes) = arg {
            bytes.len()
        } else {
            0
        }
    };
    command.args_iter().map(length).sum()
}
