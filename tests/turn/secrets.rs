//! Secrets that are rotated, and that coturn's tools share with us.

use std::{
    net::UdpSocket,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use trunkline_tests::{Process, free_port, get, until};

use crate::{
    Allocation, File,
    coturn::{Echo, uclient_at},
};

/// A credential of this secret's, from a signalling node.
async fn minted(secret: &str, user: &str) -> (String, String) {
    let node = Process::signal(&[
        "--turn-url",
        "turn:127.0.0.1:9",
        "--turn-secret",
        secret,
        "--insecure-open-turn",
    ]);
    let path = format!("/turn?service=turn&username={user}");
    let answer: Value = serde_json::from_str(&get(node.public, &path).await.body).unwrap();
    let text = |key: &str| answer[key].as_str().unwrap().to_owned();
    (text("username"), text("password"))
}

async fn is_good(relay: &Process, (username, password): &(String, String)) -> bool {
    match Allocation::with_password(relay.public, username, password).await {
        Ok(allocation) => {
            allocation.close().await;
            true
        }
        Err(_) => false,
    }
}

#[tokio::test]
async fn checklist_10_secrets_of_a_file_are_rotated_without_a_restart() {
    let (old, new) = (minted("old", "alice").await, minted("new", "alice").await);
    let file = File::new("old\n");
    let relay = Process::turn(&["--turn-secret-file", file.path()]);
    let held = Allocation::with_password(relay.public, &old.0, &old.1).await;
    let held = held.unwrap();
    assert!(!is_good(&relay, &new).await);
    file.replace("new\nold\n");
    until("the new secret to be live", async || {
        is_good(&relay, &new).await
    })
    .await;
    assert!(is_good(&relay, &old).await);
    until("two secrets to be counted", async || {
        relay.metric("trunkline_turn_secrets").await == 2.0
    })
    .await;
    file.replace("new\n");
    until("the old secret to be dead", async || {
        !is_good(&relay, &old).await
    })
    .await;
    assert!(is_good(&relay, &new).await);
    // What was made with the old secret goes on.
    assert!(relay.metric("trunkline_turn_allocations").await >= 1.0);
    assert!(held.relayed().port() > 0);
    until("two rotations to be counted", async || {
        relay.metric("trunkline_turn_secret_rotations_total").await == 2.0
    })
    .await;
}

#[tokio::test]
async fn checklist_10_allocations_end_with_their_secret_where_that_is_asked_for() {
    let (old, new) = (minted("old", "alice").await, minted("new", "bob").await);
    let file = File::new("new\nold\n");
    let path = file.path();
    let relay = Process::turn(&["--turn-secret-file", path, "--turn-end-with-secret"]);
    let mut held = Vec::new();
    for (username, password) in [&old, &new, &old] {
        let made = Allocation::with_password(relay.public, username, password).await;
        held.push(made.unwrap());
    }
    file.replace("new\n");
    until("those of the old secret to be gone", async || {
        relay.metric("trunkline_turn_allocations").await == 1.0
    })
    .await;
    assert!(is_good(&relay, &new).await);
    assert!(!is_good(&relay, &old).await);
    until("the one of the new secret to be all", async || {
        relay.metric("trunkline_turn_allocations").await == 1.0
    })
    .await;
}

#[tokio::test]
async fn checklist_10_a_broken_file_keeps_the_secrets_and_sighup_reads_at_once() {
    let old = minted("old", "alice").await;
    let file = File::new("old\n");
    let relay = Process::turn(&["--turn-secret-file", file.path()]);
    for broken in ["", "\n\n", &"x\n".repeat(17)] {
        file.replace(broken);
        let pid = relay.pid().to_string();
        let sent = Command::new("kill").args(["-HUP", &pid]).status();
        assert!(sent.unwrap().success());
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        assert!(is_good(&relay, &old).await, "{broken:?}");
    }
    assert_eq!(
        relay.metric("trunkline_turn_secret_rotations_total").await,
        0.0
    );
}

#[tokio::test]
async fn a_node_mints_with_what_its_file_says_now() {
    let file = File::new("old\n");
    let node = Process::signal(&[
        "--turn-url",
        "turn:127.0.0.1:9",
        "--turn-secret-file",
        file.path(),
        "--insecure-open-turn",
    ]);
    let relay = Process::turn(&["--turn-secret", "new"]);
    let credential = async || {
        let answer = get(node.public, "/turn?service=turn").await;
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        let text = |key: &str| answer[key].as_str().unwrap().to_owned();
        (text("username"), text("password"))
    };
    assert!(!is_good(&relay, &credential().await).await);
    file.replace("new\n");
    until("the node to mint with the new secret", async || {
        is_good(&relay, &credential().await).await
    })
    .await;
}

#[tokio::test]
async fn relays_of_one_cluster_key_take_each_other_s_nonces() {
    let key = File::new("a key that the fleet shares\n");
    let options = ["--turn-user", "u:p", "--cluster-key-file", key.path()];
    let nonce = |relay: &Process| {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client
            .set_read_timeout(Some(trunkline_tests::PATIENCE))
            .unwrap();
        (client, relay.public)
    };
    let challenge = |client: &UdpSocket, relay| {
        // An Allocate for UDP without a credential.
        let mut request = vec![0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42];
        request.extend([7; 12]);
        request.extend([0, 0x19, 0, 4, 17, 0, 0, 0]);
        client.send_to(&request, relay).unwrap();
        let mut answer = [0; 200];
        let length = client.recv(&mut answer).unwrap();
        let at = answer[..length]
            .windows(4)
            .position(|four| four == [0, 0x15, 0, 24]);
        answer[at.unwrap() + 4..][..24].to_vec()
    };
    let one = Process::turn(&options);
    let other = Process::turn(&options);
    let (client, first) = nonce(&one);
    // The same address and the same four seconds give the same nonce where the key is the same.
    let mut same = false;
    for _ in 0..3 {
        same |= challenge(&client, first) == challenge(&client, other.public);
    }
    assert!(same);
    let stranger = Process::turn(&["--turn-user", "u:p"]);
    assert_ne!(
        challenge(&client, first),
        challenge(&client, stranger.public)
    );
}

/// Debian's coturn with a secret, on loopback.
struct Turnserver {
    child: Child,
    port: u16,
    /// It wants one, though nobody is in it.
    _users: File,
}

impl Turnserver {
    fn start(secret: &str) -> Self {
        let (port, users) = (free_port(), File::new(""));
        let child = Command::new("turnserver")
            .args(["-n", "-L", "127.0.0.1", "-E", "127.0.0.1", "--no-cli"])
            .args([
                "--no-tls",
                "--no-dtls",
                "--no-stdout-log",
                "-l",
                "/dev/null",
            ])
            .args(["--use-auth-secret", "--static-auth-secret", secret])
            .args(["--realm", "trunkline", "--allow-loopback-peers"])
            .args(["--listening-port", &port.to_string()])
            .args(["--pidfile", "/dev/null", "--userdb", users.path()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("coturn: tests/run installs it");
        let server = Self {
            child,
            port,
            _users: users,
        };
        server.wait();
        server
    }

    /// Until it answers a Binding.
    fn wait(&self) {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let timeout = std::time::Duration::from_millis(200);
        client.set_read_timeout(Some(timeout)).unwrap();
        let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        request.extend([7; 12]);
        let end = std::time::Instant::now() + trunkline_tests::PATIENCE;
        loop {
            let _ = client.send_to(&request, ("127.0.0.1", self.port));
            if client.recv(&mut [0; 500]).is_ok() {
                return;
            }
            assert!(std::time::Instant::now() < end, "coturn does not answer");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

impl Drop for Turnserver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_10_what_a_node_mints_is_good_at_coturn_and_of_another_secret_is_not() {
    let coturn = Turnserver::start("shared");
    let echo = Echo::start("127.0.0.1");
    for (secret, expected) in [("shared", true), ("other", false)] {
        let (username, password) = minted(secret, "alice").await;
        let credential = ["-m", "1", "-u", &username, "-w", &password];
        let (_, text) = uclient_at(("127.0.0.1", coturn.port), &echo, &credential);
        let received = text.contains("tot_recv_msgs=100");
        assert_eq!(received, expected, "{secret}: {text}");
    }
}
