use protocol::{
    PeerId,
    native::{Digest, Tag},
};

use super::*;

#[tokio::test]
async fn who_comes_back_with_its_token_goes_on_at_either_node_and_has_missed_nothing() {
    for elsewhere in [false, true] {
        let (one, other) = two_nodes(Duration::from_secs(8));
        let (mut bob, sue) = bob_and_sue(&one, &other).await;
        let session = sue.welcome.session.clone();
        let resume = sue.kill();
        assert_eq!(kind(&bob.next_json().await), "suspended");
        for n in 1..=3 {
            bob.send("sue", n, json!(n)).await;
            assert_eq!(bob.next_json().await["reason"], "suspended");
        }
        let back = if elsewhere { &one } else { &other };
        let mut sue = NativePeer::come_back(back.public, "r", "sue", &resume).await;
        assert_eq!(sue.welcome.session, session);
        let mut heard = Vec::new();
        let mut is_told = false;
        while heard.len() < 3 || !is_told {
            match sue.next().await {
                ServerFrame::Message(message) => heard.push(message.n.unwrap()),
                ServerFrame::Members(members) => {
                    assert_eq!(members.peers[0].peer.as_str(), "bob");
                    is_told = true;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(heard, [1, 2, 3]);
        assert_eq!(kind(&bob.next_json().await), "resumed");
        sue.send("bob", 1, json!("back")).await;
        assert_eq!(bob.message().await.session, Some(session));
    }
}

#[tokio::test]
async fn a_page_that_is_loaded_anew_has_its_id_and_another_session() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    let (mut bob, sue) = bob_and_sue(&one, &other).await;
    let session = sue.welcome.session.clone();
    let resume = sue.kill();
    assert_eq!(kind(&bob.next_json().await), "suspended");
    let fields = json!({ "resume": resume, "anew": true });
    let mut sue = NativePeer::hello(one.public, fields).await;
    assert_ne!(sue.welcome.session, session);
    sue.enter("r", "sue").await;
    assert_eq!(kind(&bob.next_json().await), "resumed");
    // And again, with the token of this session.
    let session = sue.welcome.session.clone();
    let resume = sue.kill();
    assert_eq!(kind(&bob.next_json().await), "suspended");
    let mut sue = NativePeer::come_back(other.public, "r", "sue", &resume).await;
    assert_eq!(sue.welcome.session, session);
    sue.members().await;
}

#[tokio::test]
async fn who_does_not_come_back_in_time_has_left_once() {
    let (one, other) = two_nodes(Duration::from_millis(300));
    let (mut bob, sue) = bob_and_sue(&one, &other).await;
    let resume = sue.kill();
    assert_eq!(kind(&bob.next_json().await), "suspended");
    assert_eq!(bob.next_json().await["reason"], "expired");
    // It may come back for all that.
    let mut sue = NativePeer::come_back(other.public, "r", "sue", &resume).await;
    sue.members().await;
    assert_eq!(kind(&bob.next_json().await), "joined");
    bob.assert_silent().await;
}

#[tokio::test]
async fn a_connection_that_another_one_takes_over_from_is_closed() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    for elsewhere in [&one, &other] {
        let (mut bob, mut sue) = bob_and_sue(&one, &other).await;
        let resume = sue.resume.clone();
        let mut again = NativePeer::come_back(elsewhere.public, "r", "sue", &resume).await;
        again.members().await;
        sue.closed(3502).await;
        assert_eq!(kind(&bob.next_json().await), "updated");
        bob.send("sue", 1, json!(1)).await;
        again.message().await;
        for peer in [&mut bob, &mut again] {
            peer.say("leave", json!({})).await;
        }
    }
}

#[tokio::test]
async fn a_node_that_stops_tells_its_clients_to_connect_again_and_they_go_on_elsewhere() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    let (mut bob, mut sue) = bob_and_sue(&one, &other).await;
    let stopping = tokio::spawn(other.stop());
    sue.closed(1001).await;
    let mut sue = NativePeer::come_back(one.public, "r", "sue", &sue.resume).await;
    sue.members().await;
    loop {
        match kind(&bob.next_json().await) {
            "suspended" => {}
            "resumed" | "updated" => break,
            kind => panic!("{kind}"),
        }
    }
    stopping.await.unwrap();
}

#[tokio::test]
async fn who_comes_back_and_says_what_it_knows_is_told_what_is_different() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    let (mut bob, sue) = bob_and_sue(&one, &other).await;
    let resume = sue.kill();
    assert_eq!(kind(&bob.next_json().await), "suspended");
    let mut known = Digest::default();
    known.toggle(Tag::of(
        &PeerId::new("bob").unwrap(),
        r#"{"name":"bob"}"#,
        None,
    ));
    let announce = json!({
        "room": "r", "peer": "sue", "data": { "name": "sue" }, "known": known,
    });
    let mut sue = NativePeer::hello(one.public, json!({ "resume": resume })).await;
    sue.say("announce", announce.clone()).await;
    let members = sue.members().await;
    assert_eq!(
        (members.parts, members.peers),
        (Some(Vec::new()), Vec::new())
    );
    assert_eq!(kind(&bob.next_json().await), "resumed");
    // What is said of it once does not count for the next announcement.
    sue.enter("r", "sue").await;
    bob.next().await;
    let (mut ann, _) = NativePeer::join(other.public, "r", "ann").await;
    assert_eq!(kind(&sue.next_json().await), "joined");
    let resume = sue.kill();
    assert_eq!(kind(&ann.next_json().await), "suspended");
    let mut sue = NativePeer::hello(one.public, json!({ "resume": resume })).await;
    sue.say("announce", announce).await;
    let members = sue.members().await;
    let part = Tag::read(&members.peers[0].tag).unwrap().part();
    assert_eq!(members.peers[0].peer.as_str(), "ann");
    assert_eq!((members.parts, members.peers.len()), (Some(vec![part]), 1));
}
