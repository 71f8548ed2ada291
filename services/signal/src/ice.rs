//! `/v1/ice`: the STUN and TURN servers a client is to use, with a credential of its own.

mod config;
mod own_relay;
mod url;

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Extension, Json,
    body::Body,
    extract::{ConnectInfo, State},
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use daemon::serve::OwnAddress;
use serde_json::{Value, json};
use turn_credentials::{Secret, mint};

pub use self::{
    config::{IceArgs, IceConfigError, MintArgs},
    own_relay::OwnRelay,
    url::ForeignServer,
};
use crate::http::{App, refuse};

/// How long a credential may be used to make allocations.
const TTL: Duration = Duration::from_secs(60 * 60);

/// What clients are told: the servers that we mint credentials for, and those of others.
#[derive(Clone, Debug, Default)]
pub struct IceServers {
    ours: Ours,
    foreign: Vec<ForeignServer>,
}

#[derive(Clone, Debug, Default)]
enum Ours {
    #[default]
    None,
    /// In this process, under the name by which the client reaches the node.
    Beside(OwnRelay),
    /// Anywhere, with a secret that we share.
    Elsewhere { secret: Secret, urls: Vec<String> },
}

/// Who asks, and where.
#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    client: IpAddr,
    /// The address of this host that the request came to.
    own: IpAddr,
    /// The name under which the client reaches it.
    host: Option<&'a str>,
}

/// `{"iceServers":[…],"ttl":seconds}`, as `RTCPeerConnection` takes it. Any page may ask.
pub(crate) async fn servers(
    State(app): State<App>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    Extension(OwnAddress(own)): Extension<OwnAddress>,
    headers: HeaderMap,
) -> Response<Body> {
    let asked = Asked {
        client: client.ip(),
        own: own.ip(),
        host: host(&headers),
    };
    answer(&app.ice, asked, getrandom::u64)
}

/// What a browser asks before it lets a page of another origin ask with headers of its own.
pub(crate) async fn preflight() -> Response<Body> {
    let mut response = StatusCode::NO_CONTENT.into_response();
    allow_every_origin(&mut response);
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "*"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ] {
        set(&mut response, name, value);
    }
    response
}

fn answer(
    ice: &IceServers,
    asked: Asked<'_>,
    random: impl FnOnce() -> Result<u64, getrandom::Error>,
) -> Response<Body> {
    let mut response = match ice.list(asked, random) {
        Ok(servers) => Json(json!({ "iceServers": servers, "ttl": TTL.as_secs() })).into_response(),
        Err(error) => {
            tracing::error!(%error, "no random numbers: no credentials");
            let message = "no credential can be made now; ask again later";
            refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "no-random-numbers",
                message,
            )
        }
    };
    allow_every_origin(&mut response);
    // A credential is one client's.
    set(&mut response, header::CACHE_CONTROL, "no-store");
    response
}

fn allow_every_origin(response: &mut Response<Body>) {
    set(response, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &'static str) {
    let value = HeaderValue::from_static(value);
    response.headers_mut().insert(name, value);
}

impl IceServers {
    /// The relay that runs in this process, and those of others.
    pub fn beside(relay: OwnRelay, args: &IceArgs) -> Self {
        Self {
            ours: Ours::Beside(relay),
            foreign: args.ice_server.clone(),
        }
    }

    /// Whether credentials for relays are handed out.
    pub fn hands_out_relays(&self) -> bool {
        let is_foreign = self.foreign.iter().any(ForeignServer::is_relay);
        is_foreign || !matches!(self.ours, Ours::None)
    }

    fn list(
        &self,
        asked: Asked<'_>,
        random: impl FnOnce() -> Result<u64, getrandom::Error>,
    ) -> Result<Vec<Value>, getrandom::Error> {
        let mut list = match &self.ours {
            Ours::None => Vec::new(),
            Ours::Beside(relay) => relay.servers(asked),
            // Nobody has proved a name: each credential is a user of its own.
            Ours::Elsewhere { secret, urls } => {
                vec![relay(secret, urls, &format!("{:016x}", random()?))]
            }
        };
        list.extend(self.foreign.iter().map(ForeignServer::to_json));
        Ok(list)
    }
}

/// An element of `iceServers`, with a fresh credential of `user`'s.
fn relay(secret: &Secret, urls: &[String], user: &str) -> Value {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let expires_at = since.unwrap_or_default().as_secs() + TTL.as_secs();
    let credential = mint(secret, expires_at, user, None);
    json!({
        "urls": urls,
        "username": credential.username,
        "credential": credential.password.as_str(),
    })
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

    #[test]
    fn without_random_numbers_there_is_no_credential() {
        let ice = IceServers {
            ours: Ours::Elsewhere {
                secret: Secret::new(b"s"),
                urls: vec!["turn:example.org".to_owned()],
            },
            foreign: Vec::new(),
        };
        let asked = Asked {
            client: IpAddr::from([192, 0, 2, 1]),
            own: IpAddr::from([192, 0, 2, 2]),
            host: None,
        };
        assert_eq!(answer(&ice, asked, || Ok(1)).status(), StatusCode::OK);
        let response = answer(&ice, asked, || Err(getrandom::Error::UNSUPPORTED));
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
