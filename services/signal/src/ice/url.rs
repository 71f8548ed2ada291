//! URLs of STUN and TURN servers, RFC 7064 and RFC 7065.

use std::net::Ipv6Addr;

use serde_json::{Value, json};

/// A server of somebody else's, with the credential that everybody uses, if it wants one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignServer {
    url: String,
    credential: Option<(String, String)>,
}

impl ForeignServer {
    pub(super) fn is_relay(&self) -> bool {
        self.credential.is_some()
    }

    /// An element of `iceServers`.
    pub(super) fn to_json(&self) -> Value {
        match &self.credential {
            Some((username, credential)) => {
                json!({ "urls": [self.url], "username": username, "credential": credential })
            }
            None => json!({ "urls": [self.url] }),
        }
    }
}

/// `stun:HOST`, or `turn:USER:PASSWORD@HOST` with percent-encoding in user and password.
///
/// # Errors
/// What to write instead.
pub(super) fn foreign_server(text: &str) -> Result<ForeignServer, String> {
    let (scheme, rest) = split_scheme(text)?;
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    let credential = match (is_turn(scheme), user) {
        (true, Some(user)) => {
            let (name, password) = user.split_once(':').unwrap_or_default();
            if name.is_empty() || password.is_empty() {
                return Err("write USER:PASSWORD before the @".to_owned());
            }
            Some((decode(name)?, decode(password)?))
        }
        (false, None) => None,
        (true, None) => {
            return Err("browsers take no TURN server without turn:USER:PASSWORD@HOST".to_owned());
        }
        (false, Some(_)) => return Err("a STUN server takes no user".to_owned()),
    };
    check_server(scheme, rest)?;
    Ok(ForeignServer {
        url: format!("{scheme}:{rest}"),
        credential,
    })
}

/// A TURN server without a credential: we mint them.
///
/// # Errors
/// What to write instead.
pub(super) fn turn_url(text: &str) -> Result<String, String> {
    let (scheme, rest) = split_scheme(text)?;
    if !is_turn(scheme) {
        return Err("write a turn: or turns: URL".to_owned());
    }
    if rest.contains('@') {
        return Err("credentials are minted with --turn-secret; name none".to_owned());
    }
    check_server(scheme, rest)?;
    Ok(text.to_owned())
}

fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    match text.split_once(':') {
        Some((scheme @ ("stun" | "stuns" | "turn" | "turns"), rest)) => Ok((scheme, rest)),
        _ => Err(
            "write a URL such as stun:example.org:3478 or turn:example.org?transport=udp"
                .to_owned(),
        ),
    }
}

fn is_turn(scheme: &str) -> bool {
    scheme.starts_with("turn")
}

/// `HOST`, `HOST:PORT`, and `?transport=` for TURN.
fn check_server(scheme: &str, server: &str) -> Result<(), String> {
    if server.starts_with('/') {
        return Err(format!("no slashes follow {scheme}:"));
    }
    let (authority, query) = match server.split_once('?') {
        Some((authority, query)) => (authority, Some(query)),
        None => (server, None),
    };
    match query {
        None => {}
        Some("transport=udp" | "transport=tcp") if is_turn(scheme) => {}
        Some(_) => {
            return Err("only ?transport=udp or ?transport=tcp, and of TURN".to_owned());
        }
    }
    let (is_host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (ip, port) = rest.split_once(']').unwrap_or_default();
            (ip.parse::<Ipv6Addr>().is_ok(), port)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            let (name, port) = authority.split_at(end);
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            (!name.is_empty() && name.bytes().all(plain), port)
        }
    };
    if !is_host {
        return Err("write a host name, an IPv4 address or [an IPv6 address]".to_owned());
    }
    let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return Err("the port is from 1 to 65535".to_owned());
    }
    Ok(())
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String, String> {
    let wrong = || "write % in a user or password as %25".to_owned();
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or_else(wrong)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_server_has_the_shape_of_an_ice_server() {
        let stun = foreign_server("stun:example.org:3478").unwrap();
        assert_eq!(stun.to_json(), json!({ "urls": ["stun:example.org:3478"] }));
        assert!(!stun.is_relay());
        let turn = foreign_server("turns:bob:a%40b%2Cc:d@[2001:db8::1]:443?transport=tcp").unwrap();
        let expected = json!({
            "urls": ["turns:[2001:db8::1]:443?transport=tcp"],
            "username": "bob",
            "credential": "a@b,c:d",
        });
        assert_eq!(turn.to_json(), expected);
        assert!(turn.is_relay());
    }

    #[test]
    fn what_no_browser_would_take_is_refused() {
        for text in [
            "example.org",
            "http:example.org",
            "stun://example.org",
            "stun:",
            "stun:a b",
            "stun:example.org:0",
            "stun:example.org:65536",
            "stun:example.org:",
            "stun:[::1",
            "stun:[example.org]",
            "stun:example.org?transport=udp",
            "stun:bob:p@example.org",
            "turn:example.org",
            "turn:bob@example.org",
            "turn:bob:%4@example.org",
            "turn:bob:%é@example.org",
            "turn:bob:p@example.org?transport=sctp",
        ] {
            assert!(foreign_server(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_url_to_mint_for_is_turn_s_and_names_nobody() {
        for text in ["turn:a.example", "turns:192.0.2.1:443?transport=tcp"] {
            assert_eq!(turn_url(text), Ok(text.to_owned()));
        }
        for text in ["stun:a.example", "turn:bob:p@a.example", "turn:a.example:x"] {
            assert!(turn_url(text).is_err(), "{text}");
        }
    }
}
