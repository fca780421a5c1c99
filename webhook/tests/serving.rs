//! The server in this process, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use hyper::{Method, Request, StatusCode};
use kees_webhook::{BODY_LIMIT, Limits};
use rstest::rstest;
use rustls::pki_types::CertificateDer;
use serde_json::json;
use support::{
    CONDITION_TIMEOUT, Certificates, Client, Http, Running, admin, eventually, metric, post,
    review, tls, valid_review,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

/// The timeout of a probe: longer than the 1 s of a kubelet, because the machine may be busy.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

#[rstest]
#[tokio::test]
async fn one_connection_serves_several_reviews(#[values(Http::One, Http::Two)] http: Http) {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    let mut client = Client::connect(server.address, http, &certificate)
        .await
        .unwrap();
    for _ in 0..3 {
        let (status, review) = client.mutate(valid_review()).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(review["response"]["allowed"], true);
    }
    let counted = "kees_webhook_requests_total{outcome=\"patched\",reason=\"\",dry_run=\"false\"}";
    assert_eq!(metric(server.admin, counted).await.to_string(), "3");
    assert_eq!(
        metric(server.admin, "kees_webhook_connections")
            .await
            .to_string(),
        "1"
    );
    server.stop().await;
}

#[rstest]
#[tokio::test]
async fn a_body_that_is_too_long_gets_a_response_on_a_real_connection(
    #[values(Http::One, Http::Two)] http: Http,
) {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    let mut client = Client::connect(server.address, http, &certificate)
        .await
        .unwrap();
    let (status, review) = client.mutate(vec![b' '; 2 * BODY_LIMIT]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(review["response"]["status"]["code"], 400);
    // The connection is still usable.
    assert_eq!(
        client.mutate(valid_review()).await.1["response"]["allowed"],
        true
    );
    server.stop().await;
}

#[tokio::test]
async fn the_admin_port_is_healthy_and_ready() {
    let (certificates, _) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    for path in ["/healthz", "/readyz"] {
        let response = admin(server.admin, path).await.unwrap();
        assert_eq!(response, (StatusCode::OK, "ok\n".to_owned()));
    }
    assert_eq!(
        admin(server.admin, "/mutate").await.unwrap().0,
        StatusCode::NOT_FOUND
    );
    server.stop().await;
}

#[rstest]
#[tokio::test]
async fn a_connection_without_a_first_request_is_closed_soon(
    #[values(Silence::Tls, Silence::HalfHead, Silence::HttpTwo)] silence: Silence,
) {
    let (certificates, certificate) = Certificates::new();
    let limits = Limits {
        first_request_timeout: Duration::from_secs(1),
        ..quick()
    };
    let server = Running::start_with(&certificates, None, limits).await;
    let silent = Silent::start(&server, &certificate, silence).await;
    silent.closed().await;
    eventually("no connection is open", || async {
        (metric(server.admin, "kees_webhook_connections").await < 0.5).then_some(())
    })
    .await;
    server.stop().await;
}

#[rstest]
#[tokio::test]
async fn a_connection_that_is_idle_after_a_request_is_closed(
    #[values(Http::One, Http::Two)] http: Http,
) {
    let (certificates, certificate) = Certificates::new();
    let limits = Limits {
        first_request_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_millis(50),
        ..quick()
    };
    let server = Running::start_with(&certificates, None, limits).await;
    let mut client = Client::connect(server.address, http, &certificate)
        .await
        .unwrap();
    assert_eq!(client.mutate(valid_review()).await.0, StatusCode::OK);
    assert_closed(client).await;
    server.stop().await;
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_aborted_and_counted() {
    let (certificates, _) = Certificates::new();
    let limits = Limits {
        first_request_timeout: Duration::from_millis(50),
        ..quick()
    };
    let server = Running::start_with(&certificates, None, limits).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let read = timeout(CONDITION_TIMEOUT, stream.read(&mut [0]))
        .await
        .unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
    eventually("it is counted", || async {
        let failures = metric(
            server.admin,
            "kees_webhook_tls_handshake_errors_total{reason=\"timeout\"}",
        )
        .await;
        (failures > 0.5).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_stalls_is_denied_and_its_connection_is_closed() {
    let (certificates, certificate) = Certificates::new();
    let limits = Limits {
        body_timeout: Duration::from_millis(50),
        ..quick()
    };
    let server = Running::start_with(&certificates, None, limits).await;
    let mut half = HalfSent::start(&server, &certificate).await;
    let response = half.response().await;
    assert!(
        response.contains("the body did not arrive within 0.05 s"),
        "{response}"
    );
    server.stop().await;
}

#[tokio::test]
async fn the_headers_of_an_http2_request_are_limited() {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    let mut client = Client::connect(server.address, Http::Two, &certificate)
        .await
        .unwrap();
    let mut request = post(valid_review());
    let long = "x".repeat(20_000).parse().unwrap();
    request.headers_mut().insert("long", long);
    let status = client.send(request).await.unwrap().status();
    assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    server.stop().await;
}

#[tokio::test]
async fn the_head_of_an_http1_request_is_limited() {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    let mut stream = tls(server.address, Http::One, &certificate).await.unwrap();
    let head = format!("POST /mutate HTTP/1.1\r\nlong: {}", "x".repeat(64 * 1024));
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut response = vec![0; 12];
    timeout(CONDITION_TIMEOUT, stream.read_exact(&mut response))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(String::from_utf8(response).unwrap(), "HTTP/1.1 431");
    server.stop().await;
}

#[tokio::test]
async fn http2_settings_limit_streams_windows_and_headers() {
    const MAX_CONCURRENT_STREAMS: (u16, u32) = (3, 8);
    const INITIAL_WINDOW_SIZE: (u16, u32) = (4, 65_535);
    const MAX_HEADER_LIST_SIZE: (u16, u32) = (6, 8 * 1024);
    let (certificates, certificate) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    let mut stream = http2_without_pings(&server, &certificate).await;
    // A frame has a header of nine bytes, which begins with its length.
    let mut header = [0; 9];
    stream.read_exact(&mut header).await.unwrap();
    let mut frame = vec![0; usize::from(u16::from_be_bytes([header[1], header[2]]))];
    stream.read_exact(&mut frame).await.unwrap();
    let settings: Vec<_> = frame
        .chunks(6)
        .map(|setting| {
            let (id, value) = setting.split_at(2);
            (
                u16::from_be_bytes(id.try_into().unwrap()),
                u32::from_be_bytes(value.try_into().unwrap()),
            )
        })
        .collect();
    for limit in [
        MAX_CONCURRENT_STREAMS,
        INITIAL_WINDOW_SIZE,
        MAX_HEADER_LIST_SIZE,
    ] {
        assert!(settings.contains(&limit), "{limit:?} in {settings:?}");
    }
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_answer_a_ping_is_closed() {
    let (certificates, certificate) = Certificates::new();
    let limits = Limits {
        ping_interval: Duration::from_millis(50),
        ping_timeout: Duration::from_millis(50),
        ..slots(2)
    };
    let server = Running::start_with(&certificates, None, limits).await;
    let mut stream = http2_without_pings(&server, &certificate).await;
    let mut pings = Vec::new();
    // How the connection ends does not matter, only that it ends.
    let _ = timeout(CONDITION_TIMEOUT, stream.read_to_end(&mut pings))
        .await
        .unwrap();
    server.stop().await;
}

/// Opens an HTTP/2 connection, and then sends nothing, not even the response to a PING.
async fn http2_without_pings(
    server: &Running,
    certificate: &CertificateDer<'static>,
) -> TlsStream<TcpStream> {
    let mut stream = tls(server.address, Http::Two, certificate).await.unwrap();
    // The preface, and an empty SETTINGS frame.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    stream.write_all(preface).await.unwrap();
    stream
}

#[rstest]
#[tokio::test]
async fn a_connection_without_a_request_is_evicted_for_a_new_one(
    #[values(Silence::Tcp, Silence::Tls, Silence::HalfHead, Silence::HttpTwo)] silence: Silence,
    #[values(Http::One, Http::Two)] http: Http,
) {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start_with(&certificates, None, slots(2)).await;
    let mut first = Client::connect(server.address, http, &certificate)
        .await
        .unwrap();
    assert_eq!(first.mutate(valid_review()).await.0, StatusCode::OK);
    let silent = Silent::start(&server, &certificate, silence).await;
    let mut third = Client::connect(server.address, http, &certificate)
        .await
        .unwrap();
    assert_eq!(third.mutate(valid_review()).await.0, StatusCode::OK);
    silent.closed().await;
    // The first connection has been idle longer, but it had a valid request.
    assert_eq!(first.mutate(valid_review()).await.0, StatusCode::OK);
    let evicted = metric(server.admin, "kees_webhook_connections_evicted_total").await;
    assert_eq!(evicted.to_string(), "1");
    server.stop().await;
}

#[rstest]
#[case::not_found(Method::GET, "/")]
#[case::not_allowed(Method::GET, "/mutate")]
#[case::no_review(Method::POST, "/mutate")]
#[tokio::test]
async fn connections_without_a_valid_review_are_evicted_first(
    #[case] method: Method,
    #[case] path: &str,
    #[values(Http::One, Http::Two)] http: Http,
) {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start_with(&certificates, None, slots(2)).await;
    let mut first = Client::connect(server.address, http, &certificate)
        .await
        .unwrap();
    assert_eq!(first.mutate(valid_review()).await.0, StatusCode::OK);
    let mut invalid = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(server.address, http, &certificate)
            .await
            .unwrap();
        let mut request = post("{}");
        *request.method_mut() = method.clone();
        *request.uri_mut() = format!("https://localhost{path}").parse().unwrap();
        client.send(request).await.unwrap();
        invalid.push(client);
    }
    // The first connection has been idle longest, but it had a valid review.
    assert_eq!(first.mutate(valid_review()).await.0, StatusCode::OK);
    server.stop().await;
}

#[tokio::test]
async fn a_new_connection_is_served_beside_many_silent_ones() {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start_with(&certificates, None, slots(16)).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(Silent::start(&server, &certificate, Silence::Tcp).await);
    }
    let mut client = Client::connect(server.address, Http::One, &certificate)
        .await
        .unwrap();
    assert_eq!(client.mutate(valid_review()).await.0, StatusCode::OK);
    drop(silent);
    server.stop().await;
}

#[rstest]
#[tokio::test]
async fn the_connection_that_is_idle_longest_is_evicted_for_a_new_one(
    #[values(Http::One, Http::Two)] http: Http,
) {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start_with(&certificates, None, slots(3)).await;
    let mut busy = HalfSent::after_a_review(&server, &certificate).await;
    HalfSent::in_flight(&server).await;
    let [mut first, mut second] = [None, None];
    for client in [&mut first, &mut second] {
        let connected = Client::connect(server.address, http, &certificate).await;
        let connected = client.insert(connected.unwrap());
        assert_eq!(connected.mutate(valid_review()).await.0, StatusCode::OK);
    }
    let (mut first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.mutate(valid_review()).await.0, StatusCode::OK);
    let mut third = Client::connect(server.address, http, &certificate)
        .await
        .unwrap();
    assert_eq!(third.mutate(valid_review()).await.0, StatusCode::OK);
    assert_closed(second).await;
    assert_eq!(first.mutate(valid_review()).await.0, StatusCode::OK);
    let ended = tokio::spawn(server.stop());
    assert!(busy.finish().await.contains("\"allowed\":true"));
    ended.await.unwrap();
}

#[tokio::test]
async fn a_new_connection_waits_while_all_others_are_busy() {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start_with(&certificates, None, slots(1)).await;
    let mut busy = HalfSent::after_a_review(&server, &certificate).await;
    HalfSent::in_flight(&server).await;
    let second = Client::connect(server.address, Http::Two, &certificate);
    let mut second = std::pin::pin!(second);
    tokio::select! {
        biased;
        _ = second.as_mut() => panic!("served beyond the limit"),
        () = many_other_requests(&server) => {}
    }
    // Then the first connection is idle, and is evicted.
    let (response, second) = tokio::join!(busy.finish(), second);
    assert_eq!(
        response.matches("\"allowed\":true").count(),
        2,
        "{response}"
    );
    let response = second.unwrap().mutate(valid_review()).await;
    assert_eq!(response.0, StatusCode::OK);
    server.stop().await;
}

#[rstest]
#[tokio::test]
async fn a_connection_whose_body_does_not_arrive_is_evicted_for_a_new_one(
    #[values(Http::One, Http::Two)] http: Http,
) {
    let (certificates, certificate) = Certificates::new();
    let limits = Limits {
        body_timeout: 100 * CONDITION_TIMEOUT,
        ..slots(2)
    };
    let server = Running::start_with(&certificates, None, limits).await;
    let mut first = Client::connect(server.address, http, &certificate)
        .await
        .unwrap();
    assert_eq!(first.mutate(valid_review()).await.0, StatusCode::OK);
    let served = async {
        let mut stalled = Vec::new();
        for _ in 0..4 {
            stalled.push(HalfSent::start(&server, &certificate).await);
        }
        let mut client = Client::connect(server.address, http, &certificate)
            .await
            .unwrap();
        client.mutate(valid_review()).await.0
    };
    let status = timeout(CONDITION_TIMEOUT, served).await;
    assert_eq!(status.unwrap(), StatusCode::OK);
    // It was idle for longer, but it had a valid request.
    assert_eq!(first.mutate(valid_review()).await.0, StatusCode::OK);
    server.stop().await;
}

#[tokio::test]
async fn a_probe_is_served_beside_many_silent_connections_to_the_admin_port() {
    let (certificates, _) = Certificates::new();
    let server = Running::start_with(&certificates, None, slots(2)).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(server.admin).await.unwrap());
    }
    for _ in 0..3 {
        let probe = timeout(PROBE_TIMEOUT, admin(server.admin, "/healthz"));
        assert_eq!(probe.await.unwrap().unwrap().0, StatusCode::OK);
    }
    server.stop().await;
}

#[tokio::test]
async fn silent_connections_to_the_admin_port_do_not_evict_a_scraper() {
    let (certificates, _) = Certificates::new();
    let server = Running::start_with(&certificates, None, slots(2)).await;
    let mut scraper = TcpStream::connect(server.admin).await.unwrap();
    scrape(&mut scraper).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(server.admin).await.unwrap());
    }
    // All connections that were opened before this one have been accepted.
    admin(server.admin, "/healthz").await.unwrap();
    scrape(&mut scraper).await;
    server.stop().await;
}

/// Sends a request on a connection that stays open, and reads the response.
async fn scrape(stream: &mut TcpStream) {
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\nok\n") {
        let mut buffer = [0; 1024];
        let read = timeout(PROBE_TIMEOUT, stream.read(&mut buffer)).await;
        let bytes = read.unwrap().unwrap();
        assert_ne!(bytes, 0, "the connection was closed");
        response.extend_from_slice(&buffer[..bytes]);
    }
}

#[tokio::test]
async fn stopping_finishes_open_requests_and_closes_idle_connections() {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    let idle = Client::connect(server.address, Http::Two, &certificate)
        .await
        .unwrap();
    let mut half = HalfSent::start(&server, &certificate).await;
    HalfSent::in_flight(&server).await;
    let ended = tokio::spawn(server.stop());
    timeout(CONDITION_TIMEOUT, idle.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(!ended.is_finished());
    let response = half.finish().await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.contains("connection: close\r\n"), "{response}");
    assert!(response.contains("\"allowed\":true"), "{response}");
    ended.await.unwrap();
}

#[tokio::test]
async fn stopping_aborts_open_requests_after_the_drain_timeout() {
    let (certificates, certificate) = Certificates::new();
    let limits = Limits {
        body_timeout: 100 * CONDITION_TIMEOUT,
        drain_timeout: Duration::from_millis(50),
        ..slots(2)
    };
    let server = Running::start_with(&certificates, None, limits).await;
    let _half = HalfSent::start(&server, &certificate).await;
    HalfSent::in_flight(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_changed_policy_is_applied_and_an_invalid_one_is_not() {
    let (certificates, certificate) = Certificates::new();
    let rules = |namespace: &str| {
        format!("rules:\n- namespaces: [{namespace}]\n  storagePrefix: /dev/{{namespace}}\n")
    };
    let policy = certificates.put("policy.yaml", rules("team-a"));
    let server = Running::start(&certificates, Some(policy)).await;
    let mut client = Client::connect(server.address, Http::Two, &certificate)
        .await
        .unwrap();
    assert_eq!(
        client.mutate(valid_review()).await.1["response"]["allowed"],
        true
    );

    certificates.put("policy.yaml", rules("team-b"));
    let success = "kees_webhook_reloads_total{file=\"policy\",result=\"success\"}";
    eventually("the policy is loaded", || async {
        (metric(server.admin, success).await > 0.5).then_some(())
    })
    .await;
    assert_eq!(
        client.mutate(valid_review()).await.1["response"]["allowed"],
        false
    );

    certificates.put("policy.yaml", "rules: 1");
    let error = "kees_webhook_reloads_total{file=\"policy\",result=\"error\"}";
    eventually("the policy is rejected", || async {
        (metric(server.admin, error).await > 0.5).then_some(())
    })
    .await;
    assert_eq!(
        client.mutate(valid_review()).await.1["response"]["allowed"],
        false
    );
    server.stop().await;
}

#[tokio::test]
async fn skipped_pods_are_counted_by_their_reason() {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    let mut client = Client::connect(server.address, Http::One, &certificate)
        .await
        .unwrap();
    let (_, response) = client
        .mutate(review(&json!({"example.com/other": "x"})))
        .await;
    assert_eq!(response["response"]["allowed"], true);
    let skipped =
        r#"kees_webhook_requests_total{outcome="skipped",reason="not_annotated",dry_run="false"}"#;
    assert_eq!(metric(server.admin, skipped).await.to_string(), "1");
    server.stop().await;
}

#[tokio::test]
async fn get_is_not_allowed() {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    let mut client = Client::connect(server.address, Http::One, &certificate)
        .await
        .unwrap();
    let request = Request::get("/mutate")
        .header("host", "localhost")
        .body(<_>::default());
    let response = client.send(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    server.stop().await;
}

/// Gives the server time for the connection that waits: it serves many other requests.
async fn many_other_requests(server: &Running) {
    for _ in 0..50 {
        let open = metric(server.admin, "kees_webhook_connections").await;
        assert_eq!(open.to_string(), "1");
    }
}

/// `number` slots, and no timeout that could free one.
fn slots(number: usize) -> Limits {
    Limits {
        max_connections: number,
        first_request_timeout: 100 * CONDITION_TIMEOUT,
        idle_timeout: 100 * CONDITION_TIMEOUT,
        body_timeout: CONDITION_TIMEOUT,
        drain_timeout: CONDITION_TIMEOUT,
        ..quick()
    }
}

fn quick() -> Limits {
    Limits {
        drain_delay: Duration::ZERO,
        ..Limits::default()
    }
}

/// What a client does on a connection before it becomes silent.
#[derive(Debug, Clone, Copy)]
enum Silence {
    /// It opens the connection.
    Tcp,
    /// It completes the TLS handshake.
    Tls,
    /// It sends half of the head of an HTTP/1.1 request.
    HalfHead,
    /// It completes the handshake of HTTP/2.
    HttpTwo,
}

/// A connection without a complete request.
enum Silent {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    HttpTwo(Client),
}

impl Silent {
    async fn start(
        server: &Running,
        certificate: &CertificateDer<'static>,
        silence: Silence,
    ) -> Self {
        let tls = || async { tls(server.address, Http::One, certificate).await.unwrap() };
        match silence {
            Silence::Tcp => Self::Tcp(TcpStream::connect(server.address).await.unwrap()),
            Silence::Tls => Self::Tls(Box::new(tls().await)),
            Silence::HalfHead => {
                let mut stream = Box::new(tls().await);
                stream
                    .write_all(b"POST /mutate HTTP/1.1\r\nhost:")
                    .await
                    .unwrap();
                Self::Tls(stream)
            }
            Silence::HttpTwo => {
                let client = Client::connect(server.address, Http::Two, certificate);
                Self::HttpTwo(client.await.unwrap())
            }
        }
    }

    /// Waits until the server has closed it.
    async fn closed(self) {
        let read = match self {
            Self::Tcp(mut stream) => timeout(CONDITION_TIMEOUT, stream.read(&mut [0])).await,
            Self::Tls(mut stream) => timeout(CONDITION_TIMEOUT, stream.read(&mut [0])).await,
            Self::HttpTwo(client) => return assert_closed(client).await,
        };
        assert!(matches!(read.unwrap(), Ok(0) | Err(_)));
    }
}

/// Waits until the server has closed the connection.
async fn assert_closed(client: Client) {
    let Client { sender, task, .. } = client;
    // The client had no open request, so that an error is as good as an orderly end.
    let _ = timeout(CONDITION_TIMEOUT, task).await.unwrap().unwrap();
    drop(sender);
}

/// An HTTP/1.1 request of which the client has sent only the first half of the body.
struct HalfSent {
    stream: TlsStream<TcpStream>,
    rest: Vec<u8>,
}

impl HalfSent {
    async fn start(server: &Running, certificate: &CertificateDer<'static>) -> Self {
        let stream = tls(server.address, Http::One, certificate).await.unwrap();
        Self::on(stream).await
    }

    /// The same on a connection that had a valid review before.
    async fn after_a_review(server: &Running, certificate: &CertificateDer<'static>) -> Self {
        let stream = tls(server.address, Http::One, certificate).await.unwrap();
        let mut first = Self::on(stream).await;
        first.stream.write_all(&first.rest).await.unwrap();
        eventually("the first review is answered", || async {
            let patched =
                "kees_webhook_requests_total{outcome=\"patched\",reason=\"\",dry_run=\"false\"}";
            (metric(server.admin, patched).await > 0.5).then_some(())
        })
        .await;
        Self::on(first.stream).await
    }

    /// Sends half of a request.
    async fn on(mut stream: TlsStream<TcpStream>) -> Self {
        let mut request = valid_review();
        let rest = request.split_off(request.len() / 2);
        let length = request.len() + rest.len();
        let head = format!(
            "POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&request).await.unwrap();
        Self { stream, rest }
    }

    /// Waits until the server has received the head of the request.
    async fn in_flight(server: &Running) {
        eventually("the request is in flight", || async {
            let in_flight = metric(server.admin, "kees_webhook_requests_in_flight").await;
            (in_flight > 0.5).then_some(())
        })
        .await;
    }

    /// Sends the rest of the body, and reads until the server closes the connection.
    async fn finish(&mut self) -> String {
        self.stream.write_all(&self.rest).await.unwrap();
        self.response().await
    }

    /// Reads until the server closes the connection.
    async fn response(&mut self) -> String {
        let mut response = Vec::new();
        timeout(CONDITION_TIMEOUT, self.stream.read_to_end(&mut response))
            .await
            .unwrap()
            .unwrap();
        String::from_utf8(response).unwrap()
    }
}
