//! What is done when: from a seed that is printed, and may be set.

use std::time::{Duration, SystemTime};

use tokio::sync::{Semaphore, SemaphorePermit};
use trunkline_tests::Seed;

/// Whether the runs are to be long.
pub(crate) fn long() -> bool {
    std::env::var("CHAOS_LONG").is_ok_and(|long| long != "0")
}

/// Two scenarios at a time, a long one alone: what is judged is the nodes, not how many scenarios a machine carries.
static TURNS: Semaphore = Semaphore::const_new(2);

/// To be held for as long as a scenario lasts.
pub(crate) async fn turn() -> SemaphorePermit<'static> {
    let turns = if long() { 2 } else { 1 };
    TURNS.acquire_many(turns).await.expect("it is never closed")
}

/// The seed of this run: the one that was asked for, or a new one.
pub(crate) fn seed() -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros();
    let seed = match std::env::var("CHAOS_SEED") {
        Ok(seed) => seed.parse().expect("CHAOS_SEED to be a number"),
        Err(_) => u64::try_from(now).unwrap() % 1_000_000,
    };
    println!("CHAOS_SEED={seed}");
    seed
}

/// The seed of this run: the one that was asked for, or always the same.
pub(crate) fn seed_or(usual: u64) -> u64 {
    match std::env::var("CHAOS_SEED") {
        Ok(_) => seed(),
        Err(_) => {
            println!("CHAOS_SEED={usual}");
            usual
        }
    }
}

/// Faults in random order, about so far apart: each kind once before any comes again, and each once at least.
pub(crate) fn schedule<K: Copy>(
    seed: &mut Seed,
    kinds: &[K],
    every: Duration,
    length: Duration,
) -> Vec<(Duration, K)> {
    let mut planned = Vec::new();
    let mut left: Vec<K> = Vec::new();
    let mut at = every / 2;
    while at < length || planned.len() < kinds.len() {
        if left.is_empty() {
            left = kinds.to_vec();
        }
        let next = seed.within(0..left.len() as u64);
        let kind = left.swap_remove(usize::try_from(next).unwrap());
        planned.push((at, kind));
        at += every.mul_f64(0.75 + seed.within(0..500) as f64 / 1000.0);
    }
    planned
}

#[test]
fn the_same_seed_gives_the_same_faults_and_all_kinds_in_turn() {
    let (every, length) = (Duration::from_secs(2), Duration::from_secs(60));
    let kinds = ['a', 'b', 'c'];
    let plan = |seed| schedule(&mut Seed::new(seed), &kinds, every, length);
    assert_eq!(plan(1), plan(1));
    assert_ne!(plan(1), plan(2));
    let brief = schedule(&mut Seed::new(1), &kinds, every, every);
    assert_eq!(brief.len(), kinds.len());
    for three in plan(3).chunks_exact(3) {
        let mut all: Vec<char> = three.iter().map(|(_, kind)| *kind).collect();
        all.sort_unstable();
        assert_eq!(all, kinds);
    }
}
