use trunkline_tests::Peer;

use super::*;

#[tokio::test]
async fn peers_of_both_dialects_see_and_hear_each_other() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    let (mut bob, _) = NativePeer::join(one.public, "r", "bob").await;
    let mut sue = Peer::connect(other.public).await;
    sue.announce("r", "sue").await;
    sue.expect(r#"/roominfo|{"memberCount":2}"#).await;
    sue.expect(r#"/announce|bob|{"name":"bob","id":"bob","room":"r"}"#)
        .await;
    let mut joined = bob.next_json().await;
    assert_eq!(
        joined
            .as_object_mut()
            .unwrap()
            .remove("tag")
            .unwrap()
            .as_str()
            .unwrap()
            .len(),
        17
    );
    let expected = json!({
        "type": "joined", "peer": "sue", "data": { "id": "sue", "room": "r" }, "dialect": "rtc.io",
    });
    assert_eq!(joined, expected);
    sue.send("/to|bob|/sdp|sue|{\"type\":\"offer\"}").await;
    let told = bob.next_json().await;
    let expected = json!({
        "type": "message", "from": "sue", "to": "bob", "body": "/sdp|sue|{\"type\":\"offer\"}",
    });
    assert_eq!(told, expected);
    bob.send("sue", 1, json!("/sdp|bob|{\"type\":\"answer\"}"))
        .await;
    sue.expect("/to|sue|/sdp|bob|{\"type\":\"answer\"}").await;
    bob.say("broadcast", json!({ "n": 1, "body": "/hello|bob" }))
        .await;
    sue.expect("/hello|bob").await;
    sue.send("/hello|sue").await;
    assert_eq!(bob.next_json().await["body"], "/hello|sue");
    let (mut ann, members) = NativePeer::join(other.public, "r", "ann").await;
    assert_eq!(members.peers[1].dialect.as_deref(), Some("rtc.io"));
    sue.expect(r#"/announce|ann|{"name":"ann","id":"ann","room":"r"}"#)
        .await;
    ann.say("leave", json!({})).await;
    sue.expect(r#"/leave|ann|{"id":"ann"}"#).await;
}

#[tokio::test]
async fn a_request_for_an_old_client_is_accepted_for_it() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    let (mut bob, _) = NativePeer::join(one.public, "r", "bob").await;
    let mut sue = Peer::join(other.public, "r", "sue").await;
    bob.next().await;
    let request = json!({ "id": "q", "match": { "id": "sue" } });
    bob.say("request", request).await;
    assert_eq!(answered(bob.next().await), (true, Some("sue".into()), None));
    sue.expect(r#"/announce|bob|{"name":"bob","id":"bob","room":"r"}"#)
        .await;
    sue.settle().await;
    sue.assert_silent();
}

#[tokio::test]
async fn what_an_old_client_has_no_word_for_is_not_told_to_it() {
    let node = Node::alone();
    let mut sue = Peer::join(node.public, "r", "sue").await;
    let (mut bob, _) = NativePeer::join(node.public, "r", "bob").await;
    sue.next().await;
    bob.send("sue", 1, json!({ "a": 1 })).await;
    // In another's name.
    bob.send("sue", 2, json!("/sdp|ann|{}")).await;
    bob.say("broadcast", json!({ "n": 1, "body": 7 })).await;
    bob.say("ack", json!({ "from": "sue", "session": "s", "n": 1 }))
        .await;
    bob.assert_silent().await;
    sue.settle().await;
    sue.assert_silent();
}
