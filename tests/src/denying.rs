//! A server that denies requests with an error of the form that AWS uses: every request, or each one
//! that is not a read.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{DynamoDbLocal, dynamodb, runtime, server::free_address};

/// The caller that the errors name.
const CALLER: &str = "arn:aws:sts::123456789012:assumed-role/nobody/session";

/// The operations of DynamoDB that change nothing.
const READS: [&str; 4] = ["GetItem", "BatchGetItem", "TransactGetItems", "Query"];

/// Takes the place of DynamoDB and Secrets Manager for a caller with few permissions or none.
#[derive(Debug)]
pub struct DenyingStore {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    /// Where reads are sent, if they are allowed: `HOST:PORT`.
    upstream: Option<String>,
    denied: Mutex<Vec<String>>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl DenyingStore {
    /// Starts a server on a free port that denies everything.
    pub fn start() -> anyhow::Result<Self> {
        Self::listen(None)
    }

    /// Starts a server on a free port that forwards reads to `store` and denies everything else.
    pub fn read_only(store: &DynamoDbLocal) -> anyhow::Result<Self> {
        let upstream = store.endpoint().strip_prefix("http://");
        Self::listen(Some(upstream.context("no plain HTTP")?.to_owned()))
    }

    fn listen(upstream: Option<String>) -> anyhow::Result<Self> {
        let address = free_address()?;
        let listener = runtime()
            .block_on(TcpListener::bind(address))
            .context("cannot listen")?;
        let shared = Arc::new(Shared {
            upstream,
            denied: Mutex::default(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        });
        let accepting = runtime().spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            accepting,
        })
    }

    /// The URL of the server, for pods.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client for DynamoDB with the permissions of this server.
    pub fn dynamodb_client(&self) -> aws_sdk_dynamodb::Client {
        dynamodb::client(&self.endpoint())
    }

    /// The operations that were denied until now, such as `dynamodb:PutItem`.
    pub fn denied(&self) -> Vec<String> {
        self.shared.denied().clone()
    }
}

impl Drop for DenyingStore {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service =
                service_fn(async |request| Ok::<_, Infallible>(shared.respond(request).await));
            // A client that closes the connection is not an error.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

impl Shared {
    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let target = request
            .headers()
            .get("x-amz-target")
            .and_then(|target| target.to_str().ok());
        let (service, operation) = target
            .and_then(|target| target.split_once('.'))
            .unwrap_or_default();
        if let Some(upstream) = &self.upstream
            && READS.contains(&operation)
        {
            return match self.forward(upstream, request).await {
                Ok(response) => response,
                Err(error) => error_response(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "InternalServerError",
                    &error.to_string(),
                ),
            };
        }
        let service = if service.starts_with("DynamoDB") {
            "dynamodb"
        } else {
            service
        };
        let action = format!("{service}:{operation}");
        let message = format!(
            "User: {CALLER} is not authorized to perform: {action} because no identity-based policy \
             allows the {action} action"
        );
        self.denied().push(action);
        error_response(StatusCode::BAD_REQUEST, "AccessDeniedException", &message)
    }

    async fn forward(
        &self,
        upstream: &str,
        request: Request<Incoming>,
    ) -> anyhow::Result<Response<Full<Bytes>>> {
        let (mut head, body) = request.into_parts();
        head.uri = format!("http://{upstream}/").parse()?;
        let body = body.collect().await?.to_bytes();
        let request = Request::from_parts(head, Full::new(body));
        let (head, body) = self.client.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(head, Full::new(body)))
    }

    fn denied(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn error_response(status: StatusCode, code: &str, message: &str) -> Response<Full<Bytes>> {
    let body = json!({"__type": code, "Message": message});
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-amz-json-1.1"),
    );
    response
}
