//! Sockets that speak no protocol, or nothing at all.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use trunkline_tests::{Cluster, Node, PATIENCE, Peer, metric};

use crate::Bystanders;

/// Small, fast and the same on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let len = self.next() % most;
        (0..len).map(|_| self.next().to_le_bytes()[3]).collect()
    }
}

/// Writes, and reads until the node closes; what it says first.
async fn answer_to(mut stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
    // The node may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the node to close");
    answer
}

#[tokio::test]
async fn random_bytes_instead_of_http_are_answered_or_closed() {
    let node = Node::alone();
    let mut others = Bystanders::new(&node).await;
    let mut random = Random(7);
    for _ in 0..200 {
        let stream = TcpStream::connect(node.public).await.unwrap();
        let answer = answer_to(stream, &random.bytes(2_000)).await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{answer:?}"
        );
    }
    others.are_undisturbed().await;
}

#[tokio::test]
async fn random_bytes_instead_of_frames_end_only_their_own_connection() {
    let node = Node::alone();
    let mut others = Bystanders::new(&node).await;
    let mut random = Random(11);
    for _ in 0..200 {
        let stream = Peer::connect(node.public).await.into_stream();
        answer_to(stream, &random.bytes(2_000)).await;
    }
    others.are_undisturbed().await;
}

/// The close code in a node's answer to raw bytes, after the greeting.
async fn close_code_for(bytes: &[u8]) -> u16 {
    let node = Node::alone();
    let mut others = Bystanders::new(&node).await;
    let stream = Peer::connect(node.public).await.into_stream();
    let answer = answer_to(stream, bytes).await;
    let close = answer
        .windows(2)
        .position(|frame| frame[0] == 0x88)
        .unwrap_or_else(|| panic!("no close frame: {answer:?}"));
    others.are_undisturbed().await;
    u16::from_be_bytes([answer[close + 2], answer[close + 3]])
}

#[tokio::test]
async fn a_frame_without_a_mask_is_closed_with_1002() {
    assert_eq!(close_code_for(b"\x81\x02hi").await, 1002);
}

#[tokio::test]
async fn text_that_is_not_utf8_is_closed_with_1007() {
    assert_eq!(close_code_for(b"\x81\x82\0\0\0\0\xc3\x28").await, 1007);
}

#[tokio::test]
async fn fragments_that_add_up_to_too_much_are_closed_with_1009() {
    let mut bytes = Vec::new();
    for part in 0..5u8 {
        bytes.extend([if part == 0 { 0x01 } else { 0x00 }, 0xff]);
        bytes.extend(65_536u64.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend([b'x'; 65_536]);
    }
    assert_eq!(close_code_for(&bytes).await, 1009);
}

#[tokio::test]
async fn a_half_open_socket_is_found_by_ping_and_its_peer_leaves_once() {
    let mut cluster = Cluster::default();
    let node = cluster.start_with(Duration::from_millis(100), Duration::from_millis(100));
    let mut ann = Peer::join(node.public, "r", "ann").await;
    let gone = Peer::join(node.public, "r", "gone").await;
    ann.expect(r#"/announce|gone|{"id":"gone","room":"r"}"#)
        .await;
    // The socket stays open and says nothing more, as when a laptop's lid is closed.
    let stream = gone.into_stream();
    ann.expect(r#"/leave|gone|{"id":"gone"}"#).await;
    let name = "trunkline_connections_closed_total{reason=\"silent\"}";
    assert_eq!(metric(node.admin, name).await, 1.0);
    drop(stream);
    ann.settle().await;
    ann.assert_silent();
}

#[tokio::test]
async fn a_client_that_answers_pings_stays() {
    let mut cluster = Cluster::default();
    let node = cluster.start_with(Duration::from_millis(100), Duration::from_millis(100));
    let mut ann = Peer::join(node.public, "r", "ann").await;
    let end = Instant::now() + Duration::from_secs(1);
    let mut pings = 0;
    while Instant::now() < end {
        if ann.next_message().await.is_ping() {
            pings += 1;
        }
    }
    assert!(pings >= 5, "{pings} pings in a second");
    ann.settle().await;
    ann.assert_silent();
}

/// How long a client is kept that begins a request after `silence` and does not end it.
async fn time_for_headers(silence: Duration) -> Duration {
    let node = Node::alone();
    let begin = Instant::now();
    let mut stream = TcpStream::connect(node.public).await.unwrap();
    tokio::time::sleep(silence).await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let bound = daemon::serve::HEADER_TIMEOUT + PATIENCE;
    let closed = timeout(bound, stream.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "the connection is still open");
    begin.elapsed()
}

#[tokio::test]
async fn a_client_that_never_sends_its_headers_is_closed() {
    time_for_headers(Duration::ZERO).await;
}

#[tokio::test]
async fn a_client_that_begins_late_has_no_more_time_for_its_headers() {
    let limit = daemon::serve::HEADER_TIMEOUT;
    let silence = limit - Duration::from_millis(500);
    let kept = time_for_headers(silence).await;
    assert!(kept < limit + silence / 2, "{kept:?}");
}

#[tokio::test]
async fn a_client_that_says_nothing_is_closed() {
    let node = Node::alone();
    let mut stream = TcpStream::connect(node.public).await.unwrap();
    let bound = daemon::serve::HEADER_TIMEOUT + PATIENCE;
    let closed = timeout(bound, stream.read_to_end(&mut Vec::new())).await;
    assert!(closed.is_ok(), "the connection is still open");
}
