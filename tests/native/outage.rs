//! Ids are their owners' also while Redis stands still, and an outage costs nobody an answer.

use trunkline_tests::{Process, Redis, Reply, get, until};

use super::*;

/// Two nodes as processes, over one Redis.
async fn processes(redis: &Redis) -> (Process, Process) {
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/cluster.key");
    let url = redis.url();
    let start = || Process::signal(&["--redis", &url, "--cluster-key-file", key]);
    let (one, other) = (start(), start());
    for node in [&one, &other] {
        until("the cluster's health", async || {
            get(node.public, "/healthz/cluster").await.status == 200
        })
        .await;
    }
    (one, other)
}

/// Expects to be told that the id is another's; who else is there may be told before.
async fn has_to_give_back(thief: &mut NativePeer) {
    let mut told = thief.next_json().await;
    while kind(&told) == "joined" {
        told = thief.next_json().await;
    }
    assert_eq!(kind(&told), "error");
    let told = (&told["code"], &told["about"]);
    assert_eq!(told, (&json!("id-in-use"), &json!("announce")));
}

/// An owner and somebody who talks to her, both at this node.
async fn sue_and_bob(node: &Process) -> (NativePeer, NativePeer) {
    let (mut sue, _) = NativePeer::join(node.public, "r", "sue").await;
    let (bob, _) = NativePeer::join(node.public, "r", "bob").await;
    assert_eq!(kind(&sue.next_json().await), "joined");
    (sue, bob)
}

/// What is said to the owner comes to her, and neither of the two was told anything else.
async fn has_noticed_nothing(sue: &mut NativePeer, bob: &mut NativePeer) {
    bob.send("sue", 1, json!("secret")).await;
    assert_eq!(sue.message().await.body.as_str(), r#""secret""#);
    for peer in [sue, bob] {
        peer.assert_silent().await;
    }
}

#[tokio::test]
async fn an_id_that_is_taken_while_redis_stands_still_is_given_back_and_its_owner_notices_nothing()
{
    let mut redis = Redis::start();
    let (one, other) = processes(&redis).await;
    let (mut sue, mut bob) = sue_and_bob(&one).await;
    let mut eve = NativePeer::hello(other.public, json!({})).await;
    redis.freeze();
    eve.announce("r", "sue").await;
    // The node knows nobody of the room, and cannot ask.
    assert_eq!(eve.members().await.peers, []);
    redis.thaw();
    has_to_give_back(&mut eve).await;
    has_noticed_nothing(&mut sue, &mut bob).await;
    eve.assert_silent().await;
}

#[tokio::test]
async fn who_has_to_give_an_id_back_while_it_announces_itself_again_is_in_the_room_as_somebody_else()
 {
    let mut redis = Redis::start();
    let (one, other) = processes(&redis).await;
    let (mut sue, _) = NativePeer::join(one.public, "r", "sue").await;
    let mut eve = NativePeer::hello(other.public, json!({})).await;
    redis.freeze();
    eve.announce("r", "sue").await;
    assert_eq!(eve.members().await.peers, []);
    for _ in 0..3 {
        eve.announce("r", "sue").await;
    }
    redis.thaw();
    // Every one is answered, the last by a no.
    let mut answers = 0;
    while answers < 3 {
        match kind(&eve.next_json().await) {
            "members" | "error" => answers += 1,
            "joined" | "updated" => {}
            other => panic!("{other}"),
        }
    }
    eve.announce("r", "eve").await;
    let mut told = eve.next_json().await;
    while kind(&told) != "members" {
        told = eve.next_json().await;
    }
    assert_eq!(told["peer"], "eve");
    while kind(&sue.next_json().await) != "joined" {}
    eve.send("sue", 1, json!("hello")).await;
    assert_eq!(sue.message().await.from.as_str(), "eve");
    eve.say("leave", json!({})).await;
    let left = sue.next_json().await;
    assert_eq!((kind(&left), &left["peer"]), ("left", &json!("eve")));
}

#[tokio::test]
async fn an_id_that_redis_lost_and_another_got_goes_back_to_its_owner_who_notices_nothing() {
    let mut redis = Redis::start();
    let (one, other) = processes(&redis).await;
    let (mut sue, mut bob) = sue_and_bob(&one).await;
    let mut eve = NativePeer::hello(other.public, json!({})).await;
    // Sue's node says nothing of her until another has her id, and Redis believes it.
    one.freeze();
    redis.kill();
    redis.start_again();
    until("the other node's lease", async || {
        redis.cli(&["DBSIZE"]).number() > 0
    })
    .await;
    eve.announce("r", "sue").await;
    assert_eq!(eve.members().await.peers, []);
    let rosters = redis.cli(&["KEYS", "*:r:r"]);
    assert!(
        matches!(&rosters, Reply::List(found) if found.len() == 1),
        "{rosters:?}"
    );
    one.thaw();
    has_to_give_back(&mut eve).await;
    has_noticed_nothing(&mut sue, &mut bob).await;
    let found = eve.enter("r", "eve").await;
    let mut found: Vec<_> = found
        .peers
        .iter()
        .map(|member| member.peer.as_str().to_owned())
        .collect();
    found.sort();
    assert_eq!(found, ["bob", "sue"]);
}

#[tokio::test]
async fn every_request_and_message_behind_an_announce_that_waits_is_answered() {
    let mut redis = Redis::start();
    let (one, _other) = processes(&redis).await;
    let (mut bob, _) = NativePeer::join(one.public, "r", "bob").await;
    redis.freeze();
    bob.announce("r", "bob").await;
    for id in 0..300 {
        let request = json!({ "id": id.to_string(), "match": { "nobody": 1 } });
        bob.say("request", request).await;
    }
    for n in 1..=100 {
        bob.send("sue", n, json!(n)).await;
    }
    redis.thaw();
    let (mut answers, mut undelivered) = (0, 0);
    while answers < 300 || undelivered < 100 {
        match kind(&bob.next_json().await) {
            "answer" => answers += 1,
            "undelivered" => undelivered += 1,
            "members" => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!((answers, undelivered), (300, 100));
}
