//! aioice's TURN client, which never asks for a permission but binds channels, and reads streams in its own way.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use trunkline_tests::{Certificate, Process};

use crate::tls;

#[track_caller]
fn comes_back(relay: SocketAddr, transport: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The script bounds itself to half a minute.
    let output = Command::new(root.join("../target/tools/bin/python"))
        .arg(root.join("turn/aioice_echo.py"))
        .args([
            &relay.ip().to_string(),
            &relay.port().to_string(),
            transport,
        ])
        .stdin(Stdio::null())
        .output()
        .expect("aioice in target/tools: tests/run installs it");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "200 came back\n", "{complained}");
}

#[test]
fn aioice_loses_nothing_over_udp_and_tcp() {
    let peers = ["--turn-allow-peers", "127.0.0.0/8"];
    let relay = Process::turn(&[&["--turn-user", "u:p"][..], &peers].concat());
    comes_back(relay.public, "udp");
    comes_back(relay.public, "tcp");
}

#[test]
fn aioice_loses_nothing_over_tls() {
    let certificate = Certificate::new();
    let relay = tls::relay(&certificate, &[]);
    comes_back(relay.tls.unwrap(), "tls");
}
