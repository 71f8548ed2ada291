//! Who is measured.

use std::{
    env,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use trunkline_tests::free_port;

use crate::{
    cpu::Cpu,
    server::{PATIENCE, Server, binary, runs},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    Floor,
    Node,
    Cluster,
    Switchboard,
}

impl Contestant {
    pub(crate) const ALL: [Self; 4] = [Self::Floor, Self::Node, Self::Cluster, Self::Switchboard];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Node => "node",
            Self::Cluster => "two nodes + Redis",
            Self::Switchboard => "rtc-switchboard",
        }
    }

    /// Why it cannot take part here.
    pub(crate) fn absent(self) -> Option<&'static str> {
        match self {
            Self::Floor => None,
            Self::Node => (!binary().is_file()).then_some("the binary is not built"),
            Self::Cluster => (!runs("redis-server")).then_some("redis-server is missing"),
            Self::Switchboard => {
                let package = tests().join("node_modules/rtc-switchboard");
                if !package.is_dir() {
                    Some("npm ci --prefix tests has not been run")
                } else if !runs("node") {
                    Some("Node.js is missing")
                } else {
                    None
                }
            }
        }
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(self) -> Running {
        match self {
            Self::Floor => {
                let mut floor = Command::new(env::current_exe().expect("this program's path"));
                floor.arg("floor");
                Running::single(Server::start("floor", floor, "listening on "))
            }
            Self::Switchboard => {
                let mut node = Command::new("node");
                node.arg(tests().join("bench/switchboard.cjs"));
                Running::single(Server::start("rtc-switchboard", node, "listening on "))
            }
            Self::Node => Running::single(signal("node", &[])),
            Self::Cluster => {
                let redis = redis();
                let url = format!("redis://{}", redis.address);
                let nodes =
                    ["first node", "second node"].map(|name| signal(name, &["--redis", &url]));
                for node in &nodes {
                    until_in_cluster(node.address);
                }
                let addresses = [nodes[0].address, nodes[1].address];
                let mut servers = Vec::from(nodes);
                servers.push(redis);
                Running { servers, addresses }
            }
        }
    }
}

/// A contestant's processes.
#[derive(Debug)]
pub(crate) struct Running {
    servers: Vec<Server>,
    /// Where the one peer of a pair connects, and where the other.
    pub(crate) addresses: [SocketAddr; 2],
}

impl Running {
    fn single(server: Server) -> Self {
        Self {
            addresses: [server.address; 2],
            servers: vec![server],
        }
    }

    /// Time on a processor so far.
    pub(crate) fn cpu(&self) -> Cpu {
        let mut cpu = Cpu::default();
        for server in &self.servers {
            let nanos = server.cpu_nanos();
            cpu.all += nanos;
            if server.name == "redis" {
                cpu.redis += nanos;
            }
        }
        cpu
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.servers.iter().map(Server::resident_bytes).sum()
    }
}

/// Waits until a node has reached Redis.
fn until_in_cluster(address: SocketAddr) {
    let end = Instant::now() + PATIENCE;
    let is_in = || -> io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream
            .write_all(b"GET /healthz/cluster HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    };
    while !is_in().is_ok_and(|is_in| is_in) {
        assert!(Instant::now() < end, "{address} does not reach Redis");
        thread::sleep(Duration::from_millis(10));
    }
}

fn signal(name: &'static str, options: &[&str]) -> Server {
    let mut node = Command::new(binary());
    let free = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    node.arg("signal").args(free).args(options);
    Server::start(name, node, "name=\"public\" address=")
}

/// Redis on a free port, which keeps nothing.
fn redis() -> Server {
    let mut command = Command::new("redis-server");
    let port = free_port().to_string();
    command.args(["--bind", "127.0.0.1", "--port", &port]);
    command.args(["--save", "", "--appendonly", "no"]);
    Server::start("redis", command, "Running mode=standalone, port=")
}

fn tests() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
