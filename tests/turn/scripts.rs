//! Clients that are libraries of Python, in scripts beside this file.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

/// What a script says; it bounds itself to less than the patience here.
#[track_caller]
pub(crate) fn said(python: &Path, script: &str, relay: SocketAddr, arguments: &[&str]) -> String {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("turn");
    let output = Command::new("timeout")
        .arg("100")
        .arg(python)
        .arg(scripts.join(script))
        .args([relay.ip().to_string(), relay.port().to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // Where there is no interpreter or no library: tests/run installs them.
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
    said
}
