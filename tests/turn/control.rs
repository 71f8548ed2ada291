//! What an operator sees of a relay, and does to it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use trunkline_tests::{PATIENCE, Process, get, until};

use crate::Allocation;

/// Asks the admin listener, with JSON in and out.
pub(crate) async fn admin(relay: &Process, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(relay.admin).await.unwrap();
    let length = body.len();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
        relay.admin
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.expect("an answer").unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let body = serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}"));
    (head[9..12].parse().unwrap(), body)
}

pub(crate) async fn until_allocations(relay: &Process, number: usize) {
    until("so many allocations", async || {
        relay.metric("trunkline_turn_allocations").await == number as f64
    })
    .await;
}

fn two_users(options: &[&str]) -> Process {
    let users = ["--turn-user", "u:p", "--turn-user", "v:p"];
    Process::turn(&[&users, options].concat())
}

#[tokio::test]
async fn allocations_are_listed_page_by_page_over_all_threads_and_ended_by_their_id() {
    let relay = two_users(&["--turn-threads", "3"]);
    let mut held = Vec::new();
    for n in 0..10 {
        let user = if n < 7 { "u" } else { "v" };
        held.push(Allocation::new(relay.public, user).await.unwrap());
    }
    let mut ids = Vec::new();
    let mut path = "/admin/allocations?limit=4".to_owned();
    loop {
        let (status, page) = admin(&relay, "GET", &path, "").await;
        assert_eq!(status, 200, "{page}");
        let allocations = page["allocations"].as_array().unwrap();
        assert!(allocations.len() <= 4);
        for allocation in allocations {
            assert_eq!(allocation["static"], true);
            assert!(
                allocation["client"]
                    .as_str()
                    .unwrap()
                    .starts_with("127.0.0.1:")
            );
            assert!(allocation["ends_in_seconds"].as_u64().unwrap() > 500);
            ids.push(allocation["id"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/admin/allocations?limit=4&after={next}");
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10);
    let (_, theirs) = admin(&relay, "GET", "/admin/allocations?user=v", "").await;
    assert_eq!(theirs["allocations"].as_array().unwrap().len(), 3);
    let path = format!("/admin/allocations/{}", ids[0]);
    assert_eq!(
        admin(&relay, "DELETE", &path, "").await,
        (200, json!({ "ended": 1 }))
    );
    until_allocations(&relay, 9).await;
    let (status, answer) = admin(&relay, "DELETE", &path, "").await;
    assert_eq!(
        (status, &answer["code"]),
        (404, &json!("no-such-allocation"))
    );
}

#[tokio::test]
async fn what_cannot_be_done_is_answered_in_json_and_changes_nothing() {
    let relay = two_users(&[]);
    let _held = Allocation::new(relay.public, "u").await.unwrap();
    let long = format!("{{\"user\":\"{}\"}}", "x".repeat(509));
    for (method, path, body, status, code) in [
        ("GET", "/admin/allocations?limit=0", "", 400, "bad-request"),
        (
            "GET",
            "/admin/allocations?limit=1001",
            "",
            400,
            "bad-request",
        ),
        (
            "GET",
            "/admin/allocations?after=zzz",
            "",
            400,
            "bad-request",
        ),
        (
            "GET",
            "/admin/allocations?colour=red",
            "",
            400,
            "bad-request",
        ),
        (
            "DELETE",
            "/admin/allocations/ff-1",
            "",
            404,
            "no-such-allocation",
        ),
        (
            "DELETE",
            "/admin/allocations/x",
            "",
            404,
            "no-such-allocation",
        ),
        ("POST", "/admin/kick", "", 400, "bad-request"),
        ("POST", "/admin/kick", "{\"user\":\"\"}", 400, "bad-request"),
        ("POST", "/admin/kick", "{\"usr\":\"u\"}", 400, "bad-request"),
        (
            "POST",
            "/admin/kick",
            "{\"user\":\"u\",\"seconds\":0}",
            400,
            "bad-request",
        ),
        ("POST", "/admin/kick", &long, 400, "bad-request"),
        (
            "POST",
            "/admin/drain",
            "{\"deadline\":\"soon\"}",
            400,
            "bad-request",
        ),
        (
            "POST",
            "/admin/drain",
            "{\"deadline\":\"8d\"}",
            400,
            "bad-request",
        ),
        ("PUT", "/admin/drain", "", 405, "method-not-allowed"),
    ] {
        let (answered, answer) = admin(&relay, method, path, body).await;
        assert_eq!(
            (answered, &answer["code"]),
            (status, &json!(code)),
            "{method} {path} {body}"
        );
        assert!(answer["message"].as_str().unwrap().len() > 5, "{answer}");
    }
    assert_eq!(relay.metric("trunkline_turn_allocations").await, 1.0);
    assert_eq!(get(relay.admin, "/readyz").await.status, 200);
}

#[tokio::test]
async fn a_user_that_is_kicked_loses_its_allocations_and_is_refused_and_nobody_else() {
    let relay = two_users(&["--turn-threads", "2"]);
    let mut held = Vec::new();
    for user in ["u", "u", "u", "v"] {
        held.push(Allocation::new(relay.public, user).await.unwrap());
    }
    let (status, answer) = admin(
        &relay,
        "POST",
        "/admin/kick",
        "{\"user\":\"u\",\"seconds\":2}",
    )
    .await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["ended"], 3);
    assert_eq!(answer["others"], "none");
    until_allocations(&relay, 1).await;
    assert!(Allocation::new(relay.public, "u").await.is_err());
    let kicked = "trunkline_turn_authentications_total{result=\"kicked\"}";
    assert!(relay.metric(kicked).await >= 1.0);
    assert_eq!(relay.metric("trunkline_turn_kicked_users").await, 1.0);
    held.push(Allocation::new(relay.public, "v").await.unwrap());
    until("the user to be let in again", async || {
        let again = Allocation::new(relay.public, "u").await;
        let is_in = again.is_ok();
        held.extend(again);
        is_in
    })
    .await;
}

#[tokio::test]
async fn checklist_13_a_drained_relay_refuses_new_allocations_with_508_and_ends_when_the_last_is_gone()
 {
    let mut relay = two_users(&[]);
    let held = Allocation::new(relay.public, "u").await.unwrap();
    let (status, answer) = admin(&relay, "POST", "/admin/drain", "{}").await;
    assert_eq!(status, 200);
    assert_eq!(
        answer,
        json!({ "draining": true, "allocations": 1, "seconds_left": null })
    );
    assert_eq!(get(relay.admin, "/readyz").await.status, 503);
    assert_eq!(get(relay.admin, "/healthz").await.status, 200);
    assert!(Allocation::new(relay.public, "v").await.is_err());
    let full = "trunkline_turn_answers_total{result=\"508\"}";
    assert_eq!(relay.metric(full).await, 1.0);
    // It is taken back, and asked for again.
    let (_, answer) = admin(&relay, "DELETE", "/admin/drain", "").await;
    assert_eq!(answer["draining"], false);
    assert_eq!(get(relay.admin, "/readyz").await.status, 200);
    Allocation::new(relay.public, "v")
        .await
        .unwrap()
        .close()
        .await;
    until_allocations(&relay, 1).await;
    let (_, answer) = admin(&relay, "POST", "/admin/drain", "{\"deadline\":\"1h\"}").await;
    assert!(answer["seconds_left"].as_u64().unwrap() > 3500);
    assert!(relay.is_running());
    held.close().await;
    until("the process to end", async || !relay.is_running()).await;
}

#[tokio::test]
async fn checklist_13_a_drain_ends_at_its_deadline_whatever_is_left() {
    let mut relay = two_users(&[]);
    let _held = Allocation::new(relay.public, "u").await.unwrap();
    admin(&relay, "POST", "/admin/drain", "{\"deadline\":\"300ms\"}").await;
    until("the process to end", async || !relay.is_running()).await;
}

#[tokio::test]
async fn checklist_13_a_relay_that_is_told_to_end_drains_for_its_window_and_that_cannot_be_taken_back()
 {
    let mut relay = two_users(&["--drain-window", "3s"]);
    let held = Allocation::new(relay.public, "u").await.unwrap();
    let stopping = tokio::task::spawn_blocking(move || {
        let status = relay.terminate();
        (status, relay)
    });
    let peer = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!stopping.is_finished(), "an allocation is left");
    drop(peer);
    held.close().await;
    let (status, _) = timeout(PATIENCE, stopping).await.unwrap().unwrap();
    assert!(status.success());
    // With nothing left it ends at once, and with something at the end of its window.
    let mut relay = two_users(&["--drain-window", "1h"]);
    assert!(relay.terminate().success());
    let mut relay = two_users(&["--drain-window", "500ms"]);
    let _held = Allocation::new(relay.public, "u").await.unwrap();
    assert!(relay.terminate().success());
}

#[tokio::test]
async fn admin_is_closed_beyond_loopback_unless_there_is_a_token() {
    let relay = two_users(&[]);
    let cross = "Origin: https://evil.example\r\n";
    let asked = trunkline_tests::request(relay.admin, "GET", "/admin/drain", cross).await;
    assert_eq!(asked.status, 403);
    let file = crate::File::new("0123456789abcdef0123\n");
    let relay = two_users(&["--admin-token-file", file.path()]);
    let without = get(relay.admin, "/admin/drain").await;
    assert_eq!(without.status, 401);
    assert!(
        without
            .head
            .to_lowercase()
            .contains("www-authenticate: bearer")
    );
    let token = "Authorization: Bearer 0123456789abcdef0123\r\n";
    let with = trunkline_tests::request(relay.admin, "GET", "/admin/drain", token).await;
    assert_eq!(with.status, 200, "{}", with.body);
    assert_eq!(get(relay.admin, "/metrics").await.status, 200);
    file.replace("ffffffffffffffffffff\n");
    until("the new token to be asked for", async || {
        let with = trunkline_tests::request(relay.admin, "GET", "/admin/drain", token).await;
        with.status == 401
    })
    .await;
}
