//! A relay that drains sends clients to another one.

use std::{net::SocketAddr, process::Command};

use trunkline_tests::Process;

use crate::{
    Allocation,
    control::{admin, until_allocations},
    coturn::{Echo, uclient_at},
};

const OPTIONS: [&str; 5] = [
    "--turn-user",
    "u:p",
    "--turn-allow-peers",
    "127.0.0.0/8",
    "--turn-old-channels",
];

fn relay(options: &[&str]) -> Process {
    Process::turn(&[&OPTIONS, options].concat())
}

/// How often a relay has answered with a code.
async fn answers(relay: &Process, code: &str) -> f64 {
    let name = format!("trunkline_turn_answers_total{{result=\"{code}\"}}");
    relay.metric(&name).await
}

#[tokio::test]
async fn checklist_13_turnutils_uclient_follows_a_draining_relay_s_alternate_server() {
    let other = relay(&[]);
    let address = other.public.to_string();
    let draining = relay(&["--turn-alternate-server", &address]);
    let held = Allocation::new(draining.public, "u").await.unwrap();
    let (status, _) = admin(&draining, "POST", "/admin/drain", "{}").await;
    assert_eq!(status, 200);
    let SocketAddr::V4(at) = draining.public else {
        panic!("IPv4");
    };
    let (ended_well, said) = tokio::task::spawn_blocking(move || {
        let echo = Echo::start("127.0.0.1");
        let ip = at.ip().to_string();
        uclient_at((&ip, at.port()), &echo, &["-u", "u", "-w", "p", "-m", "2"])
    })
    .await
    .unwrap();
    assert!(ended_well, "{said}");
    assert!(said.contains("Total lost packets 0"), "{said}");
    assert!(answers(&draining, "300").await >= 2.0);
    assert_eq!(answers(&draining, "508").await, 0.0);
    assert!(
        other
            .metric("trunkline_turn_relayed_packets_total{to=\"peer\"}")
            .await
            >= 200.0
    );
    // Taken back, it serves again.
    let (status, _) = admin(&draining, "DELETE", "/admin/drain", "").await;
    assert_eq!(status, 200);
    let again = Allocation::new(draining.public, "u").await.unwrap();
    again.close().await;
    held.close().await;
    until_allocations(&draining, 0).await;
}

#[tokio::test]
async fn checklist_13_a_relay_without_an_alternate_of_the_client_s_family_answers_508() {
    let draining = relay(&["--turn-alternate-server", "[::1]:3478"]);
    let held = Allocation::new(draining.public, "u").await.unwrap();
    admin(&draining, "POST", "/admin/drain", "{}").await;
    assert!(Allocation::new(draining.public, "u").await.is_err());
    assert!(answers(&draining, "508").await >= 1.0);
    assert_eq!(answers(&draining, "300").await, 0.0);
    held.close().await;
}

#[test]
fn an_alternate_that_has_no_address_is_named_and_nothing_starts() {
    let output = Command::new(trunkline_tests::binary())
        .args([
            "turn",
            "--turn-listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ])
        .args([
            "--turn-user",
            "u:p",
            "--turn-alternate-server",
            "nobody.invalid:1",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // Not what is a mistake of the command line: the name may be known later.
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("--turn-alternate-server"), "{said}");
}
