//! Nothing that is said between nodes is lost, said twice or out of order, whatever happens meanwhile.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use trunkline_tests::Sentinels;

use super::{FAULTS, Fault, Outage, Scene, rules, timers};
use crate::{
    faults::{long, schedule, seed, seed_or, turn},
    field::Field,
    fleet::Fleet,
    oracle::judge,
};

/// What is said, and how much of it must be obliged to arrive: who is cut off, or killed, about then is excused.
struct Talk {
    seed: u64,
    messages: u64,
    a_second: u64,
    broadcast: bool,
    /// Of a hundred.
    obliged: u64,
}

/// All that is said under these faults, each of which comes once at least, and what the oracle says.
async fn exact(talk: Talk, faults: &[Fault], every: u64) {
    let mut scene = Scene::start(talk.seed, 3);
    scene.field.populate(0..20, 5).await;
    let (messages, a_second) = (talk.messages, talk.a_second);
    let talking = match talk.broadcast {
        true => scene.field.talk(messages, a_second, true),
        // Some are not said, since their sender has just been told that the receiver is gone.
        false => scene.field.talk_across(messages * 21 / 20, a_second),
    };
    let length = Duration::from_secs(messages / a_second);
    let (every, start) = (Duration::from_millis(every), Instant::now());
    for (at, fault) in schedule(&mut scene.field.seed, faults, every, length) {
        sleep_until(start + at).await;
        scene.suffer(fault).await;
    }
    talking.await.unwrap();
    let took = scene.field.converge(Duration::from_secs(30)).await;
    println!("rosters were equal after {took:?}");
    scene.field.last_words(Duration::from_secs(30)).await;
    let repeats = "trunkline_backplane_repeats_wanted_total";
    let repeats = scene.fleet.metric(repeats).await;
    assert!(repeats > 0.0, "nothing was lost on its way");
    let verdict = judge(&scene.field.history(), &rules());
    println!("{verdict}");
    verdict.demand_innocence();
    let (said, obliged) = match talk.broadcast {
        true => (messages, verdict.broadcasts),
        false => {
            // What a node had that was killed is gone, the more of it the busier the machine; hardly anything else.
            let across = verdict.across;
            assert!(across.arrived * 100 >= across.said * 90, "{verdict}");
            (across.said, across.obliged)
        }
    };
    assert!(said >= messages, "{verdict}");
    assert!(obliged * 100 >= said * talk.obliged, "{verdict}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directed_messages_between_nodes_arrive_once_and_in_order() {
    let _turn = turn().await;
    let (messages, every) = if long() {
        (1_000_000, 10_000)
    } else {
        (50_000, 2_000)
    };
    let talk = Talk {
        seed: seed_or(4711),
        messages,
        a_second: 1600,
        broadcast: false,
        obliged: if long() { 80 } else { 60 },
    };
    exact(talk, &FAULTS, every).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broadcasts_between_nodes_arrive_once_and_in_order() {
    let _turn = turn().await;
    // Each is heard by four others.
    let (messages, every) = if long() {
        (250_000, 10_000)
    } else {
        (12_500, 2_000)
    };
    let talk = Talk {
        seed: seed(),
        messages,
        a_second: 400,
        broadcast: true,
        obliged: 75,
    };
    exact(talk, &FAULTS, every).await;
}

/// No member is disturbed: every message counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_subscribers_alone_are_ended_again_and_again_every_message_arrives() {
    let _turn = turn().await;
    let only = [
        Fault::SubscribersEnded,
        Fault::ConnectionsEnded,
        Fault::WithoutRedis(Outage::Cut),
    ];
    let messages = if long() { 100_000 } else { 16_000 };
    let talk = Talk {
        seed: seed(),
        messages,
        a_second: 2000,
        broadcast: false,
        obliged: 99,
    };
    exact(talk, &only, 2_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_loses_nothing_and_nobody_hears_a_leave() {
    let _turn = turn().await;
    let mut field = Field::new(seed());
    let mut sentinels = Sentinels::start();
    let url = sentinels.url();
    let options = [&["--redis", &url][..], &timers()].concat();
    let _fleet = Fleet::start(&mut field, 3, &options);
    field.populate(0..20, 5).await;
    let seconds = if long() { 120 } else { 15 };
    let talk = field.talk(seconds * 1000, 1000, false);
    for round in 0.. {
        let since = field.now();
        println!("{:>6} ms: failover {round}", since / 1000);
        let old = sentinels.master().expect("a master").port();
        // These wait for the Sentinels, and the members go on meanwhile.
        tokio::task::block_in_place(|| match round % 3 {
            0 => sentinels.kill_the_master(),
            1 => sentinels.failover(),
            _ => drop(sentinels.freeze_the_master()),
        });
        let now = field.now();
        field.deeds.outages.push((since, now));
        tokio::task::block_in_place(|| {
            match round % 3 {
                0 => sentinels.start_again(old),
                1 => {}
                _ => sentinels.thaw(old),
            }
            sentinels.until_whole();
        });
        if talk.is_finished() {
            break;
        }
    }
    let took = field.converge(Duration::from_secs(30)).await;
    println!("rosters were equal after {took:?}");
    field.last_words(Duration::from_secs(30)).await;
    let verdict = judge(&field.history(), &rules());
    println!("{verdict}");
    verdict.demand_innocence();
    assert_eq!(verdict.leaves, 0);
    assert!(verdict.across.obliged > 0, "nothing was proved: {verdict}");
}
