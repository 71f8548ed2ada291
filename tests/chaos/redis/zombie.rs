//! A node that stood still for longer than its lease believes that nothing happened.

use std::time::Duration;

use super::{Scene, rules, wait};
use crate::{
    faults::{long, seed, turn},
    history::SECOND,
    member::Order,
    oracle::judge,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_node_that_is_thawed_after_its_lease_agrees_with_the_others_again() {
    let _turn = turn().await;
    let mut scene = Scene::start(seed(), 3);
    scene.field.populate(0..100, 3).await;
    let rules = rules();
    let length = Duration::from_micros(rules.lease + 5 * SECOND);
    let rounds = if long() { 5 } else { 1 };
    let lapses = "trunkline_backplane_lapses_total";
    let before = scene.fleet.metric(lapses).await;
    for round in 0..rounds {
        scene
            .fleet
            .freeze(&mut scene.field, round % 3, length)
            .await;
        let took = scene.field.converge(Duration::from_secs(10)).await;
        println!("rosters were equal {took:?} after");
    }
    let lapsed = scene.fleet.metric(lapses).await - before;
    assert!(lapsed >= rounds as f64, "{lapsed} leases lapsed");
    // Everybody reaches everybody: nobody is owned by two nodes.
    scene.field.last_words(Duration::from_secs(10)).await;
    wait(rules.lease).await;
    let verdict = judge(&scene.field.history(), &rules);
    println!("{verdict}");
    verdict.demand_innocence();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_went_elsewhere_while_its_node_was_frozen_stays_there() {
    let _turn = turn().await;
    let mut scene = Scene::start(seed(), 3);
    scene.field.populate(0..60, 3).await;
    let frozen = scene.field.at(scene.fleet.number(0));
    let rules = rules();
    let length = Duration::from_micros(rules.lease + 4 * SECOND);
    let leaving: Vec<u32> = frozen.into_iter().step_by(2).collect();
    for &peer in &leaving {
        scene.field.returns(peer, Some(Duration::from_millis(1500)));
        scene.field.order(peer, Order::Cut);
    }
    // Their connections end before the freeze or in it; they come back to another node while it lasts.
    scene.fleet.freeze(&mut scene.field, 0, length).await;
    scene.field.converge(Duration::from_secs(10)).await;
    scene.field.last_words(Duration::from_secs(10)).await;
    let there = scene.field.at(scene.fleet.number(0));
    assert!(leaving.iter().all(|peer| !there.contains(peer)));
    let verdict = judge(&scene.field.history(), &rules);
    println!("{verdict}");
    verdict.demand_innocence();
}
