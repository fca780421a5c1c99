//! Which clients get through the TLS handshake, and what is counted and logged for the others.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;

use hyper::StatusCode;
use kees_webhook::{CertificateSource, Limits, TlsSettings, TlsVersion};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rstest::rstest;
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use support::{
    Certificates, Client, Http, Program, Running, eventually, metric, tls, valid_review,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

#[tokio::test]
async fn http2_is_spoken_only_if_it_is_switched_on() {
    let (certificates, certificate) = Certificates::new();
    let server = start(&certificates, TlsSettings::default()).await;
    assert!(tls(server.address, Http::Two, &certificate).await.is_err());
    let mut client = Client::connect(server.address, Http::One, &certificate)
        .await
        .unwrap();
    assert_eq!(client.mutate(valid_review()).await.0, StatusCode::OK);
    counted(&server, "protocol").await;
    server.stop().await;
}

#[rstest]
#[case(TlsVersion::Tls12, &TLS12, true)]
#[case(TlsVersion::Tls12, &TLS13, true)]
#[case(TlsVersion::Tls13, &TLS12, false)]
#[case(TlsVersion::Tls13, &TLS13, true)]
#[tokio::test]
async fn an_older_version_of_tls_is_turned_away(
    #[case] min_version: TlsVersion,
    #[case] spoken: &'static SupportedProtocolVersion,
    #[case] accepted: bool,
) {
    let (certificates, certificate) = Certificates::new();
    let tls = TlsSettings {
        min_version,
        ..TlsSettings::default()
    };
    let server = start(&certificates, tls).await;
    let result = connect(&server, &certificate, spoken, None).await;
    assert_eq!(result.is_ok(), accepted, "{result:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_client_without_a_certificate_of_the_client_ca_is_turned_away() {
    let (certificates, certificate) = Certificates::new();
    let (trusted, foreign) = (Ca::new(), Ca::new());
    let tls = TlsSettings {
        client_ca: Some(certificates.put("client-ca.crt", &trusted.pem)),
        ..TlsSettings::default()
    };
    let server = start(&certificates, tls).await;
    for version in [&TLS12, &TLS13] {
        let attempt = |identity| connect(&server, &certificate, version, identity);
        attempt(Some(trusted.issue())).await.unwrap();
        attempt(Some(foreign.issue())).await.unwrap_err();
        attempt(None).await.unwrap_err();
    }
    counted(&server, "client_certificate").await;

    certificates.put("client-ca.crt", &foreign.pem);
    eventually("the new CA is accepted", || async {
        let identity = Some(foreign.issue());
        connect(&server, &certificate, &TLS13, identity).await.ok()
    })
    .await;
    connect(&server, &certificate, &TLS13, Some(trusted.issue()))
        .await
        .unwrap_err();

    // An invalid file changes nothing.
    certificates.put("client-ca.crt", "not PEM");
    let errors = "kees_webhook_reloads_total{file=\"client_ca\",result=\"error\"}";
    eventually("the error is counted", || async {
        (metric(server.admin, errors).await > 0.5).then_some(())
    })
    .await;
    connect(&server, &certificate, &TLS13, Some(foreign.issue()))
        .await
        .unwrap();
    server.stop().await;
}

#[tokio::test]
async fn clients_that_reject_the_certificate_are_counted_and_warned_about_once() {
    let (certificates, _) = Certificates::new();
    let other = CertificateDer::from_pem_slice(Ca::new().pem.as_bytes()).unwrap();
    let program = Program::start(&certificates, &["--drain-delay", "0"]);
    for version in [&TLS12, &TLS13, &TLS13] {
        handshake(program.address, &other, version, None)
            .await
            .unwrap_err();
    }
    let name = "kees_webhook_tls_handshake_errors_total{reason=\"unknown_ca\"}";
    eventually("the rejections are counted", || async {
        (metric(program.admin, name).await > 2.5).then_some(())
    })
    .await;
    program.terminate();
    let (_, log) = program.end().await;
    let warnings: Vec<_> = log
        .iter()
        .filter(|line| line.contains("clients reject the certificate"))
        .collect();
    assert_eq!(warnings.len(), 1, "{log:?}");
    assert!(warnings[0].contains("caBundle"), "{log:?}");
}

#[tokio::test]
async fn a_certificate_from_files_that_is_not_for_the_service_is_a_warning() {
    let (certificates, _) = Certificates::new();
    let flags = ["--drain-delay", "0", "--namespace", "kees-system"];
    let program = Program::start(&certificates, &flags);
    program.terminate();
    let (_, log) = program.end().await;
    let warning = program_warning(&log);
    assert!(
        warning.contains("is not for kees-webhook.kees-system.svc, but for localhost"),
        "{warning}"
    );
}

fn program_warning(log: &[String]) -> &str {
    let warning = log.iter().find(|line| line.contains("is not for"));
    warning.unwrap_or_else(|| panic!("{log:?}"))
}

async fn start(certificates: &Certificates, tls: TlsSettings) -> Running {
    let certificate = CertificateSource::Files(certificates.files());
    Running::start_as(certificate, tls, None, Limits::default()).await
}

async fn counted(server: &Running, reason: &str) {
    let name = format!("kees_webhook_tls_handshake_errors_total{{reason=\"{reason}\"}}");
    eventually("the error is counted", || async {
        (metric(server.admin, &name).await > 0.5).then_some(())
    })
    .await;
}

/// A CA of clients.
struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

type Identity = (CertificateDer<'static>, PrivateKeyDer<'static>);

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "CA");
        let key = KeyPair::generate().unwrap();
        Self {
            pem: params.self_signed(&key).unwrap().pem(),
            issuer: Issuer::new(params, key),
        }
    }

    fn issue(&self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["api-server".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (certificate.der().clone(), key)
    }
}

async fn connect(
    server: &Running,
    trusted: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
    identity: Option<Identity>,
) -> std::io::Result<()> {
    handshake(server.address, trusted, version, identity).await
}

/// Connects, and sends a request: with TLS 1.3, a client learns only then that it is turned away.
async fn handshake(
    address: std::net::SocketAddr,
    trusted: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
    identity: Option<Identity>,
) -> std::io::Result<()> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        Some((certificate, key)) => config
            .with_client_auth_cert(vec![certificate], key)
            .unwrap(),
        None => config.with_no_client_auth(),
    };
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(address).await?;
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    stream
        .write_all(b"GET /mutate HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await?;
    stream.read_u8().await.map(|_| ())
}
