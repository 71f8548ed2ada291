//! A node dies with thousands of rooms.

use std::time::Duration;

use super::{Scene, rules, wait};
use crate::{
    faults::{long, seed, turn},
    history::SECOND,
    oracle::judge,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_dead_node_s_members_each_that_does_not_return_is_left_once_and_no_other() {
    let _turn = turn().await;
    let mut scene = Scene::start(seed(), 3);
    // Two in each room: descriptors are a machine's limit before rooms are.
    let rooms = if long() { 9_000 } else { 1_500 };
    scene.field.populate(0..rooms, 2).await;
    let victims = scene.field.at(scene.fleet.number(0));
    for (n, &peer) in victims.iter().enumerate() {
        let soon = Duration::from_millis(scene.field.seed.within(0..5000));
        scene.field.returns(peer, (n % 2 == 0).then_some(soon));
    }
    scene.fleet.kill(&mut scene.field, 0);
    let rules = rules();
    // Until the last leave is due, and a second one would have been heard.
    wait(rules.lease + rules.late + 2 * SECOND).await;
    scene.field.converge(Duration::from_secs(5)).await;
    scene.field.last_words(Duration::from_secs(20)).await;
    let sweeps = scene
        .fleet
        .sum_of_the_living("trunkline_backplane_sweeps_total")
        .await;
    assert!(sweeps > 0.0, "nobody was swept");
    let verdict = judge(&scene.field.history(), &rules);
    println!("{verdict}");
    verdict.demand_innocence();
    assert!(verdict.leaves as usize > victims.len() / 4, "{verdict}");
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
