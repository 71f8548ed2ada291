//! What every implementation must do.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use super::{Fleet, Kicks, Memory, Relay};
use crate::redis::{Redis, tests};

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A fleet under test.
pub(crate) trait Cluster {
    fn attach(&self) -> (Arc<dyn Fleet>, Kicks);
}

impl Cluster for Memory {
    fn attach(&self) -> (Arc<dyn Fleet>, Kicks) {
        self.attach()
    }
}

impl Cluster for Redis {
    fn attach(&self) -> (Arc<dyn Fleet>, Kicks) {
        self.attach_fleet()
    }
}

pub(crate) fn relay(id: &str) -> Relay {
    Relay {
        id: id.to_owned(),
        region: "eu".to_owned(),
        urls: vec![format!("turn:{id}.example:3478?transport=udp")],
        secrets: vec!["0badcafe".to_owned()],
        load: 3,
        capacity: 100,
        draining: false,
    }
}

/// Waits until the list has just these, in the order of their ids; returns how long that took.
pub(crate) async fn until_listed(fleet: &Arc<dyn Fleet>, expected: &[Relay]) -> Duration {
    let start = Instant::now();
    loop {
        let mut listed = fleet.relays().to_vec();
        listed.sort_by(|a, b| a.id.cmp(&b.id));
        if listed == expected {
            return start.elapsed();
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{listed:#?} are not {expected:#?}"
        );
        sleep(Duration::from_millis(5)).await;
    }
}

/// The user and the time of the next kick that is told.
pub(crate) async fn next_kick(kicks: &mut Kicks) -> (String, u64) {
    let told = timeout(PATIENCE, kicks.next()).await.expect("a kick");
    let told = told.expect("a fleet");
    assert_eq!(told.len(), 1, "{told:?}");
    (told[0].user.to_string(), told[0].until)
}

async fn a_relay_is_listed_as_it_said_last_until_it_is_dropped(cluster: impl Cluster) {
    let (reader, _) = cluster.attach();
    let (a, _kicks_of_a) = cluster.attach();
    let (b, mut kicks_of_b) = cluster.attach();
    a.register(relay("a"));
    b.register(relay("b"));
    until_listed(&reader, &[relay("a"), relay("b")]).await;
    let start = Instant::now();
    while !a.is_registered() {
        assert!(start.elapsed() < PATIENCE, "{a:?}");
        sleep(Duration::from_millis(5)).await;
    }
    assert!(!reader.is_registered());
    let drained = Relay {
        draining: true,
        ..relay("b")
    };
    b.register(drained.clone());
    until_listed(&reader, &[relay("a"), drained]).await;
    let busier = Relay {
        load: 50,
        ..relay("a")
    };
    a.register(busier.clone());
    drop(b);
    let took = until_listed(&reader, &[busier]).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    let end = timeout(PATIENCE, kicks_of_b.next()).await;
    assert_eq!(end.expect("an end"), None);
}

async fn a_kick_reaches_every_relay_also_one_that_comes_later(cluster: impl Cluster) {
    let (asker, _) = cluster.attach();
    let (_a, mut kicks_of_a) = cluster.attach();
    let (_b, mut kicks_of_b) = cluster.attach();
    asker.kick("carol, of all|people \n", 3600).unwrap();
    let told = next_kick(&mut kicks_of_a).await;
    assert_eq!(told.0, "carol, of all|people \n");
    assert_eq!(next_kick(&mut kicks_of_b).await, told);
    let (_c, mut kicks_of_c) = cluster.attach();
    assert_eq!(next_kick(&mut kicks_of_c).await, told);
    // The longer time counts.
    asker.kick("carol, of all|people \n", 60).unwrap();
    let (_d, mut kicks_of_d) = cluster.attach();
    assert_eq!(next_kick(&mut kicks_of_d).await.1, told.1);
}

async fn a_kick_that_is_over_is_told_no_more(cluster: impl Cluster) {
    let (asker, mut kicks) = cluster.attach();
    asker.kick("early", 0).unwrap();
    next_kick(&mut kicks).await;
    sleep(Duration::from_millis(2100)).await;
    asker.kick("late", 3600).unwrap();
    assert_eq!(next_kick(&mut kicks).await.0, "late");
    let (_newcomer, mut kicks) = cluster.attach();
    assert_eq!(next_kick(&mut kicks).await.0, "late");
}

async fn what_is_too_long_is_told_to_nobody(cluster: impl Cluster) {
    let (reader, _) = cluster.attach();
    let (a, _kicks_of_a) = cluster.attach();
    let (b, _kicks_of_b) = cluster.attach();
    a.register(Relay {
        urls: vec!["turn:x".to_owned(); 17],
        ..relay("a")
    });
    b.register(relay("b"));
    until_listed(&reader, &[relay("b")]).await;
    assert!(reader.kick(&"x".repeat(513), 1).is_err());
}

/// One test for each sentence and implementation.
macro_rules! conformance {
    ($($sentence:ident),*) => {
        mod memory {
            use super::*;
            $(#[tokio::test] async fn $sentence() { super::$sentence(Memory::default()).await; })*
        }
        mod redis {
            use super::*;
            $(#[tokio::test] async fn $sentence() { super::$sentence(tests::one()).await; })*
        }
        mod redis_cluster {
            use super::*;
            $(#[tokio::test] async fn $sentence() { super::$sentence(tests::cluster()).await; })*
        }
        mod redis_sentinel {
            use super::*;
            $(#[tokio::test] async fn $sentence() { super::$sentence(tests::sentinel()).await; })*
        }
    };
}

conformance!(
    a_relay_is_listed_as_it_said_last_until_it_is_dropped,
    a_kick_reaches_every_relay_also_one_that_comes_later,
    a_kick_that_is_over_is_told_no_more,
    what_is_too_long_is_told_to_nobody
);
