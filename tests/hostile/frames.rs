//! Frames that crash the reference server, or that lie.

use tokio_tungstenite::tungstenite::Message;
use trunkline_tests::{Node, Peer, metric};

use crate::Bystanders;

async fn dropped(node: &Node, reason: &str) -> f64 {
    let name = format!("trunkline_messages_dropped_total{{reason=\"{reason}\"}}");
    metric(node.admin, &name).await
}

/// The frame is dropped and counted for this reason; the sender stays in its room.
async fn is_dropped(frame: &str, reason: &str) {
    let node = Node::alone();
    let mut others = Bystanders::new(&node).await;
    let mut eve = Peer::join(node.public, "r", "eve").await;
    let mut ann = Peer::join(node.public, "r", "ann").await;
    eve.expect(r#"/announce|ann|{"id":"ann","room":"r"}"#).await;
    eve.send(frame).await;
    eve.settle().await;
    assert_eq!(dropped(&node, reason).await, 1.0, "{frame}");
    eve.send("/hello|eve|still here").await;
    ann.expect("/hello|eve|still here").await;
    ann.send("/to|eve|/hello|ann|so am i").await;
    eve.expect("/to|eve|/hello|ann|so am i").await;
    others.are_undisturbed().await;
}

#[tokio::test]
async fn an_error_frame_is_a_message_of_another_sender() {
    is_dropped("/error|x|1", "foreign-sender").await;
}

#[tokio::test]
async fn an_announce_without_attributes_changes_nothing() {
    is_dropped("/announce|x", "no-attributes").await;
}

#[tokio::test]
async fn an_announce_of_null_changes_nothing() {
    is_dropped("/announce|x|null", "no-attributes").await;
}

#[tokio::test]
async fn an_announce_of_deep_json_changes_nothing() {
    let (open, close) = ("[".repeat(50_000), "]".repeat(50_000));
    let deep = format!(r#"/announce|eve|{{"id":"eve","room":"r","x":{open}{close}}}"#);
    is_dropped(&deep, "no-attributes").await;
}

#[tokio::test]
async fn an_announce_with_a_long_id_changes_nothing() {
    let id = "x".repeat(10_000);
    let frame = format!(r#"/announce|{id}|{{"id":"{id}","room":"r"}}"#);
    is_dropped(&frame, "bad-peer-id").await;
}

#[tokio::test]
async fn a_message_in_another_s_name_reaches_nobody() {
    is_dropped("/to|ann|/hello|bob|pay eve", "foreign-sender").await;
}

#[tokio::test]
async fn a_message_to_nobody_reaches_nobody() {
    is_dropped("/to|nobody|/hello|eve|x", "no-such-peer").await;
}

#[tokio::test]
async fn a_message_that_grows_too_long_when_it_is_escaped_reaches_nobody() {
    let frame = format!(r#"/hello|eve|{{"a":"{}"}}"#, "|".repeat(200_000));
    is_dropped(&frame, "too-long").await;
}

#[tokio::test]
async fn a_leave_in_another_s_name_removes_nobody() {
    is_dropped(r#"/leave|ann|{"id":"ann"}"#, "foreign-sender").await;
}

/// The sender is closed with this code, is suspended like anybody whose socket is lost, and may return.
async fn is_closed(message: Message, code: u16) {
    let node = Node::alone();
    let mut others = Bystanders::new(&node).await;
    let mut ann = Peer::join(node.public, "r", "ann").await;
    let mut eve = Peer::join(node.public, "r", "eve").await;
    ann.expect(r#"/announce|eve|{"id":"eve","room":"r"}"#).await;
    // The node reads on after its close frame, so that no reset overtakes it: the client can say all it has.
    eve.send_message(message).await.unwrap();
    assert_eq!(eve.close_code().await, code);
    ann.send("/to|eve|/hello|ann|are you there?").await;
    let mut eve = Peer::join(node.public, "r", "eve").await;
    eve.expect("/to|eve|/hello|ann|are you there?").await;
    ann.expect(r#"/announce|eve|{"id":"eve","room":"r"}"#).await;
    others.are_undisturbed().await;
}

#[tokio::test]
async fn a_binary_frame_is_closed_with_1003() {
    is_closed(Message::binary(vec![0, 159, 146, 150]), 1003).await;
}

#[tokio::test]
async fn a_frame_of_ten_mebibytes_is_closed_with_1009() {
    is_closed(Message::text("x".repeat(10 * 1024 * 1024)), 1009).await;
}

#[tokio::test]
async fn a_frame_of_just_more_than_256_kib_is_closed_with_1009() {
    is_closed(Message::text("x".repeat(256 * 1024 + 1)), 1009).await;
}

#[tokio::test]
async fn a_frame_of_256_kib_arrives() {
    let node = Node::alone();
    let mut eve = Peer::join(node.public, "r", "eve").await;
    let mut ann = Peer::join(node.public, "r", "ann").await;
    let mut frame = "/hello|ann|".to_owned();
    frame.push_str(&"x".repeat(256 * 1024 - frame.len()));
    ann.send(&frame).await;
    eve.expect(r#"/announce|ann|{"id":"ann","room":"r"}"#).await;
    eve.expect(&frame).await;
}
