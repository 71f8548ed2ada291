//! Clients over TLS, and the certificate that they are shown.

use std::{
    io::Write,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use trunkline_tests::{Certificate, PATIENCE, Process, binary, metric, until};

use crate::{
    stream_client::{StreamClient, TlsStream, connect, connect_tls, is_closed},
    streams::Call,
};

/// A relay that serves TLS as well, with the options that make it so.
pub(crate) fn relay(certificate: &Certificate, options: &[&str]) -> Process {
    let (cert, key) = (certificate.cert(), certificate.key());
    let tls = [
        "--turn-user",
        "u:p",
        "--turn-secret",
        "s",
        "--turn-allow-peers",
        "127.0.0.0/8,::1/128",
        "--turn-tls-listen",
        "127.0.0.1:0",
        "--turn-tls-cert",
        cert.to_str().unwrap(),
        "--turn-tls-key",
        key.to_str().unwrap(),
    ];
    Process::turn(&[&tls, options].concat())
}

/// The certificate that the relay shows now.
fn shown(stream: &mut TlsStream) -> Vec<u8> {
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn data_of_every_length_goes_both_ways_over_tls() {
    let certificate = Certificate::new();
    let relay = relay(&certificate, &[]);
    let mut call = Call::new(StreamClient::tls(relay.tls.unwrap()));
    for length in [0, 1, 2, 3, 4, 5, 1200, 9000, 65_000] {
        call.goes_on(&vec![7; length]);
    }
}

#[tokio::test]
async fn checklist_03_what_is_no_tls_ends_its_connection_and_no_other() {
    let certificate = Certificate::new();
    let relay = relay(&certificate, &["--turn-connection-timeout", "2s"]);
    let tls = relay.tls.unwrap();
    let mut bystander = Call::new(StreamClient::tls(tls));
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x00\x03\x00\x08\x21\x12\xA4\x42\0\0\0\0\0\0\0\0\0\0\0\0\x00\x19\x00\x04\x11\0\0\0",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03",
        &[0x16; 20_000],
    ] {
        let mut stream = connect(tls);
        let _ = stream.write_all(garbage);
        assert!(is_closed(&mut stream), "{:?}", &garbage[..4]);
        bystander.goes_on(b"meanwhile");
    }
    let not_turn = "trunkline_turn_connections_closed_total{reason=\"not-turn\"}";
    assert_eq!(metric(relay.admin, not_turn).await, 4.0);
    // A handshake that stops, and one whose client then sends no TURN.
    let mut silent = connect(tls);
    silent.write_all(b"\x16\x03\x01\x01\x00\x01").unwrap();
    let mut talks = connect_tls(tls);
    talks.write_all(b"\xFF").unwrap();
    assert!(is_closed(&mut talks));
    assert!(is_closed(&mut silent));
    until("two clients fewer", async || {
        metric(relay.admin, "trunkline_turn_connections").await == 1.0
    })
    .await;
    bystander.goes_on(b"after");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_who_comes_and_a_broken_one_is_not() {
    let certificate = Certificate::new();
    let relay = relay(&certificate, &[]);
    let tls = relay.tls.unwrap();
    let first = shown(&mut connect_tls(tls));
    let mut call = Call::new(StreamClient::tls(tls));
    let renewed = certificate.renew();
    assert_eq!(shown(&mut connect_tls(tls)), first);
    relay.hang_up();
    until("the new certificate", async || {
        shown(&mut connect_tls(tls)) == renewed
    })
    .await;
    call.goes_on(b"under the old one");
    certificate.break_it();
    relay.hang_up();
    // A wait that shows that nothing happens.
    thread::sleep(Duration::from_millis(200));
    assert_eq!(shown(&mut connect_tls(tls)), renewed);
}

#[tokio::test]
async fn an_idle_connection_over_tls_costs_little_memory() {
    const CONNECTIONS: usize = 200;
    let certificate = Certificate::new();
    let relay = relay(&certificate, &[]);
    let tls = relay.tls.unwrap();
    let mut first: Vec<_> = (0..20).map(|_| connect_tls(tls)).collect();
    first.iter_mut().for_each(|stream| drop(shown(stream)));
    let before = relay.resident_bytes();
    let mut more: Vec<_> = (0..CONNECTIONS).map(|_| connect_tls(tls)).collect();
    more.iter_mut().for_each(|stream| drop(shown(stream)));
    let grown = relay.resident_bytes().saturating_sub(before);
    let each = grown / CONNECTIONS as u64;
    println!("{each} bytes for a connection over TLS");
    assert!(each < 200 * 1024);
}

#[test]
fn what_is_wrong_with_tls_is_said_with_its_option_at_the_start() {
    let certificate = Certificate::new();
    let (cert, key) = (certificate.cert(), certificate.key());
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let listen = ["--turn-tls-listen", "127.0.0.1:0"];
    for (options, named) in [
        (vec![], "--turn-tls-cert"),
        (vec!["--turn-tls-cert", cert], "--turn-tls-key"),
        (vec!["--turn-tls-key", key], "--turn-tls-cert"),
        (
            vec!["--turn-tls-cert", cert, "--turn-tls-key", "/nowhere"],
            "--turn-tls-key",
        ),
        (
            vec!["--turn-tls-cert", key, "--turn-tls-key", key],
            "--turn-tls-cert",
        ),
    ] {
        fails(&[&listen[..], &options].concat(), named);
    }
    fails(
        &["--turn-tls-cert", cert, "--turn-tls-key", key],
        "--turn-tls-listen",
    );
}

/// The relay does not start, ends with 64, and names the option.
pub(crate) fn fails(options: &[&str], named: &str) {
    let mut child = Command::new(binary())
        .args(["turn", "--turn-user", "u:p", "--turn-listen", "127.0.0.1:0"])
        .args(["--admin-listen", "127.0.0.1:0"])
        .args(options)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let end = std::time::Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if std::time::Instant::now() > end {
            child.kill().unwrap();
        }
        thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains(named), "{named} is not in {said}");
}
