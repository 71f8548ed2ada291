//! The public listener: WebSockets, pages, health.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, Response, StatusCode, header},
    response::IntoResponse,
    routing::{any, get},
};
use backplane::Health;
use daemon::admin::{Readiness, health};
use tokio_util::task::TaskTracker;

use crate::{connection::Speech, ice, native::Native, node::Node, pages, upgrade};

/// What handlers need.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) node: Arc<Node>,
    pub(crate) ping_interval: Duration,
    pub(crate) tasks: TaskTracker,
    pub(crate) ice: Arc<ice::IceServers>,
}

/// The routes of the public listener.
pub(crate) fn router(app: App, readiness: Readiness) -> Router {
    Router::new()
        .route("/", any(root))
        .route("/primus", any(primus))
        .route("/primus/", any(primus))
        .route("/v1/connect", any(native))
        .route("/v1/ice", get(ice::servers).options(ice::preflight))
        .route("/turn", get(ice::rest::turn).options(ice::preflight))
        .route("/healthz/cluster", get(cluster_health))
        .fallback(page)
        .with_state(app)
        .merge(health(readiness))
        .method_not_allowed_fallback(async || {
            let message = "only GET is answered here";
            refuse(
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                message,
            )
        })
}

/// An answer to a request that cannot be honoured: a code for programs, a sentence for people.
pub(crate) fn refuse(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let body = serde_json::json!({ "code": code, "message": message }).to_string() + "\n";
    let mut response = (status, body).into_response();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// A WebSocket of rtc-signaller 6 and its like, or a browser that wants the page.
async fn root(State(app): State<App>, request: Request) -> Response<Body> {
    if upgrade::is_wanted(request.headers()) {
        upgrade::accept(&app, request, true, Speech::RtcIo)
    } else {
        page(request).await
    }
}

/// Clients that speak Primus itself say so in their query, and would take a greeting for data.
pub(crate) fn speaks_primus(query: &str) -> bool {
    query.split('&').any(|pair| pair.starts_with("_primuscb"))
}

/// Where older clients connect.
async fn primus(State(app): State<App>, request: Request) -> Response<Body> {
    if upgrade::is_wanted(request.headers()) {
        let greeting = !speaks_primus(request.uri().query().unwrap_or_default());
        return upgrade::accept(&app, request, greeting, Speech::RtcIo);
    }
    upgrade_required()
}

/// Where native clients connect.
async fn native(State(app): State<App>, request: Request) -> Response<Body> {
    if !upgrade::is_wanted(request.headers()) {
        return upgrade_required();
    }
    let Some(visitor) = ice::visitor(&app.ice, &request) else {
        return upgrade_required();
    };
    let native = Native::new(visitor);
    upgrade::accept(&app, request, false, Speech::Native(Box::new(native)))
}

fn upgrade_required() -> Response<Body> {
    let message = "a WebSocket is served here";
    let mut response = refuse(StatusCode::UPGRADE_REQUIRED, "upgrade-required", message);
    let upgrade = HeaderValue::from_static("websocket");
    response.headers_mut().insert(header::UPGRADE, upgrade);
    response
}

/// Whether the other nodes can be reached. A load balancer must not ask: every node has the same answer in an outage.
async fn cluster_health(State(app): State<App>) -> Response<Body> {
    match app.node.health() {
        Health::Healthy => "ok\n".into_response(),
        Health::Starting => {
            let message = "Redis has not been reached yet";
            refuse(StatusCode::SERVICE_UNAVAILABLE, "starting", message)
        }
        Health::Degraded => {
            let message =
                "Redis cannot be reached: peers of this node go on, other nodes are out of reach";
            refuse(StatusCode::SERVICE_UNAVAILABLE, "degraded", message)
        }
    }
}

async fn page(request: Request) -> Response<Body> {
    let method = request.method();
    if method != Method::GET && method != Method::HEAD {
        let message = "only GET is answered here";
        return refuse(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            message,
        );
    }
    let known = request.headers().get(header::IF_NONE_MATCH);
    pages::find(request.uri().path(), known).unwrap_or_else(|| {
        let message = "nothing is served here; WebSockets connect to /v1/connect, / or /primus";
        refuse(StatusCode::NOT_FOUND, "not-found", message)
    })
}
