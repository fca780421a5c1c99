//! A server that denies each request with an error of the form that AWS uses.

use std::{convert::Infallible, net::SocketAddr};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{runtime, server::free_address};

/// The caller that the errors name.
const CALLER: &str = "arn:aws:sts::123456789012:assumed-role/nobody/session";

/// Takes the place of DynamoDB and Secrets Manager for a caller without any permission.
#[derive(Debug)]
pub struct DenyingStore {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl DenyingStore {
    /// Starts the server on a free port.
    pub fn start() -> anyhow::Result<Self> {
        let address = free_address()?;
        let listener = runtime()
            .block_on(TcpListener::bind(address))
            .context("cannot listen")?;
        let accepting = runtime().spawn(accept(listener));
        Ok(Self { address, accepting })
    }

    /// The URL of the server, for pods.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for DenyingStore {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let service = service_fn(async |request| Ok::<_, Infallible>(denial(&request)));
            // A client that closes the connection is not an error.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn denial(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let target = request
        .headers()
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok());
    let (service, operation) = target
        .and_then(|target| target.split_once('.'))
        .unwrap_or_default();
    let service = if service.starts_with("DynamoDB") {
        "dynamodb"
    } else {
        service
    };
    let body = json!({
        "__type": "AccessDeniedException",
        "Message": format!(
            "User: {CALLER} is not authorized to perform: {service}:{operation} because no \
             identity-based policy allows the {service}:{operation} action"
        ),
    });
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-amz-json-1.1"),
    );
    response
}
