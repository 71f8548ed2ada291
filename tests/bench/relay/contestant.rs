//! Who is measured: processes of their own, with clients and peers.

use std::{
    env,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    process::Command,
    time::Duration,
};

use trunkline_tests::TurnClient;

use crate::{
    server::{Server, binary, runs},
    sink::enlarge,
};

/// What clients log in with.
const USER: &str = "u:p";

/// The channel that each client has bound to its peer.
pub(crate) const CHANNEL: u16 = 0x4000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    Floor,
    Trunkline,
    Coturn,
}

/// A contestant's process, and who uses it.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) contestant: Contestant,
    pub(crate) server: Server,
    /// Each with an allocation and a channel to the peer of the same number; to the floor, without.
    pub(crate) clients: Vec<UdpSocket>,
    /// Each connected to its client's relayed address; of the floor, there is one.
    pub(crate) peers: Vec<UdpSocket>,
}

impl Contestant {
    pub(crate) const ALL: [Self; 3] = [Self::Floor, Self::Trunkline, Self::Coturn];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Trunkline => "trunkline",
            Self::Coturn => "coturn",
        }
    }

    /// Why it cannot take part here.
    pub(crate) fn absent(self) -> Option<&'static str> {
        match self {
            Self::Floor => None,
            Self::Trunkline => (!binary().is_file()).then_some("the binary is not built"),
            Self::Coturn => (!runs("turnserver")).then_some("coturn is missing"),
        }
    }

    /// Starts it, and gives it as many clients.
    pub(crate) fn start(self, clients: usize) -> Running {
        let peer = || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            enlarge(&socket);
            socket
        };
        if self == Self::Floor {
            let sink = peer();
            let server = floor(sink.local_addr().expect("the port's address"));
            let connected = || {
                let client = peer();
                client.connect(server.address).expect("an address");
                client
            };
            return Running {
                contestant: self,
                clients: (0..clients).map(|_| connected()).collect(),
                peers: vec![sink],
                server,
            };
        }
        let server = match self {
            Self::Coturn => coturn(),
            Self::Floor | Self::Trunkline => trunkline(),
        };
        let mut running = Running {
            contestant: self,
            clients: Vec::new(),
            peers: Vec::new(),
            server,
        };
        for _ in 0..clients {
            let peer = peer();
            let mut client = TurnClient::allocate(running.server.address);
            client.bind(CHANNEL, peer.local_addr().expect("the port's address"));
            peer.connect(client.relayed).expect("an address");
            enlarge(&client.socket);
            running.clients.push(client.socket);
            running.peers.push(peer);
        }
        running
    }
}

fn floor(sink: SocketAddr) -> Server {
    let mut floor = Command::new(env::current_exe().expect("this program's path"));
    floor.arg("floor").arg(sink.to_string());
    Server::start("floor", floor, "listening on ")
}

fn trunkline() -> Server {
    let mut command = Command::new(binary());
    command
        .args(["turn", "--turn-listen", "127.0.0.1:0"])
        .args(["--admin-listen", "127.0.0.1:0"])
        .args(["--turn-user", USER])
        .args(["--turn-user-quota", "0"])
        .args(["--turn-max-pps", "0", "--turn-max-bps", "0"])
        .args(["--turn-allow-peers", "127.0.0.0/8"])
        // No limits, where there are any.
        .env("TRUNKLINE_TURN_MAX_PPS", "0")
        .env("TRUNKLINE_TURN_MAX_BPS", "0");
    Server::start("trunkline", command, "name=\"turn\" address=")
}

/// With its default number of threads. Where its port was taken just before, it goes on without one: then it is started
/// anew.
fn coturn() -> Server {
    let mut tries = (0..5).map(|_| coturn_at_some_port());
    let answers = tries.find(|server| answers(server.address));
    answers.expect("coturn to answer")
}

fn coturn_at_some_port() -> Server {
    let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = free.local_addr().expect("the port's address");
    drop(free);
    // It says what it does without delay only to a terminal, or when it is made to.
    let mut command = Command::new("stdbuf");
    command
        .args(["-oL", "turnserver"])
        .args(["-n", "--no-tls", "--no-dtls", "--no-cli"])
        .args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"])
        .args(["--listening-port", &address.port().to_string()])
        .args(["--lt-cred-mech", "--realm", "bench", "--user", USER])
        .args(["--allow-loopback-peers", "--log-file", "stdout"])
        .args(["--pidfile", "/dev/null"]);
    // A number of threads stands there. Its addresses it tells only where it tells of every session, too.
    let mut server = Server::start("coturn", command, "Total General servers: ");
    server.address = address;
    server
}

/// Whether a server answers a Binding request before long.
fn answers(server: SocketAddr) -> bool {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let pause = Some(Duration::from_millis(100));
    socket.set_read_timeout(pause).expect("a timeout");
    // RFC 8489 §5: the type, no length, the magic cookie, a transaction's id.
    let mut binding = [7; 20];
    binding[..8].copy_from_slice(&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42]);
    (0..50).any(|_| {
        socket.send_to(&binding, server).expect("a send");
        socket.recv(&mut [0; 200]).is_ok()
    })
}
