//! Calls that no handler gets, or does not finish: they have one audit line each, too.

use prost::Message as _;
use rstest::rstest;
use tokio::net::TcpStream;
use tonic::body::Body;

use super::{
    raw::{CALLER, RawCall, body, framed},
    *,
};

fn create_call() -> RawCall {
    RawCall::new("CreateSecret", &create("a", "db", MARKER))
}

fn too_large() -> RawCall {
    RawCall::new("CreateSecret", &create("a", "db", &"x".repeat(200 << 10)))
}

fn no_protobuf() -> RawCall {
    RawCall {
        body: body(framed(&[0xff; 20])),
        ..create_call()
    }
}

fn no_utf8() -> RawCall {
    let mut message = create("a", "db", MARKER).encode_to_vec();
    let value = message.windows(4).position(|part| part == b"mark").unwrap();
    message[value] = 0xff;
    RawCall {
        body: body(framed(&message)),
        ..create_call()
    }
}

fn no_message() -> RawCall {
    RawCall {
        body: Body::empty(),
        ..create_call()
    }
}

fn compressed() -> RawCall {
    create_call().with("grpc-encoding", "gzip")
}

fn much_metadata() -> RawCall {
    create_call().with("x-other", "x".repeat(70_000))
}

fn unknown_method() -> RawCall {
    RawCall {
        path: "/kiss.resources.KISS/Steal".to_owned(),
        ..create_call()
    }
}

fn unknown_service() -> RawCall {
    RawCall {
        path: "/other.Service/Do'it".to_owned(),
        ..create_call()
    }
}

fn of_a_defect() -> RawCall {
    RawCall::new("CreateSecret", &create("defect", "db", MARKER))
}

#[rstest]
#[case(too_large(), "CreateSecret", "RESOURCE_EXHAUSTED", Some("too large"))]
#[case(no_protobuf(), "CreateSecret", "INTERNAL", Some("decode"))]
#[case(no_utf8(), "CreateSecret", "INTERNAL", Some("UTF-8"))]
#[case(
    no_message(),
    "CreateSecret",
    "INTERNAL",
    Some("Missing request message")
)]
#[case(compressed(), "CreateSecret", "UNIMPLEMENTED", Some("gzip"))]
#[case(
    much_metadata(),
    "CreateSecret",
    "RESOURCE_EXHAUSTED",
    Some("raise --max-metadata")
)]
#[case(unknown_method(), "Steal", "UNIMPLEMENTED", None)]
#[case(unknown_service(), "/other.Service/Do'it", "UNIMPLEMENTED", None)]
#[case(
    of_a_defect(),
    "CreateSecret",
    "INTERNAL",
    Some("defect of the server")
)]
#[tokio::test]
async fn a_call_that_no_handler_finishes_has_one_audit_line(
    #[case] call: RawCall,
    #[case] method: &str,
    #[case] outcome: &str,
    #[case] error: Option<&str>,
) {
    let mut running = start().await;
    let (code, message) = call.make(running.address).await;
    assert_eq!(crate::server::audit::outcome(code), outcome, "{message}");
    running.client.ping(of_team_a(ping("a"))).await.unwrap();
    let lines = running.lines();
    let [line, after] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(after["method"], "Ping");
    assert_eq!(line["method"], method);
    assert_eq!(line["outcome"], outcome);
    assert_eq!(line["client"], CALLER);
    assert_eq!(line["authorized"], false);
    assert!(line.get("user").is_none(), "{line}");
    match error {
        Some(error) => assert!(line["error"].as_str().unwrap().contains(error), "{line}"),
        None => assert!(line.get("error").is_none(), "{line}"),
    }
    assert!(!line.to_string().contains(MARKER), "{line}");
    let counted = if method == "CreateSecret" {
        method
    } else {
        "unknown"
    };
    let counted = format!(r#"calls_total{{method="{counted}",code="{outcome}"}} 1"#);
    let metrics = running.metrics();
    assert!(metrics.contains(&counted), "{metrics}");
    assert!(running.cloud().state().secrets.is_empty());
}

#[tokio::test]
async fn the_message_of_another_service_is_that_of_its_path() {
    let running = start().await;
    unknown_service().make(running.address).await;
    assert_eq!(
        running.last_line()["message"],
        r"/other.Service/Do\'it: blocked user '' (from host '198.51.100.7') on namespace ''"
    );
}

/// The client ends the call when it has sent a part of its message.
#[tokio::test]
async fn a_call_whose_client_goes_away_early_has_one_audit_line() {
    let mut running = start().await;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let part = hyper::body::Frame::data(hyper::body::Bytes::from_static(&[0, 0, 0, 0, 99, 1]));
    sender.send(Ok::<_, Status>(part)).await.unwrap();
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let call = RawCall {
        body: Body::new(http_body_util::StreamBody::new(stream)),
        ..create_call()
    };
    let call = tokio::spawn(call.make(running.address));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(running.lines().is_empty());
    call.abort();
    running.has_a_line().await;
    running.client.ping(of_team_a(ping("a"))).await.unwrap();
    let lines = running.lines();
    let [line, _ping] = &lines[..] else {
        panic!("{lines:?}");
    };
    // The implementation of HTTP/2 does not say that the message has no end.
    assert_eq!(line["outcome"], "INTERNAL", "{line}");
    assert_eq!(line["method"], "CreateSecret");
    drop(sender);
}

/// The implementation of HTTP/2 refuses metadata of several times the limit, and nothing in this server sees it
/// (docs/kiss.md). The connection can be used on.
#[tokio::test]
async fn metadata_of_several_times_the_limit_is_refused_without_an_audit_line() {
    let mut running = start().await;
    let token = "x".repeat(4 * METADATA as usize);
    running
        .client
        .ping(with_token(&token, ping("a")))
        .await
        .unwrap_err();
    running.client.ping(of_team_a(ping("a"))).await.unwrap();
    assert_eq!(running.lines().len(), 1);
    // The port is still open for others.
    TcpStream::connect(running.address).await.unwrap();
}
