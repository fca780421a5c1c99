//! Sizes, numbers and rates.

use futures_util::future::join_all;
use http_body_util::StreamBody;
use tonic::body::Body;

use super::{raw::RawCall, *};

#[tokio::test]
async fn a_value_of_64_kib_is_stored_and_one_byte_more_is_not() {
    let mut running = start().await;
    let largest = "x".repeat(65_536);
    let client = &mut running.client;
    client
        .create_secret(of_team_a(create("a", "db", &largest)))
        .await
        .unwrap();
    let larger = of_team_a(create("a", "more", &format!("{largest}x")));
    let status = client.create_secret(larger).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let huge = of_team_a(create("a", "more", &"x".repeat(1 << 20)));
    let status = client.create_secret(huge).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
}

/// The token of somebody with ten thousand groups.
#[tokio::test]
async fn metadata_that_is_too_large_fails_the_call_alone() {
    let mut running = start().await;
    let groups: Vec<_> = (0..10_000).map(|number| format!("team-{number}")).collect();
    let groups: Vec<_> = groups.iter().map(String::as_str).collect();
    let request = with_token(&token_of("ada", &groups), ping("a"));
    let status = running.client.ping(request).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(
        status.message().contains("and this server takes 65536"),
        "{status}"
    );
    running.client.ping(of_team_a(ping("a"))).await.unwrap();
}

#[tokio::test]
async fn a_thousand_calls_at_once_are_answered() {
    let running = start().await;
    let calls = (0..1000).map(|_| {
        let mut client = running.client.clone();
        async move { client.ping(of_team_a(ping("a"))).await }
    });
    for answer in join_all(calls).await {
        answer.unwrap();
    }
}

#[tokio::test]
async fn calls_of_one_user_are_limited() {
    let mut running = start_with(|parts| parts.rate = UserRate::new(1, 2)).await;
    for _ in 0..2 {
        running.client.ping(of_team_a(ping("a"))).await.unwrap();
    }
    let status = running.client.ping(of_team_a(ping("a"))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let other = with_token(&token_of("bob", &["oidc:team-a"]), ping("a"));
    running.client.ping(other).await.unwrap();
}

#[tokio::test]
async fn a_server_without_a_place_says_so() {
    let mut running = start_with(|parts| parts.concurrency = 0).await;
    let status = running.client.ping(of_team_a(ping("a"))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
}

/// Messages that are read take memory. So a call has its place before that, and nobody needs a token to find out.
#[tokio::test]
async fn calls_whose_messages_do_not_end_have_places_until_their_deadlines() {
    let mut running = start_with(|parts| parts.concurrency = 2).await;
    let endless = || {
        let call = RawCall {
            headers: vec![("content-type", "application/grpc".to_owned())],
            body: Body::new(StreamBody::new(tokio_stream::pending::<
                Result<hyper::body::Frame<hyper::body::Bytes>, Status>,
            >())),
            ..RawCall::new("CreateSecret", &create("a", "db", "x"))
        };
        let made = call.with("grpc-timeout", "500m").make(running.address);
        tokio::spawn(made)
    };
    let calls = [endless(), endless()];
    let taken = async {
        while running.core.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
    };
    let taken = tokio::time::timeout(Duration::from_secs(20), taken).await;
    taken.expect("a call takes its place before its message");
    let status = running.client.ping(of_team_a(ping("a"))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("too many calls"), "{status}");
    for call in calls {
        assert_eq!(call.await.unwrap().0, Code::DeadlineExceeded);
    }
    running.client.ping(of_team_a(ping("a"))).await.unwrap();
    assert_eq!(running.core.places.available_permits(), 2);
}

#[tokio::test]
async fn a_connection_has_no_more_calls_than_it_may() {
    let mut running = start_on(MemoryCloud::default(), 2, |_| {}).await;
    // Afterwards the client knows the limit.
    running.client.ping(of_team_a(ping("a"))).await.unwrap();
    let calls = (0..6).map(|_| {
        let mut client = running.client.clone();
        let request = with_token(&token_of("ada", &["oidc:team-slow"]), ping("slow"));
        async move { client.ping(request).await }
    });
    for answer in join_all(calls).await {
        answer.unwrap();
    }
    let most = running.core.parts.bindings.most.load(Ordering::SeqCst);
    assert_eq!(most, 2, "the others wait in the client");
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Headers as literals (RFC 7541, section 6.2.2).
fn headers(list: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let literals = list
        .iter()
        .map(|(name, value)| [vec![0], text(name), text(value)].concat());
    literals.collect::<Vec<_>>().concat()
}

/// A client that ignores the limit gets `REFUSED_STREAM` for the call that is one too many.
#[tokio::test]
async fn a_call_beyond_the_limit_of_its_connection_is_refused() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    const HEADERS: u8 = 1;
    const RESET: u8 = 3;
    const SETTINGS: u8 = 4;
    const END_HEADERS: u8 = 4;
    const REFUSED_STREAM: u32 = 7;
    let running = start_on(MemoryCloud::default(), 2, |_| {}).await;
    let mut stream = tokio::net::TcpStream::connect(running.address)
        .await
        .unwrap();
    let call = headers(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/kiss.resources.KISS/Ping"),
        (":authority", "a"),
        ("content-type", "application/grpc"),
    ]);
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(SETTINGS, 0, 0, &[]));
    for id in [1, 3, 5] {
        sent.extend(frame(HEADERS, END_HEADERS, id, &call));
    }
    stream.write_all(&sent).await.unwrap();
    let reset = async {
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length.try_into().unwrap()];
            stream.read_exact(&mut payload).await.unwrap();
            if head[3] == RESET {
                let code = u32::from_be_bytes(payload[..].try_into().unwrap());
                return (head[8], code);
            }
        }
    };
    let reset = tokio::time::timeout(Duration::from_secs(20), reset).await;
    assert_eq!(reset.unwrap(), (5, REFUSED_STREAM));
}
