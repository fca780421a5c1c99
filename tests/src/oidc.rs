//! An OIDC provider: discovery, keys, and tokens that it signs with RS256.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

use crate::{Authority, MACHINE, runtime, server::free_address};

/// The key's id.
const KEY: &str = "tests";

/// How long a token is valid, in seconds.
const LIFETIME: u64 = 3600;

/// The provider. Its server stops when it is dropped.
#[derive(Debug)]
pub struct OidcProvider {
    issuer: String,
    key: RsaKeyPair,
    roots: String,
    accepting: JoinHandle<()>,
}

impl OidcProvider {
    /// The audience of the tokens.
    pub const AUDIENCE: &str = "kubernetes";

    /// Starts the provider on a port that pods reach, with a certificate of `authority`.
    pub fn start(authority: &Authority) -> anyhow::Result<Self> {
        let key = RsaKeyPair::generate(KeySize::Rsa2048)?;
        let address = free_address()?;
        let issuer = format!("https://{address}");
        let documents = Arc::new(Documents::new(&issuer, &key));
        let acceptor = TlsAcceptor::from(Arc::new(tls(authority)?));
        let listener = runtime()
            .block_on(TcpListener::bind(address))
            .context("the provider cannot listen")?;
        Ok(Self {
            issuer,
            key,
            roots: authority.certificate().to_owned(),
            accepting: runtime().spawn(accept(listener, acceptor, documents)),
        })
    }

    /// The issuer (`iss`), a URL.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The URL of the keys.
    pub fn keys_url(&self) -> String {
        format!("{}/keys", self.issuer)
    }

    /// A token for an hour: of the user with this `email`, who is in these `groups`.
    pub fn token(&self, email: &str, groups: &[&str]) -> anyhow::Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": KEY});
        let claims = json!({
            "iss": self.issuer, "aud": Self::AUDIENCE, "sub": email, "iat": now, "exp": now + LIFETIME,
            "email": email, "email_verified": true, "groups": groups,
        });
        let signed = format!("{}.{}", encoded(&header), encoded(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            signed.as_bytes(),
            &mut signature,
        )?;
        Ok(format!("{signed}.{}", encoded_bytes(signature)))
    }

    /// What makes an API server accept the tokens, with `email` as the user and `groups` as the groups.
    pub fn authentication(&self) -> Value {
        json!({
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "jwt": [{
                "issuer": {
                    "url": self.issuer,
                    "audiences": [Self::AUDIENCE],
                    "certificateAuthority": self.roots,
                },
                "claimMappings": {
                    "username": {"claim": "email", "prefix": ""},
                    "groups": {"claim": "groups", "prefix": ""},
                },
            }],
        })
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What the server returns.
struct Documents {
    discovery: String,
    keys: String,
}

impl Documents {
    fn new(issuer: &str, key: &RsaKeyPair) -> Self {
        let public = key.public_key();
        let modulus = public.modulus().big_endian_without_leading_zero();
        let exponent = public.exponent().big_endian_without_leading_zero();
        let discovery = json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/keys"),
            "authorization_endpoint": format!("{issuer}/authorize"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        let keys = json!({"keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY,
            "n": encoded_bytes(modulus), "e": encoded_bytes(exponent),
        }]});
        Self {
            discovery: discovery.to_string(),
            keys: keys.to_string(),
        }
    }

    fn respond(&self, path: &str) -> Response<Full<Bytes>> {
        let (status, body) = match path {
            "/.well-known/openid-configuration" => (StatusCode::OK, &*self.discovery),
            "/keys" => (StatusCode::OK, &*self.keys),
            _ => (StatusCode::NOT_FOUND, ""),
        };
        let mut response = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
        *response.status_mut() = status;
        let json = hyper::header::HeaderValue::from_static("application/json");
        let headers = response.headers_mut();
        headers.insert(hyper::header::CONTENT_TYPE, json);
        response
    }
}

fn tls(authority: &Authority) -> anyhow::Result<ServerConfig> {
    let issued = authority.issue(&[MACHINE])?;
    let chain = CertificateDer::pem_slice_iter(issued.certificate.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(config)
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, documents: Arc<Documents>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, documents) = (acceptor.clone(), Arc::clone(&documents));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(async |request: Request<Incoming>| {
                Ok::<_, Infallible>(documents.respond(request.uri().path()))
            });
            // A client that closes the connection is not an error.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn encoded(part: &Value) -> String {
    encoded_bytes(part.to_string())
}

fn encoded_bytes(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
