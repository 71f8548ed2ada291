//! The audit log of a relay.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use serde_json::Value;
use trunkline_tests::{PATIENCE, binary, get};

use crate::Allocation;

/// A relay that logs as JSON, and its lines.
struct Logged {
    child: Child,
    lines: Receiver<Value>,
    relay: SocketAddr,
    admin: SocketAddr,
}

impl Logged {
    fn start(filter: &str, user: &str) -> Self {
        let mut child = Command::new(binary())
            .args(["turn", "--log", filter, "--log-format", "json"])
            .args([
                "--turn-listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
            ])
            .args(["--turn-user", user])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // Each line is one object, whatever a user is called.
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                let _ = sender.send(line);
            }
        });
        let mut logged = Self {
            child,
            lines,
            relay: SocketAddr::from(([0; 4], 0)),
            admin: SocketAddr::from(([0; 4], 0)),
        };
        logged.admin = logged.listening("admin");
        logged.relay = logged.listening("turn");
        logged
    }

    fn listening(&self, name: &str) -> SocketAddr {
        let line = self.next(|line| line["name"] == name);
        line["address"].as_str().unwrap().parse().unwrap()
    }

    fn next(&self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("a line");
            if is_wanted(&line) {
                return line;
            }
        }
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn each_allocation_s_start_and_end_are_logged_with_who_where_and_how_much() {
    let relay = Logged::start("info,audit=debug", "mal\nlory:p");
    let allocation = Allocation::new(relay.relay, "mal\nlory").await.unwrap();
    let relayed = allocation.relayed().to_string();
    let start = relay.next(|line| line["target"] == "audit");
    assert_eq!(start["event"], "start");
    assert_eq!(start["user"], "mal\\nlory");
    assert_eq!(start["relayed"], *relayed);
    assert!(start["client"].as_str().unwrap().starts_with("127.0.0.1:"));
    allocation.close().await;
    let end = relay.next(|line| line["target"] == "audit");
    assert_eq!(end["event"], "end");
    assert_eq!(end["reason"], "deleted");
    assert_eq!(end["bytes_to_peers"], 0);
    for key in ["user", "client", "relayed"] {
        assert_eq!(start[key], end[key], "{key}");
    }
}

#[tokio::test]
async fn nothing_of_it_is_logged_unless_it_is_asked_for() {
    let relay = Logged::start("info", "u:p");
    Allocation::new(relay.relay, "u")
        .await
        .unwrap()
        .close()
        .await;
    let silent = relay.lines.recv_timeout(Duration::from_millis(500));
    assert!(silent.is_err(), "{silent:?}");
}

#[tokio::test]
async fn checklist_09_neither_metrics_nor_logs_name_a_user_or_a_password() {
    // The audit log does name users.
    let relay = Logged::start("debug,audit=off", "gertrude:sesame");
    let made = Allocation::with_password(relay.relay, "gertrude", "sesame").await;
    made.unwrap().close().await;
    let refused = Allocation::with_password(relay.relay, "gertrude", "wrong-guess").await;
    assert!(refused.is_err());
    let metrics = get(relay.admin, "/metrics").await.body;
    assert!(metrics.contains("trunkline_turn_allocations_opened_total 1"));
    let mut logged = String::new();
    while let Ok(line) = relay.lines.recv_timeout(Duration::from_millis(500)) {
        logged += &line.to_string();
    }
    assert!(logged.contains("relayed address made"), "{logged}");
    for hidden in ["gertrude", "sesame", "wrong-guess"] {
        assert!(!metrics.contains(hidden), "{hidden}");
        assert!(!logged.contains(hidden), "{hidden} in {logged}");
    }
}
