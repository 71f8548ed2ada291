//! aioice, which is aiortc's ICE, as a client: it never asks for a permission but binds channels, and reads streams in
//! its own way.

use std::{net::SocketAddr, path::Path};

use trunkline_tests::{Certificate, Process};

use crate::{scripts, tls};

#[track_caller]
pub(crate) fn said(script: &str, relay: SocketAddr, arguments: &[&str]) -> String {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin/python");
    scripts::said(&python, script, relay, arguments)
}

#[track_caller]
fn comes_back(relay: SocketAddr, transport: &str) {
    let said = said("aioice_echo.py", relay, &[transport]);
    assert_eq!(said, "200 came back\n");
}

pub(crate) fn relay() -> Process {
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
