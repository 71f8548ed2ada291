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
        }
    }

    /// Of the partitions, the worst; a node whose cluster worked in part has worked.
    pub(crate) fn health(&self) -> Health {
        self.lock().health()
    }

    /// What has happened in all partitions.
    pub(crate) fn counters(&self) -> Counters {
        let skipped = Counters {
            unreadable: self.skipped.load(Ordering::Relaxed),
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
        if inner.logged == health {
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
        if self.partitions.contains(&Health::Degraded) {
            Health::Degraded
        } else if self.partitions.contains(&Health::Starting) {
            Health::Starting
        } else {
            Health::Healthy
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_partitions_must_work() {
        let status = Status::new(2);
        assert_eq!(status.health(), Health::Starting);
        let one = Counters {
            gaps: 1,
            ..Counters::default()
        };
        status.set(0, Health::Healthy, one);
        assert_eq!(status.health(), Health::Starting);
        status.set(1, Health::Healthy, one);
        assert_eq!(status.health(), Health::Healthy);
        status.set(0, Health::Degraded, one);
        assert_eq!(status.health(), Health::Degraded);
        assert_eq!(status.counters().gaps, 2);
    }
}
