//! `/turn`: a credential as in `draft-uberti-behave-turn-rest`, for clients that were made for that.

use std::net::SocketAddr;

use axum::{
    Extension, Json,
    body::Body,
    extract::{ConnectInfo, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use daemon::serve::OwnAddress;
use serde::Deserialize;
use serde_json::json;

use super::{Asked, Grant, IceServers, allow_every_origin, host, is_user, no_random_numbers, set};
use crate::http::{App, refuse};

/// The draft's parameters; its `key` is of no use here.
#[derive(Debug, Deserialize)]
pub(crate) struct Parameters {
    service: Option<String>,
    username: Option<String>,
}

/// `{"username":…,"password":…,"ttl":seconds,"uris":[…]}`. Any page may ask.
pub(crate) async fn turn(
    State(app): State<App>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    Extension(OwnAddress(own)): Extension<OwnAddress>,
    headers: HeaderMap,
    query: Result<Query<Parameters>, QueryRejection>,
) -> Response<Body> {
    let asked = Asked {
        client: client.ip(),
        own: own.ip(),
        host: host(&headers),
        user: None,
        ttl: app.ice.ttl,
    };
    let mut response = match &query {
        Ok(Query(parameters)) => answer(&app.ice, asked, parameters, getrandom::u64),
        Err(error) => refuse(StatusCode::BAD_REQUEST, "bad-request", &error.body_text()),
    };
    allow_every_origin(&mut response);
    set(&mut response, header::CACHE_CONTROL, "no-store");
    response
}

fn answer<'a>(
    ice: &IceServers,
    mut asked: Asked<'a>,
    parameters: &'a Parameters,
    random: impl FnMut() -> Result<u64, getrandom::Error>,
) -> Response<Body> {
    if parameters.service.as_deref() != Some("turn") {
        let message = "ask for service=turn";
        return refuse(StatusCode::BAD_REQUEST, "bad-request", message);
    }
    asked.user = parameters
        .username
        .as_deref()
        .filter(|user| !user.is_empty());
    if asked.user.is_some_and(|user| !is_user(user)) {
        let message = "username: up to 128 bytes without control characters or a trace id";
        return refuse(StatusCode::BAD_REQUEST, "bad-username", message);
    }
    match ice.grant(asked, random) {
        Ok(Some(Grant { urls, credential })) => Json(json!({
            "username": credential.username,
            "password": credential.password.as_str(),
            "ttl": asked.ttl.as_secs(),
            "uris": urls,
        }))
        .into_response(),
        Ok(None) => {
            let message = "there is no relay now; ask again later";
            let mut refused = refuse(StatusCode::SERVICE_UNAVAILABLE, "no-relays", message);
            let seconds = HeaderValue::from_static("5");
            refused.headers_mut().insert(header::RETRY_AFTER, seconds);
            refused
        }
        Err(error) => no_random_numbers(error),
    }
}
