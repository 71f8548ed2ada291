//! `/v1/ice`: the STUN and TURN servers a client is to use, with a credential of its own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Response, header},
    response::IntoResponse,
};
use serde_json::{Value, json};
use turn_credentials::{Secret, mint};

use crate::http::App;

/// How long a credential may be used to make allocations.
const TTL: Duration = Duration::from_secs(60 * 60);

/// The relay that runs beside the node, and shares its host name.
#[derive(Clone, Debug)]
pub struct OwnRelay {
    secret: Secret,
    port: u16,
}

/// `{"iceServers":[…],"ttl":seconds}`, as `RTCPeerConnection` takes it. Any page may ask.
pub(crate) async fn servers(State(app): State<App>, request: Request) -> Response<Body> {
    let servers = match (&app.own_relay, host(request.headers())) {
        (Some(relay), Some(host)) => relay.servers(host),
        _ => json!([]),
    };
    let answer = Json(json!({ "iceServers": servers, "ttl": TTL.as_secs() }));
    let mut response = answer.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    // A credential is one client's.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl OwnRelay {
    /// `secret` is what the relay verifies credentials with, `port` where it serves STUN and TURN over UDP.
    pub fn new(secret: &str, port: u16) -> Self {
        let secret = Secret::new(secret.as_bytes());
        Self { secret, port }
    }

    fn servers(&self, host: &str) -> Value {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let expires_at = since.unwrap_or_default().as_secs() + TTL.as_secs();
        let user = format!("{:016x}", getrandom::u64().unwrap_or_default());
        let credential = mint(&self.secret, expires_at, &user, None);
        let port = self.port;
        json!([
            { "urls": [format!("stun:{host}:{port}")] },
            {
                "urls": [format!("turn:{host}:{port}?transport=udp")],
                "username": credential.username,
                "credential": credential.password.as_str(),
            },
        ])
    }
}

/// The name under which the client reaches this host, without the port: an IPv6 address keeps its brackets.
fn host(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let name = match host.rfind(']') {
        Some(end) => host.get(..=end)?,
        None => host.split(':').next()?,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
    (!name.is_empty() && name.bytes().all(plain)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_the_one_the_client_asked_for() {
        for (host_header, expected) in [
            ("localhost:8080", Some("localhost")),
            ("example.org", Some("example.org")),
            ("127.0.0.1:80", Some("127.0.0.1")),
            ("[::1]:8080", Some("[::1]")),
            ("a\"b", None),
            (":80", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host_header));
            assert_eq!(host(&headers), expected, "{host_header}");
        }
    }
}
