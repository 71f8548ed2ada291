//! A client that does not read costs the node a bounded amount of memory, and nobody else anything.

use trunkline_tests::{Peer, Process, metric};

use crate::Bystanders;

/// 160 messages of 256 KiB.
const FLOOD: usize = 40 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_reading_is_closed_with_3008_and_its_memory_is_bounded() {
    let mut process = Process::signal(&[]);
    let mut others = Bystanders::at(process.public).await;
    let mut sender = Peer::join(process.public, "r", "sender").await;
    let mut reader = Peer::join(process.public, "r", "reader").await;
    let before = process.resident_bytes();
    let text = "x".repeat(255 * 1024);
    let frame = format!("/to|reader|/hello|sender|{text}");
    let mut most = 0;
    for _ in 0..FLOOD / text.len() + 1 {
        sender.send(&frame).await;
        sender.settle().await;
        most = most.max(process.resident_bytes());
    }
    let grown = most.saturating_sub(before) / 1024;
    println!("resident memory grew by {grown} KiB");
    assert!(grown < 8 * 1024, "resident memory grew by {grown} KiB");
    let closed = "trunkline_connections_closed_total{reason=\"slow\"}";
    assert_eq!(metric(process.admin, closed).await, 1.0);
    // It reads again: first what was on its way, then why there is no more.
    assert_eq!(reader.close_code().await, 3008);
    others.are_undisturbed().await;
    assert!(process.is_running());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_reader_does_not_keep_more_than_itself_alive() {
    let process = Process::signal(&[]);
    let mut sender = Peer::join(process.public, "r", "sender").await;
    let _reader = Peer::join(process.public, "r", "reader").await;
    // Dropped, but read into the buffer that the next frame comes from.
    let filler = format!("no command {}", "x".repeat(60 * 1024));
    let before = process.resident_bytes();
    for _ in 0..4_000 {
        sender.send(&filler).await;
        sender.send("/x|sender|").await;
    }
    sender.settle().await;
    let grown = process.resident_bytes().saturating_sub(before) / 1024;
    println!("resident memory grew by {grown} KiB");
    assert!(grown < 8 * 1024, "resident memory grew by {grown} KiB");
}

/// Connects pairs, does something with each, and measures what they cost.
async fn cost_of_idle_connections(said: usize) -> u64 {
    const PAIRS: u64 = 100;
    let process = Process::signal(&["--ping-interval", "2s"]);
    // Whatever the first connections set up once.
    let mut warm = Vec::new();
    for n in 0..50 {
        warm.push(Peer::join(process.public, &format!("warm{n}"), "a").await);
    }
    let before = process.resident_bytes();
    let mut peers = Vec::new();
    for n in 0..PAIRS {
        let mut ann = Peer::join(process.public, &format!("r{n}"), "ann").await;
        let mut bob = Peer::join(process.public, &format!("r{n}"), "bob").await;
        let frame = format!("/to|ann|/hello|bob|{}", "x".repeat(said));
        bob.send(&frame).await;
        assert!(ann.next().await.starts_with("/announce|"));
        ann.expect(&frame).await;
        peers.push((ann, bob));
    }
    // Everybody is pinged, and has answered.
    for _ in 0..2 {
        for (ann, bob) in &mut peers {
            while !ann.next_message().await.is_ping() {}
            while !bob.next_message().await.is_ping() {}
        }
    }
    for (ann, bob) in &mut peers {
        ann.settle().await;
        bob.settle().await;
    }
    let each = process.resident_bytes().saturating_sub(before) / (2 * PAIRS);
    println!("{each} bytes of resident memory a connection that said {said} bytes");
    each
}

// Ten times what is promised, so that a busy machine does not fail it; the figures are printed.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_cost_little() {
    assert!(cost_of_idle_connections(200).await < 80 * 1024);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_that_said_much_cost_little() {
    assert!(cost_of_idle_connections(250 * 1024).await < 80 * 1024);
}
