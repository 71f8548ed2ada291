//! Redis is away, or has forgotten everything, and no client is told.

use std::time::Duration;

use tokio::time::Instant;

use super::{Outage, Scene, halves::Half, rules, wait};
use crate::{
    faults::{long, seed, turn},
    history::{History, Rules, SECOND},
    member::Order,
    oracle::judge,
};

/// Nobody was disconnected, and nobody heard a leave.
#[track_caller]
fn innocent(history: &History, rules: &Rules) {
    let verdict = judge(history, rules);
    println!("{verdict}");
    verdict.demand_innocence();
    assert!(verdict.directed > 0, "nothing was proved: {verdict}");
    let ended = history.lives.iter().flat_map(|life| &life.sessions);
    assert_eq!(ended.filter(|session| session.ended.is_some()).count(), 0);
    assert_eq!((verdict.leaves, verdict.excused), (0, 0));
}

async fn away(outage: Outage, seconds: u64) {
    let mut scene = Scene::start(seed(), 3);
    scene.field.populate(0..30, 6).await;
    // What crosses nodes has to wait at them meanwhile.
    let talk = scene.field.talk((seconds + 4) * 300, 300, false);
    wait(2 * SECOND).await;
    let before = scene.fleet.metric("trunkline_messages_sent_total").await;
    let since = scene.lose_redis(outage).await;
    wait(seconds * SECOND).await;
    let after = scene.fleet.metric("trunkline_messages_sent_total").await;
    scene.find_redis(outage, since).await;
    let healed = Instant::now();
    // Of six in a room at three nodes, one in five has its partner at its own node.
    let flowed = (after - before) / (seconds * 300) as f64;
    assert!(flowed > 0.1, "{flowed} of the messages flowed meanwhile");
    scene.field.converge(Duration::from_secs(5)).await;
    println!("rosters were equal {:?} after", healed.elapsed());
    talk.await.unwrap();
    scene.field.last_words(Duration::from_secs(30)).await;
    // A leave that was only put off would come within a lease.
    wait(rules().lease + SECOND).await;
    innocent(&scene.field.history(), &rules());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_stopped_nobody_is_disconnected_left_or_unheard() {
    let _turn = turn().await;
    away(Outage::Stopped, if long() { 30 } else { 12 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_network_to_redis_is_a_black_hole_nobody_is_disconnected_left_or_unheard() {
    let _turn = turn().await;
    away(Outage::Held, if long() { 30 } else { 12 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_while_redis_is_away_is_announced_everywhere_afterwards() {
    let _turn = turn().await;
    let mut scene = Scene::start(seed(), 3);
    scene.field.populate(0..20, 3).await;
    let since = scene.field.now();
    scene.redis.stop();
    wait(SECOND).await;
    let newcomers: Vec<u32> = (0..20).map(|room| scene.field.enter(room, None)).collect();
    scene.field.until_joined(&newcomers).await;
    wait(2 * SECOND).await;
    scene.redis.start_again();
    let now = scene.field.now();
    scene.field.deeds.outages.push((since, now));
    scene.field.converge(Duration::from_secs(5)).await;
    scene.field.last_words(Duration::from_secs(10)).await;
    innocent(&scene.field.history(), &rules());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_redis_forgets_everything_nobody_hears_of_it() {
    let _turn = turn().await;
    let mut scene = Scene::start(seed(), 3);
    scene.field.populate(0..100, 3).await;
    let seconds = if long() { 60 } else { 8 };
    let talk = scene.field.talk(seconds * 1000, 1000, false);
    while !talk.is_finished() {
        wait(2 * SECOND).await;
        scene.flush();
    }
    scene.field.converge(Duration::from_secs(5)).await;
    scene.field.last_words(Duration::from_secs(10)).await;
    wait(rules().lease + SECOND).await;
    innocent(&scene.field.history(), &rules());
}

/// While Redis is away members move, leave and come, in a third of the rooms each. Five seconds are promised; how long it
/// took is printed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_redis_is_back_the_rosters_of_all_rooms_are_soon_equal() {
    let _turn = turn().await;
    let test = "redis::outage::when_redis_is_back_the_rosters_of_all_rooms_are_soon_equal";
    let mut half = Half::begin(test).await;
    let rooms = half.rooms(if long() { 10_000 } else { 600 });
    let seconds = if long() { 30 } else { 4 };
    let field = half.field();
    field.populate(rooms.clone(), 2).await;
    let talk = field.talk((seconds + 3) * 200, 200, false);
    let since = half.lose_redis(Outage::Stopped).await;
    let field = half.field();
    let mut newcomers = Vec::new();
    for (first, room) in (0..).step_by(2).zip(rooms) {
        match room % 3 {
            0 => {
                let soon = Duration::from_millis(field.seed.within(0..1000));
                field.returns(first, Some(soon));
                field.order(first, Order::Cut);
            }
            1 => {
                field.order(first, Order::Leave);
            }
            _ => newcomers.push(field.enter(room, None)),
        }
        if room % 64 == 0 {
            wait(SECOND / 20).await;
        }
    }
    field.until_joined(&newcomers).await;
    wait(seconds * SECOND).await;
    half.find_redis(Outage::Stopped, since).await;
    let field = half.field();
    // Thousands of rooms take a busy machine longer.
    let bound = Duration::from_secs(if long() { 15 } else { 5 });
    let took = field.converge(bound).await;
    println!("rosters were equal {took:?} after");
    talk.await.unwrap();
    let bound = Duration::from_secs(if long() { 120 } else { 30 });
    field.last_words(bound).await;
    // A leave that was only put off would come within a lease.
    let rules = rules();
    wait(rules.lease + SECOND).await;
    let verdict = judge(&field.history(), &rules);
    println!("{verdict}");
    verdict.demand_innocence();
    assert!(
        verdict.directed > 0 && verdict.announces > 0,
        "nothing was proved: {verdict}"
    );
    half.end().await;
}
