//! All relay threads together, as an operator handles them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use backplane::fleet::Kick;
use relay::{AllocationId, Config, Drain};
use tokio::sync::Mutex;

use crate::{
    orders::{Busy, Order, Orders, Shown},
    oversight::ProcessState,
    quotas::Quotas,
};

/// The threads, and what they serve by.
#[derive(Debug)]
pub(crate) struct Control {
    threads: Vec<Orders>,
    config: Mutex<Config>,
    quotas: Arc<Quotas>,
    pub(crate) process: Arc<ProcessState>,
}

/// An allocation of the process: its thread, and what it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) thread: usize,
    pub(crate) allocation: AllocationId,
}

impl Place {
    /// `THREAD-NUMBER`, in hexadecimal.
    pub(crate) fn to_text(self) -> String {
        format!("{:x}-{:x}", self.thread, self.allocation.to_bits())
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let (thread, bits) = text.split_once('-')?;
        let allocation = AllocationId::from_bits(u64::from_str_radix(bits, 16).ok()?);
        let thread = usize::from_str_radix(thread, 16).ok()?;
        Some(Self { thread, allocation })
    }
}

impl Control {
    pub(crate) fn new(
        threads: Vec<Orders>,
        config: Config,
        quotas: Arc<Quotas>,
        process: Arc<ProcessState>,
    ) -> Self {
        Self {
            threads,
            config: Mutex::new(config),
            quotas,
            process,
        }
    }

    /// Relayed addresses of all threads, those included that are reserved.
    pub(crate) fn allocations(&self) -> usize {
        self.quotas.total()
    }

    /// Relayed addresses that there may be.
    pub(crate) fn capacity(&self) -> usize {
        self.quotas.total_limit()
    }

    /// Changes what every thread serves by.
    pub(crate) async fn configure(&self, change: impl FnOnce(&mut Config)) -> Result<(), Busy> {
        // Held until every thread has it: two changes do not overtake each other.
        let mut config = self.config.lock().await;
        change(&mut config);
        // One that is busy keeps no other from it.
        let mut outcome = Ok(());
        for thread in &self.threads {
            let config = Box::new(config.clone());
            let given = thread.give(|answer| Order::Configure { config, answer });
            outcome = outcome.and(given.await);
        }
        outcome
    }

    /// Takes no new allocations, and ends those that there are at the deadline, or takes that back.
    pub(crate) async fn drain(&self, drain: Option<Drain>) -> Result<(), Busy> {
        let draining = u64::from(drain.is_some());
        self.process.draining.store(draining, Ordering::Relaxed);
        // For the same reason as in `configure`.
        let _in_turn = self.config.lock().await;
        for thread in &self.threads {
            let drain = drain.clone();
            thread.give(|answer| Order::Drain { drain, answer }).await?;
        }
        Ok(())
    }

    pub(crate) fn is_draining(&self) -> bool {
        is_set(&self.process.draining)
    }

    /// Puts users out on every thread; how many allocations ended.
    pub(crate) async fn kick(&self, kicks: &Arc<[Kick]>) -> Result<usize, Busy> {
        let mut ended = 0;
        for thread in &self.threads {
            let kicks = kicks.clone();
            ended += thread.give(|answer| Order::Kick { kicks, answer }).await?;
        }
        Ok(ended)
    }

    /// Ends one allocation; whether it was there.
    pub(crate) async fn end(&self, place: Place) -> Result<bool, Busy> {
        let Some(thread) = self.threads.get(place.thread) else {
            return Ok(false);
        };
        let allocation = place.allocation;
        thread
            .give(|answer| Order::End { allocation, answer })
            .await
    }

    /// Up to `limit` allocations after one that was listed, or from the first, thread by thread.
    pub(crate) async fn list(
        &self,
        after: Option<Place>,
        limit: usize,
        user: Option<Arc<str>>,
    ) -> Result<Vec<(Place, Shown)>, Busy> {
        let mut listed = Vec::new();
        let first = after.map_or(0, |place| place.thread);
        for (thread, orders) in self.threads.iter().enumerate().skip(first) {
            let from = match after {
                Some(place) if place.thread == thread => place.allocation.index() + 1,
                Some(_) | None => 0,
            };
            let limit = limit - listed.len();
            if limit == 0 {
                break;
            }
            let user = user.clone();
            let shown = orders.give(|answer| Order::List {
                from,
                limit,
                user,
                answer,
            });
            let place = |shown: Shown| {
                let allocation = shown.allocation;
                (Place { thread, allocation }, shown)
            };
            listed.extend(shown.await?.into_iter().map(place));
        }
        Ok(listed)
    }
}

pub(crate) fn is_set(flag: &AtomicU64) -> bool {
    flag.load(Ordering::Relaxed) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_s_name_is_read_back_and_nonsense_is_none() {
        let allocation = AllocationId::from_bits((7 << 32) | 0xff);
        let place = Place {
            thread: 11,
            allocation,
        };
        assert_eq!(place.to_text(), "b-7000000ff");
        assert_eq!(Place::from_text("b-7000000ff"), Some(place));
        for text in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "x-1",
            "1-x",
            "1-10000000000000000",
        ] {
            assert_eq!(Place::from_text(text), None, "{text}");
        }
    }
}
