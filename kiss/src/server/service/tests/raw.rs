//! Calls without a client of gRPC, which checks messages and has a timer of its own.

use http_body_util::BodyExt as _;
use hyper::{Request as HttpRequest, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpStream;
use tonic::body::Body;

use super::*;

/// Where the caller of these tests is.
pub(super) const CALLER: &str = "198.51.100.7";

/// A call that can be changed before it is made.
pub(super) struct RawCall {
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Body,
}

/// A message as gRPC sends it: a byte for no compression, its length, and its bytes.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[0], &length.to_be_bytes()[..], message].concat()
}

/// A body of these bytes.
pub(super) fn body(bytes: Vec<u8>) -> Body {
    Body::new(http_body_util::Full::from(bytes))
}

impl RawCall {
    /// A call of somebody of the team of the namespaces `a` and `slow`.
    pub(super) fn new(method: &str, message: &impl Message) -> Self {
        let token = token_of("ada@example.com", &["oidc:team-a", "oidc:team-slow"]);
        Self {
            path: format!("/kiss.resources.KISS/{method}"),
            headers: vec![
                ("authorization", token),
                ("x-forwarded-for", CALLER.to_owned()),
                ("content-type", "application/grpc".to_owned()),
            ],
            body: body(framed(&message.encode_to_vec())),
        }
    }

    /// The call with one more header.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Makes the call, and returns what `tonic` reads of the answer.
    pub(super) async fn make(self, address: std::net::SocketAddr) -> (Code, String) {
        let (_, status) = self.answer(address).await;
        (status.code(), status.message().to_owned())
    }

    /// Makes the call, and returns the whole answer as text, and its code.
    pub(super) async fn exchange(self, address: std::net::SocketAddr) -> (String, Code) {
        let (text, status) = self.answer(address).await;
        (text, status.code())
    }

    /// Makes the call on a connection of its own.
    async fn answer(self, address: std::net::SocketAddr) -> (String, Status) {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut request = HttpRequest::post(format!("http://{address}{}", self.path));
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let request = request.body(self.body).unwrap();
        // Without an answer, the test fails instead of waiting.
        let answer = tokio::time::timeout(Duration::from_secs(20), sender.send_request(request));
        let (head, body) = answer.await.unwrap().unwrap().into_parts();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().cloned().unwrap_or_default();
        let status = Status::from_header_map(&head.headers)
            .or_else(|| Status::from_header_map(&trailers))
            .unwrap();
        let bytes = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        (format!("{head:?} {bytes} {trailers:?}"), status)
    }
}
