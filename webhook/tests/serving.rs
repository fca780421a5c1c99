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
    Certificates, Client, Http, PATIENCE, Running, admin, eventually, metric, post, review,
    sound_review, tls,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

/// For a probe: of a kubelet's 1 s, more for a machine that is busy, and less than the 30 s after
/// which a silent connection is closed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

#[rstest]
#[tokio::test]
async fn reviews_are_answered_one_after_the_other_on_one_connection(
    #[values(Http::One, Http::Two)] http: Http,
) {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    let mut client = Client::connect(server.address, http, &certificate)
        .await
        .unwrap();
    for _ in 0..3 {
        let (status, review) = client.mutate(sound_review()).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(review["response"]["allowed"], true);
    }
    let counted = "kees_webhook_requests_total{outcome=\"patched\",reason=\"\"}";
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
async fn a_body_that_is_too_long_is_answered_over_the_wire(
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
    // The connection is still good.
    assert_eq!(
        client.mutate(sound_review()).await.1["response"]["allowed"],
        true
    );
    server.stop().await;
}

#[tokio::test]
async fn the_admin_port_says_that_it_lives_and_is_ready() {
    let (certificates, _) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    for path in ["/healthz", "/readyz"] {
        let answer = admin(server.admin, path).await.unwrap();
        assert_eq!(answer, (StatusCode::OK, "ok\n".to_owned()));
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
async fn a_connection_that_is_idle_after_a_request_is_closed_after_a_while(
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
    assert_eq!(client.mutate(sound_review()).await.0, StatusCode::OK);
    assert_closed(client).await;
    server.stop().await;
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_given_up_and_counted() {
    let (certificates, _) = Certificates::new();
    let limits = Limits {
        first_request_timeout: Duration::from_millis(50),
        ..quick()
    };
    let server = Running::start_with(&certificates, None, limits).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let read = timeout(PATIENCE, stream.read(&mut [0])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
    eventually("it is counted", || async {
        let failures = metric(server.admin, "kees_webhook_tls_handshake_failures_total").await;
        (failures > 0.5).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_stalls_is_refused_and_its_connection_closed() {
    let (certificates, certificate) = Certificates::new();
    let limits = Limits {
        body_timeout: Duration::from_millis(50),
        ..quick()
    };
    let server = Running::start_with(&certificates, None, limits).await;
    let mut half = HalfSent::start(&server, &certificate).await;
    let answer = half.answer().await;
    assert!(
        answer.contains("the body did not arrive in 0.05 s"),
        "{answer}"
    );
    server.stop().await;
}

#[rstest]
#[tokio::test]
async fn a_connection_without_any_request_gives_way_to_a_new_one(
    #[values(Silence::Tcp, Silence::Tls, Silence::HalfHead, Silence::HttpTwo)] silence: Silence,
    #[values(Http::One, Http::Two)] http: Http,
) {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start_with(&certificates, None, slots(2)).await;
    let mut first = Client::connect(server.address, http, &certificate)
        .await
        .unwrap();
    assert_eq!(first.mutate(sound_review()).await.0, StatusCode::OK);
    let silent = Silent::start(&server, &certificate, silence).await;
    let mut third = Client::connect(server.address, http, &certificate)
        .await
        .unwrap();
    assert_eq!(third.mutate(sound_review()).await.0, StatusCode::OK);
    silent.closed().await;
    // The one that had asked is idle longer, and stays.
    assert_eq!(first.mutate(sound_review()).await.0, StatusCode::OK);
    let evicted = metric(server.admin, "kees_webhook_connections_evicted_total").await;
    assert_eq!(evicted.to_string(), "1");
    server.stop().await;
}

#[rstest]
#[case::not_found(Method::GET, "/")]
#[case::not_allowed(Method::GET, "/mutate")]
#[case::no_review(Method::POST, "/mutate")]
#[tokio::test]
async fn connections_without_any_review_give_way_before_those_with_one(
    #[case] method: Method,
    #[case] path: &str,
    #[values(Http::One, Http::Two)] http: Http,
) {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start_with(&certificates, None, slots(2)).await;
    let mut first = Client::connect(server.address, http, &certificate)
        .await
        .unwrap();
    assert_eq!(first.mutate(sound_review()).await.0, StatusCode::OK);
    let mut strangers = Vec::new();
    for _ in 0..3 {
        let mut stranger = Client::connect(server.address, http, &certificate)
            .await
            .unwrap();
        let mut request = post("{}");
        *request.method_mut() = method.clone();
        *request.uri_mut() = format!("https://localhost{path}").parse().unwrap();
        stranger.send(request).await.unwrap();
        strangers.push(stranger);
    }
    // It is idle longest, and stays.
    assert_eq!(first.mutate(sound_review()).await.0, StatusCode::OK);
    server.stop().await;
}

#[tokio::test]
async fn many_connections_without_any_request_keep_no_new_one_out() {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start_with(&certificates, None, slots(16)).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(Silent::start(&server, &certificate, Silence::Tcp).await);
    }
    let mut client = Client::connect(server.address, Http::One, &certificate)
        .await
        .unwrap();
    assert_eq!(client.mutate(sound_review()).await.0, StatusCode::OK);
    drop(silent);
    server.stop().await;
}

#[rstest]
#[tokio::test]
async fn the_connection_that_is_idle_longest_gives_way_to_a_new_one(
    #[values(Http::One, Http::Two)] http: Http,
) {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start_with(&certificates, None, slots(3)).await;
    let mut busy = HalfSent::start(&server, &certificate).await;
    HalfSent::under_way(&server).await;
    let [mut first, mut second] = [None, None];
    for client in [&mut first, &mut second] {
        let connected = Client::connect(server.address, http, &certificate).await;
        let connected = client.insert(connected.unwrap());
        assert_eq!(connected.mutate(sound_review()).await.0, StatusCode::OK);
    }
    let (mut first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.mutate(sound_review()).await.0, StatusCode::OK);
    let mut third = Client::connect(server.address, http, &certificate)
        .await
        .unwrap();
    assert_eq!(third.mutate(sound_review()).await.0, StatusCode::OK);
    assert_closed(second).await;
    assert_eq!(first.mutate(sound_review()).await.0, StatusCode::OK);
    let ended = tokio::spawn(server.stop());
    assert!(busy.finish().await.contains("\"allowed\":true"));
    ended.await.unwrap();
}

#[tokio::test]
async fn a_new_connection_waits_while_all_others_are_busy() {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start_with(&certificates, None, slots(1)).await;
    let mut busy = HalfSent::start(&server, &certificate).await;
    HalfSent::under_way(&server).await;
    let second = Client::connect(server.address, Http::Two, &certificate);
    let mut second = std::pin::pin!(second);
    tokio::select! {
        biased;
        _ = second.as_mut() => panic!("served beyond the limit"),
        () = served_many_others(&server) => {}
    }
    // Then it is idle, and gives way.
    let (answer, second) = tokio::join!(busy.finish(), second);
    assert!(answer.contains("\"allowed\":true"), "{answer}");
    let answered = second.unwrap().mutate(sound_review()).await;
    assert_eq!(answered.0, StatusCode::OK);
    server.stop().await;
}

#[tokio::test]
async fn silent_connections_to_the_admin_port_keep_no_probe_out() {
    let (certificates, _) = Certificates::new();
    let server = Running::start(&certificates, None).await;
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
async fn silent_connections_to_the_admin_port_drive_out_no_scraper() {
    let (certificates, _) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    let mut scraper = TcpStream::connect(server.admin).await.unwrap();
    scrape(&mut scraper).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(server.admin).await.unwrap());
    }
    // Those before it have a place, or had.
    admin(server.admin, "/healthz").await.unwrap();
    scrape(&mut scraper).await;
    server.stop().await;
}

/// Asks on a connection that is kept, and reads the answer.
async fn scrape(stream: &mut TcpStream) {
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok\n") {
        let mut piece = [0; 1024];
        let read = timeout(PROBE_TIMEOUT, stream.read(&mut piece)).await;
        let bytes = read.unwrap().unwrap();
        assert_ne!(bytes, 0, "the connection was closed");
        answer.extend_from_slice(&piece[..bytes]);
    }
}

#[tokio::test]
async fn ending_answers_what_is_under_way_and_closes_what_is_idle() {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    let idle = Client::connect(server.address, Http::Two, &certificate)
        .await
        .unwrap();
    let mut half = HalfSent::start(&server, &certificate).await;
    HalfSent::under_way(&server).await;
    let ended = tokio::spawn(server.stop());
    timeout(PATIENCE, idle.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(!ended.is_finished());
    let answer = half.finish().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.contains("\"allowed\":true"), "{answer}");
    ended.await.unwrap();
}

#[tokio::test]
async fn a_changed_policy_is_obeyed_and_a_broken_one_is_not() {
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
        client.mutate(sound_review()).await.1["response"]["allowed"],
        true
    );

    certificates.put("policy.yaml", rules("team-b"));
    let taken = "kees_webhook_reloads_total{file=\"policy\",result=\"taken\"}";
    eventually("the policy is taken", || async {
        (metric(server.admin, taken).await > 0.5).then_some(())
    })
    .await;
    assert_eq!(
        client.mutate(sound_review()).await.1["response"]["allowed"],
        false
    );

    certificates.put("policy.yaml", "rules: 1");
    let refused = "kees_webhook_reloads_total{file=\"policy\",result=\"refused\"}";
    eventually("the policy is refused", || async {
        (metric(server.admin, refused).await > 0.5).then_some(())
    })
    .await;
    assert_eq!(
        client.mutate(sound_review()).await.1["response"]["allowed"],
        false
    );
    server.stop().await;
}

#[tokio::test]
async fn requests_of_a_pod_that_is_not_ours_are_counted_by_their_reason() {
    let (certificates, certificate) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    let mut client = Client::connect(server.address, Http::One, &certificate)
        .await
        .unwrap();
    let (_, answer) = client
        .mutate(review(&json!({"example.com/other": "x"})))
        .await;
    assert_eq!(answer["response"]["allowed"], true);
    let skipped = "kees_webhook_requests_total{outcome=\"skipped\",reason=\"not_annotated\"}";
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

/// Time for more than what is held up to happen: requests that are not.
async fn served_many_others(server: &Running) {
    for _ in 0..50 {
        let open = metric(server.admin, "kees_webhook_connections").await;
        assert_eq!(open.to_string(), "1");
    }
}

/// So many, and no deadline that could make room by itself.
fn slots(number: usize) -> Limits {
    Limits {
        max_connections: number,
        first_request_timeout: 100 * PATIENCE,
        idle_timeout: 100 * PATIENCE,
        body_timeout: PATIENCE,
        drain_timeout: PATIENCE,
        ..quick()
    }
}

fn quick() -> Limits {
    Limits {
        drain_delay: Duration::ZERO,
        ..Limits::default()
    }
}

/// How far a connection goes before it says nothing more.
#[derive(Debug, Clone, Copy)]
enum Silence {
    /// It is open.
    Tcp,
    /// Its TLS handshake is done.
    Tls,
    /// So is half of the head of a request of HTTP/1.1.
    HalfHead,
    /// It has said that it speaks HTTP/2.
    HttpTwo,
}

/// A connection without any request.
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
            Self::Tcp(mut stream) => timeout(PATIENCE, stream.read(&mut [0])).await,
            Self::Tls(mut stream) => timeout(PATIENCE, stream.read(&mut [0])).await,
            Self::HttpTwo(client) => return assert_closed(client).await,
        };
        assert!(matches!(read.unwrap(), Ok(0) | Err(_)));
    }
}

/// Waits until the server has closed the connection.
async fn assert_closed(client: Client) {
    let Client { sender, task, .. } = client;
    // In an orderly way or not: the client had no request under way.
    let _ = timeout(PATIENCE, task).await.unwrap().unwrap();
    drop(sender);
}

/// An HTTP/1.1 request of which the server has only the first half of the body.
struct HalfSent {
    stream: TlsStream<TcpStream>,
    rest: Vec<u8>,
}

impl HalfSent {
    async fn start(server: &Running, certificate: &CertificateDer<'static>) -> Self {
        let mut stream = tls(server.address, Http::One, certificate).await.unwrap();
        let mut request = sound_review();
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

    /// Waits until the server has begun with it.
    async fn under_way(server: &Running) {
        eventually("the request is under way", || async {
            let under_way = metric(server.admin, "kees_webhook_requests_in_flight").await;
            (under_way > 0.5).then_some(())
        })
        .await;
    }

    /// Sends the rest, and reads until the server closes.
    async fn finish(&mut self) -> String {
        self.stream.write_all(&self.rest).await.unwrap();
        self.answer().await
    }

    /// Reads until the server closes.
    async fn answer(&mut self) -> String {
        let mut answer = Vec::new();
        timeout(PATIENCE, self.stream.read_to_end(&mut answer))
            .await
            .unwrap()
            .unwrap();
        String::from_utf8(answer).unwrap()
    }
}
