//! What a signalling node hands out is good at a relay that shares its secret, and at no other.

use serde_json::{Value, json};
use trunkline_tests::{Process, get, request};

use crate::Allocation;

/// A node that mints for a relay, and tells of a foreign STUN server besides.
fn node(relay: &Process, secret: &str) -> Process {
    node_with(relay, &["--turn-secret", secret])
}

fn node_with(relay: &Process, secrets: &[&str]) -> Process {
    let url = format!("turn:{}?transport=udp", relay.public);
    let options = [
        "--turn-url",
        &url,
        "--insecure-open-turn",
        "--ice-server",
        "stun:stun.example:3478",
    ];
    Process::signal(&[&options, secrets].concat())
}

async fn servers(node: &Process) -> Value {
    let answer = get(node.public, "/v1/ice").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("cache-control: no-store"));
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer["ttl"], 3600);
    answer["iceServers"].clone()
}

/// Whether the relay takes what the node hands out.
async fn is_good(node: &Process, relay: &Process) -> bool {
    let servers = servers(node).await;
    let mut all = servers.as_array().unwrap().iter();
    let minted = all.find(|server| !server["credential"].is_null());
    let text = |key: &str| minted.unwrap()[key].as_str().unwrap();
    let allocation =
        Allocation::with_password(relay.public, text("username"), text("credential")).await;
    match allocation {
        Ok(allocation) => {
            allocation.close().await;
            true
        }
        Err(_) => false,
    }
}

#[tokio::test]
async fn a_credential_that_a_node_minted_is_good_at_a_relay_with_its_secret_and_at_no_other() {
    let relay = Process::turn(&["--turn-secret", "new", "--turn-secret", "old"]);
    for (secret, expected) in [("new", true), ("old", true), ("other", false)] {
        let node = node(&relay, secret);
        assert_eq!(is_good(&node, &relay).await, expected, "{secret}");
    }
}

#[tokio::test]
async fn of_several_secrets_the_first_mints() {
    let secrets = ["--turn-secret", "new", "--turn-secret", "old"];
    let [new, old] = ["new", "old"].map(|secret| Process::turn(&["--turn-secret", secret]));
    for minting in [node_with(&new, &secrets), Process::dev(&secrets)] {
        assert!(is_good(&minting, &new).await);
        assert!(!is_good(&minting, &old).await);
    }
}

#[tokio::test]
async fn a_node_tells_of_what_it_was_told_and_of_nothing_otherwise() {
    let relay = Process::turn(&["--turn-secret", "s"]);
    let node = node(&relay, "s");
    let told = servers(&node).await;
    let url = format!("turn:{}?transport=udp", relay.public);
    assert_eq!(told[0]["urls"], json!([url]));
    assert_eq!(told[1], json!({ "urls": ["stun:stun.example:3478"] }));
    assert_eq!(told.as_array().unwrap().len(), 2);
    // Nobody has proved who he is: no two are one user.
    assert_ne!(told[0]["username"], servers(&node).await[0]["username"]);
    assert_eq!(servers(&Process::signal(&[])).await, json!([]));
}

#[tokio::test]
async fn a_foreign_relay_is_handed_out_with_its_credential_when_it_is_meant() {
    let node = Process::signal(&[
        "--ice-server",
        "stun:a.example,turn:bob:a%2Cb@b.example?transport=tcp",
        "--insecure-open-turn",
    ]);
    let expected = json!([
        { "urls": ["stun:a.example"] },
        { "urls": ["turn:b.example?transport=tcp"], "username": "bob", "credential": "a,b" },
    ]);
    assert_eq!(servers(&node).await, expected);
}

#[tokio::test]
async fn a_page_of_another_origin_may_ask() {
    let node = Process::signal(&[]);
    let origin = "Origin: https://app.example\r\n";
    let wants = "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: x-app\r\n";
    let preflight = request(
        node.public,
        "OPTIONS",
        "/v1/ice",
        &format!("{origin}{wants}"),
    )
    .await;
    assert_eq!(preflight.status, 204, "{}", preflight.body);
    for header in [
        "access-control-allow-origin: *",
        "access-control-allow-methods: GET",
        "access-control-allow-headers: *",
    ] {
        assert!(preflight.head.contains(header), "{}", preflight.head);
    }
    let answer = request(node.public, "GET", "/v1/ice", origin).await;
    assert!(answer.head.contains("access-control-allow-origin: *"));
    let post = request(node.public, "POST", "/v1/ice", origin).await;
    assert_eq!(post.status, 405);
}
