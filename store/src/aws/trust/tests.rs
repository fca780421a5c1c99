//! Tests of the certificates that a connection trusts.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::Arc,
    thread,
};

use aws_credential_types::Credentials;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rstest::rstest;
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::NamedTempFile;

use super::*;
use crate::{
    StoreError,
    aws::{Aws, Call, classify},
};
use kees_common::StoreName;

fn file(content: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

fn localhost() -> CertifiedKey<rcgen::KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

fn read(content: &str) -> Result<Vec<CertificateDer<'static>>, AwsError> {
    from_file("AWS_CA_BUNDLE", file(content).path())
}

#[test]
fn the_roots_of_amazon_are_all_found() {
    assert_eq!(amazon().len(), AMAZON_ROOTS.len());
    assert!(Roots::Amazon.load().is_ok());
}

#[rstest]
#[case::empty("", "no certificate in it")]
#[case::no_pem("hello", "no certificate in it")]
#[case::key(
    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "no certificate"
)]
#[case::not_base64(
    "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n",
    "not a PEM file"
)]
#[case::cut_off("-----BEGIN CERTIFICATE-----\nAAAA\n", "not a PEM file")]
#[case::not_a_certificate(
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "none of its 1 certificates can be parsed"
)]
fn a_bad_bundle_is_an_error_that_names_it(#[case] content: &str, #[case] what: &str) {
    let error = read(content).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Setup);
    assert!(
        error.message.starts_with("AWS_CA_BUNDLE: /"),
        "{}",
        error.message
    );
    assert!(error.message.contains(what), "{}", error.message);
}

#[test]
fn a_bundle_that_is_missing_is_an_error_that_names_it() {
    let error = from_file("SSL_CERT_FILE", Path::new("/nowhere/roots.pem")).unwrap_err();
    assert!(
        error
            .message
            .starts_with("SSL_CERT_FILE: /nowhere/roots.pem: "),
        "{}",
        error.message
    );
}

#[test]
fn a_certificate_that_cannot_be_parsed_is_left_out_of_a_bundle() {
    let bundle = format!(
        "{}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        localhost().cert.pem()
    );
    assert_eq!(read(&bundle).unwrap().len(), 1);
}

#[test]
fn the_bundle_of_aws_wins_over_the_systems() {
    let settings = AwsSettings {
        ca_bundle: Some("/aws".into()),
        ssl_cert_file: Some("/ssl".into()),
        ..AwsSettings::default()
    };
    let variable = |settings: &AwsSettings| match Roots::of_operator(settings) {
        Some(Roots::File { variable, .. }) => Some(variable),
        _ => None,
    };
    assert_eq!(variable(&settings), Some("AWS_CA_BUNDLE"));
    assert_eq!(
        variable(&AwsSettings {
            ca_bundle: None,
            ..settings
        }),
        Some("SSL_CERT_FILE")
    );
    assert_eq!(variable(&AwsSettings::default()), None);
}

/// Answers one request over TLS with what STS never says, and returns its URL.
fn serve(identity: &CertifiedKey<rcgen::KeyPair>) -> String {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(
        identity.signing_key.serialize_der(),
    ));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        // A client that does not trust the certificate ends the handshake.
        if stream.read(&mut [0; 16_384]).is_ok() {
            let answer = "HTTP/1.1 418 I'm a teapot\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    url
}

/// The error of a call to a server with a certificate of its own.
async fn error_of_a_call(settings: AwsSettings) -> StoreError {
    let credentials = Credentials::new("AKIDEXAMPLE", "example", None, None, "test");
    let aws = Aws::new(&AwsSettings {
        credentials: Some(credentials),
        ..settings
    })
    .await;
    let error = aws.sts().get_caller_identity().send().await.unwrap_err();
    let call = Call {
        store: StoreName::DynamoDb,
        action: "sts:GetCallerIdentity",
        resource: "*".into(),
        path: None,
    };
    classify(&error, &call)
}

#[tokio::test]
async fn a_bundle_of_the_operator_is_trusted() {
    let identity = localhost();
    let bundle = file(&identity.cert.pem());
    let error = error_of_a_call(AwsSettings {
        endpoint: Some(serve(&identity).parse().unwrap()),
        ca_bundle: Some(bundle.path().to_owned()),
        ..AwsSettings::default()
    })
    .await;
    assert!(error.message.contains("418"), "{error}");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_not_trusted() {
    let settings = AwsSettings {
        endpoint: Some(serve(&localhost()).parse().unwrap()),
        ..AwsSettings::default()
    };
    let error = error_of_a_call(settings).await;
    assert_eq!(error.kind, ErrorKind::Setup);
    assert!(error.message.contains("UnknownIssuer"), "{error}");
    assert!(error.remedy.contains("AWS_CA_BUNDLE"), "{}", error.remedy);
}

#[tokio::test]
async fn a_bad_bundle_is_the_error_of_the_call() {
    let bundle = file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let error = error_of_a_call(AwsSettings {
        endpoint: Some("https://localhost:1".parse().unwrap()),
        ca_bundle: Some(bundle.path().to_owned()),
        ..AwsSettings::default()
    })
    .await;
    assert_eq!(error.kind, ErrorKind::Setup);
    assert!(error.message.contains("AWS_CA_BUNDLE: /"), "{error}");
}
