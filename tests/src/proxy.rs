//! A proxy that injects faults, between a client and a store that uses HTTP/1.1.
//!
//! It handles each request and its response alone and injects at most one [`Fault`]. Faults are
//! drawn from a seed, so a run can be repeated. Only the order of requests from several processes
//! differs.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::net::TcpListener;

use crate::{runtime, server::free_address};

/// A fault that the proxy can inject into a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The request is delayed and then carried out.
    Delay,
    /// The connection closes before the request is forwarded.
    CloseBefore,
    /// The request is carried out, and the connection closes without a response.
    CloseAfter,
    /// The response is AWS's error for too many requests. The request is not forwarded.
    Throttle,
    /// The response is 500 or 503. The request is not forwarded.
    ServerError,
    /// The request is carried out, and the response ends in the middle of the body.
    Truncate,
    /// The request is carried out, and no response follows. The connection stays open.
    Silence,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 7] = [
        Self::Delay,
        Self::CloseBefore,
        Self::CloseAfter,
        Self::Throttle,
        Self::ServerError,
        Self::Truncate,
        Self::Silence,
    ];

    /// The name of the fault in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::CloseBefore => "closed before",
            Self::CloseAfter => "closed after",
            Self::Throttle => "throttled",
            Self::ServerError => "server error",
            Self::Truncate => "truncated",
            Self::Silence => "silence",
        }
    }
}

/// The share of calls that get each fault, from 0 to 1. The sum is at most 1.
#[derive(Debug, Clone, Default)]
pub struct Rates(BTreeMap<Fault, f64>);

impl Rates {
    /// No faults.
    pub fn none() -> Self {
        Self::default()
    }

    /// Each fault with the same rate, so that `share` of all calls get one.
    pub fn every(share: f64) -> Self {
        let each = share / f64::from(u32::try_from(Fault::ALL.len()).unwrap_or(1));
        Self(Fault::ALL.into_iter().map(|fault| (fault, each)).collect())
    }

    /// One fault with the given rate.
    pub fn only(fault: Fault, rate: f64) -> Self {
        Self(BTreeMap::from([(fault, rate)]))
    }

    /// The fault for `draw`, a random number from 0 to 1.
    fn pick(&self, mut draw: f64) -> Option<Fault> {
        for (fault, rate) in &self.0 {
            if draw < *rate {
                return Some(*fault);
            }
            draw -= rate;
        }
        None
    }
}

/// A running proxy. It stops when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    rates: Rates,
    delay: Duration,
    injecting: AtomicBool,
    rng: Mutex<StdRng>,
    counts: Mutex<Counts>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// The calls and faults of a proxy.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// The number of calls.
    pub calls: u64,
    /// The number of calls that got a fault, by fault.
    pub faults: BTreeMap<Fault, u64>,
}

impl Counts {
    /// The number of all calls that got a fault.
    pub fn all_faults(&self) -> u64 {
        self.faults.values().sum()
    }
}

impl Proxy {
    /// Listens on a free loopback port and forwards calls to `upstream`. `delay` is the longest
    /// [`Fault::Delay`].
    pub async fn start(
        upstream: SocketAddr,
        rates: Rates,
        delay: Duration,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        Self::listen(address, upstream, rates, delay, seed).await
    }

    /// Like [`Proxy::start`], on a port that pods reach. `endpoint` is a URL of plain HTTP.
    pub fn for_pods(
        endpoint: &str,
        rates: Rates,
        delay: Duration,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let upstream = endpoint.strip_prefix("http://").context("no plain HTTP")?;
        let upstream = upstream.parse().context("the endpoint is not an address")?;
        let listening = Self::listen(free_address()?, upstream, rates, delay, seed);
        runtime().block_on(listening)
    }

    async fn listen(
        address: SocketAddr,
        upstream: SocketAddr,
        rates: Rates,
        delay: Duration,
        seed: u64,
    ) -> anyhow::Result<Self> {
        if rates.0.values().sum::<f64>() > 1.0 {
            bail!("the sum of the rates of all faults is greater than 1");
        }
        let listener = TcpListener::bind(address)
            .await
            .context("the proxy cannot listen")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            rates,
            delay,
            injecting: AtomicBool::new(true),
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
            counts: Mutex::default(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            accepting,
        })
    }

    /// The address on which the proxy listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the proxy.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Starts or stops injecting faults.
    pub fn set_injecting(&self, injecting: bool) {
        self.shared.injecting.store(injecting, Ordering::Relaxed);
    }

    /// The calls and faults until now.
    pub fn counts(&self) -> Counts {
        self.shared
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| call(Arc::clone(&shared), request));
            // An error here is an injected fault, or a client that was killed.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// The error with which a service makes hyper close the connection without a response.
#[derive(Debug, thiserror::Error)]
#[error("closed on purpose")]
struct Closed;

type StoreResponse = Response<BoxBody<Bytes, Closed>>;

async fn call(shared: Arc<Shared>, request: Request<Incoming>) -> Result<StoreResponse, Closed> {
    // The whole request is read first, so a fault does not depend on how the request arrives.
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    match shared.fault() {
        None => shared.forward(head, body).await.map(whole),
        Some(Fault::Delay) => {
            let share = shared.random_share();
            tokio::time::sleep(shared.delay.mul_f64(share)).await;
            shared.forward(head, body).await.map(whole)
        }
        Some(Fault::CloseBefore) => Err(Closed),
        Some(Fault::CloseAfter) => {
            shared.forward(head, body).await?;
            Err(Closed)
        }
        Some(Fault::Throttle) => Ok(error(
            StatusCode::BAD_REQUEST,
            r#"{"__type":"com.amazonaws#ThrottlingException","message":"Rate exceeded"}"#,
        )),
        Some(Fault::ServerError) if shared.random_share() < 0.5 => Ok(error(
            StatusCode::INTERNAL_SERVER_ERROR,
            r#"{"__type":"com.amazonaws#InternalServerError","message":"Internal server error"}"#,
        )),
        Some(Fault::ServerError) => Ok(error(StatusCode::SERVICE_UNAVAILABLE, "")),
        Some(Fault::Truncate) => shared.forward(head, body).await.map(truncated),
        Some(Fault::Silence) => {
            shared.forward(head, body).await?;
            std::future::pending().await
        }
    }
}

impl Shared {
    /// Counts a call and draws its fault, if it gets one.
    fn fault(&self) -> Option<Fault> {
        let injecting = self.injecting.load(Ordering::Relaxed);
        let fault = injecting
            .then(|| self.rates.pick(self.random_share()))
            .flatten();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.calls += 1;
        if let Some(fault) = fault {
            *counts.faults.entry(fault).or_default() += 1;
        }
        fault
    }

    /// A random number from 0 to 1.
    fn random_share(&self) -> f64 {
        self.rng
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .random()
    }

    async fn forward(
        &self,
        head: hyper::http::request::Parts,
        body: Bytes,
    ) -> Result<Response<Bytes>, Closed> {
        let mut request = Request::from_parts(head, Full::new(body));
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str());
        *request.uri_mut() = format!("http://{}{path}", self.upstream)
            .parse()
            .map_err(|_| Closed)?;
        let response = self.client.request(request).await.map_err(|_| Closed)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

fn whole(response: Response<Bytes>) -> StoreResponse {
    response.map(|body| {
        Full::new(body)
            .map_err(|never: Infallible| match never {})
            .boxed()
    })
}

fn error(status: StatusCode, body: &'static str) -> StoreResponse {
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        hyper::header::CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("application/x-amz-json-1.0"),
    );
    whole(response)
}

/// A response whose header has the full length, but that has only half of the body.
fn truncated(response: Response<Bytes>) -> StoreResponse {
    response.map(|body| {
        let half = body.slice(..body.len() / 2);
        Truncated {
            length: body.len() as u64,
            left: vec![Poll::Pending, Poll::Ready(half)],
        }
        .boxed()
    })
}

struct Truncated {
    /// The length in the header.
    length: u64,
    /// The remaining steps in reverse order: the half of the body, then a pause in which it is sent.
    left: Vec<Poll<Bytes>>,
}

impl Body for Truncated {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        match self.left.pop() {
            Some(Poll::Ready(half)) => Poll::Ready(Some(Ok(Frame::data(half)))),
            Some(Poll::Pending) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Ready(Some(Err(Closed))),
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.length)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A store that counts requests and always sends the same response.
    async fn store() -> (SocketAddr, Arc<std::sync::atomic::AtomicU64>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let carried_out = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let count = Arc::clone(&carried_out);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let service = service_fn(move |_: Request<Incoming>| {
                        count.fetch_add(1, Ordering::SeqCst);
                        async {
                            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("0123456789"))))
                        }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        (address, carried_out)
    }

    /// What a client reads until the connection ends, or `None` after a timeout.
    async fn ask(proxy: &Proxy) -> Option<String> {
        let mut stream = tokio::net::TcpStream::connect(proxy.address())
            .await
            .unwrap();
        stream
            .write_all(
                b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
            )
            .await
            .unwrap();
        let mut text = String::new();
        tokio::time::timeout(Duration::from_millis(400), stream.read_to_string(&mut text))
            .await
            .ok()?
            .unwrap();
        Some(text)
    }

    #[rstest::rstest]
    #[case(None, 1, Some("200 OK"), Some("0123456789"))]
    #[case(Some(Fault::Delay), 1, Some("200 OK"), Some("0123456789"))]
    #[case(Some(Fault::CloseBefore), 0, None, None)]
    #[case(Some(Fault::CloseAfter), 1, None, None)]
    #[case(
        Some(Fault::Throttle),
        0,
        Some("400 Bad Request"),
        Some("ThrottlingException")
    )]
    #[case(Some(Fault::ServerError), 0, Some("HTTP/1.1 50"), None)]
    #[case(Some(Fault::Truncate), 1, Some("content-length: 10"), Some("01234"))]
    #[tokio::test]
    async fn each_fault_has_its_own_effect_on_a_call(
        #[case] fault: Option<Fault>,
        #[case] carried_out: u64,
        #[case] head: Option<&str>,
        #[case] body: Option<&str>,
    ) {
        let (upstream, count) = store().await;
        let rates = fault.map_or_else(Rates::none, |fault| Rates::only(fault, 1.0));
        let proxy = Proxy::start(upstream, rates, Duration::from_millis(20), 1)
            .await
            .unwrap();
        let text = ask(&proxy).await.unwrap();
        match head {
            Some(head) => assert!(text.contains(head), "{text}"),
            None => assert_eq!(text, ""),
        }
        if let Some(body) = body {
            assert!(text.contains(body), "{text}");
            let whole = fault != Some(Fault::Truncate);
            assert!(whole || text.ends_with(body), "{text}");
        }
        assert_eq!(count.load(Ordering::SeqCst), carried_out);
        assert_eq!(proxy.counts().all_faults(), u64::from(fault.is_some()));
    }

    #[tokio::test]
    async fn silence_carries_out_the_request_and_sends_no_response() {
        let (upstream, count) = store().await;
        let rates = Rates::only(Fault::Silence, 1.0);
        let proxy = Proxy::start(upstream, rates, Duration::ZERO, 1)
            .await
            .unwrap();
        assert_eq!(ask(&proxy).await, None);
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_proxy_that_stopped_injecting_forwards_all_calls() {
        let (upstream, _) = store().await;
        let proxy = Proxy::start(upstream, Rates::every(1.0), Duration::ZERO, 1)
            .await
            .unwrap();
        proxy.set_injecting(false);
        for _ in 0..20 {
            assert!(ask(&proxy).await.unwrap().contains("200 OK"));
        }
        assert_eq!(proxy.counts().all_faults(), 0);
    }

    #[tokio::test]
    async fn one_seed_injects_faults_into_the_same_calls() {
        let (upstream, _) = store().await;
        let mut runs = Vec::new();
        for _ in 0..2 {
            let rates = Rates::only(Fault::CloseBefore, 0.5);
            let proxy = Proxy::start(upstream, rates, Duration::ZERO, 7)
                .await
                .unwrap();
            let mut run = Vec::new();
            for _ in 0..20 {
                run.push(ask(&proxy).await.unwrap().is_empty());
            }
            runs.push(run);
        }
        assert_eq!(runs[0], runs[1]);
        assert!(runs[0].contains(&true) && runs[0].contains(&false));
    }
}
