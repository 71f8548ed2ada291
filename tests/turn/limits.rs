//! Quotas, ports and descriptors run out, and come back.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use trunkline_tests::{PATIENCE, Process, free_udp_ports, metric};

use crate::Allocation;

/// How many answers had this code; the client asks again after 200 ms, so that a stall makes two of one refusal.
async fn refused(relay: &Process, code: &str) -> f64 {
    let name = format!("trunkline_turn_answers_total{{result=\"{code}\"}}");
    metric(relay.admin, &name).await
}

/// The client does not wait for the answer when it gives an allocation back.
async fn until_allocations(relay: &Process, number: usize) {
    let end = Instant::now() + PATIENCE;
    while metric(relay.admin, "trunkline_turn_allocations").await != number as f64 {
        assert!(Instant::now() < end, "there are not {number} allocations");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// As many allocations as are granted, and then one is refused with this code; what is given back may be had again.
async fn grants(relay: &Process, number: usize, code: &str) {
    let mut held = Vec::new();
    for n in 0..number {
        let allocation = Allocation::new(relay.public, "u").await;
        held.push(allocation.unwrap_or_else(|error| panic!("{n} of {number}: {error}")));
    }
    assert_eq!(refused(relay, code).await, 0.0, "{code}");
    assert!(Allocation::new(relay.public, "u").await.is_err());
    assert!(refused(relay, code).await >= 1.0, "{code}");
    assert_eq!(
        metric(relay.admin, "trunkline_turn_allocations").await,
        number as f64
    );
    held.pop().unwrap().close().await;
    until_allocations(relay, number - 1).await;
    held.push(Allocation::new(relay.public, "u").await.unwrap());
    for allocation in held {
        allocation.close().await;
    }
    until_allocations(relay, 0).await;
}

#[tokio::test]
async fn a_user_may_have_as_many_allocations_as_its_quota_and_another_user_its_own() {
    let relay = Process::turn(&[
        "--turn-user",
        "u:p",
        "--turn-user",
        "v:p",
        "--turn-user-quota",
        "3",
    ]);
    let other = Allocation::new(relay.public, "v").await.unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(Allocation::new(relay.public, "u").await.unwrap());
    }
    assert_eq!(refused(&relay, "486").await, 0.0);
    assert!(Allocation::new(relay.public, "u").await.is_err());
    assert!(refused(&relay, "486").await >= 1.0);
    let another = Allocation::new(relay.public, "v").await.unwrap();
    held.pop().unwrap().close().await;
    until_allocations(&relay, 4).await;
    held.push(Allocation::new(relay.public, "u").await.unwrap());
    other.close().await;
    another.close().await;
}

#[tokio::test]
async fn when_the_ports_are_all_taken_an_allocation_is_answered_508_and_the_others_live() {
    let ports = free_udp_ports(Ipv4Addr::LOCALHOST, 4);
    let range = format!("{}-{}", ports.start(), ports.end());
    let relay = Process::turn(&["--turn-user", "u:p", "--turn-relay-ports", &range]);
    grants(&relay, 4, "508").await;
}

#[tokio::test]
async fn when_a_socket_cannot_be_opened_an_allocation_is_answered_508_and_the_relay_lives() {
    let relay = Process::turn(&[
        "--turn-user",
        "u:p",
        "--turn-user-quota",
        "0",
        "--turn-threads",
        "1",
    ]);
    // Behind the back of its quota: the kernel says no.
    relay.limit_descriptors_to_those_open_and(4);
    let mut held = Vec::new();
    while let Ok(allocation) = Allocation::new(relay.public, "u").await {
        held.push(allocation);
        assert!(held.len() < 1000, "the limit is not in force");
    }
    let number = held.len();
    assert!(number >= 1);
    // Gives a descriptor back, with which the metrics can be asked for.
    held.pop().unwrap().close().await;
    until_allocations(&relay, number - 1).await;
    assert!(refused(&relay, "508").await >= 1.0);
    held.push(Allocation::new(relay.public, "u").await.unwrap());
}

#[tokio::test]
async fn when_descriptors_run_short_an_allocation_is_answered_508_and_the_relay_lives() {
    // 256 are kept for everything but relay sockets and connections, and four for the thread.
    let relay = Process::turn_with_descriptors(
        "-n 264",
        &[
            "--turn-user",
            "u:p",
            "--turn-user-quota",
            "0",
            "--turn-threads",
            "1",
        ],
    );
    grants(&relay, 4, "508").await;
}

#[tokio::test]
async fn a_low_soft_limit_on_descriptors_is_raised() {
    let relay = Process::turn_with_descriptors(
        "-Sn 263",
        &[
            "--turn-user",
            "u:p",
            "--turn-user-quota",
            "0",
            "--turn-threads",
            "1",
        ],
    );
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(Allocation::new(relay.public, "u").await.unwrap());
    }
}
