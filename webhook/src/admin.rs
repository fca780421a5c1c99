//! The plain port for the kubelet and Prometheus: `/healthz`, `/readyz`, `/metrics`.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::sleep,
};

use crate::{
    health::Health,
    metrics::Metrics,
    slots::{Slot, Slots},
};

/// Connections at the same time: two probes and a few scrapers. A further one gets the place of one
/// that is idle, or silent strangers would make the probes fail.
const CONNECTIONS: usize = 16;

/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// Serves `listener` for ever; also while the server drains.
pub(crate) async fn serve(listener: TcpListener, metrics: Metrics, health: Arc<Health>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let mut slots = Slots::new(free, metrics.connections_evicted.clone());
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Some(slot) = slots.take().await else {
            return;
        };
        let (metrics, health) = (metrics.clone(), Arc::clone(&health));
        tokio::spawn(async move { exchange(stream, &metrics, &health, &slot).await });
    }
}

async fn exchange(stream: TcpStream, metrics: &Metrics, health: &Health, slot: &Slot) {
    let service = service_fn(|request: Request<Incoming>| {
        let under_way = slot.activity.start();
        let response = answer(request.method(), request.uri().path(), metrics, health);
        // Also "not ready" is an answer to a probe.
        if !response.status().is_client_error() {
            under_way.of_use();
        }
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SILENCE)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        result = connection => if let Err(error) = result {
            tracing::trace!(%error, "admin connection ended");
        },
        () = slot.activity.unwanted() => {}
    }
}

/// Answers one request, without a socket.
pub fn answer(
    method: &Method,
    path: &str,
    metrics: &Metrics,
    health: &Health,
) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "GET\n".to_owned());
    }
    match path {
        "/healthz" => plain(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => match health.not_ready() {
            None => plain(StatusCode::OK, "ok\n".to_owned()),
            Some(reason) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        },
        "/metrics" => scrape(metrics),
        _ => plain(
            StatusCode::NOT_FOUND,
            "/healthz /readyz /metrics\n".to_owned(),
        ),
    }
}

fn scrape(metrics: &Metrics) -> Response<Full<Bytes>> {
    match metrics.render() {
        Ok(text) => {
            let mut response = plain(StatusCode::OK, text);
            let open_metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static(open_metrics));
            response
        }
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
