//! The process's own metrics, and the text that `/metrics` answers with.

use std::{fmt, sync::Arc};

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{encoding::text, metrics::info::Info, registry::Registry};

/// Content type of OpenMetrics text.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of a process. Services register theirs before it is shared.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Registry>);

impl Metrics {
    /// Adds `trunkline_build_info` and seals the registry.
    pub fn new(mut registry: Registry, version: &'static str) -> Self {
        registry.register(
            "trunkline_build",
            "The version that runs",
            Info::new(vec![("version", version)]),
        );
        Self(Arc::new(registry))
    }

    /// The metrics as OpenMetrics text.
    ///
    /// # Errors
    /// When a metric cannot be written.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.0)?;
        Ok(out)
    }
}

impl IntoResponse for &Metrics {
    fn into_response(self) -> Response {
        match self.encode() {
            Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    }
}
