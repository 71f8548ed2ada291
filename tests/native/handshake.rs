use trunkline_tests::{Peer, Process, get};

use super::*;

#[tokio::test]
async fn a_client_that_says_hello_is_welcomed() {
    let node = Node::alone();
    let peer = NativePeer::hello(node.public, json!({})).await;
    let welcome = peer.welcome;
    assert_eq!(welcome.session.len(), 22);
    assert_eq!(&*welcome.region, "default");
    assert_eq!(&*welcome.node, "node-1");
    assert_eq!(welcome.window_ms, 8_000);
    assert_eq!(welcome.limits.frame_bytes, 256 * 1024);
    assert_eq!(welcome.limits.unacknowledged, 256);
    assert_eq!(welcome.ttl, 3600);
    assert_eq!(welcome.ice_servers.as_str(), "[]");
}

#[tokio::test]
async fn a_client_is_told_fresh_credentials_as_long_as_it_is_connected() {
    let node = Process::dev(&["--ice-ttl", "2s"]);
    let mut peer = NativePeer::hello(node.public, json!({})).await;
    assert_eq!(peer.welcome.ttl, 2);
    let expiry = |servers: &Value| {
        let servers = servers.as_array().unwrap();
        let username = servers
            .iter()
            .find_map(|server| server["username"].as_str());
        let (expiry, _) = username.unwrap().split_once(':').unwrap();
        expiry.parse::<u64>().unwrap()
    };
    let mut last = expiry(&serde_json::from_str(peer.welcome.ice_servers.as_str()).unwrap());
    for _ in 0..2 {
        let told = peer.next_json().await;
        assert_eq!((kind(&told), &told["ttl"]), ("ice_servers", &json!(2)));
        let next = expiry(&told["ice_servers"]);
        assert!(next > last, "{next} after {last}");
        last = next;
    }
}

#[tokio::test]
async fn every_client_has_a_session_of_its_own() {
    let node = Node::alone();
    let one = NativePeer::hello(node.public, json!({})).await;
    let other = NativePeer::hello(node.public, json!({})).await;
    assert_ne!(one.welcome.session, other.welcome.session);
}

#[tokio::test]
async fn what_comes_out_of_turn_is_refused_and_costs_nothing_else() {
    let node = Node::alone();
    let mut peer = NativePeer::connect(node.public).await;
    for (frame, code, about) in [
        (
            r#"{"type":"announce","room":"r"}"#,
            "not-greeted",
            json!("announce"),
        ),
        ("hello", "not-json", Value::Null),
        (r#"{"type":"hello"}"#, "bad-field", json!("hello")),
        (r#"{"type":"shout"}"#, "unknown-type", Value::Null),
    ] {
        peer.send(frame).await;
        let error: Value = serde_json::from_str(&peer.next().await).unwrap();
        assert_eq!((kind(&error), &error["code"]), ("error", &json!(code)));
        assert_eq!(error["about"], about, "{frame}");
        assert_eq!(error["temporary"], false);
        assert_ne!(error["message"], "");
    }
    peer.send(r#"{"type":"hello","v":1}"#).await;
    let welcome: Value = serde_json::from_str(&peer.next().await).unwrap();
    assert_eq!(kind(&welcome), "welcome");
    peer.send(r#"{"type":"hello","v":1}"#).await;
    let error: Value = serde_json::from_str(&peer.next().await).unwrap();
    assert_eq!(error["code"], "already-greeted");
    for frame in [
        r#"{"type":"send","to":"sue","n":1,"body":1}"#,
        r#"{"type":"request","id":"q","peer":"sue"}"#,
        r#"{"type":"leave"}"#,
    ] {
        peer.send(frame).await;
        let error: Value = serde_json::from_str(&peer.next().await).unwrap();
        assert_eq!(error["code"], "not-announced", "{frame}");
    }
    peer.send(r#"{"type":"ping"}"#).await;
    peer.expect(r#"{"type":"pong"}"#).await;
}

#[tokio::test]
async fn another_version_is_refused_and_the_connection_closed() {
    let node = Node::alone();
    let mut peer = NativePeer::connect(node.public).await;
    peer.send(r#"{"type":"hello","v":2}"#).await;
    assert_eq!(peer.close_code().await, 3503);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_closed_after_five_seconds() {
    let node = Node::alone();
    let mut peer = NativePeer::connect(node.public).await;
    let begun = std::time::Instant::now();
    assert_eq!(peer.close_code().await, 3500);
    assert!(begun.elapsed() >= Duration::from_millis(4_900));
}

#[tokio::test]
async fn a_client_that_has_said_hello_may_be_silent_for_longer() {
    let node = Node::alone();
    let mut silent = NativePeer::connect(node.public).await;
    let mut peer = NativePeer::hello(node.public, json!({})).await;
    // The one that came before is closed.
    assert_eq!(silent.close_code().await, 3500);
    peer.enter("r", "bob").await;
}

#[tokio::test]
async fn who_names_no_id_is_given_a_uuid() {
    let node = Node::alone();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut peer = NativePeer::hello(node.public, json!({})).await;
        peer.say("announce", json!({ "room": "r" })).await;
        ids.push(peer.members().await.peer.to_string());
    }
    for id in &ids {
        let dashes: Vec<usize> = id.match_indices('-').map(|(at, _)| at).collect();
        assert_eq!((id.len(), &dashes[..]), (36, &[8, 13, 18, 23][..]), "{id}");
        assert_eq!(id.as_bytes()[14], b'4', "{id}");
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn who_is_there_is_told_to_who_comes_and_who_comes_to_who_is_there() {
    let (one, other) = two_nodes(Duration::from_secs(8));
    let (mut bob, mut sue) = bob_and_sue(&one, &other).await;
    sue.say(
        "announce",
        json!({ "room": "r", "peer": "sue", "data": { "a": [1.0] } }),
    )
    .await;
    let members = sue.members().await;
    // She has been told already who is there.
    assert_eq!(
        (members.parts, members.peers),
        (Some(Vec::new()), Vec::new())
    );
    let updated = bob.next_json().await;
    assert_eq!(
        (kind(&updated), &updated["data"]),
        ("updated", &json!({ "a": [1.0] }))
    );
    sue.say("leave", json!({})).await;
    match bob.next().await {
        ServerFrame::Left(Left { peer, reason }) => {
            assert_eq!((peer.as_str(), &*reason), ("sue", "left"));
        }
        other => panic!("{other:?}"),
    }
    sue.send("bob", 1, json!(1)).await;
    sue.error("not-announced", Some("send")).await;
}

#[tokio::test]
async fn without_a_websocket_the_path_says_what_is_served_there() {
    let node = Node::alone();
    let answer = get(node.public, "/v1/connect").await;
    assert_eq!(answer.status, 426);
    assert!(answer.body.contains("upgrade-required"), "{}", answer.body);
}

#[tokio::test]
async fn a_native_client_is_not_greeted_as_an_old_one_is() {
    let node = Node::alone();
    let mut peer: Peer = NativePeer::connect(node.public).await;
    peer.settle().await;
    peer.assert_silent();
}
