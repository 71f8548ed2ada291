//! Rooms that are divided among several Redis, each of which may fail by itself.

use std::time::Duration;

use trunkline_tests::{Redis, RedisCluster};

use super::{rules, timers, wait};
use crate::{
    faults::{long, seed, turn},
    field::Field,
    fleet::Fleet,
    history::SECOND,
    oracle::judge,
};

/// Something happens to one of the servers, or to a node, every other second.
async fn exact(url: &str, servers: &mut [Redis]) {
    let mut field = Field::new(seed());
    let options = [&["--redis", url][..], &timers()].concat();
    let mut fleet = Fleet::start(&mut field, 3, &options);
    field.populate(0..30, 4).await;
    let messages = if long() { 300_000 } else { 14_000 };
    let talk = field.talk_across(messages, 1000);
    for round in 0.. {
        let at = field.seed.within(0..servers.len() as u64) as usize;
        let host = field.seed.within(0..3) as usize;
        println!("{:>6} ms: round {round}", field.now() / 1000);
        match round % 4 {
            0 => assert!(servers[at].disconnect("pubsub") > 0),
            1 => {
                // Less than the masters of a Cluster need to give one up.
                let since = field.now();
                servers[at].freeze();
                wait(SECOND).await;
                servers[at].thaw();
                let now = field.now();
                field.deeds.outages.push((since, now));
            }
            2 => {
                fleet.kill(&mut field, host);
                wait(SECOND).await;
                fleet.start_again(&mut field, host);
            }
            _ => {
                for server in servers.iter() {
                    assert!(server.disconnect("normal") > 0);
                }
            }
        }
        if talk.is_finished() && round >= 3 {
            break;
        }
        wait(2 * SECOND).await;
    }
    talk.await.unwrap();
    let took = field.converge(Duration::from_secs(15)).await;
    println!("rosters were equal after {took:?}");
    field.last_words(Duration::from_secs(15)).await;
    let repeats = fleet
        .metric("trunkline_backplane_repeats_wanted_total")
        .await;
    assert!(repeats > 0.0, "nothing was lost on its way");
    let verdict = judge(&field.history(), &rules());
    println!("{verdict}");
    verdict.demand_innocence();
    let across = verdict.across;
    assert!(across.arrived * 100 >= across.said * 90, "{verdict}");
    // Who was at a node that was killed is excused; the nodes are few, and the kills many.
    assert!(across.obliged * 4 >= across.said, "{verdict}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_three_independent_redis_messages_arrive_once_and_in_order() {
    let _turn = turn().await;
    let mut servers: Vec<Redis> = (0..3).map(|_| Redis::start()).collect();
    let urls: Vec<String> = servers.iter().map(Redis::url).collect();
    exact(&urls.join(","), &mut servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_redis_cluster_messages_arrive_once_and_in_order() {
    let _turn = turn().await;
    let mut cluster = RedisCluster::start();
    let url = cluster.url();
    exact(&url, &mut cluster.masters).await;
}
