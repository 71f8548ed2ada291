//! What `/metrics` serves is what the page says.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::json;
use trunkline_tests::{NativePeer, Peer, Process, Redis, until};

/// Names as a query has them, of all families on the page.
fn served(metrics: &str) -> BTreeSet<String> {
    let types = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let names = types.map(|line| {
        let (name, kind) = line.split_once(' ').unwrap();
        match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        }
    });
    names.collect()
}

/// Names in the first cells of the page's tables.
fn documented() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("services/README.md")).unwrap();
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| `trunkline_"));
    let names = rows.flat_map(|row| {
        let cell = row.split(" | ").next().unwrap();
        let quoted = cell.split('`').skip(1).step_by(2);
        quoted.map(|name| name.split('{').next().unwrap().to_owned())
    });
    names.collect()
}

#[tokio::test]
async fn every_metric_is_documented_and_every_documented_one_is_served() {
    let redis = Redis::start();
    let url = redis.url();
    let shared = ["--redis", &url, "--turn-secret", "s"];
    let relay = Process::turn(&shared);
    let node = Process::signal(&[&shared[..], &["--insecure-open-turn"]].concat());
    // Reasons are served once there was one.
    let mut bob = Peer::join(node.public, "r", "bob").await;
    bob.send("nonsense").await;
    bob.close().await;
    let (mut ann, _) = NativePeer::join(node.public, "r", "ann").await;
    ann.say("request", json!({ "id": "q", "peer": "nobody" }))
        .await;
    ann.next().await;
    until("bob to be gone", async || {
        let metrics = node.metrics().await;
        metrics.contains("trunkline_connections_closed_total{")
    })
    .await;
    let mut all = served(&relay.metrics().await);
    all.extend(served(&node.metrics().await));
    let documented = documented();
    let missing: Vec<_> = all.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&all).collect();
    assert!(missing.is_empty(), "services/README.md lacks {missing:?}");
    assert!(
        invented.is_empty(),
        "services/README.md invents {invented:?}"
    );
}
