//! One node as a process, behind a network that fails.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use trunkline_tests::{Process, Proxy};

use crate::{
    faults::{long, schedule, seed, turn},
    field::Field,
    fleet::Fleet,
    history::{Micros, Rules, SECOND},
    member::Order,
    oracle::judge,
};

/// Between peers of one node nothing is under way for long.
fn rules(window: Micros) -> Rules {
    Rules {
        in_flight: SECOND,
        ..Rules::for_window(window)
    }
}

/// What happens to connections while the node lives.
#[derive(Clone, Copy, Debug)]
enum Fault {
    MembersCut,
    MembersLeaveAndOthersCome,
    NetworkReset,
    NetworkHeld,
    NodeFrozen,
}

const FAULTS: [Fault; 5] = [
    Fault::MembersCut,
    Fault::MembersLeaveAndOthersCome,
    Fault::NetworkReset,
    Fault::NetworkHeld,
    Fault::NodeFrozen,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_connections_nothing_is_lost_told_twice_or_out_of_order() {
    let _turn = turn().await;
    let mut field = Field::new(seed());
    let node = Process::signal(&["--suspend-window", "2s"]);
    let mut proxy = Proxy::start(node.public);
    let number = field.open(proxy.address);
    field.populate(0..12, 4).await;
    let seconds = if long() { 300 } else { 8 };
    let directed = field.talk(seconds * 1000, 1000, false);
    let broadcasts = field.talk(seconds * 200, 200, true);
    let every = Duration::from_millis(900);
    let length = Duration::from_secs(seconds);
    let start = Instant::now();
    for (at, fault) in schedule(&mut field.seed, &FAULTS, every, length) {
        sleep_until(start + at).await;
        let some: Vec<u32> = (0..5).map(|_| field.seed.within(0..48) as u32).collect();
        match fault {
            Fault::MembersCut => {
                for peer in some {
                    let soon = Duration::from_millis(field.seed.within(0..1200));
                    field.returns(peer, Some(soon));
                    field.order(peer, Order::Cut);
                }
            }
            Fault::MembersLeaveAndOthersCome => {
                for peer in some {
                    field.order(peer, Order::Leave);
                    field.enter(peer % 12, None);
                }
            }
            Fault::NetworkReset => {
                field.will_sever(number);
                proxy.reset();
            }
            Fault::NetworkHeld => {
                proxy.blackhole();
                sleep(Duration::from_millis(400)).await;
                proxy.restore().await;
            }
            Fault::NodeFrozen => {
                node.freeze();
                sleep(Duration::from_millis(400)).await;
                node.thaw();
            }
        }
    }
    directed.await.unwrap();
    broadcasts.await.unwrap();
    let took = field.converge(Duration::from_secs(15)).await;
    field.last_words(Duration::from_secs(10)).await;
    println!("rosters were equal after {took:?}");
    let verdict = judge(&field.history(), &rules(2 * SECOND));
    println!("{verdict}");
    verdict.demand_innocence();
    assert!(
        verdict.directed > 1000 && verdict.broadcasts > 1000,
        "{verdict}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_those_who_are_lost_each_that_does_not_return_leaves_once_and_no_other() {
    let _turn = turn().await;
    let mut field = Field::new(seed());
    let node = Process::signal(&["--suspend-window", "1500ms"]);
    field.open(node.public);
    let rooms = if long() { 2_000 } else { 300 };
    field.populate(0..rooms, 3).await;
    for peer in field.peers() {
        match peer % 3 {
            0 => field.returns(peer, None),
            1 => field.returns(peer, Some(Duration::from_millis(700))),
            _ => continue,
        }
        field.order(peer, Order::Cut);
    }
    let rules = Rules {
        late: 2 * SECOND,
        ..rules(1_500_000)
    };
    // Until the last leave is due, and a second one would have been heard.
    sleep(Duration::from_micros(
        rules.window + rules.noticed + rules.late,
    ))
    .await;
    field.converge(Duration::from_secs(5)).await;
    field.last_words(Duration::from_secs(10)).await;
    let verdict = judge(&field.history(), &rules);
    println!("{verdict}");
    verdict.demand_innocence();
    assert!(verdict.leaves >= u64::from(rooms), "{verdict}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_members_of_a_node_that_is_killed_and_started_again_find_each_other() {
    let _turn = turn().await;
    let mut field = Field::new(seed());
    let mut fleet = Fleet::start(&mut field, 1, &["--suspend-window", "2s"]);
    field.populate(0..50, 4).await;
    let seconds = if long() { 60 } else { 6 };
    let talk = field.talk(seconds * 1000, 1000, false);
    while !talk.is_finished() {
        sleep(Duration::from_millis(1500)).await;
        let before = fleet.number(0);
        fleet.kill(&mut field, 0);
        fleet.start_again(&mut field, 0);
        assert_ne!(fleet.number(0), before);
        sleep(Duration::from_millis(700)).await;
        let length = Duration::from_millis(400);
        fleet.freeze(&mut field, 0, length).await;
    }
    field.converge(Duration::from_secs(10)).await;
    field.last_words(Duration::from_secs(10)).await;
    assert_eq!(field.at(fleet.number(0)).len(), 200);
    assert!(fleet.process(0).is_running());
    assert_eq!(fleet.metric("trunkline_members").await, 200.0);
    let verdict = judge(&field.history(), &rules(2 * SECOND));
    println!("{verdict}");
    verdict.demand_innocence();
}
