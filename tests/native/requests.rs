use std::time::Instant;

use super::*;

async fn ask(peer: &mut NativePeer, wanted: Value) {
    let mut fields = json!({ "id": "q" });
    fields
        .as_object_mut()
        .unwrap()
        .extend(wanted.as_object().unwrap().clone());
    peer.say("request", fields).await;
}

#[tokio::test]
async fn a_request_is_accepted_or_declined_by_who_is_meant_at_either_node() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    for asked in [&one, &other] {
        let (mut bob, mut sue) = bob_and_sue(&one, asked).await;
        ask(&mut bob, json!({ "match": { "name": "sue" } })).await;
        let requested = sue.next_json().await;
        let expected = json!({
            "type": "requested", "id": "q", "from": "bob", "data": { "name": "bob" },
        });
        assert_eq!(requested, expected);
        sue.say("accept", json!({ "from": "bob", "id": "q" })).await;
        let expected = json!({
            "type": "answer", "id": "q", "ok": true, "peer": "sue", "data": { "name": "sue" },
        });
        assert_eq!(bob.next_json().await, expected);
        ask(&mut bob, json!({ "peer": "sue" })).await;
        sue.next().await;
        let no = json!({ "from": "bob", "id": "q", "reason": "not now" });
        sue.say("decline", no).await;
        let expected = json!({
            "type": "answer", "id": "q", "ok": false, "peer": "sue", "reason": "declined",
            "message": "not now",
        });
        assert_eq!(bob.next_json().await, expected);
        for peer in [&mut bob, &mut sue] {
            peer.say("leave", json!({})).await;
        }
    }
}

#[tokio::test]
async fn who_is_not_there_is_said_not_to_be_at_once() {
    let node = Node::alone();
    let (mut bob, _) = NativePeer::join(node.public, "r", "bob").await;
    let begun = Instant::now();
    ask(&mut bob, json!({ "match": { "name": "sue" } })).await;
    assert_eq!(
        answered(bob.next().await),
        (false, None, Some(Reason::NoMatch))
    );
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_request_that_nobody_answers_times_out_when_its_client_has_said() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    let (mut bob, _sue) = bob_and_sue(&one, &other).await;
    let begun = Instant::now();
    ask(&mut bob, json!({ "peer": "sue", "timeout_ms": 200 })).await;
    let sue = Some("sue".to_owned());
    assert_eq!(
        answered(bob.next().await),
        (false, sue, Some(Reason::Timeout))
    );
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn who_leaves_before_an_answer_is_gone_and_who_is_away_is_suspended() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    let (mut bob, mut sue) = bob_and_sue(&one, &other).await;
    ask(&mut bob, json!({ "peer": "sue" })).await;
    sue.next().await;
    sue.say("leave", json!({})).await;
    assert_eq!(kind(&bob.next_json().await), "left");
    let gone = Some(Reason::Gone);
    assert_eq!(
        answered(bob.next().await),
        (false, Some("sue".into()), gone)
    );
    let (sue, _) = NativePeer::join(other.public, "r", "sue").await;
    assert_eq!(kind(&bob.next_json().await), "joined");
    sue.kill();
    assert_eq!(kind(&bob.next_json().await), "suspended");
    ask(&mut bob, json!({ "peer": "sue", "timeout_ms": 200 })).await;
    let suspended = Some(Reason::Suspended);
    assert_eq!(
        answered(bob.next().await),
        (false, Some("sue".into()), suspended)
    );
}

#[tokio::test]
async fn who_comes_back_at_another_node_is_asked_there_again() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    let (mut bob, sue) = bob_and_sue(&one, &other).await;
    let resume = sue.kill();
    assert_eq!(kind(&bob.next_json().await), "suspended");
    ask(&mut bob, json!({ "peer": "sue" })).await;
    let mut sue = NativePeer::come_back(one.public, "r", "sue", &resume).await;
    assert_eq!(kind(&bob.next_json().await), "resumed");
    let mut requested = false;
    while !requested {
        requested = matches!(sue.next().await, ServerFrame::Requested(_));
    }
    sue.say("accept", json!({ "from": "bob", "id": "q" })).await;
    assert_eq!(answered(bob.next().await), (true, Some("sue".into()), None));
}
