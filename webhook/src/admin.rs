//! The routes of the admin port, for the kubelet and Prometheus: `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{health::Health, metrics::Metrics, slots::ValidRequest};

/// The media type of [`Metrics::render`].
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The routes. `health` decides what `/readyz` says.
pub fn router(metrics: Metrics, health: Arc<Health>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz).with_state(Arc::clone(&health)))
        .route("/metrics", get(scrape).with_state((metrics, health)))
        .fallback(not_found)
}

async fn healthz() -> impl IntoResponse {
    (Extension(ValidRequest), "ok\n")
}

async fn readyz(State(health): State<Arc<Health>>) -> Response {
    let response = match health.not_ready() {
        None => "ok\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    };
    (Extension(ValidRequest), response).into_response()
}

async fn scrape(State((metrics, health)): State<(Metrics, Arc<Health>)>) -> Response {
    metrics.ready(health.not_ready().is_none());
    let response = match metrics.render() {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    };
    (Extension(ValidRequest), response).into_response()
}

async fn not_found() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, "GET /healthz, /readyz or /metrics\n")
}
