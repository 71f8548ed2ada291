//! A node dies with thousands of rooms.

use std::time::Duration;

use super::{Scene, halves::Half, rules, wait};
use crate::{
    faults::{long, seed, turn},
    history::SECOND,
    oracle::judge,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_dead_node_s_members_each_that_does_not_return_is_left_once_and_no_other() {
    let _turn = turn().await;
    let test = "redis::crash::of_a_dead_node_s_members_each_that_does_not_return_is_left_once_and_no_other";
    let mut half = Half::begin(test).await;
    let rooms = half.rooms(if long() { 10_000 } else { 1_500 });
    let field = half.field();
    // Two in each, at two of the nodes.
    field.populate(rooms, 2).await;
    let victims = field.at(1);
    for (n, &peer) in victims.iter().enumerate() {
        let soon = Duration::from_millis(field.seed.within(0..5000));
        field.returns(peer, (n % 2 == 0).then_some(soon));
    }
    half.kill(0).await;
    let rules = rules();
    // Until the last leave is due, and a second one would have been heard.
    wait(rules.lease + rules.late + 2 * SECOND).await;
    let field = half.field();
    field.converge(Duration::from_secs(5)).await;
    field.last_words(Duration::from_secs(20)).await;
    let verdict = judge(&field.history(), &rules);
    println!("{verdict}");
    verdict.demand_innocence();
    // Each of those who do not return, in the eyes of the one that stays.
    assert_eq!(verdict.leaves as usize, victims.len() / 2, "{verdict}");
    if let Some(scene) = half.scene() {
        let sweeps = "trunkline_backplane_sweeps_total";
        let sweeps = scene.fleet.sum_of_the_living(sweeps).await;
        assert!(sweeps > 0.0, "nobody was swept");
    }
    half.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_everybody_of_a_dead_node_returns_elsewhere_nobody_hears_a_leave() {
    let _turn = turn().await;
    let mut scene = Scene::start(seed(), 3);
    scene.field.populate(0..300, 3).await;
    scene.fleet.kill(&mut scene.field, 1);
    scene.field.converge(Duration::from_secs(8)).await;
    let rules = rules();
    wait(rules.lease + rules.late).await;
    scene.field.last_words(Duration::from_secs(10)).await;
    let history = scene.field.history();
    let verdict = judge(&history, &rules);
    println!("{verdict}");
    verdict.demand_innocence();
    assert_eq!(verdict.leaves, 0);
}
