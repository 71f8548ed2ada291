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
async fn idle_connections_cost_little() {
    const CONNECTIONS: u64 = 1000;
    let process = Process::signal(&[]);
    // Whatever the first connections set up once.
    let mut warm = Vec::new();
    for n in 0..50 {
        warm.push(Peer::join(process.public, &format!("warm{n}"), "a").await);
    }
    let before = process.resident_bytes();
    let mut peers = Vec::new();
    for n in 0..CONNECTIONS / 2 {
        for id in ["a", "b"] {
            peers.push(Peer::join(process.public, &format!("r{n}"), id).await);
        }
    }
    let each = process.resident_bytes().saturating_sub(before) / CONNECTIONS;
    println!("{each} bytes of resident memory a connection");
    // Ten times what is promised, so that a busy machine does not fail it; the figure is printed above.
    assert!(each < 80 * 1024, "{each} bytes a connection");
}
