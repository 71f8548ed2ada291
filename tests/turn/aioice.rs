//! aioice, which is aiortc's ICE, as a client.

use std::{path::Path, process::Command};

use trunkline_tests::Process;

#[test]
fn aioice_relays_refreshes_and_connects_two_agents() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join("../target/tools/bin/python");
    let options = ["--turn-user", "u:p", "--turn-allow-peers", "127.0.0.0/8"];
    let relay = Process::turn(&options);
    let output = Command::new("timeout")
        .arg("100")
        .arg(python)
        .arg(tests.join("turn/aioice_client.py"))
        .args([
            relay.public.ip().to_string(),
            relay.public.port().to_string(),
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        // Where there is no interpreter or no aioice: tests/run installs them.
        String::from_utf8_lossy(&output.stderr)
    );
}
