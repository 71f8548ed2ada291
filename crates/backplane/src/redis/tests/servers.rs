//! Redis servers that live as long as the test that started them, or as the tests that share them.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// A server, killed when it is dropped or the test process ends in whatever way: then its shell's input ends.
pub(crate) struct RedisServer {
    shell: Child,
    pid: String,
    pub(crate) port: u16,
}

/// Runs a server in a directory of its own until the input ends.
const SHELL: &str = r#"
directory=$(mktemp -d) && touch "$directory/conf" || exit 1
redis-server "$directory/conf" --dir "$directory" --save "" --appendonly no --bind 127.0.0.1 "$@" >/dev/null 2>&1 &
echo $!
cat >/dev/null
kill -9 $!
rm -rf "$directory"
"#;

/// One that nothing listens on, and that no other test of this process is given. Below those that the system gives to
/// whoever connects somewhere, each process from a place of its own.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = std::process::id().wrapping_mul(97).wrapping_add(number) % 20_000;
        let port = u16::try_from(11_000 + offset).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(options: &[&str]) -> Self {
        Self::on(free_port(), options)
    }

    pub(crate) fn on(port: u16, options: &[&str]) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", SHELL, "redis", "--port", &port.to_string()])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pid = String::new();
        let output = shell.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut pid).unwrap();
        let pid = pid.trim().to_owned();
        let server = Self { shell, pid, port };
        until("redis-server answers", || {
            let answer = server.cli(&["ping"]);
            answer == "PONG" || answer.starts_with("NOAUTH")
        });
        server
    }

    /// What `redis-cli` prints.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let port = self.port.to_string();
        let command = Command::new("timeout")
            .args(["2", "redis-cli", "-p", &port])
            .args(arguments)
            .output();
        String::from_utf8_lossy(&command.unwrap().stdout)
            .trim()
            .to_owned()
    }

    pub(crate) fn signal(&self, name: &str) {
        let killed = Command::new("kill").args([name, &self.pid]).status();
        assert!(killed.unwrap().success());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "not in 20 s: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Masters that share the slots.
pub(crate) fn cluster(masters: u16) -> Vec<RedisServer> {
    let start = |_| {
        let bus = free_port().to_string();
        let enabled = ["--cluster-enabled", "yes", "--cluster-port", &bus];
        (RedisServer::with(&enabled), bus)
    };
    let servers: Vec<_> = (0..masters).map(start).collect();
    for (index, (server, _)) in (0u16..).zip(&servers) {
        let bound = |index: u16| u32::from(index) * 16384 / u32::from(masters);
        let (first, last) = (bound(index), bound(index + 1) - 1);
        let range = [first.to_string(), last.to_string()];
        server.cli(&["cluster", "set-config-epoch", &(index + 1).to_string()]);
        server.cli(&["cluster", "addslotsrange", &range[0], &range[1]]);
        let (hub, bus) = &servers[0];
        server.cli(&["cluster", "meet", "127.0.0.1", &hub.port.to_string(), bus]);
    }
    let whole = |server: &RedisServer| {
        let info = server.cli(&["cluster", "info"]);
        info.contains("cluster_state:ok")
            && info.contains(&format!("cluster_known_nodes:{masters}"))
    };
    until("the cluster is whole", || {
        servers.iter().all(|(server, _)| whole(server))
    });
    servers.into_iter().map(|(server, _)| server).collect()
}

/// A master, a replica, and a sentinel that alone decides.
pub(crate) struct Guarded {
    pub(crate) master: RedisServer,
    pub(crate) replica: RedisServer,
    pub(crate) sentinel: RedisServer,
}

impl Guarded {
    /// One whose master is not to be replaced, however busy the machine is.
    pub(crate) fn calm() -> Self {
        Self::with_patience("30000")
    }

    pub(crate) fn start() -> Self {
        Self::with_patience("500")
    }

    fn with_patience(down_after: &str) -> Self {
        let fast = ["--repl-diskless-sync-delay", "0"];
        let master = RedisServer::with(&fast);
        let of = master.port.to_string();
        let replica = RedisServer::with(&[&fast[..], &["--replicaof", "127.0.0.1", &of]].concat());
        until("the replica is in step", || {
            replica
                .cli(&["info", "replication"])
                .contains("master_link_status:up")
        });
        let sentinel = RedisServer::with(&["--sentinel"]);
        sentinel.cli(&["sentinel", "monitor", "mymaster", "127.0.0.1", &of, "1"]);
        for (option, value) in [
            ("down-after-milliseconds", down_after),
            ("failover-timeout", "2000"),
        ] {
            sentinel.cli(&["sentinel", "set", "mymaster", option, value]);
        }
        until("the sentinel knows the replica", || {
            sentinel
                .cli(&["sentinel", "replicas", "mymaster"])
                .contains(&replica.port.to_string())
        });
        Self {
            master,
            replica,
            sentinel,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis-sentinel://127.0.0.1:{}/mymaster", self.sentinel.port)
    }
}

/// The servers that tests share, each test under a prefix of its own.
pub(crate) static ONE: LazyLock<RedisServer> = LazyLock::new(RedisServer::start);
pub(crate) static TWO_MORE: LazyLock<[RedisServer; 2]> =
    LazyLock::new(|| [RedisServer::start(), RedisServer::start()]);
pub(crate) static CLUSTER: LazyLock<Vec<RedisServer>> = LazyLock::new(|| cluster(3));
pub(crate) static GUARDED: LazyLock<Guarded> = LazyLock::new(Guarded::calm);

pub(crate) fn own_prefix() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("test{}:", NUMBER.fetch_add(1, Ordering::Relaxed))
}
