//! aioice, which is aiortc's ICE, as a client: it never asks for a permission but binds channels, and reads streams in
//! its own way.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use trunkline_tests::{Certificate, Process};

use crate::tls;

/// What a script says; it bounds itself to less than the patience here.
#[track_caller]
fn said(script: &str, relay: SocketAddr, arguments: &[&str]) -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("timeout")
        .arg("100")
        .arg(tests.join("../target/tools/bin/python"))
        .arg(tests.join("turn").join(script))
        .args([relay.ip().to_string(), relay.port().to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // Where there is no interpreter or no aioice: tests/run installs them.
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
    said
}

#[track_caller]
fn comes_back(relay: SocketAddr, transport: &str) {
    let said = said("aioice_echo.py", relay, &[transport]);
    assert_eq!(said, "200 came back\n");
}

fn relay() -> Process {
    Process::turn(&["--turn-user", "u:p", "--turn-allow-peers", "127.0.0.0/8"])
}

#[test]
fn aioice_relays_refreshes_and_connects_two_agents() {
    said("aioice_client.py", relay().public, &[]);
}

#[test]
fn aioice_loses_nothing_over_udp_and_tcp() {
    let relay = relay();
    comes_back(relay.public, "udp");
    comes_back(relay.public, "tcp");
}

#[test]
fn aioice_loses_nothing_over_tls() {
    let certificate = Certificate::new();
    let relay = tls::relay(&certificate, &[]);
    comes_back(relay.tls.unwrap(), "tls");
}
