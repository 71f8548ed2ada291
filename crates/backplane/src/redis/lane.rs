//! Commands on their way to Redis, in batches, in order.

use std::{collections::VecDeque, future, pin::Pin};

use futures_util::{StreamExt, stream::FuturesOrdered};
use redis::{Arg, Cmd, RedisError, Value, aio::MultiplexedConnection, pipe};

/// Batches under way at most: enough to keep the line full, few enough that a batch fills while they are.
const BATCHES: usize = 4;

/// Commands, and bytes of them, in a batch at most.
const BATCH: usize = 128;
const BATCH_BYTES: usize = 256 * 1024;

/// Commands that wait at most, before no more are accepted.
const WAITING: usize = 1024;

type Batch<T> = (Vec<T>, Result<Vec<Value>, RedisError>);

/// One connection's commands. What each is for comes back with its value.
pub(crate) struct Lane<T> {
    connection: MultiplexedConnection,
    waiting: VecDeque<(Cmd, T)>,
    under_way: FuturesOrdered<Pin<Box<dyn Future<Output = Batch<T>> + Send>>>,
}

impl<T: Send + 'static> Lane<T> {
    pub(crate) fn new(connection: MultiplexedConnection) -> Self {
        Self {
            connection,
            waiting: VecDeque::new(),
            under_way: FuturesOrdered::new(),
        }
    }

    /// Whether the caller should wait before it adds more.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING
    }

    pub(crate) fn push(&mut self, command: Cmd, purpose: T) {
        self.waiting.push_back((command, purpose));
    }

    /// Sends what waits, and returns the next batch's values when they are there.
    pub(crate) async fn next(&mut self) -> Batch<T> {
        self.start();
        match self.under_way.next().await {
            Some(batch) => batch,
            None => future::pending().await,
        }
    }

    /// `FuturesOrdered` first polls its futures in their order, and a connection writes in the order in which it was
    /// first asked: so the order of batches is kept.
    fn start(&mut self) {
        while self.under_way.len() < BATCHES && !self.waiting.is_empty() {
            let mut batch = pipe();
            let (mut purposes, mut bytes) = (Vec::new(), 0);
            while purposes.len() < BATCH
                && bytes < BATCH_BYTES
                && let Some((command, purpose)) = self.waiting.pop_front()
            {
                bytes += length(&command);
                batch.add_command(command);
                purposes.push(purpose);
            }
            let mut connection = self.connection.clone();
            self.under_way.push_back(Box::pin(async move {
                let values = connection
                    .send_packed_commands(&batch, 0, purposes.len())
                    .await;
                (purposes, values)
            }));
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
