//! `/admin`: what an operator sees of a relay, and does to it. JSON in, JSON out.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use backplane::{Health, fleet::Kick};
use daemon::access::refuse;
use relay::UserId;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    control::{Control, Place},
    drain::{Drain, State as Draining},
    orders::{Busy, Shown},
    registration::Registration,
    unix,
};

/// Allocations on a page, unless it is said, and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

/// How long a user is kept out, unless it is said: as long as what signalling nodes mint is good.
const KICK_SECONDS: u64 = 60 * 60;

/// Longest time that a user may be kept out.
const MAX_KICK_SECONDS: u64 = 7 * 24 * 60 * 60;

/// Longest name of a user, in bytes: that of a USERNAME.
const MAX_USER: usize = 508;

/// What the handlers need.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) control: Arc<Control>,
    pub(crate) registration: Arc<Registration>,
    pub(crate) drain: Arc<Drain>,
    /// Whether there are others to be told.
    pub(crate) in_cluster: bool,
}

pub(crate) fn routes(admin: Admin) -> Router {
    Router::new()
        .route("/admin/allocations", get(list))
        .route("/admin/allocations/{id}", delete(end))
        .route("/admin/kick", post(kick))
        .route(
            "/admin/drain",
            get(|State(admin): State<Admin>| async move { drain_of(&admin) })
                .post(begin_drain)
                .delete(undo_drain),
        )
        .method_not_allowed_fallback(async || {
            let message = "not with this method";
            refuse(
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                message,
            )
        })
        .with_state(admin)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    limit: Option<usize>,
    after: Option<String>,
    user: Option<String>,
}

/// A page of allocations; `next` is where the next one goes on.
async fn list(
    State(admin): State<Admin>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Response {
    let Query(query) = match query {
        Ok(query) => query,
        Err(error) => return bad_request(&error.body_text()),
    };
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return bad_request("limit: from 1 to 1000");
    }
    let after = match query.after.as_deref().map(Place::from_text) {
        Some(None) => return bad_request("after: the id of an allocation, as it was listed"),
        Some(after) => after,
        None => None,
    };
    match admin
        .control
        .list(after, limit, query.user.map(Arc::from))
        .await
    {
        Ok(listed) => {
            let next = listed.last().filter(|_| listed.len() == limit);
            let next = next.map(|(place, _)| place.to_text());
            let listed: Vec<Value> = listed.iter().map(shown).collect();
            Json(json!({ "allocations": listed, "next": next })).into_response()
        }
        Err(busy) => unavailable(busy),
    }
}

fn shown((place, shown): &(Place, Shown)) -> Value {
    let is_static = matches!(shown.user, UserId::Static(_));
    let traffic = &shown.traffic;
    json!({
        "id": place.to_text(),
        "user": shown.user.as_str(),
        "static": is_static,
        "client": shown.client,
        "relayed": shown.relayed,
        "ends_in_seconds": shown.ends_in.as_secs(),
        "packets_to_peers": traffic.packets_to_peers,
        "bytes_to_peers": traffic.bytes_to_peers,
        "packets_to_client": traffic.packets_to_client,
        "bytes_to_client": traffic.bytes_to_client,
    })
}

/// Ends one allocation. Its client may make another one.
async fn end(State(admin): State<Admin>, Path(id): Path<String>) -> Response {
    let ended = match Place::from_text(&id) {
        Some(place) => admin.control.end(place).await,
        None => Ok(false),
    };
    match ended {
        Ok(true) => Json(json!({ "ended": 1 })).into_response(),
        Ok(false) => {
            let message = "there is no such allocation; it may have ended";
            refuse(StatusCode::NOT_FOUND, "no-such-allocation", message)
        }
        Err(busy) => unavailable(busy),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KickBody {
    user: String,
    seconds: Option<u64>,
}

/// Puts a user out, here at once, and on the other relays of the fleet.
async fn kick(State(admin): State<Admin>, body: Result<Json<KickBody>, JsonRejection>) -> Response {
    let Json(body) = match body {
        Ok(body) => body,
        Err(error) => return bad_request(&error.body_text()),
    };
    if body.user.is_empty() || body.user.len() > MAX_USER {
        return bad_request("user: from 1 to 508 bytes");
    }
    let seconds = body.seconds.unwrap_or(KICK_SECONDS);
    if !(1..=MAX_KICK_SECONDS).contains(&seconds) {
        return bad_request("seconds: from 1 to 604800");
    }
    let until = unix() + seconds;
    let user: Arc<str> = Arc::from(body.user);
    let kicks: Arc<[Kick]> = Arc::from([Kick {
        user: user.clone(),
        until,
    }]);
    let ended = match admin.control.kick(&kicks).await {
        Ok(ended) => ended,
        Err(busy) => return unavailable(busy),
    };
    let fleet = &admin.registration.fleet;
    if fleet.kick(&user, seconds).is_err() {
        let message = "the user was put out here, but the other relays could not be told";
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message);
    }
    let others = match (admin.in_cluster, fleet.health()) {
        (false, _) => "none",
        (true, Health::Healthy) => "told",
        (true, Health::Starting | Health::Degraded) => "waiting-for-redis",
    };
    let answer = json!({ "user": *user, "ended": ended, "until": until, "others": others });
    Json(answer).into_response()
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DrainBody {
    /// From now on, such as `30m`.
    deadline: Option<String>,
}

/// No new allocations from now on; the process ends when there is none left, or at the deadline.
async fn begin_drain(
    State(admin): State<Admin>,
    body: Result<Json<DrainBody>, JsonRejection>,
) -> Response {
    let Json(body) = match body {
        Ok(body) => body,
        Err(error) => return bad_request(&error.body_text()),
    };
    let deadline = match body.deadline.as_deref().map(humantime::parse_duration) {
        None => None,
        Some(Ok(after)) if after <= Duration::from_secs(7 * 24 * 60 * 60) => {
            Some(Instant::now() + after)
        }
        Some(Ok(_) | Err(_)) => {
            return bad_request("deadline: a number with a unit, such as 30m; at most 7d");
        }
    };
    if let Draining::Ending { .. } = admin.drain.state() {
        return ending();
    }
    let asked = Draining::Asked { deadline };
    if let Err(busy) = admin.control.drain(admin.drain.order(asked)).await {
        return unavailable(busy);
    }
    admin.registration.say();
    if let Draining::Ending { .. } = admin.drain.ask(Some(deadline)) {
        return ending();
    }
    tracing::info!("an operator drains the relay");
    drain_of(&admin).into_response()
}

/// Takes allocations again.
async fn undo_drain(State(admin): State<Admin>) -> Response {
    if let Draining::Ending { .. } = admin.drain.ask(None) {
        return ending();
    }
    if let Err(busy) = admin.control.drain(None).await {
        return unavailable(busy);
    }
    admin.registration.say();
    tracing::info!("an operator took the drain back");
    drain_of(&admin).into_response()
}

fn drain_of(admin: &Admin) -> Json<Value> {
    let deadline = admin.drain.state().deadline();
    let left = deadline.map(|at| at.saturating_duration_since(Instant::now()).as_secs());
    Json(json!({
        "draining": admin.control.is_draining(),
        "allocations": admin.control.allocations(),
        "seconds_left": left,
    }))
}

fn ending() -> Response {
    let message = "the process was told to end; that cannot be taken back";
    refuse(StatusCode::CONFLICT, "ending", message)
}

fn bad_request(message: &str) -> Response {
    refuse(StatusCode::BAD_REQUEST, "bad-request", message)
}

fn unavailable(busy: Busy) -> Response {
    tracing::warn!(error = %busy, "an operator's request");
    let message = "a relay thread does not answer; try again";
    refuse(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
}
