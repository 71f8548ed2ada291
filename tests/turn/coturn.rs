//! `turnutils_uclient` and `turnutils_peer`, from Debian's coturn.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use trunkline_tests::{Certificate, Process, free_udp_port, metric};

use crate::tls;

/// Longest run of the client.
const PATIENCE: Duration = Duration::from_secs(60);

/// An echo server on loopback, which is out of reach by default.
pub(crate) struct Echo {
    child: Child,
    ip: &'static str,
    port: u16,
}

impl Echo {
    pub(crate) fn start(ip: &'static str) -> Self {
        let address: IpAddr = ip.parse().unwrap();
        // Below the relay's own ports, which are open to every client: another's relayed address is there.
        let port = free_udp_port(address);
        let child = Command::new("turnutils_peer")
            .args(["-L", ip, "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("coturn's tools: tests/run installs them");
        let mut echo = Self { child, ip, port };
        echo.wait();
        echo
    }

    /// Until it answers.
    fn wait(&mut self) {
        let socket = UdpSocket::bind((self.ip, 0)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "turnutils_peer has ended: {ended:?}");
            assert!(Instant::now() < end, "turnutils_peer does not answer");
            // An error is that of the one before, which nobody was there to take.
            let _ = socket.send_to(b"echo", (self.ip, self.port));
            if matches!(socket.recv(&mut [0; 10]), Ok(4)) {
                return;
            }
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the client says at its end, and whether it ended well.
fn uclient(relay: SocketAddr, echo: &Echo, options: &[&str]) -> (bool, String) {
    uclient_at((&relay.ip().to_string(), relay.port()), echo, options)
}

/// The same, at any relay.
pub(crate) fn uclient_at(relay: (&str, u16), echo: &Echo, options: &[&str]) -> (bool, String) {
    // REQUESTED-ADDRESS-FAMILY of the peer's family, and no ports that are reserved.
    let family = if echo.ip.contains(':') { "-x" } else { "-X" };
    run(relay, echo, &[&[family, "-c"], options].concat())
}

/// The same, with nothing that is not asked for.
pub(crate) fn uclient_raw(relay: SocketAddr, echo: &Echo, options: &[&str]) -> (bool, String) {
    run((&relay.ip().to_string(), relay.port()), echo, options)
}

fn run((ip, port): (&str, u16), echo: &Echo, options: &[&str]) -> (bool, String) {
    let mut child = Command::new("turnutils_uclient")
        .args(["-p", &port.to_string()])
        .args(["-e", echo.ip, "-r", &echo.port.to_string()])
        .args(["-l", "200", "-n", "100", "-z", "5"])
        .args(options)
        .arg(ip)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It writes little: the pipe holds it all.
    let end = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text)
}

#[track_caller]
fn loses_nothing(relay_options: &[&str], clients: &str, options: &[&str]) {
    loses_nothing_between("127.0.0.1:0", "127.0.0.1", relay_options, clients, options);
}

#[track_caller]
fn loses_nothing_between(
    listen: &str,
    peer: &'static str,
    relay_options: &[&str],
    clients: &str,
    options: &[&str],
) {
    let shared = [
        "--turn-user",
        "u:p",
        "--turn-secret",
        "s",
        "--turn-user-quota",
        "0",
    ];
    let peers = [
        "--turn-allow-peers",
        "127.0.0.0/8,::1/128",
        "--turn-old-channels",
    ];
    let relay = Process::turn_on(listen, &[&shared[..], &peers, relay_options].concat());
    let echo = Echo::start(peer);
    nothing_is_lost(relay.public, &echo, clients, options);
}

#[track_caller]
fn nothing_is_lost(relay: SocketAddr, echo: &Echo, clients: &str, options: &[&str]) {
    let (well, text) = uclient(relay, echo, &[&["-m", clients][..], options].concat());
    assert!(well, "{text}");
    assert!(text.contains("Total lost packets 0 (0.000000%)"), "{text}");
    let messages = 100 * clients.parse::<u32>().unwrap();
    let received = format!("tot_recv_msgs={messages}");
    assert!(text.contains(&received), "{received} is not in\n{text}");
}

const STATIC: &[&str] = &["-u", "u", "-w", "p"];

#[test]
fn one_client_loses_nothing_with_send() {
    loses_nothing(&[], "1", &[STATIC, &["-s"]].concat());
}

#[test]
fn five_clients_lose_nothing_with_send() {
    loses_nothing(&[], "5", &[STATIC, &["-s"]].concat());
}

#[test]
fn fifty_clients_lose_nothing_with_send() {
    loses_nothing(&[], "50", &[STATIC, &["-s"]].concat());
}

#[test]
fn one_client_loses_nothing_with_channels() {
    loses_nothing(&[], "1", STATIC);
}

#[test]
fn five_clients_lose_nothing_with_channels() {
    loses_nothing(&[], "5", STATIC);
}

#[test]
fn fifty_clients_lose_nothing_with_channels() {
    loses_nothing(&[], "50", STATIC);
}

#[test]
fn clients_on_several_threads_lose_nothing() {
    loses_nothing(&["--turn-threads", "4"], "20", STATIC);
}

#[test]
fn a_time_limited_credential_that_coturn_s_client_made_is_taken() {
    loses_nothing(&[], "1", &["-u", "bob", "-W", "s"]);
}

#[tokio::test]
async fn without_leave_loopback_is_out_of_reach() {
    // Without old channels its channel's number would be refused before the peer is looked at.
    let relay = Process::turn(&["--turn-user", "u:p", "--turn-old-channels"]);
    let echo = Echo::start("127.0.0.1");
    let (_, text) = uclient(relay.public, &echo, STATIC);
    assert!(!text.contains("tot_recv_msgs=100"), "{text}");
    // It came as far as that, and no further.
    let forbidden = "trunkline_turn_answers_total{result=\"403\"}";
    assert!(metric(relay.admin, forbidden).await > 0.0, "{text}");
    let relayed = "trunkline_turn_relayed_packets_total{to=\"peer\"}";
    assert_eq!(metric(relay.admin, relayed).await, 0.0);
}

#[test]
fn over_ipv6_nothing_is_lost_with_send() {
    let options = [STATIC, &["-s"]].concat();
    loses_nothing_between("[::1]:0", "::1", &[], "5", &options);
}

#[test]
fn over_ipv6_nothing_is_lost_with_channels() {
    loses_nothing_between("[::1]:0", "::1", &[], "5", STATIC);
}

#[test]
fn a_client_of_one_family_reaches_a_peer_of_the_other() {
    let both = ["--turn-relay-ip", "127.0.0.1,::1"];
    loses_nothing_between("127.0.0.1:0", "::1", &both, "2", STATIC);
    loses_nothing_between("[::1]:0", "127.0.0.1", &both, "2", STATIC);
}

#[track_caller]
fn loses_nothing_over_tls(clients: &str, options: &[&str]) {
    let certificate = Certificate::new();
    let more = ["--turn-user-quota", "0", "--turn-old-channels"];
    let relay = tls::relay(&certificate, &more);
    let echo = Echo::start("127.0.0.1");
    let options = [STATIC, &["-t", "-S"], options].concat();
    nothing_is_lost(relay.tls.unwrap(), &echo, clients, &options);
}

#[test]
fn over_tcp_one_client_loses_nothing() {
    loses_nothing(&[], "1", &[STATIC, &["-t"]].concat());
    loses_nothing(&[], "1", &[STATIC, &["-t", "-s"]].concat());
}

#[test]
fn over_tcp_five_clients_lose_nothing() {
    loses_nothing(&[], "5", &[STATIC, &["-t"]].concat());
    loses_nothing(&[], "5", &[STATIC, &["-t", "-s"]].concat());
}

#[test]
fn over_tcp_fifty_clients_lose_nothing() {
    loses_nothing(&[], "50", &[STATIC, &["-t"]].concat());
}

#[test]
fn over_tcp_and_ipv6_nothing_is_lost() {
    let options = [STATIC, &["-t"]].concat();
    loses_nothing_between("[::1]:0", "::1", &[], "5", &options);
}

#[test]
fn over_tls_one_client_loses_nothing() {
    loses_nothing_over_tls("1", &[]);
    loses_nothing_over_tls("1", &["-s"]);
}

#[test]
fn over_tls_five_clients_lose_nothing() {
    loses_nothing_over_tls("5", &[]);
    loses_nothing_over_tls("5", &["-s"]);
}

#[test]
fn over_tls_fifty_clients_lose_nothing() {
    loses_nothing_over_tls("50", &[]);
}

/// Of two clients that reach each other, each by connections to the other's relayed address.
#[track_caller]
fn loses_nothing_over_tcp_peers(relay: SocketAddr, options: &[&str]) {
    let (ip, port) = (relay.ip().to_string(), relay.port().to_string());
    // It takes no peer.
    let output = Command::new("timeout")
        .args(["60", "turnutils_uclient", "-p", &port, "-T", "-m", "2"])
        .args(["-l", "200", "-n", "20", "-z", "5"])
        .args([STATIC, options].concat())
        .arg(ip)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("Total lost packets 0 (0.000000%)"), "{text}");
    assert!(text.contains("tot_recv_msgs=40"), "{text}");
}

#[test]
fn clients_that_move_take_their_allocations_along() {
    let options = [STATIC, &["-M"]].concat();
    loses_nothing(&["--turn-mobility"], "5", &options);
}

#[test]
fn clients_reach_each_other_by_connections_over_tcp_and_tls() {
    let certificate = Certificate::new();
    let more = ["--turn-user-quota", "0", "--turn-tcp-peers"];
    let relay = tls::relay(&certificate, &more);
    loses_nothing_over_tcp_peers(relay.public, &[]);
    loses_nothing_over_tcp_peers(relay.tls.unwrap(), &["-S"]);
}
