//! Couples find each other while nodes die: clients of `crates/client`, real nodes, a real Redis.
//!
//! `CHAOS_SEED=n` repeats a run's choices.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "these are tests"
)]

#[path = "../../crates/client/examples/couple/channel.rs"]
mod channel;
mod client;
mod couple;
mod nodes;
mod recorded;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use couple::{BOUND, Report, live};
use nodes::Nodes;
use recorded::SIGNALS;
use tokio::time::sleep;
use trunkline_tests::Seed;

const COUPLES: usize = 500;

/// Between the beginnings of two couples.
const APART: Duration = Duration::from_millis(100);

/// A request is answered within its four seconds, or half a second later by the client itself; the rest is the machine's.
const ANSWERED: Duration = Duration::from_millis(5500);

fn seed() -> Seed {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros();
    let seed = match std::env::var("CHAOS_SEED") {
        Ok(seed) => seed.parse().expect("CHAOS_SEED to be a number"),
        Err(_) => u64::try_from(now).unwrap() % 1_000_000,
    };
    println!("CHAOS_SEED={seed}");
    Seed::new(seed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_signal_of_a_couple_is_lost_or_told_twice_while_nodes_are_killed() {
    let mut seed = seed();
    let nodes = Nodes::start(3);
    let urls = nodes.urls.clone();
    let killing = nodes.are_killed(seed.fork());
    let mut under_way = Vec::new();
    for couple in 0..COUPLES {
        let has_channel = couple % 10 == 0;
        let lives = live(couple, urls.clone(), has_channel, seed.fork());
        under_way.push(tokio::spawn(lives));
        sleep(APART).await;
    }
    let mut reports = Vec::new();
    for couple in under_way {
        reports.push(couple.await.unwrap());
    }
    let (_nodes, deaths) = killing.stop().await;
    judge(&mut reports, deaths).await;
}

async fn judge(reports: &mut [Report], deaths: usize) {
    let mut wrong = Vec::new();
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    let (mut reconnects, mut hit) = (0, 0);
    for report in &mut *reports {
        hit += report.hit;
        for side in &mut report.sides {
            side.close().await;
            reconnects += side.reconnects;
            if !side.heard.iter().copied().eq(0..SIGNALS as u64) {
                wrong.push(format!("{} heard {:?}", side.name, side.heard));
            }
            if !side.lost.is_empty() {
                wrong.push(format!("{} lost {:?}", side.name, side.lost));
            }
        }
        let name = &report.sides[0].name;
        for (took, reason) in &report.requests {
            let answer = reason.map_or("yes", |reason| reason.label());
            *answers.entry(answer.to_owned()).or_default() += 1;
            if *took > ANSWERED {
                wrong.push(format!("{name}: {answer} after {took:?}"));
            }
        }
        let bound = if report.has_channel { 2 * BOUND } else { BOUND };
        if report.took > bound {
            wrong.push(format!("{name} took {:?}", report.took));
        }
    }
    let mut took: Vec<Duration> = reports.iter().map(|report| report.took).collect();
    took.sort();
    let channels = reports.iter().filter(|report| report.has_channel).count();
    println!(
        "{} couples, {channels} with a data channel, {} signals, {deaths} deaths, {hit} peers hit while they were at it, {reconnects} tries to \
         return; requests: \
         {answers:?}; a couple took {:?} in the middle, {:?} at most",
        reports.len(),
        reports.len() * 2 * SIGNALS,
        took[took.len() / 2],
        took[took.len() - 1],
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        deaths >= 4 && channels >= 10,
        "{deaths} deaths, {channels} channels"
    );
}
