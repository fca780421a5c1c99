//! Reads the provider's keys over HTTP.

use std::{path::Path, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::{Uri, body::Bytes};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio::time::timeout;

use super::keys::KeySet;

/// The largest key set. Those of providers have a few kilobytes.
const LARGEST: usize = 1 << 20;

/// Where the keys are published.
pub trait KeySource: Send + Sync + 'static {
    /// Reads the keys.
    fn fetch(&self) -> impl Future<Output = Result<KeySet, FetchError>> + Send;
}

/// Why the keys cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address is no URL of http or https.
    #[error("`{0}` is no URL that begins with https:// or http://")]
    Url(String),
    /// The file with root certificates cannot be used.
    #[error("the root certificates cannot be read from {path}: {problem}")]
    Roots {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// There is no connection, or no answer.
    #[error("the provider cannot be reached")]
    Connect(#[source] hyper_util::client::legacy::Error),
    /// The answer takes too long.
    #[error("the provider does not answer within {} seconds", .0.as_secs())]
    Slow(Duration),
    /// The answer is no success. A redirect is none.
    #[error("the answer has the status {0}")]
    Status(u16),
    /// The answer is too large.
    #[error("the answer has more than {LARGEST} bytes")]
    Large,
    /// The answer ends early.
    #[error("the answer cannot be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is no key set.
    #[error("the answer is no key set")]
    Json(#[from] serde_json::Error),
    /// None of its keys can be used.
    #[error(
        "the answer has no key that can be used: none with an id, for signatures, of RSA or of a NIST curve"
    )]
    NoKeys,
}

/// A key set at a URL.
pub struct HttpKeySource {
    url: Uri,
    timeout: Duration,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl HttpKeySource {
    /// The key set at `url`, whose server has a certificate of one of the `roots` in a PEM file, or else of
    /// one of the public roots.
    ///
    /// # Errors
    /// The URL is none, or the file cannot be used.
    pub fn new(url: &str, roots: Option<&Path>, timeout: Duration) -> Result<Self, FetchError> {
        let invalid = || FetchError::Url(url.to_owned());
        let url: Uri = url.parse().map_err(|_| invalid())?;
        match url.scheme_str() {
            Some("https") => {}
            Some("http") => tracing::warn!(
                "the provider's keys are read without TLS: whoever can change the answer can sign tokens"
            ),
            _ => return Err(invalid()),
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(match roots {
                None => public_roots(),
                Some(path) => roots_of(path)?,
            })
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            url,
            timeout,
            // The next read is minutes away.
            client: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build(connector),
        })
    }

    async fn read(&self) -> Result<KeySet, FetchError> {
        let answer = self
            .client
            .get(self.url.clone())
            .await
            .map_err(FetchError::Connect)?;
        if answer.status() != hyper::StatusCode::OK {
            return Err(FetchError::Status(answer.status().as_u16()));
        }
        let body = Limited::new(answer.into_body(), LARGEST).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                FetchError::Large
            } else {
                FetchError::Body(error)
            }
        })?;
        let keys = KeySet::parse(&body.to_bytes())?;
        if keys.is_empty() {
            return Err(FetchError::NoKeys);
        }
        Ok(keys)
    }
}

impl KeySource for HttpKeySource {
    async fn fetch(&self) -> Result<KeySet, FetchError> {
        timeout(self.timeout, self.read())
            .await
            .map_err(|_| FetchError::Slow(self.timeout))?
    }
}

fn public_roots() -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    store
}

fn roots_of(path: &Path) -> Result<RootCertStore, FetchError> {
    let wrong = |problem: String| FetchError::Roots {
        path: path.display().to_string(),
        problem,
    };
    let mut store = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        store
            .add(certificate)
            .map_err(|error| wrong(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(wrong("no certificate in it".to_owned()));
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// The URL of a server that answers one request with `answer` and keeps the connection open.
    async fn served(answer: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            // The client may close the connection before the end.
            let _ = stream.write_all(&answer).await;
            std::future::pending::<()>().await;
        });
        format!("http://{address}/keys")
    }

    fn answer(status: &str, body: &str) -> Vec<u8> {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
    }

    async fn error_of(answer: Vec<u8>) -> FetchError {
        let source = HttpKeySource::new(&served(answer).await, None, Duration::from_millis(500));
        source.unwrap().fetch().await.err().unwrap()
    }

    #[rstest]
    #[case::redirect(
        answer("302 Found\r\nlocation: /x", ""),
        "the answer has the status 302"
    )]
    #[case::failing(
        answer("500 Internal Server Error", r#"{"keys": []}"#),
        "the answer has the status 500"
    )]
    #[case::no_json(answer("200 OK", "<html>"), "the answer is no key set")]
    #[case::no_keys(
        answer("200 OK", r#"{"keys": [{"kty": "oct", "kid": "a", "k": "AQAB"}]}"#),
        "the answer has no key that can be used: none with an id, for signatures, of RSA or of a NIST curve"
    )]
    #[case::huge(
        answer("200 OK", &"x".repeat(10 << 20)),
        "the answer has more than 1048576 bytes"
    )]
    #[case::silent(Vec::new(), "the provider does not answer within 0 seconds")]
    #[case::slow(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec(), "the provider does not answer within 0 seconds")]
    #[tokio::test]
    async fn a_bad_answer_has_its_own_error(#[case] answer: Vec<u8>, #[case] message: &str) {
        assert_eq!(error_of(answer).await.to_string(), message);
    }

    #[tokio::test]
    async fn a_good_answer_is_read() {
        let keys = r#"{"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB", "x5c": []}]}"#;
        let url = served(answer("200 OK", keys)).await;
        let source = HttpKeySource::new(&url, None, Duration::from_secs(5)).unwrap();
        assert!(source.fetch().await.unwrap().contains("a"));
    }

    #[rstest]
    #[case("ftp://x")]
    #[case("")]
    #[case("/keys")]
    fn an_address_must_be_a_url(#[case] url: &str) {
        let error = HttpKeySource::new(url, None, Duration::from_secs(5)).err();
        assert!(matches!(error, Some(FetchError::Url(_))));
    }
}
