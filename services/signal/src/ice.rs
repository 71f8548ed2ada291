//! `/v1/ice`: the STUN and TURN servers a client is to use, with a credential of its own.

mod choice;
mod config;
mod gauges;
mod own_relay;
pub(crate) mod rest;
mod secrets;
mod url;
mod visitor;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Extension, Json,
    body::Body,
    extract::{ConnectInfo, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use backplane::fleet::{Fleet, Relay};
use daemon::serve::OwnAddress;
use prometheus_client::registry::Registry;
use serde::Deserialize;
use serde_json::{Value, json};
use turn_credentials::{Credential, Secret, Username, mint};

pub(crate) use self::visitor::{Visitor, visitor};
use self::{
    choice::{choose, draws},
    gauges::Gauges,
};
pub use self::{
    config::{IceArgs, IceConfigError, MintArgs},
    own_relay::OwnRelay,
    secrets::MintSecrets,
    url::ForeignServer,
};
use crate::http::{App, refuse};

/// How long a credential is good where nothing else is said.
const DEFAULT_TTL: Duration = Duration::from_secs(60 * 60);

/// Most servers that a client is told where the fleet's relays are among them: each makes it gather for longer.
const MAX_SERVERS: usize = 3;

/// Longest name that a credential may be asked for, in bytes.
const MAX_USER: usize = 128;

/// What clients are told: the servers that we mint credentials for, and those of others.
#[derive(Clone, Debug)]
pub struct IceServers {
    /// In this process, under the name by which the client reaches the node.
    beside: Option<OwnRelay>,
    /// Anywhere, with secrets that we share.
    urls: Vec<String>,
    secrets: MintSecrets,
    /// Those that have registered, with secrets that we share.
    fleet: Option<Region>,
    foreign: Vec<ForeignServer>,
    /// How long a credential may be used to make allocations.
    ttl: Duration,
}

/// The relays of the cluster, as seen from one region.
#[derive(Clone, Debug)]
struct Region {
    fleet: Arc<dyn Fleet>,
    name: String,
}

/// One credential, and the servers where it is good.
struct Grant {
    urls: Vec<String>,
    credential: Credential,
}

/// Who asks, and where.
#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    client: IpAddr,
    /// The address of this host that the request came to.
    own: IpAddr,
    /// The name under which the client reaches it.
    host: Option<&'a str>,
    /// Whose credential it is to be, if that was said.
    user: Option<&'a str>,
    /// For how long it is to be good.
    ttl: Duration,
}

/// Of `/v1/ice`.
#[derive(Debug, Deserialize)]
pub(crate) struct Parameters {
    username: Option<String>,
}

/// `{"iceServers":[…],"ttl":seconds}`, as `RTCPeerConnection` takes it. Any page may ask.
pub(crate) async fn servers(
    State(app): State<App>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    Extension(OwnAddress(own)): Extension<OwnAddress>,
    headers: HeaderMap,
    query: Result<Query<Parameters>, QueryRejection>,
) -> Response<Body> {
    // What cannot be read names nobody.
    let user = query.ok().and_then(|Query(parameters)| parameters.username);
    let asked = Asked {
        client: client.ip(),
        own: own.ip(),
        host: host(&headers),
        user: user.as_deref().filter(|user| is_user(user)),
        ttl: app.ice.ttl,
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
    random: impl FnMut() -> Result<u64, getrandom::Error>,
) -> Response<Body> {
    let mut response = match ice.list(asked, random) {
        Ok(servers) => {
            Json(json!({ "iceServers": servers, "ttl": asked.ttl.as_secs() })).into_response()
        }
        Err(error) => no_random_numbers(error),
    };
    allow_every_origin(&mut response);
    // A credential is one client's.
    set(&mut response, header::CACHE_CONTROL, "no-store");
    response
}

fn no_random_numbers(error: getrandom::Error) -> Response<Body> {
    tracing::error!(%error, "no random numbers: no credentials");
    let message = "no credential can be made now; ask again later";
    refuse(
        StatusCode::SERVICE_UNAVAILABLE,
        "no-random-numbers",
        message,
    )
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
            beside: Some(relay),
            foreign: args.ice_server.clone(),
            ttl: args.ice_ttl,
            ..Self::none()
        }
    }

    /// No server is known, and no credential minted.
    pub(crate) fn none() -> Self {
        Self {
            beside: None,
            urls: Vec::new(),
            secrets: MintSecrets::default(),
            fleet: None,
            foreign: Vec::new(),
            ttl: DEFAULT_TTL,
        }
    }

    /// Whether credentials for relays are handed out.
    pub fn hands_out_relays(&self) -> bool {
        let is_foreign = self.foreign.iter().any(ForeignServer::is_relay);
        is_foreign || self.beside.is_some() || !self.urls.is_empty() || self.fleet.is_some()
    }

    /// Enters what is known of the fleet in the metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        if let Some(region) = &self.fleet {
            registry.register_collector(Box::new(Gauges(region.fleet.clone())));
        }
    }

    /// Elements of `iceServers`: the fleet's relays, then those that the node was told of.
    fn list(
        &self,
        asked: Asked<'_>,
        mut random: impl FnMut() -> Result<u64, getrandom::Error>,
    ) -> Result<Vec<Value>, getrandom::Error> {
        let mut list = Vec::new();
        if let Some(relay) = &self.beside {
            list.extend(relay.servers(asked));
        }
        let secrets = self.secrets.all();
        if let Some(first) = secrets.first() {
            let user = user(asked, &mut random)?;
            for chosen in self.relays(&secrets, &mut random)? {
                let secret = secrets.iter().find(|secret| knows(&chosen, secret));
                list.extend(secret.map(|secret| relay(secret, &chosen.urls, &user, asked.ttl)));
            }
            if !self.urls.is_empty() {
                list.push(relay(first, &self.urls, &user, asked.ttl));
            }
        }
        list.extend(self.foreign.iter().map(ForeignServer::to_json));
        Ok(list)
    }

    /// One credential for as many relays as are good with it.
    fn grant(
        &self,
        asked: Asked<'_>,
        mut random: impl FnMut() -> Result<u64, getrandom::Error>,
    ) -> Result<Option<Grant>, getrandom::Error> {
        if let Some(relay) = &self.beside {
            return Ok(relay.grant(asked));
        }
        // While secrets are rotated, not every relay has the newest.
        for secret in self.secrets.all() {
            let relays = self.relays(std::slice::from_ref(&secret), &mut random)?;
            let mut urls: Vec<String> = relays.into_iter().flat_map(|relay| relay.urls).collect();
            urls.extend(self.urls.iter().cloned());
            if !urls.is_empty() {
                let user = user(asked, &mut random)?;
                let credential = credential(&secret, &user, asked.ttl);
                return Ok(Some(Grant { urls, credential }));
            }
        }
        Ok(None)
    }

    /// Relays of the fleet that take credentials of one of the secrets; so many that with the servers that the node
    /// was told of there are not too many.
    fn relays(
        &self,
        secrets: &[Secret],
        random: &mut impl FnMut() -> Result<u64, getrandom::Error>,
    ) -> Result<Vec<Relay>, getrandom::Error> {
        let Some(region) = &self.fleet else {
            return Ok(Vec::new());
        };
        let places = MAX_SERVERS.saturating_sub(self.told_of());
        let is_ours = |relay: &Relay| secrets.iter().any(|secret| knows(relay, secret));
        let relays = region.fleet.relays();
        let mut draw = draws(random()?);
        let chosen = choose(&relays, &region.name, places, is_ours, &mut draw);
        Ok(chosen.into_iter().cloned().collect())
    }

    /// Servers that the node was told of.
    fn told_of(&self) -> usize {
        self.foreign.len() + usize::from(!self.urls.is_empty())
    }
}

fn knows(relay: &Relay, secret: &Secret) -> bool {
    relay.secrets.contains(&secret.id())
}

/// Whose a credential is. Nobody has proved a name: where none was said, each credential is a user of its own.
fn user(
    asked: Asked<'_>,
    random: &mut impl FnMut() -> Result<u64, getrandom::Error>,
) -> Result<String, getrandom::Error> {
    match asked.user {
        Some(user) => Ok(user.to_owned()),
        None => Ok(format!("{:016x}", random()?)),
    }
}

/// Whether a credential may be minted for this name: it must come back from the username as it was.
fn is_user(name: &str) -> bool {
    let username = format!("0:{name}");
    let is_whole = Username::parse(&username).is_ok_and(|username| username.user() == name);
    (1..=MAX_USER).contains(&name.len()) && !name.contains(char::is_control) && is_whole
}

/// An element of `iceServers`, with a fresh credential of `user`'s.
fn relay(secret: &Secret, urls: &[String], user: &str, ttl: Duration) -> Value {
    let credential = credential(secret, user, ttl);
    json!({
        "urls": urls,
        "username": credential.username,
        "credential": credential.password.as_str(),
    })
}

fn credential(secret: &Secret, user: &str, ttl: Duration) -> Credential {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let expires_at = since.unwrap_or_default().as_secs() + ttl.as_secs();
    mint(secret, expires_at, user, None)
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
mod tests;
