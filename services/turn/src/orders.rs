//! What the rest of the process asks of the relay threads: through a bounded queue, and a waker.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel},
    },
    time::Duration,
};

use backplane::fleet::Kick;
use mio::Waker;
use relay::{AllocationId, Config, Drain, Page, Relay, Time, Traffic, UserId};
use tokio::{sync::oneshot, time::sleep};

use crate::oversight::Oversight;

/// Orders that wait for a thread at most. It carries them out between two rounds of packets.
const QUEUE: usize = 64;

/// Longest wait for room in the queue, and for an answer. A thread answers in microseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two attempts to find room.
const RETRY: Duration = Duration::from_millis(2);

/// What a thread is told to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Tell of allocations.
    List {
        from: usize,
        limit: usize,
        user: Option<Arc<str>>,
        answer: oneshot::Sender<Vec<Shown>>,
    },
    /// Put users out; tell how many allocations ended.
    Kick {
        kicks: Arc<[Kick]>,
        answer: oneshot::Sender<usize>,
    },
    /// End one allocation; tell whether it was there.
    End {
        allocation: AllocationId,
        answer: oneshot::Sender<bool>,
    },
    /// Serve by another configuration.
    Configure {
        config: Box<Config>,
        answer: oneshot::Sender<()>,
    },
    /// Drain, or serve again.
    Drain {
        drain: Option<Drain>,
        answer: oneshot::Sender<()>,
    },
}

/// An allocation as an operator sees it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) allocation: AllocationId,
    pub(crate) user: UserId,
    pub(crate) client: SocketAddr,
    pub(crate) relayed: Vec<SocketAddr>,
    pub(crate) ends_in: Duration,
    pub(crate) traffic: Traffic,
}

/// A thread did not take an order, or did not answer it, in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a relay thread does not answer")]
pub(crate) struct Busy;

/// A thread's queue, from outside.
#[derive(Clone)]
pub(crate) struct Orders {
    queue: SyncSender<Order>,
    waker: Arc<Waker>,
}

/// A thread's queue, from inside.
#[derive(Debug)]
pub(crate) struct Inbox(Receiver<Order>);

/// Ends a worker, or gives it orders.
#[derive(Debug)]
pub(crate) struct Stop {
    flag: Arc<AtomicBool>,
    pub(crate) orders: Orders,
}

impl Stop {
    pub(crate) fn new(flag: Arc<AtomicBool>, waker: Arc<Waker>) -> (Self, Inbox) {
        let (queue, receiver) = sync_channel(QUEUE);
        let orders = Orders { queue, waker };
        (Self { flag, orders }, Inbox(receiver))
    }

    pub(crate) fn stop(&self) {
        self.flag.store(true, Ordering::Relaxed);
        if let Err(error) = self.orders.waker.wake() {
            tracing::warn!(%error, "a relay thread cannot be woken");
        }
    }
}

impl Orders {
    /// Gives an order and waits for its answer.
    ///
    /// # Errors
    /// [`Busy`] when the thread takes too long, or is gone.
    pub(crate) async fn give<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> Result<T, Busy> {
        let (sender, answer) = oneshot::channel();
        let mut order = order(sender);
        let given = async {
            loop {
                match self.queue.try_send(order) {
                    Ok(()) => break,
                    Err(TrySendError::Full(refused)) => order = refused,
                    Err(TrySendError::Disconnected(_)) => return Err(Busy),
                }
                sleep(RETRY).await;
            }
            self.waker.wake().map_err(|_| Busy)?;
            answer.await.map_err(|_| Busy)
        };
        match tokio::time::timeout(PATIENCE, given).await {
            Ok(given) => given,
            Err(_) => Err(Busy),
        }
    }
}

impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Orders").finish_non_exhaustive()
    }
}

impl Inbox {
    /// Carries out what was ordered. Outputs must have been carried out before, and must be afterwards.
    pub(crate) fn carry_out(&self, relay: &mut Relay, oversight: &Oversight, now: Time) {
        for _ in 0..QUEUE {
            match self.0.try_recv() {
                Ok(order) => obey(order, relay, oversight, now),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }
}

/// Whoever asked may have gone: nobody minds.
fn obey(order: Order, relay: &mut Relay, oversight: &Oversight, now: Time) {
    match order {
        Order::List {
            from,
            limit,
            user,
            answer,
        } => {
            let user = user.as_deref();
            let listed = relay.list(Page { from, limit, user }, now.monotonic);
            let shown = listed.into_iter().map(|listed| Shown {
                allocation: listed.allocation,
                user: listed.user,
                client: listed.client.address,
                relayed: listed.relayed,
                ends_in: listed.ends_in,
                traffic: listed.traffic,
            });
            let _ = answer.send(shown.collect());
        }
        Order::Kick { kicks, answer } => {
            let ended = kicks
                .iter()
                .map(|kick| relay.handle_kick(&kick.user, kick.until, now))
                .sum();
            oversight.kicks(relay.kicked(), relay.kicks_forgotten());
            let _ = answer.send(ended);
        }
        Order::End { allocation, answer } => {
            let _ = answer.send(relay.handle_end(allocation));
        }
        Order::Configure { config, answer } => {
            relay.handle_config(*config);
            let _ = answer.send(());
        }
        Order::Drain { drain, answer } => {
            relay.handle_drain(drain);
            let _ = answer.send(());
        }
    }
}
