//! One node loses its way to Redis, and with it to the others, which have theirs.

use std::{collections::BTreeMap, time::Duration};

use trunkline_tests::{Proxy, Redis};

use super::{rules, timers, wait};
use crate::{
    faults::{long, seed, turn},
    field::Field,
    fleet::Fleet,
    history::{Event, SECOND},
    oracle::judge,
};

/// In the eyes of the others, for which it is dead; nobody else is left in anybody's eyes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_peers_of_a_node_that_is_cut_off_alone_are_left_once_and_join_again() {
    let _turn = turn().await;
    let redis = Redis::start();
    let mut networks: Vec<Proxy> = (0..3)
        .map(|_| Proxy::start(([127, 0, 0, 1], redis.port()).into()))
        .collect();
    let urls: Vec<String> = networks
        .iter()
        .map(|network| format!("redis://{}", network.address))
        .collect();
    let options: Vec<Vec<&str>> = urls
        .iter()
        .map(|url| [&["--redis", url.as_str()][..], &timers()].concat())
        .collect();
    let mut field = Field::new(seed());
    let fleet = Fleet::start_each(&mut field, &options);
    let rooms = if long() { 2_000 } else { 100 };
    // Four in each: two of them at the same node.
    field.populate(0..rooms, 4).await;
    let host = field.seed.within(0..3) as usize;
    let lonely = field.at(fleet.number(host));
    let rules = rules();
    let since = field.now();
    let network = &mut networks[host];
    match field.seed.within(0..3) {
        0 => network.cut().await,
        1 => network.blackhole(),
        _ => network.blackhole_to_server(),
    }
    // Until its lease has ended in the eyes of the others.
    wait(rules.lease + rules.late).await;
    networks[host].restore().await;
    let isolation = (fleet.number(host), since, field.now());
    field.deeds.isolated.push(isolation);
    let took = field.converge(Duration::from_secs(10)).await;
    println!("rosters were equal after {took:?}");
    field.last_words(Duration::from_secs(20)).await;
    wait(rules.lease + SECOND).await;
    let history = field.history();
    let verdict = judge(&history, &rules);
    println!("{verdict}");
    verdict.demand_innocence();
    let mut rooms = BTreeMap::<u32, Vec<u32>>::new();
    for life in &history.lives {
        rooms.entry(life.room).or_default().push(life.peer);
    }
    for life in &history.lives {
        let [session] = &life.sessions[..] else {
            panic!("p{} has lost its connection", life.peer);
        };
        for &other in rooms[&life.room].iter().filter(|peer| **peer != life.peer) {
            let left = Event::Left { peer: other };
            let leaves = session.events.iter().filter(|(_, event)| *event == left);
            let apart = lonely.contains(&other) && !lonely.contains(&life.peer);
            assert_eq!(
                leaves.count(),
                usize::from(apart),
                "p{} of p{other}",
                life.peer
            );
        }
    }
}
