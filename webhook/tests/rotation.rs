//! Certificates that are replaced while the server runs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use hyper::StatusCode;
use rstest::rstest;
use support::{Certificates, Client, Http, Running, eventually, metric, valid_review};

const RELOAD_ERRORS: &str = "kees_webhook_reloads_total{file=\"certificate\",result=\"error\"}";

#[rstest]
#[tokio::test]
async fn open_connections_stay_and_a_new_connection_gets_the_new_certificate(
    #[values(Http::One, Http::Two)] http: Http,
) {
    let (certificates, old) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    let mut open = Client::connect(server.address, http, &old).await.unwrap();
    assert_eq!(open.certificate, old);
    assert_eq!(open.mutate(valid_review()).await.0, StatusCode::OK);

    let new = certificates.renew();
    let mut fresh = eventually("the new certificate is served", || async {
        Client::connect(server.address, http, &new).await.ok()
    })
    .await;
    assert_eq!(fresh.certificate, new);
    assert_eq!(fresh.mutate(valid_review()).await.0, StatusCode::OK);
    assert_eq!(open.mutate(valid_review()).await.0, StatusCode::OK);
    server.stop().await;
}

#[rstest]
#[case::key_of_another_certificate(&[("tls.key", foreign_key())])]
#[case::no_key(&[("tls.key", String::new())])]
#[case::no_certificate(&[("tls.crt", "not PEM".to_owned())])]
#[case::an_expired_pair(&expired_pair())]
#[tokio::test]
async fn an_invalid_pair_is_counted_and_the_previous_one_stays(#[case] files: &[(&str, String)]) {
    let (certificates, good) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    for (name, content) in files {
        certificates.put(name, content);
    }
    eventually("the error is counted", || async {
        (metric(server.admin, RELOAD_ERRORS).await > 0.5).then_some(())
    })
    .await;
    let mut client = Client::connect(server.address, Http::Two, &good)
        .await
        .unwrap();
    assert_eq!(client.mutate(valid_review()).await.0, StatusCode::OK);

    let new = certificates.renew();
    eventually("a valid pair is loaded again", || async {
        Client::connect(server.address, Http::Two, &new).await.ok()
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn clients_do_not_notice_a_file_that_is_absent_for_a_moment() {
    let (certificates, good) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    std::fs::remove_file(certificates.path().join("tls.crt")).unwrap();
    eventually("the error is counted", || async {
        (metric(server.admin, RELOAD_ERRORS).await > 0.5).then_some(())
    })
    .await;
    assert!(
        Client::connect(server.address, Http::Two, &good)
            .await
            .is_ok()
    );
    server.stop().await;
}

#[tokio::test]
async fn the_expiry_is_a_metric() {
    let (certificates, _) = Certificates::new();
    let server = Running::start(&certificates, None).await;
    let expiry = "kees_webhook_certificate_expiry_timestamp_seconds";
    // rcgen's default: 4096-01-01.
    assert_eq!(
        metric(server.admin, expiry).await.to_string(),
        "67090118400"
    );
    server.stop().await;
}

fn foreign_key() -> String {
    rcgen::KeyPair::generate().unwrap().serialize_pem()
}

fn expired_pair() -> [(&'static str, String); 2] {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let cert = params.self_signed(&key).unwrap();
    [("tls.key", key.serialize_pem()), ("tls.crt", cert.pem())]
}
