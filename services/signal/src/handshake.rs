//! The handshake of a WebSocket, RFC 6455 §4.2, where it is the first request on its connection: read where it lies,
//! and answered together with the greeting. Whatever is unusual about it, or wrong, is left to [`crate::upgrade`].

use std::mem::MaybeUninit;

use httparse::{Request, Status};
use protocol::rtcio;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::{frames, http};

/// Headers of a request that is looked at; browsers send some 15.
const MAX_HEADERS: usize = 32;

/// What a client is answered, its greeting included, whose first bytes are these.
pub(crate) fn answer(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(bytes, &mut headers);
    let is_whole = parsed == Ok(Status::Complete(bytes.len()));
    if !is_whole || request.method != Some("GET") || request.version != Some(1) {
        return None;
    }
    let (path, query) = split(request.path?)?;
    let is_greeted = match path {
        "/" => true,
        "/primus" | "/primus/" => !http::speaks_primus(query),
        _ => return None,
    };
    let key = key(&request)?;
    let mut answer = Vec::with_capacity(192);
    answer.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ",
    );
    answer.extend_from_slice(derive_accept_key(key).as_bytes());
    answer.extend_from_slice(b"\r\n\r\n");
    if is_greeted {
        frames::write_text(rtcio::GREETING, &mut answer);
    }
    Some(answer)
}

/// Path and query, where nothing in them could be a mistake.
fn split(target: &str) -> Option<(&str, &str)> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/?&=._-~%+:".contains(&byte);
    target
        .bytes()
        .all(is_plain)
        .then(|| target.split_once('?').unwrap_or((target, "")))
}

/// The key of a handshake in which all is as it should be, each header once.
fn key<'a>(request: &Request<'_, 'a>) -> Option<&'a [u8]> {
    let (mut connection, mut upgrade, mut version, mut key) = (None, None, None, None);
    for header in &*request.headers {
        let name = header.name;
        let place = if name.eq_ignore_ascii_case("connection") {
            &mut connection
        } else if name.eq_ignore_ascii_case("upgrade") {
            &mut upgrade
        } else if name.eq_ignore_ascii_case("sec-websocket-version") {
            &mut version
        } else if name.eq_ignore_ascii_case("sec-websocket-key") {
            &mut key
        } else if ["content-length", "transfer-encoding", "expect"]
            .iter()
            .any(|body| name.eq_ignore_ascii_case(body))
        {
            return None;
        } else {
            continue;
        };
        if place.replace(header.value).is_some() {
            return None;
        }
    }
    let is_upgraded = connection?
        .split(|byte| matches!(byte, b' ' | b','))
        .any(|token| token.eq_ignore_ascii_case(b"upgrade"));
    let is_right = is_upgraded && upgrade?.eq_ignore_ascii_case(b"websocket") && version? == b"13";
    key.filter(|_| is_right)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    fn said(request: &str) -> Option<String> {
        answer(request.as_bytes()).map(|answer| String::from_utf8_lossy(&answer).into_owned())
    }

    #[test]
    fn the_key_of_rfc_6455_is_answered_and_a_greeting_follows() {
        let said = said(USUAL).unwrap();
        let (head, rest) = said.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "));
        assert!(head.ends_with("\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert!(rest.ends_with(rtcio::GREETING));
    }

    #[test]
    fn who_speaks_primus_is_not_greeted() {
        for (target, is_greeted) in [
            ("/?a=b", true),
            ("/primus", true),
            ("/primus/?_primuscb=1", false),
            ("/?_primuscb=1", true),
        ] {
            let said = said(&USUAL.replace("GET /", &format!("GET {target}"))).unwrap();
            assert_eq!(said.ends_with(rtcio::GREETING), is_greeted, "{target}");
        }
    }

    #[test]
    fn what_is_not_whole_is_unusual_or_wrong_is_left_to_http() {
        for len in 0..USUAL.len() {
            assert_eq!(said(&USUAL[..len]), None);
        }
        assert_eq!(said(&format!("{USUAL}more")), None);
        for (usual, other) in [
            ("GET", "HEAD"),
            ("GET /", "GET /nothing"),
            ("GET /", "GET http://a/"),
            ("GET /", "GET /?a=\""),
            ("HTTP/1.1", "HTTP/1.0"),
            ("keep-alive, Upgrade", "keep-alive"),
            ("WebSocket\r", "h2c\r"),
            (": 13", ": 8"),
            ("Sec-WebSocket-Key", "Sec-WebSocket-Ke"),
            ("Host: a", "Content-Length: 1"),
            ("Host: a", "Transfer-Encoding: chunked"),
            ("Host: a", "Upgrade: h2c"),
            ("Host: a", "Expect: 100-continue"),
            ("Host: a", "Host : a"),
        ] {
            let request = USUAL.replacen(usual, other, 1);
            assert_ne!(request, USUAL);
            assert_eq!(said(&request), None, "{other}");
        }
        let many = "a: b\r\n".repeat(MAX_HEADERS);
        assert_eq!(said(&USUAL.replace("Host: a\r\n", &many)), None);
    }
}
