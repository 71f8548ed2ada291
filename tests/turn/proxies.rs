//! Connections that a proxy passes on, which says whose they are.

use std::{
    io::Write,
    net::{SocketAddr, SocketAddrV4, TcpStream},
};

use stun::message::METHOD_BINDING;
use trunkline_tests::{Certificate, Process, metric, until};

use crate::{
    stream_client::{StreamClient, connect, is_closed, mapped},
    streams::Call,
    tls,
};

const TRUSTED: &[&str] = &["--turn-trusted-proxy", "127.0.0.1/32"];

fn relay(options: &[&str]) -> Process {
    let user = ["--turn-user", "u:p", "--turn-allow-peers", "127.0.0.0/8"];
    Process::turn(&[&user, options].concat())
}

/// A header of version 2 for a client of IPv4 over TCP, as the protocol's text has it.
fn header(client: SocketAddrV4) -> Vec<u8> {
    let signature = b"\r\n\r\n\0\r\nQUIT\n";
    let addresses = [client.ip().octets(), [198, 51, 100, 1]].concat();
    let ports = [client.port().to_be_bytes(), 3478_u16.to_be_bytes()].concat();
    [&signature[..], &[0x21, 0x11, 0, 12], &addresses, &ports].concat()
}

fn announced(relay: SocketAddr, client: &str) -> TcpStream {
    let mut stream = connect(relay);
    stream.write_all(&header(client.parse().unwrap())).unwrap();
    stream
}

fn sees(client: &mut StreamClient<TcpStream>) -> SocketAddr {
    let binding = client.request(METHOD_BINDING, &[]);
    client.stream.write_all(&binding.raw).unwrap();
    mapped(&client.answer().unwrap().unwrap())
}

#[test]
fn the_client_that_a_trusted_proxy_names_is_the_client() {
    let relay = relay(TRUSTED);
    let mut client = StreamClient::new(announced(relay.public, "192.0.2.9:4660"));
    assert_eq!(sees(&mut client), "192.0.2.9:4660".parse().unwrap());
    Call::new(client).goes_on(b"through a proxy");
}

#[test]
fn a_header_may_come_in_pieces_and_the_proxy_may_ask_for_itself() {
    let relay = relay(TRUSTED);
    let mut stream = connect(relay.public);
    for byte in header("192.0.2.9:4660".parse().unwrap()) {
        stream.write_all(&[byte]).unwrap();
    }
    let mut client = StreamClient::new(stream);
    assert_eq!(sees(&mut client), "192.0.2.9:4660".parse().unwrap());
    let mut stream = connect(relay.public);
    stream
        .write_all(b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00")
        .unwrap();
    let own = stream.local_addr().unwrap();
    assert_eq!(sees(&mut StreamClient::new(stream)), own);
}

#[test]
fn a_proxy_says_who_comes_before_tls_does() {
    let certificate = Certificate::new();
    let relay = tls::relay(&certificate, TRUSTED);
    let mut client = StreamClient::tls(relay.tls.unwrap());
    // Nothing was said yet.
    let header = header("192.0.2.9:4661".parse().unwrap());
    client.stream.sock.write_all(&header).unwrap();
    let mut call = Call::new(client);
    call.goes_on(b"through a proxy, encrypted");
}

#[tokio::test]
async fn a_trusted_proxy_that_says_nothing_of_its_client_is_refused() {
    let relay = relay(TRUSTED);
    for said in [
        &b"\x00\x01\x00\x00\x21\x12\xA4\x42\0\0\0\0\0\0\0\0\0\0\0\0"[..],
        b"PROXY TCP4 192.0.2.9 198.51.100.1 4660 3478\r\n",
    ] {
        let mut stream = connect(relay.public);
        stream.write_all(said).unwrap();
        assert!(is_closed(&mut stream));
    }
    let refused = "trunkline_turn_connections_closed_total{reason=\"no-proxy-header\"}";
    assert_eq!(metric(relay.admin, refused).await, 2.0);
}

#[test]
fn nobody_else_may_say_that_it_is_another() {
    let relay = relay(&["--turn-trusted-proxy", "192.0.2.0/24"]);
    let mut stream = announced(relay.public, "192.0.2.9:4660");
    assert!(is_closed(&mut stream));
    let mut client = StreamClient::tcp(relay.public);
    let own = client.stream.local_addr().unwrap();
    assert_eq!(sees(&mut client), own);
}

#[tokio::test]
async fn connections_through_a_proxy_count_for_their_clients() {
    let relay = relay(&[TRUSTED, &["--turn-source-connections", "2"]].concat());
    let held = ["192.0.2.9:1", "192.0.2.9:2", "192.0.2.10:1"];
    let held = held.map(|client| {
        let mut client = StreamClient::new(announced(relay.public, client));
        sees(&mut client);
        client
    });
    let mut refused = announced(relay.public, "192.0.2.9:3");
    assert!(is_closed(&mut refused));
    drop(held);
    until("the end of all", async || {
        metric(relay.admin, "trunkline_turn_connections").await == 0.0
    })
    .await;
    let mut again = StreamClient::new(announced(relay.public, "192.0.2.9:4"));
    sees(&mut again);
}

#[tokio::test]
async fn a_client_that_is_announced_again_begins_anew() {
    let relay = relay(&[TRUSTED, &["--turn-threads", "1"]].concat());
    let mut older = Call::new(StreamClient::new(announced(relay.public, "192.0.2.9:1")));
    older.goes_on(b"before");
    let mut newer = Call::new(StreamClient::new(announced(relay.public, "192.0.2.9:1")));
    newer.goes_on(b"after");
    assert!(is_closed(&mut older.client.stream));
    until("one allocation", async || {
        metric(relay.admin, "trunkline_turn_allocations").await == 1.0
    })
    .await;
}
