use trunkline_tests::Peer;

use super::*;

/// Whoever tries to be sue is refused, and sue notices nothing.
async fn is_refused(node: &Node, sue: &mut NativePeer, hello: Value) {
    let mut eve = NativePeer::hello(node.public, hello).await;
    eve.announce("r", "sue").await;
    eve.error("id-in-use", Some("announce")).await;
    sue.assert_silent().await;
    // She may come under another id, and is nobody else for that.
    let id = format!("eve-{}", eve.welcome.session);
    eve.enter("r", &id).await;
    assert_eq!(kind(&sue.next_json().await), "joined");
    eve.say("leave", json!({})).await;
    assert_eq!(kind(&sue.next_json().await), "left");
}

#[tokio::test]
async fn an_id_that_is_taken_is_not_taken_by_another_at_either_node() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    let (mut sue, _) = NativePeer::join(one.public, "r", "sue").await;
    is_refused(&one, &mut sue, json!({})).await;
    is_refused(&other, &mut sue, json!({})).await;
    let (other_room, _) = NativePeer::join(one.public, "r2", "ann").await;
    // The token of a session of another's.
    let hello = json!({ "resume": other_room.resume });
    is_refused(&one, &mut sue, hello.clone()).await;
    is_refused(&other, &mut sue, hello).await;
}

#[tokio::test]
async fn a_token_that_is_none_begins_a_session_that_owns_nothing() {
    let (one, _other) = two_nodes(Duration::from_secs(8));
    let (mut sue, _) = NativePeer::join(one.public, "r", "sue").await;
    let mut forged = sue.resume.clone();
    let last = if forged.ends_with('A') { "B" } else { "A" };
    forged.replace_range(forged.len() - 1.., last);
    for token in ["x", "", &forged] {
        let mut eve = NativePeer::connect(one.public).await;
        let hello = json!({ "type": "hello", "v": 1, "resume": token });
        eve.send(&hello.to_string()).await;
        let error: Value = serde_json::from_str(&eve.next().await).unwrap();
        assert_eq!(
            (&error["code"], &error["about"]),
            (&json!("bad-resume"), &json!("hello"))
        );
        let welcome: Value = serde_json::from_str(&eve.next().await).unwrap();
        assert_ne!(welcome["session"], json!(sue.welcome.session));
        let announce = json!({ "type": "announce", "room": "r", "peer": "sue" });
        eve.send(&announce.to_string()).await;
        let error: Value = serde_json::from_str(&eve.next().await).unwrap();
        assert_eq!(error["code"], "id-in-use");
        sue.assert_silent().await;
    }
}

#[tokio::test]
async fn the_id_of_who_is_away_is_kept_for_it() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    let (mut bob, sue) = bob_and_sue(&one, &other).await;
    let resume = sue.kill();
    assert_eq!(kind(&bob.next_json().await), "suspended");
    for node in [&one, &other] {
        let mut eve = NativePeer::hello(node.public, json!({})).await;
        eve.announce("r", "sue").await;
        eve.error("id-in-use", Some("announce")).await;
    }
    let mut sue = NativePeer::come_back(one.public, "r", "sue", &resume).await;
    sue.members().await;
    assert_eq!(kind(&bob.next_json().await), "resumed");
}

#[tokio::test]
async fn an_id_is_free_when_who_had_it_has_left() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    let (mut bob, mut sue) = bob_and_sue(&one, &other).await;
    sue.say("leave", json!({})).await;
    assert_eq!(kind(&bob.next_json().await), "left");
    let (mut eve, _) = NativePeer::join(one.public, "r", "sue").await;
    assert_eq!(kind(&bob.next_json().await), "joined");
    // And is not sue's any more, whatever her token says.
    let mut back = NativePeer::come_back(other.public, "r", "sue", &sue.resume).await;
    back.error("id-in-use", Some("announce")).await;
    bob.send("sue", 1, json!(1)).await;
    eve.message().await;
}

#[tokio::test]
async fn an_old_client_does_not_take_a_native_id() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    let (mut bob, mut sue) = bob_and_sue(&one, &other).await;
    for node in [&one, &other] {
        let mut eve = Peer::connect(node.public).await;
        eve.announce("r", "sue").await;
        eve.send("/to|bob|/pay|sue").await;
        eve.send("/pay|sue").await;
        eve.settle().await;
        eve.assert_silent();
    }
    for peer in [&mut bob, &mut sue] {
        peer.assert_silent().await;
    }
    bob.send("sue", 1, json!(1)).await;
    sue.message().await;
}

#[tokio::test]
async fn a_client_that_was_refused_may_try_again_when_the_id_is_free() {
    let node = Node::alone();
    let (mut sue, _) = NativePeer::join(node.public, "r", "sue").await;
    let mut eve = NativePeer::hello(node.public, json!({})).await;
    eve.announce("r", "sue").await;
    eve.error("id-in-use", Some("announce")).await;
    sue.say("leave", json!({})).await;
    sue.assert_silent().await;
    eve.enter("r", "sue").await;
}
