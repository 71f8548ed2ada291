//! How all partitions together are doing, and the log's lines about it: one for each change, not for each attempt.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::error::LinkError;
use crate::{Counters, Health};

#[derive(Debug)]
pub(crate) struct Status {
    inner: Mutex<Inner>,
    skipped: AtomicU64,
    overruns: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    partitions: Vec<Health>,
    counters: Vec<Counters>,
    logged: Health,
    trouble: String,
}

impl Status {
    pub(crate) fn new(partitions: usize) -> Self {
        Self {
            inner: Mutex::new(Inner {
                partitions: vec![Health::Starting; partitions],
                counters: vec![Counters::default(); partitions],
                logged: Health::Starting,
                trouble: String::new(),
            }),
            skipped: AtomicU64::new(0),
            overruns: AtomicU64::new(0),
        }
    }

    /// Whether all partitions work; a node of which a part has worked is no longer starting.
    pub(crate) fn health(&self) -> Health {
        self.lock().health()
    }

    /// What has happened in all partitions.
    pub(crate) fn counters(&self) -> Counters {
        let skipped = Counters {
            unreadable: self.skipped.load(Ordering::Relaxed),
            links_overrun: self.overruns.load(Ordering::Relaxed),
            ..Counters::default()
        };
        let inner = self.lock();
        inner
            .counters
            .iter()
            .fold(skipped, |sum, one| sum.plus(one))
    }

    pub(crate) fn set(&self, partition: usize, health: Health, counters: Counters) {
        let mut inner = self.lock();
        inner.counters[partition] = counters;
        if inner.partitions[partition] == health {
            return;
        }
        inner.partitions[partition] = health;
        let health = inner.health();
        // At the start, one partition comes after the other.
        let starts = health == Health::Degraded && !inner.partitions.contains(&Health::Degraded);
        if inner.logged == health || starts {
            return;
        }
        inner.logged = health;
        inner.trouble.clear();
        match health {
            Health::Starting => {}
            Health::Healthy => tracing::info!("Redis is reached; the nodes of the cluster are"),
            Health::Degraded => tracing::warn!("Redis is not reached now, or not all of it"),
        }
    }

    /// Says why there is no link, unless that was said last.
    pub(crate) fn trouble(&self, error: &LinkError) {
        let text = error.to_string();
        let mut inner = self.lock();
        if inner.trouble != text {
            tracing::warn!("no link to Redis yet: {text}");
            inner.trouble = text;
        }
    }

    /// Counts a link on which more waited than may.
    pub(crate) fn overrun(&self) {
        self.overruns.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what was published by a script that this version does not know.
    pub(crate) fn skip(&self) {
        if self.skipped.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!("another version publishes what this one does not understand");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn health(&self) -> Health {
        let all = |health| self.partitions.iter().all(|own| *own == health);
        if all(Health::Healthy) {
            Health::Healthy
        } else if all(Health::Starting) {
            Health::Starting
        } else {
            Health::Degraded
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_partitions_must_work_and_one_that_does_ends_the_start() {
        let status = Status::new(2);
        assert_eq!(status.health(), Health::Starting);
        let one = Counters {
            gaps: 1,
            ..Counters::default()
        };
        status.set(0, Health::Healthy, one);
        // The other one's server may be away for hours; this node can serve meanwhile.
        assert_eq!(status.health(), Health::Degraded);
        status.set(1, Health::Healthy, one);
        assert_eq!(status.health(), Health::Healthy);
        status.set(0, Health::Degraded, one);
        assert_eq!(status.health(), Health::Degraded);
        assert_eq!(status.counters().gaps, 2);
    }
}
