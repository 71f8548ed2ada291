//! The admin listener: what an operator's tools ask for.
//!
//! | path | answer |
//! | --- | --- |
//! | `/metrics` | OpenMetrics text |
//! | `/healthz` | 200 as long as the process runs: restart it when this fails |
//! | `/readyz` | 200 when it takes new work, else 503 with the reason: send it none meanwhile |

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};

use crate::metrics::Metrics;

/// Says whether the process takes new work.
#[derive(Clone)]
pub struct Readiness(Arc<dyn Fn() -> Result<(), &'static str> + Send + Sync>);

impl Readiness {
    /// `check` returns the reason when it does not.
    pub fn new(check: impl Fn() -> Result<(), &'static str> + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }

    /// Asks now.
    ///
    /// # Errors
    /// The reason why no new work is taken.
    pub fn check(&self) -> Result<(), &'static str> {
        (self.0)()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readiness").field(&self.check()).finish()
    }
}

/// The routes of the admin listener.
pub fn router(metrics: Metrics, readiness: Readiness) -> Router {
    Router::new()
        .route("/metrics", get(serve_metrics))
        .with_state(metrics)
        .merge(health(readiness))
        .fallback(async || {
            (
                StatusCode::NOT_FOUND,
                "not found; here are /metrics, /healthz and /readyz\n",
            )
        })
}

/// `/healthz` and `/readyz`, for the admin and the public listener.
pub fn health(readiness: Readiness) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(readiness)
}

async fn serve_metrics(State(metrics): State<Metrics>) -> Response {
    (&metrics).into_response()
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    match readiness.check() {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {reason}\n"),
        )
            .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::{body::Body, http::Request};
    use http_body_util::BodyExt;
    use prometheus_client::registry::Registry;
    use tower::ServiceExt;

    use super::*;

    async fn get(router: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_process_that_is_not_ready_says_why_and_is_healthy() {
        let ready = Arc::new(AtomicBool::new(false));
        let check = ready.clone();
        let readiness = Readiness::new(move || match check.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err("draining"),
        });
        let router = router(Metrics::new(Registry::default(), "1.2.3"), readiness);
        assert_eq!(get(&router, "/healthz").await.0, StatusCode::OK);
        assert_eq!(
            get(&router, "/readyz").await,
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "not ready: draining\n".into()
            )
        );
        ready.store(true, Ordering::Relaxed);
        assert_eq!(get(&router, "/readyz").await.0, StatusCode::OK);
        assert_eq!(get(&router, "/nothing").await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn metrics_name_the_version() {
        let router = router(
            Metrics::new(Registry::default(), "1.2.3"),
            Readiness::new(|| Ok(())),
        );
        let (_, text) = get(&router, "/metrics").await;
        assert!(
            text.contains("trunkline_build_info{version=\"1.2.3\"} 1"),
            "{text}"
        );
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
