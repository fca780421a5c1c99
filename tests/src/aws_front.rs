//! A proxy before moto that counts calls, and in which a Region can be down and names can be denied.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{Moto, runtime, server::free_address};

/// The proxy. It stops when it is dropped.
#[derive(Debug)]
pub struct AwsFront {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    client: Client<HttpConnector, Full<Bytes>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: BTreeMap<String, u64>,
    down: BTreeSet<String>,
    denied: BTreeSet<String>,
}

impl AwsFront {
    /// Starts a proxy before a moto without TLS, on a port that pods reach.
    pub fn start(moto: &Moto) -> anyhow::Result<Self> {
        let address = free_address()?;
        let listener = runtime()
            .block_on(TcpListener::bind(address))
            .context("the proxy cannot listen")?;
        let shared = Arc::new(Shared {
            upstream: moto.endpoint(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            state: Mutex::default(),
        });
        let accepting = runtime().spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            accepting,
        })
    }

    /// The URL of the proxy.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The calls since the last time, by operation: `secretsmanager.BatchGetSecretValue`, or `sts`.
    pub fn take_calls(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.shared.state().calls)
    }

    /// Whether calls to a Region lose their connections.
    pub fn set_down(&self, region: &str, is_down: bool) {
        set(&mut self.shared.state().down, region, is_down);
    }

    /// Whether calls that name this secret or parameter are denied.
    pub fn set_denied(&self, name: &str, is_denied: bool) {
        set(&mut self.shared.state().denied, name, is_denied);
    }
}

impl Drop for AwsFront {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn set(names: &mut BTreeSet<String>, name: &str, is_in: bool) {
    if is_in {
        names.insert(name.to_owned());
    } else {
        names.remove(name);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| call(Arc::clone(&shared), request));
            // An error here is a Region that is down, or a client that was killed.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// The error with which hyper closes the connection without a response.
#[derive(Debug, thiserror::Error)]
#[error("closed on purpose")]
struct Closed;

async fn call(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Closed> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    let operation = operation(&head.headers);
    let region = region(&head.headers);
    let text = String::from_utf8_lossy(&body);
    {
        let mut state = shared.state();
        *state.calls.entry(operation.clone()).or_default() += 1;
        if region.is_some_and(|region| state.down.contains(region)) {
            return Err(Closed);
        }
        let named = |name: &String| text.contains(&format!("\"{name}\""));
        if let Some(name) = state.denied.iter().find(|name| named(name)) {
            return Ok(denied(&operation, name));
        }
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let uri = format!("{}{path}", shared.upstream).parse();
    let mut request = Request::from_parts(head, Full::new(body));
    *request.uri_mut() = uri.map_err(|_| Closed)?;
    let response = shared.client.request(request).await.map_err(|_| Closed)?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|_: hyper::Error| Closed)?;
    Ok(Response::from_parts(head, Full::new(body.to_bytes())))
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn operation(headers: &HeaderMap) -> String {
    let target = headers.get("x-amz-target");
    let target = target.and_then(|value| value.to_str().ok());
    target.unwrap_or("sts").to_owned()
}

/// The Region of the signature.
fn region(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let scope = authorization.split("Credential=").nth(1)?;
    scope.split('/').nth(2)
}

/// The denial of IAM, whose form is documented in the IAM user guide.
fn denied(operation: &str, name: &str) -> Response<Full<Bytes>> {
    let (service, action) = operation.split_once('.').unwrap_or(("", operation));
    let service = if service == "AmazonSSM" {
        "ssm"
    } else {
        service
    };
    let message = format!(
        "User: arn:aws:sts::123456789012:assumed-role/app/app is not authorized to perform: \
         {service}:{action} on resource: {name} because no identity-based policy allows the \
         {service}:{action} action"
    );
    let body = json!({"__type": "AccessDeniedException", "Message": message});
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let json = HeaderValue::from_static("application/x-amz-json-1.1");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
