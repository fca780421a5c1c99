//! The webhook's own certificates, with a Kubernetes API of the test.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use hyper::StatusCode;
use kees_webhook::{CertificateSource, Lifetimes, Limits, OwnCertificates, TlsSettings};
use rstest::rstest;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use serde_json::{Value, json};
use support::{
    Http, Running, admin,
    api::{Api, State},
    eventually, tls_as,
};

const NAME: &str = "kees-webhook.kees-system.svc";

const LONG: Lifetimes = Lifetimes {
    certificate: Duration::from_hours(24),
    ca: Duration::from_hours(240),
};

#[tokio::test]
async fn three_replicas_that_start_together_agree_on_one_ca() {
    let api = Api::new();
    let replicas = [
        start(&api, LONG).await,
        start(&api, LONG).await,
        start(&api, LONG).await,
    ];
    for replica in &replicas {
        ready(replica).await;
        connect(replica, &api.bundle()).await.unwrap();
    }
    assert_eq!(api.state().writes, ["create", "publish", "patch"]);
    assert_eq!(api.bundle().matches("BEGIN").count(), 1);
    let secret = api.state().secret.clone().unwrap();
    assert_eq!(secret["type"], "kubernetes.io/tls");
    for key in ["ca.crt", "ca.key", "tls.crt", "tls.key"] {
        assert!(secret["data"][key].is_string(), "{key}");
    }

    // A replica that comes later reads what is there.
    let late = start(&api, LONG).await;
    ready(&late).await;
    connect(&late, &api.bundle()).await.unwrap();
    assert_eq!(api.state().writes.len(), 3);
}

#[tokio::test]
async fn an_empty_secret_is_filled() {
    let api = Api::new();
    api.change(|state| state.secret = Some(json!({"metadata": {"name": "kees-webhook-tls"}})));
    let replica = start(&api, LONG).await;
    ready(&replica).await;
    connect(&replica, &api.bundle()).await.unwrap();
    assert_eq!(api.state().writes, ["patch", "publish", "patch"]);
}

#[tokio::test]
async fn each_connection_succeeds_while_cas_and_certificates_are_replaced() {
    let api = Api::new();
    let lifetimes = Lifetimes {
        certificate: Duration::from_secs(4),
        ca: Duration::from_secs(6),
    };
    let replicas = [start(&api, lifetimes).await, start(&api, lifetimes).await];
    ready(&replicas[0]).await;
    ready(&replicas[1]).await;
    let first = api.bundle();
    let largest = AtomicUsize::new(0);
    eventually("the first CA is gone", || async {
        let bundle = api.bundle();
        largest.fetch_max(bundle.matches("BEGIN").count(), Ordering::Relaxed);
        for replica in &replicas {
            connect(replica, &bundle).await.unwrap();
            assert_eq!(readiness(replica).await.0, StatusCode::OK);
        }
        (!bundle.contains(&first)).then_some(())
    })
    .await;
    assert_eq!(
        largest.into_inner(),
        2,
        "the bundle did not hold the old and the new CA"
    );
}

#[rstest]
#[case::emptied(None)]
#[case::replaced(Some(foreign_ca()))]
#[tokio::test]
async fn a_bundle_that_somebody_overwrites_is_written_again(#[case] bundle: Option<String>) {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let api = Api::new();
    let replica = start(&api, LONG).await;
    ready(&replica).await;
    let good = api.bundle();
    api.change(|state| {
        let configuration = state.configuration.as_mut().unwrap();
        let bundle = bundle.map(|bundle| BASE64_STANDARD.encode(bundle));
        configuration["webhooks"][0]["clientConfig"]["caBundle"] = json!(bundle);
    });
    eventually("the bundle is written again", || async {
        (api.bundle() == good).then_some(())
    })
    .await;
    ready(&replica).await;
}

#[tokio::test]
async fn after_the_secret_is_deleted_old_and_new_certificates_work() {
    let api = Api::new();
    let lifetimes = Lifetimes {
        certificate: Duration::from_secs(12),
        ca: Duration::from_hours(1),
    };
    let replica = start(&api, lifetimes).await;
    ready(&replica).await;
    let old = api.bundle();
    api.change(|state| state.secret = None);
    let new = eventually("another CA is used", || async {
        let bundle = api.bundle();
        connect(&replica, &bundle).await.unwrap();
        assert_eq!(readiness(&replica).await.0, StatusCode::OK);
        let new = bundle.replace(&old, "");
        connect(&replica, &new).await.ok().map(|()| new)
    })
    .await;
    assert_eq!(api.bundle(), format!("{new}{old}"));
}

#[rstest]
#[case::denied(
    |state: &mut State| state.status = Some(StatusCode::FORBIDDEN),
    "the ServiceAccount may not get the Secret kees-system/kees-webhook-tls; apply the Role"
)]
#[case::unavailable(
    |state: &mut State| state.status = Some(StatusCode::SERVICE_UNAVAILABLE),
    "cannot get the Secret kees-system/kees-webhook-tls"
)]
#[case::no_configuration(
    |state: &mut State| state.configuration = None,
    "the MutatingWebhookConfiguration kees does not exist; apply the manifests"
)]
#[case::another_installation(
    |state: &mut State| {
        let configuration = state.configuration.as_mut().unwrap();
        configuration["webhooks"][0]["clientConfig"]["service"]["namespace"] = "other".into();
    },
    "has no webhook for the Service kees-system/kees-webhook, but for other/kees-webhook"
)]
#[case::a_foreign_certificate(
    |state: &mut State| state.secret = Some(secret(&json!({"tls.crt": "eA==", "tls.key": "eA=="}))),
    "it has a certificate that this webhook did not create"
)]
#[case::a_broken_key(
    |state: &mut State| state.secret = Some(secret(&json!({"ca.crt": "eA==", "ca.key": "eA=="}))),
    "its ca.key is not a private key in PEM; delete it"
)]
#[case::a_secret_that_cannot_be_decoded(
    |state: &mut State| state.secret = Some(json!({"metadata": {}, "data": "canary-3f9b"})),
    "cannot get the Secret kees-system/kees-webhook-tls: the response of the Kubernetes API is not this"
)]
#[tokio::test]
async fn an_error_is_said_and_the_last_certificate_stays(
    #[case] break_it: fn(&mut State),
    #[case] message: &str,
) {
    let broken = Api::new();
    broken.change(break_it);
    let replica = start(&broken, LONG).await;
    eventually("the error is said", || async {
        let (status, text) = readiness(&replica).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(!text.contains("canary-3f9b"), "{text}");
        text.contains(message).then_some(())
    })
    .await;
    assert_eq!(
        admin(replica.admin, "/healthz").await.unwrap().0,
        StatusCode::OK
    );
    assert!(connect(&replica, &foreign_ca()).await.is_err());

    let api = Api::new();
    let replica = start(&api, LONG).await;
    ready(&replica).await;
    let (bundle, good) = (api.bundle(), api.state().secret.clone());
    let configuration = api.state().configuration.clone();
    api.change(break_it);
    let errors = "kees_webhook_reloads_total{file=\"certificate\",result=\"error\"}";
    eventually("the error is counted", || async {
        (support::metric(replica.admin, errors).await > 0.5).then_some(())
    })
    .await;
    connect(&replica, &bundle).await.unwrap();
    assert_eq!(readiness(&replica).await.0, StatusCode::OK);

    api.change(|state| {
        (state.status, state.secret, state.configuration) = (None, good, configuration);
    });
    eventually("the bundle is kept again", || async {
        (api.bundle() == bundle).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_broken_serving_certificate_is_issued_again() {
    let api = Api::new();
    let replica = start(&api, LONG).await;
    ready(&replica).await;
    api.change(|state| state.secret.as_mut().unwrap()["data"]["tls.crt"] = "eA==".into());
    eventually("it is issued again", || async {
        (api.state().writes.len() == 4).then_some(())
    })
    .await;
    ready(&replica).await;
    connect(&replica, &api.bundle()).await.unwrap();
}

async fn start(api: &Api, lifetimes: Lifetimes) -> Running {
    let own = OwnCertificates {
        namespace: "kees-system".to_owned(),
        secret: "kees-webhook-tls".to_owned(),
        service: "kees-webhook".to_owned(),
        webhook_configuration: "kees".to_owned(),
        lifetimes,
        client: Some(api.client()),
    };
    let limits = Limits {
        drain_delay: Duration::ZERO,
        ..Limits::default()
    };
    let certificate = CertificateSource::Own(own);
    Running::start_as(certificate, TlsSettings::default(), None, limits).await
}

async fn readiness(replica: &Running) -> (StatusCode, String) {
    admin(replica.admin, "/readyz").await.unwrap()
}

async fn ready(replica: &Running) {
    eventually("the replica is ready", || async {
        (readiness(replica).await.0 == StatusCode::OK).then_some(())
    })
    .await;
}

/// Connects as an API server with this `caBundle` does.
async fn connect(replica: &Running, bundle: &str) -> std::io::Result<()> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let stream = tls_as(replica.address, Http::One, roots, NAME).await?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    Ok(())
}

fn secret(data: &Value) -> Value {
    json!({"metadata": {"name": "kees-webhook-tls"}, "data": data})
}

fn foreign_ca() -> String {
    rcgen::generate_simple_self_signed(vec![NAME.to_owned()])
        .unwrap()
        .cert
        .pem()
}
