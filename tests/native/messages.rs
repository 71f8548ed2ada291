use super::*;

#[tokio::test]
async fn a_message_arrives_with_its_number_and_its_sender_hears_that_it_has() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    for (one, other) in [(&one, &one), (&one, &other)] {
        let (mut bob, mut sue) = bob_and_sue(one, other).await;
        bob.send("sue", 3, json!({ "sdp": "v=0" })).await;
        let message = sue.message().await;
        assert_eq!(message.from.as_str(), "bob");
        assert_eq!(message.session.as_ref(), Some(&bob.welcome.session));
        assert_eq!((message.n, message.first), (Some(3), Some(1)));
        assert_eq!(message.to.unwrap().as_str(), "sue");
        assert_eq!(message.body.as_str(), r#"{"sdp":"v=0"}"#);
        let ack = json!({ "from": "bob", "session": bob.welcome.session, "n": 3 });
        sue.say("ack", ack).await;
        let acked = bob.next_json().await;
        let expected =
            json!({ "type": "acked", "by": "sue", "session": bob.welcome.session, "n": 3 });
        assert_eq!(acked, expected);
        for peer in [&mut bob, &mut sue] {
            peer.say("leave", json!({})).await;
        }
    }
}

#[tokio::test]
async fn a_broadcast_reaches_everybody_else_and_names_no_receiver() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    let (mut bob, mut sue) = bob_and_sue(&one, &other).await;
    let (mut ann, _) = NativePeer::join(one.public, "r", "ann").await;
    assert_eq!(kind(&bob.next_json().await), "joined");
    assert_eq!(kind(&sue.next_json().await), "joined");
    bob.say("broadcast", json!({ "n": 1, "body": "hi" })).await;
    for peer in [&mut sue, &mut ann] {
        let message = peer.message().await;
        assert_eq!((message.n, message.to), (Some(1), None));
        assert_eq!(message.body.as_str(), r#""hi""#);
    }
    bob.assert_silent().await;
}

#[tokio::test]
async fn a_message_for_nobody_comes_back() {
    let node = Node::alone();
    let (mut bob, _) = NativePeer::join(node.public, "r", "bob").await;
    bob.send("sue", 1, json!(1)).await;
    let undelivered = bob.next_json().await;
    let expected = json!({
        "type": "undelivered", "to": "sue", "session": bob.welcome.session, "n": 1,
        "reason": "no-match",
    });
    assert_eq!(undelivered, expected);
}

#[tokio::test]
async fn a_message_for_who_is_away_waits_and_its_sender_is_told_so_at_either_node() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    for sender in [&one, &other] {
        let (mut bob, sue) = bob_and_sue(sender, &other).await;
        let resume = sue.kill();
        assert_eq!(kind(&bob.next_json().await), "suspended");
        bob.send("sue", 1, json!("waits")).await;
        assert_eq!(bob.next_json().await["reason"], "suspended");
        let mut sue = NativePeer::come_back(other.public, "r", "sue", &resume).await;
        assert_eq!(sue.message().await.body.as_str(), r#""waits""#);
        sue.members().await;
        assert_eq!(kind(&bob.next_json().await), "resumed");
        for peer in [&mut bob, &mut sue] {
            peer.say("leave", json!({})).await;
        }
    }
}

#[tokio::test]
async fn a_message_for_who_does_not_come_back_is_undelivered_at_either_node() {
    let (one, other) = two_nodes(Duration::from_millis(300));
    for sender in [&one, &other] {
        let (mut bob, sue) = bob_and_sue(sender, &other).await;
        sue.kill();
        assert_eq!(kind(&bob.next_json().await), "suspended");
        bob.send("sue", 1, json!("waits")).await;
        assert_eq!(bob.next_json().await["reason"], "suspended");
        // Of another node, one is heard on the room's way, and the other on the node's.
        let mut told = [bob.next_json().await, bob.next_json().await];
        told.sort_by_key(|frame| kind(frame).to_owned());
        assert_eq!(
            (kind(&told[0]), &told[0]["reason"]),
            ("left", &json!("expired"))
        );
        assert_eq!(
            (kind(&told[1]), &told[1]["reason"]),
            ("undelivered", &json!("gone"))
        );
        bob.say("leave", json!({})).await;
    }
}
