use std::time::Duration;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// An allowance that grows steadily up to a bound, and is told by the one moment at which it is full, in nanoseconds from
/// a start that the caller has. It is full at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenBucket {
    full_at: u64,
}

impl TokenBucket {
    /// Whether anything is left at `now`, in nanoseconds, in a bucket that takes `span` to fill. Who finds something left
    /// may take more than that, and is in debt: otherwise what is larger than the bucket would never pass.
    pub fn has_any(self, span: Duration, now: u64) -> bool {
        u128::from(self.full_at.saturating_sub(now)) < span.as_nanos()
    }

    /// Whether `amount` is left, for who may not be in debt.
    pub fn has(self, amount: u64, per_second: u64, span: Duration, now: u64) -> bool {
        let mut after = self;
        after.take(amount, per_second, now);
        u128::from(after.full_at.saturating_sub(now)) <= span.as_nanos()
    }

    /// From when on [`Self::has_any`] says yes, in nanoseconds.
    pub fn next_at(self, span: Duration) -> u64 {
        let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        match self.full_at.checked_sub(span) {
            Some(empty_at) => empty_at + 1,
            None => 0,
        }
    }

    /// Whether nothing is missing at `now`: it may be forgotten, and another taken for it.
    pub fn is_full(self, now: u64) -> bool {
        self.full_at <= now
    }

    /// Takes `amount` out of a bucket that `per_second` flow into.
    pub fn take(&mut self, amount: u64, per_second: u64, now: u64) {
        let cost = amount
            .saturating_mul(NANOS_PER_SECOND)
            .checked_div(per_second)
            .unwrap_or_default();
        self.full_at = self.full_at.max(now).saturating_add(cost);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const SPAN: Duration = Duration::from_secs(1);

    proptest! {
        #[test]
        fn over_any_stretch_no_more_passes_than_flows_in_and_the_bucket_holds_and_one_more(
            rate in 1u64..1000,
            asked in vec((0u64..20_000_000, 1u64..50), 1..500),
        ) {
            let mut now = 0;
            let mut bucket = TokenBucket::default();
            let mut passed = Vec::new();
            for (pause, amount) in asked {
                now += pause;
                if bucket.has_any(SPAN, now) {
                    bucket.take(amount, rate, now);
                    passed.push((now, amount));
                }
            }
            for (from, (first, _)) in passed.iter().enumerate() {
                let mut before = 0;
                for (at, amount) in &passed[from..] {
                    // What passes may be more than what is left, but something is.
                    let seconds = 1.0 + (*at - *first) as f64 / 1e9;
                    prop_assert!((before as f64) < rate as f64 * seconds + 1e-3);
                    before += amount;
                }
            }
        }
    }

    #[test]
    fn what_is_larger_than_the_bucket_passes_and_is_paid_for_afterwards() {
        let mut bucket = TokenBucket::default();
        bucket.take(30, 10, 0);
        assert!(!bucket.has_any(SPAN, 2 * NANOS_PER_SECOND));
        assert!(bucket.has_any(SPAN, 2 * NANOS_PER_SECOND + 1));
        assert_eq!(bucket.next_at(SPAN), 2 * NANOS_PER_SECOND + 1);
        assert_eq!(TokenBucket::default().next_at(SPAN), 0);
    }
}
