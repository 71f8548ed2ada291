//! Tests on a network of their own: whoever may, adds addresses to this host; in a namespace everybody may, and
//! nobody else sees them.

use std::{env, fs, os::unix::fs::MetadataExt, process::Command};

/// Set where the test runs inside.
const INSIDE: &str = "TEST_NAMESPACE";

/// Runs the test of this name once more, alone, in a namespace that `ip` has set up as `setup` says, and returns
/// `false`; in there it returns `true`. Loopback is up.
pub(crate) fn is_inside(test: &str, setup: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut unshare = Command::new("unshare");
    // Who is not root is, in a namespace of users.
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        unshare.arg("--map-root-user");
    }
    let script = format!("set -e\nip link set lo up\n{setup}\nexec \"$0\" --exact \"$1\"");
    let output = unshare
        .args(["--net", "sh", "-c", &script])
        .arg(env::current_exe().unwrap())
        .arg(test)
        .env(INSIDE, "1")
        .output()
        .expect("unshare, of util-linux");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "in the namespace: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}
