use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// No instant.
const NEVER: u64 = u64::MAX;

/// When the first of what a lock guards is over: known to every thread without the lock.
#[derive(Debug)]
pub(crate) struct Due {
    start: Instant,
    /// In milliseconds since the start.
    at: AtomicU64,
}

impl Due {
    /// Nothing is due; no instant is before `start`.
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            start,
            at: AtomicU64::new(NEVER),
        }
    }

    /// The instant is rounded up, so that what is due is over.
    pub(crate) fn set(&self, first: Option<Instant>) {
        let at = first.map_or(NEVER, |first| {
            let since = first.saturating_duration_since(self.start);
            u64::try_from(since.as_nanos().div_ceil(1_000_000)).unwrap_or(NEVER - 1)
        });
        self.at.store(at, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.at.load(Ordering::Relaxed) <= self.millis(now)
    }

    /// How long until it is.
    pub(crate) fn due_in(&self, now: Instant) -> Option<Duration> {
        let at = self.at.load(Ordering::Relaxed);
        (at != NEVER).then(|| Duration::from_millis(at.saturating_sub(self.millis(now))))
    }

    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start).as_millis();
        u64::try_from(since).unwrap_or(NEVER - 1)
    }
}
