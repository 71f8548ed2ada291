use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use relay::TokenBucket;

/// As much as this time allows may be carried at once, as of datagrams.
const SPAN: Duration = Duration::from_secs(1);

/// How many bits a second an allocation's connections with peers carry together, each way, whichever threads they are on:
/// it is asked before each read, and what is not read waits where it is.
#[derive(Debug)]
pub(crate) struct Allowance {
    start: Instant,
    bits_per_second: u64,
    flows: Mutex<Flows>,
}

#[derive(Debug, Default)]
struct Flows {
    to_peer: TokenBucket,
    to_client: TokenBucket,
}

/// Whom data is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToPeer,
    ToClient,
}

impl Allowance {
    /// Any number of bits for 0.
    pub(crate) fn new(bits_per_second: u64, now: Instant) -> Arc<Self> {
        Arc::new(Self {
            start: now,
            bits_per_second,
            flows: Mutex::default(),
        })
    }

    /// When data may go on that way; at once for `None`.
    pub(crate) fn waits_until(&self, way: Way, now: Instant) -> Option<Instant> {
        if self.bits_per_second == 0 {
            return None;
        }
        let nanos = self.nanos(now);
        let bucket = *self.lock().of(way);
        let has_any = bucket.has_any(SPAN, nanos);
        (!has_any).then(|| self.start + Duration::from_nanos(bucket.next_at(SPAN)))
    }

    /// Counts what has been read.
    pub(crate) fn take(&self, way: Way, bytes: u64, now: Instant) {
        if self.bits_per_second > 0 && bytes > 0 {
            let nanos = self.nanos(now);
            self.lock()
                .of(way)
                .take(bytes.saturating_mul(8), self.bits_per_second, nanos);
        }
    }

    fn nanos(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Flows> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flows {
    fn of(&mut self, way: Way) -> &mut TokenBucket {
        match way {
            Way::ToPeer => &mut self.to_peer,
            Way::ToClient => &mut self.to_client,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_has_its_own_and_goes_on_when_it_is_said() {
        let now = Instant::now();
        let allowance = Allowance::new(8_000, now);
        assert_eq!(allowance.waits_until(Way::ToPeer, now), None);
        allowance.take(Way::ToPeer, 1500, now);
        let until = allowance.waits_until(Way::ToPeer, now).unwrap();
        assert!(until > now + Duration::from_millis(500));
        assert!(until < now + Duration::from_millis(501));
        assert_eq!(allowance.waits_until(Way::ToPeer, until), None);
        assert_eq!(allowance.waits_until(Way::ToClient, now), None);
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let now = Instant::now();
        let allowance = Allowance::new(0, now);
        allowance.take(Way::ToClient, u64::MAX, now);
        assert_eq!(allowance.waits_until(Way::ToClient, now), None);
    }
}
