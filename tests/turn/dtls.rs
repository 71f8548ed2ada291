//! Clients over DTLS, with OpenSSL at the other end: by itself, and under coturn's client.

use std::{
    net::SocketAddr,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use tokio::{net::UdpSocket, time::timeout};
use trunkline_tests::{Certificate, PATIENCE, Process, metric, until};

use crate::{
    coturn::{Echo, uclient_at},
    dtls_stream::DtlsStream,
    stream_client::StreamClient,
    streams::Call,
    tls::{self, fails},
};

fn relay(certificate: &Certificate, options: &[&str]) -> Process {
    let dtls = [
        "--turn-dtls-listen",
        "127.0.0.1:0",
        "--turn-user-quota",
        "0",
        "--turn-old-channels",
    ];
    tls::relay(certificate, &[&dtls, options].concat())
}

/// What OpenSSL says of a handshake with it.
fn s_client(at: SocketAddr) -> String {
    s_client_with(at, &[])
}

fn s_client_with(at: SocketAddr, options: &[&str]) -> String {
    let output = Command::new("timeout")
        .args(["20", "openssl", "s_client", "-dtls1_2", "-connect"])
        .arg(at.to_string())
        .args(options)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (said, complained) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(&[&said[..], complained].concat()).into_owned()
}

/// The certificate that is shown now, in PEM without its line ends.
fn shown(at: SocketAddr) -> String {
    let said = s_client(at);
    let (_, rest) = said.split_once("-----BEGIN CERTIFICATE-----").expect(&said);
    let (pem, _) = rest.split_once("-----END CERTIFICATE-----").unwrap();
    pem.split_whitespace().collect()
}

/// Half of the times coturn's client tries DTLS 1.0, and again when that is refused.
#[track_caller]
fn loses_nothing(clients: u32, options: &[&str]) {
    let certificate = Certificate::new();
    let relay = relay(&certificate, &["--turn-source-connection-rate", "0"]);
    let echo = Echo::start("127.0.0.1");
    let (at, number) = (relay.dtls.unwrap(), clients.to_string());
    let ip = at.ip().to_string();
    let client = ["-u", "u", "-w", "p", "-S", "-m", &number];
    let (well, text) = uclient_at((&ip, at.port()), &echo, &[&client, options].concat());
    assert!(well, "{text}");
    assert!(text.contains("Total lost packets 0 (0.000000%)"), "{text}");
    let received = format!("tot_recv_msgs={}", 100 * clients);
    assert!(text.contains(&received), "{received} is not in\n{text}");
}

#[test]
fn over_dtls_one_client_of_coturn_s_loses_nothing() {
    loses_nothing(1, &[]);
    loses_nothing(1, &["-s"]);
}

#[test]
fn over_dtls_five_clients_of_coturn_s_lose_nothing() {
    loses_nothing(5, &[]);
}

#[test]
fn over_dtls_fifty_clients_of_coturn_s_lose_nothing() {
    loses_nothing(50, &[]);
}

async fn until_allocations(relay: &Process, number: f64) {
    until(&format!("{number} allocations"), async || {
        metric(relay.admin, "trunkline_turn_allocations").await == number
    })
    .await;
}

#[tokio::test]
async fn data_goes_both_ways_and_an_allocation_ends_with_its_association() {
    let certificate = Certificate::new();
    let relay = relay(&certificate, &[]);
    let at = relay.dtls.unwrap();
    let mut bystander = Call::new(StreamClient::dtls(at));
    let mut call = Call::new(StreamClient::dtls(at));
    // What is padded to four bytes in a stream is not in a datagram.
    for length in [0, 4, 1200, 9000, 16_000] {
        call.goes_on(&vec![7; length]);
    }
    until_allocations(&relay, 2.0).await;
    let socket = call.client.stream.close();
    until_allocations(&relay, 1.0).await;
    // Another from the same address, and one that takes its place.
    let mut next = Call::new(StreamClient::new(DtlsStream::over(socket)));
    next.goes_on(b"next");
    until_allocations(&relay, 2.0).await;
    let newcomer = DtlsStream::over(next.client.stream.forget());
    until_allocations(&relay, 1.0).await;
    let mut newcomer = Call::new(StreamClient::new(newcomer));
    newcomer.goes_on(b"anew");
    until_allocations(&relay, 2.0).await;
    bystander.goes_on(b"meantime");
}

#[tokio::test]
async fn a_packet_that_is_longer_than_a_record_is_lost_and_the_call_goes_on() {
    let certificate = Certificate::new();
    let relay = relay(&certificate, &[]);
    let mut call = Call::new(StreamClient::dtls(relay.dtls.unwrap()));
    call.peer.send_to(&vec![7; 20_000], call.relayed).unwrap();
    let unsent = "trunkline_turn_dropped_packets_total{reason=\"unsent\"}";
    until("the packet to be lost", async || {
        metric(relay.admin, unsent).await == 1.0
    })
    .await;
    call.goes_on(b"then");
}

#[tokio::test]
async fn openssl_agrees_and_a_renewed_certificate_is_shown() {
    let certificate = Certificate::new();
    let relay = relay(&certificate, &[]);
    let at = relay.dtls.unwrap();
    let said = s_client(at);
    assert!(said.contains("DTLSv1.2"), "{said}");
    assert!(said.contains("ECDHE-ECDSA-CHACHA20-POLY1305"), "{said}");
    // What is not to be had is said, and not waited for.
    let said = s_client_with(at, &["-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"]);
    assert!(said.contains("alert handshake failure"), "{said}");
    let first = shown(at);
    certificate.renew();
    assert_eq!(shown(at), first);
    relay.hang_up();
    until("the new certificate", async || shown(at) != first).await;
    let renewed = shown(at);
    certificate.break_it();
    relay.hang_up();
    // A wait that shows that nothing happens.
    thread::sleep(Duration::from_millis(200));
    assert_eq!(shown(at), renewed);
    // It says goodbye as it leaves.
    until("nobody there", async || {
        metric(relay.admin, "trunkline_turn_connections").await == 0.0
    })
    .await;
}

#[tokio::test]
async fn checklist_03_who_has_agreed_and_asks_for_nothing_is_ended() {
    let certificate = Certificate::new();
    let relay = relay(&certificate, &["--turn-connection-timeout", "1s"]);
    let mut client = Command::new("openssl")
        .args(["s_client", "-dtls1_2", "-quiet", "-connect"])
        .arg(relay.dtls.unwrap().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let unauthenticated = "trunkline_turn_connections_closed_total{reason=\"unauthenticated\"}";
    until("its end", async || {
        metric(relay.admin, unauthenticated).await == 1.0
    })
    .await;
    // It was told, and ends; if it were not, this would.
    until("the client's end", async || {
        client.try_wait().unwrap().is_some()
    })
    .await;
}

#[tokio::test]
async fn checklist_03_datagrams_that_are_no_dtls_are_counted_and_not_answered() {
    let certificate = Certificate::new();
    let relay = relay(&certificate, &[]);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(relay.dtls.unwrap()).await.unwrap();
    let binding = b"\x00\x01\x00\x00\x21\x12\xA4\x42abcdefghijkl";
    for datagram in [&binding[..], b"", b"\x16\xFE\xFD", &[0x16; 1200]] {
        socket.send(datagram).await.unwrap();
    }
    until("all of them", async || {
        metric(relay.admin, "trunkline_turn_dtls_strays_total").await == 4.0
    })
    .await;
    // What is, is answered, and before it nothing was.
    let mut hello =
        b"\x16\xFE\xFF\0\0\0\0\0\0\0\0\0\x36\x01\0\0\x2A\0\0\0\0\0\0\0\x2A\xFE\xFD".to_vec();
    hello.extend([9; 32]);
    hello.extend(b"\0\0\0\x02\xCC\xA9\x01\0");
    socket.send(&hello).await.unwrap();
    let mut answer = [0; 1500];
    let length = timeout(PATIENCE, socket.recv(&mut answer)).await.unwrap();
    assert_eq!((length.unwrap(), answer[13]), (60, 3));
}

#[test]
fn a_key_that_dtls_cannot_use_is_said_at_the_start() {
    let certificate = Certificate::new();
    let (cert, key) = (certificate.cert(), certificate.key());
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let listen = ["--turn-dtls-listen", "127.0.0.1:0"];
    fails(&listen, "--turn-tls-cert");
    let both = ["--turn-tls-cert", cert, "--turn-tls-key", key];
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9",
        ])
        .args(["-subj", "/CN=localhost", "-keyout", key, "-out", cert])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    fails(
        &[&listen[..], &both].concat(),
        "--turn-dtls-listen needs a key for ECDSA",
    );
}
