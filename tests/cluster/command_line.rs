//! The binary as a newcomer runs it.

use std::{
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener, UdpSocket},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use trunkline_tests::{PATIENCE, Peer, binary, get};

/// A process that is ended with the test.
struct Running(Child);

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let child = Command::new(binary())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Standard output up to a line that contains `text`.
    fn read_until(&mut self, text: &str) -> String {
        let mut out = BufReader::new(self.0.stdout.as_mut().unwrap());
        let mut read = String::new();
        while !read.contains(text) {
            assert!(out.read_line(&mut read).unwrap() > 0, "ended after\n{read}");
        }
        read
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    async fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the process did not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Standard output of a process that has nothing to complain of.
    async fn answer(mut self) -> String {
        let mut text = String::new();
        let mut out = self.0.stdout.take().unwrap();
        out.read_to_string(&mut text).unwrap();
        assert_eq!(self.ended().await.code(), Some(0), "{text}");
        text
    }

    async fn complaint(mut self) -> (Option<i32>, String) {
        let code = self.ended().await.code();
        let mut text = String::new();
        self.0
            .stderr
            .as_mut()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        (code, text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `dev` on free ports.
const FREE: [&str; 6] = [
    "--listen",
    "127.0.0.1:0",
    "--admin-listen",
    "127.0.0.1:0",
    "--turn-listen",
    "127.0.0.1:0",
];

/// The addresses that the banner names with this scheme.
fn addresses(banner: &str, scheme: &str) -> Vec<SocketAddr> {
    banner
        .split_whitespace()
        .filter_map(|word| word.strip_prefix(scheme)?.split('/').next()?.parse().ok())
        .collect()
}

/// The relay's addresses over UDP and TCP.
fn relays(banner: &str) -> Vec<SocketAddr> {
    let lines = banner.lines().filter(|line| line.contains(" UDP and TCP"));
    lines
        .flat_map(str::split_whitespace)
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// What `/v1/ice` says of the relay.
async fn relay_named_at(address: SocketAddr) -> serde_json::Value {
    let ice = get(address, "/v1/ice").await.body;
    let ice: serde_json::Value = serde_json::from_str(&ice).unwrap();
    ice["iceServers"][1].clone()
}

#[tokio::test]
async fn without_a_command_the_banner_says_what_listens_on_both_loopbacks_and_what_is_not_safe() {
    let mut free = FREE;
    free[1] = "127.0.0.1:0,[::1]:0";
    let mut dev = Running::start(&free);
    let banner = dev.read_until("Ctrl-C");
    for line in [
        "(dev)",
        "http://localhost:",
        "! no authentication",
        "! no list of origins",
    ] {
        assert!(banner.contains(line), "{line} is not in\n{banner}");
    }
    let signalling = addresses(&banner, "ws://");
    assert_eq!(signalling.len(), 2, "{banner}");
    let mut bob = Peer::join(signalling[0], "r", "bob").await;
    let _sue = Peer::join(signalling[1], "r", "sue").await;
    bob.expect(r#"/announce|sue|{"id":"sue","room":"r"}"#).await;
    let metrics = addresses(&banner, "http://");
    assert_eq!(get(metrics[0], "/metrics").await.status, 200, "{banner}");
}

#[tokio::test]
async fn who_asks_is_told_of_the_relay_where_it_can_be_reached_and_is_one_user() {
    let mut free = FREE;
    free[1] = "127.0.0.1:0,[::1]:0";
    free[5] = "127.0.0.1:0,[::1]:0";
    let mut dev = Running::start(&free);
    let banner = dev.read_until("Ctrl-C");
    assert_eq!(relays(&banner).len(), 2, "{banner}");
    for (signalling, relay) in addresses(&banner, "ws://").iter().zip(relays(&banner)) {
        let named = relay_named_at(*signalling).await;
        let urls = ["udp", "tcp"].map(|by| format!("turn:{relay}?transport={by}"));
        assert_eq!(named["urls"], serde_json::json!(urls));
        // A quota goes by it: asking again makes nobody another.
        let again = relay_named_at(*signalling).await;
        for username in [&named["username"], &again["username"]] {
            let (_, user) = username.as_str().unwrap().split_once(':').unwrap();
            assert_eq!(user, signalling.ip().to_string());
        }
    }
}

#[tokio::test]
async fn the_relay_outlives_signalling() {
    let mut dev = Running::start(&FREE);
    let banner = dev.read_until("Ctrl-C");
    let bob = Peer::join(addresses(&banner, "ws://")[0], "r", "bob").await;
    // A client that does not answer the close frame keeps signalling from its end.
    let mut silent = bob.into_stream();
    dev.signal("-TERM");
    let mut read = Vec::new();
    // No text has the byte with which a close frame begins.
    while !read.contains(&0x88) {
        let more = timeout(PATIENCE, silent.read_buf(&mut read)).await;
        assert!(more.unwrap().unwrap() > 0, "no close frame");
    }
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    for _ in 0..50 {
        let binding = [
            0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
        ];
        client.send_to(&binding, relays(&banner)[0]).unwrap();
        let answered = client.recv(&mut [0; 100]);
        assert!(answered.is_ok(), "the relay is gone: {answered:?}");
    }
    drop(silent);
    assert_eq!(dev.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_signal_ends_it_in_order_with_0() {
    let mut dev = Running::start(&FREE);
    let address = addresses(&dev.read_until("Ctrl-C"), "ws://")[0];
    let mut bob = Peer::join(address, "r", "bob").await;
    // Half a request does not hold it up for long.
    let half = TcpStream::connect(address).await.unwrap();
    half.writable().await.unwrap();
    half.try_write(b"GET / HTTP/1.1\r\n").unwrap();
    dev.signal("-TERM");
    assert_eq!(bob.close_code().await, 1001);
    drop(bob);
    assert_eq!(dev.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut dev = Running::start(&FREE);
    let address = addresses(&dev.read_until("Ctrl-C"), "ws://")[0];
    // A client that does not answer the close frame keeps the first signal busy.
    let silent = Peer::join(address, "r", "bob").await.into_stream();
    dev.signal("-INT");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(dev.0.try_wait().unwrap().is_none());
    dev.signal("-INT");
    assert_eq!(dev.ended().await.code(), Some(130));
    drop(silent);
}

#[tokio::test]
async fn a_wrong_option_is_named_and_exits_with_64() {
    for (arguments, name) in [
        (&["--listen", "8080"][..], "--listen"),
        (&["signal", "--suspend-window", "8"], "--suspend-window"),
        (&["dev", "--log", "inof"], "--log"),
        (&["--lisen", "x"], "--lisen"),
        (&["turn", "--turn-relay-ports", "9"], "--turn-relay-ports"),
        (&["turn"], "--turn-secret"),
        (&["--turn-secret", ""], "--turn-secret"),
        (
            &["turn", "--turn-user", "u:p", "--turn-realm", ""],
            "--turn-realm",
        ),
        (
            &["turn", "--turn-user", "u:p", "--turn-relay-ip", "0.0.0.0"],
            "--turn-relay-ip",
        ),
        (&["--ice-server", "http://a.example"], "--ice-server"),
        (&["signal", "--turn-url", "turn:a.example"], "--turn-secret"),
        (&["signal", "--turn-secret", "s"], "--turn-url"),
        (
            &[
                "signal",
                "--turn-secret",
                "s",
                "--turn-url",
                "turn:a.example",
            ],
            "--insecure-open-turn",
        ),
        (
            &["signal", "--ice-server", "turn:bob:p@a.example"],
            "--insecure-open-turn",
        ),
        (
            &["turn", "--turn-secret-file", "/nowhere"],
            "--turn-secret-file",
        ),
        (
            &["dev", "--turn-secret-file", "/nowhere"],
            "--turn-secret-file",
        ),
        (
            &[
                "turn",
                "--turn-user",
                "u:p",
                "--cluster-key-file",
                "/nowhere",
            ],
            "--cluster-key-file",
        ),
        (
            &[
                "turn",
                "--turn-user",
                "u:p",
                "--admin-token-file",
                "/nowhere",
            ],
            "--admin-token-file",
        ),
        (
            &["signal", "--turn-secret-file", "/nowhere"],
            "--turn-secret-file",
        ),
        (
            &[
                "signal",
                "--redis",
                "redis://127.0.0.1:1",
                "--turn-secret",
                "s",
            ],
            "--insecure-open-turn",
        ),
        (
            &[
                "signal",
                "--redis",
                "redis://127.0.0.1:1",
                "--turn-secret",
                "s",
                "--insecure-open-turn",
                "--ice-server",
                "stun:a.example,stun:b.example,stun:c.example",
            ],
            "--ice-server",
        ),
        (&["sgnal"], "sgnal"),
    ] {
        let (code, text) = Running::start(arguments).complaint().await;
        assert_eq!(code, Some(64), "{arguments:?}: {text}");
        assert!(text.contains(name), "{arguments:?}: {text}");
    }
}

#[tokio::test]
async fn a_file_serves_dev_where_it_says_and_where_it_says_nothing_on_the_families_that_there_are()
{
    let name = format!("trunkline-command-line-{}.toml", std::process::id());
    let path = std::env::temp_dir().join(name);
    let text = "suspend-window = \"2s\"\n[dev]\nadmin-listen = [\"127.0.0.1:0\"]\n\
                turn-listen = [\"127.0.0.1:0\", \"[::1]:0\"]\n[turn]\nturn-listen = [\"192.0.2.1:1\"]\n";
    std::fs::write(&path, text).unwrap();
    let file = path.to_str().unwrap();
    let mut dev = Running::start(&["--config", file, "--listen", "127.0.0.1:0"]);
    let banner = dev.read_until("Ctrl-C");
    assert_eq!(addresses(&banner, "ws://").len(), 1, "{banner}");
    assert_eq!(relays(&banner).len(), 2, "{banner}");
    // What is a default stays one with a file that says something else.
    let settled = Running::start(&["config", "--config", file]).answer().await;
    let line = settled.lines().find(|line| line.starts_with("listen = "));
    let expected = match daemon::listen::has_ipv6_loopback() {
        true => "listen = [\"127.0.0.1:8080\", \"[::1]:8080\"] # default",
        false => "listen = [\"127.0.0.1:8080\"] # default",
    };
    assert_eq!(line, Some(expected), "{settled}");
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn an_address_in_use_is_named_and_exits_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, text) = Running::start(&["--listen", &address]).complaint().await;
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains(&format!("--listen {address}: the address is in use")),
        "{text}"
    );
}

#[tokio::test]
async fn help_teaches() {
    for (arguments, words) in [
        (
            &["--help"][..],
            &[
                "dev",
                "signal",
                "trunkline dev --help",
                "--config",
                "TRUNKLINE_CONFIG",
                "trunkline config --example",
            ][..],
        ),
        (
            &["dev", "--help"],
            &["--listen", "TRUNKLINE_LISTEN", "127.0.0.1:8080", "--open"],
        ),
        (
            &["signal", "--help"],
            &["0.0.0.0:8080", "--suspend-window", "8s", "--config"],
        ),
        (&["config", "--help"], &["--example", "--reference", "turn"]),
    ] {
        let text = Running::start(arguments).answer().await;
        for word in words {
            assert!(text.contains(word), "{arguments:?} lacks {word}: {text}");
        }
    }
}
