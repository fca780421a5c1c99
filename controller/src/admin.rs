//! The routes of the admin port, for the kubelet and Prometheus: `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{health::Health, metrics::Metrics};

/// The media type of [`Metrics::render`].
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The routes. `health` decides what `/readyz` says.
pub(crate) fn router(metrics: Metrics, health: Arc<Health>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz).with_state(Arc::clone(&health)))
        .route("/metrics", get(scrape).with_state((metrics, health)))
}

async fn readyz(State(health): State<Arc<Health>>) -> Response {
    match health.not_ready() {
        None => "ok\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn scrape(State((metrics, health)): State<(Metrics, Arc<Health>)>) -> Response {
    metrics.ready(health.not_ready().is_none());
    match metrics.render() {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
