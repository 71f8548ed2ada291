//! Three nodes that share a backplane in this process: members move from one to another, and nodes live.

use std::time::Duration;

use tokio::time::sleep;
use trunkline_tests::Cluster;

use crate::{
    faults::{long, seed, turn},
    field::Field,
    history::{Rules, SECOND},
    member::Order,
    oracle::judge,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_who_move_between_nodes_lose_nothing_and_nobody_hears_a_leave() {
    let _turn = turn().await;
    let mut field = Field::new(seed());
    let mut cluster = Cluster::default();
    let (window, ping) = (Duration::from_secs(3), Duration::from_secs(25));
    let nodes: Vec<_> = (0..3).map(|_| cluster.start_with(window, ping)).collect();
    for node in &nodes {
        field.open(node.public);
    }
    field.populate(0..10, 6).await;
    let seconds = if long() { 300 } else { 6 };
    let directed = field.talk(seconds * 1000, 1000, false);
    let broadcasts = field.talk(seconds * 200, 200, true);
    while !broadcasts.is_finished() {
        sleep(Duration::from_millis(200)).await;
        let peer = field.seed.within(0..60) as u32;
        let soon = Duration::from_millis(field.seed.within(20..1500));
        field.returns(peer, Some(soon));
        field.order(peer, Order::Cut);
    }
    directed.await.unwrap();
    field.converge(Duration::from_secs(10)).await;
    field.last_words(Duration::from_secs(10)).await;
    let verdict = judge(&field.history(), &Rules::for_window(3 * SECOND));
    println!("{verdict}");
    verdict.demand_innocence();
    assert_eq!(verdict.leaves, 0);
    assert!(
        verdict.directed > 1000 && verdict.announces > 10,
        "{verdict}"
    );
}
