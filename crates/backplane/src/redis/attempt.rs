//! Making a link, and when.

use std::{
    hash::{BuildHasher, RandomState},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use super::{
    error::LinkError,
    topology::{Link, Topology},
};

/// Between two attempts at a link, at random up to the first after the first failure, up to the second in the end.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(1);

/// How long to wait after so many failures in a row.
pub(super) fn back_off(failures: u32, random: u64) -> Duration {
    let most = FIRST_RETRY.saturating_mul(1 << failures.min(10));
    let share = f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX);
    most.min(LAST_RETRY).mul_f64(share)
}

/// A link, made after a while.
pub(super) fn attempt(
    topology: Arc<Topology>,
    partition: usize,
    wait: Duration,
) -> Pin<Box<dyn Future<Output = Result<Link, LinkError>> + Send>> {
    Box::pin(async move {
        tokio::time::sleep(wait).await;
        topology.link(partition).await
    })
}

/// A number that nobody can foretell; for back-offs and seeds.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_longer_than_a_second_and_no_two_equally_long() {
        let mut waits: Vec<Duration> = (0..1000).map(|n| back_off(n / 100, random())).collect();
        assert!(waits.iter().all(|wait| *wait <= LAST_RETRY));
        assert!(waits[..100].iter().all(|wait| *wait <= FIRST_RETRY));
        let late = &waits[500..];
        let mean = late.iter().sum::<Duration>() / 500;
        assert!((400..600).contains(&mean.as_millis()), "{mean:?}");
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 990, "{} of 1000 differ", waits.len());
        assert_eq!(back_off(u32::MAX, u64::MAX), LAST_RETRY);
    }
}
