use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use trunkline_tests::{Node, PATIENCE, Peer, get, request};

const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Reads until what was said ends with this; all of it.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut said = Vec::new();
    let reading = async {
        while !said.ends_with(end.as_bytes()) {
            said.push(stream.read_u8().await.unwrap());
        }
    };
    let read = timeout(PATIENCE, reading).await;
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(read.is_ok(), "{said}");
    said
}

/// The connection is a WebSocket, on which a peer announces itself.
async fn is_opened(stream: &mut TcpStream) {
    let said = read_until(stream, "primus::hello").await;
    assert!(said.starts_with("HTTP/1.1 101 "), "{said}");
    let accept = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    assert!(said.contains(accept), "{said}");
    announce(stream).await;
}

async fn announce(stream: &mut TcpStream) {
    stream.write_all(ANNOUNCE).await.unwrap();
    read_until(stream, r#"/roominfo|{"memberCount":1}"#).await;
}

/// Masked with nothing.
const ANNOUNCE: &[u8] = b"\x81\x9f\0\0\0\0/announce|a|{\"id\":\"a\",\"room\":1}";

#[tokio::test]
async fn the_page_is_served_with_a_policy_and_is_cached() {
    let node = Node::alone();
    let page = get(node.public, "/").await;
    assert_eq!(page.status, 200);
    assert!(
        page.head.contains("text/html; charset=utf-8"),
        "{}",
        page.head
    );
    assert!(
        page.head
            .contains("content-security-policy: default-src 'self'")
    );
    assert!(page.body.contains("<title>"), "{}", page.body);
    let tag = page.head.lines().find(|line| line.starts_with("etag: "));
    let known = format!("If-None-Match: {}\r\n", &tag.unwrap()[6..]);
    assert_eq!(request(node.public, "GET", "/", &known).await.status, 304);
}

#[tokio::test]
async fn the_documentation_is_served_as_the_page_is() {
    let node = Node::alone();
    for path in [
        "/docs",
        "/docs/tutorial",
        "/docs/protocol",
        "/docs/close/3502",
    ] {
        let page = get(node.public, path).await;
        assert_eq!(page.status, 200, "{path}");
        for header in [
            "text/html; charset=utf-8",
            "content-security-policy: default-src 'self'",
        ] {
            assert!(page.head.contains(header), "{path}: {}", page.head);
        }
        assert!(page.body.contains("</main>"), "{path}: {}", page.body);
        let tag = page.head.lines().find(|line| line.starts_with("etag: "));
        let known = format!("If-None-Match: {}\r\n", &tag.unwrap()[6..]);
        assert_eq!(request(node.public, "GET", path, &known).await.status, 304);
    }
}

#[tokio::test]
async fn what_is_not_served_is_answered() {
    let node = Node::alone();
    for (method, path, status, code) in [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/demo/../Cargo.toml", 404, "not-found"),
        ("GET", "/docs/nothing", 404, "not-found"),
        ("GET", "/docs/tutorial.md", 404, "not-found"),
        ("POST", "/", 405, "method-not-allowed"),
        ("POST", "/healthz", 405, "method-not-allowed"),
        ("GET", "/primus", 426, "upgrade-required"),
    ] {
        let answer = request(node.public, method, path, "").await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["code"], code);
    }
}

#[tokio::test]
async fn a_websocket_elsewhere_or_without_a_key_is_refused_with_a_reason() {
    let node = Node::alone();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    let keyed = format!("{upgrade}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    assert_eq!(
        request(node.public, "GET", "/elsewhere", &keyed)
            .await
            .status,
        404
    );
    let answer = request(node.public, "GET", "/", upgrade).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("bad-handshake"), "{}", answer.body);
}

#[tokio::test]
async fn both_listeners_say_that_the_node_is_healthy_and_ready() {
    let node = Node::alone();
    for address in [node.public, node.admin] {
        assert_eq!(get(address, "/healthz").await.body, "ok\n");
        assert_eq!(get(address, "/readyz").await.body, "ready\n");
    }
    assert_eq!(get(node.public, "/metrics").await.status, 404);
}

#[tokio::test]
async fn every_client_is_greeted_but_those_that_speak_primus_themselves() {
    let node = Node::alone();
    for path in ["/", "/?a=b", "/primus", "/primus?x=1"] {
        let mut peer = Peer::connect_to(node.public, path).await;
        let first = peer.next_message().await.into_text().unwrap();
        assert!(first.starts_with("primus"), "{path}: {first}");
    }
    for path in ["/primus/?_primuscb=1", "/primus?a=b&_primuscb=x"] {
        let mut peer = Peer::connect_to(node.public, path).await;
        peer.announce("r", "a").await;
        let first = peer.next_message().await.into_text().unwrap();
        assert!(first.starts_with("/roominfo|"), "{path}: {first}");
        peer.close().await;
    }
}

#[tokio::test]
async fn a_websocket_may_be_the_second_request_of_its_connection() {
    let node = Node::alone();
    let mut stream = TcpStream::connect(node.public).await.unwrap();
    let first = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(first).await.unwrap();
    read_until(&mut stream, "\r\n\r\nok\n").await;
    stream.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    is_opened(&mut stream).await;
}

#[tokio::test]
async fn a_handshake_may_come_in_pieces_or_with_a_frame_behind_it() {
    let node = Node::alone();
    for at in [1, 20, HANDSHAKE.len() - 1] {
        let mut stream = TcpStream::connect(node.public).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (begin, rest) = HANDSHAKE.as_bytes().split_at(at);
        stream.write_all(begin).await.unwrap();
        // So that it is read by itself: nothing says when that was.
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.write_all(rest).await.unwrap();
        is_opened(&mut stream).await;
    }
    let mut stream = TcpStream::connect(node.public).await.unwrap();
    let all = [HANDSHAKE.as_bytes(), ANNOUNCE].concat();
    stream.write_all(&all).await.unwrap();
    read_until(&mut stream, r#"/roominfo|{"memberCount":1}"#).await;
}
