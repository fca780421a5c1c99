//! The real program: start, end, log and exit status.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::{io::ErrorKind, process::Output};

use hyper::StatusCode;
use rstest::rstest;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use support::{
    CONDITION_TIMEOUT, Certificates, Client, Http, Program, admin, eventually, invalid_review,
    metric, program, review, tls, valid_review,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test]
async fn after_sigterm_the_program_is_not_ready_finishes_open_requests_and_ends() {
    let (certificates, certificate) = Certificates::new();
    let program = Program::start(
        &certificates,
        &[
            "--body-timeout",
            "30",
            "--drain-delay",
            "3",
            "--drain-timeout",
            "30",
        ],
    );
    let mut half = tls(program.address, Http::One, &certificate).await.unwrap();
    let body = valid_review();
    let (first, rest) = body.split_at(body.len() / 2);
    let head = format!(
        "POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    half.write_all(&[head.as_bytes(), first].concat())
        .await
        .unwrap();
    eventually("the request is in flight", || async {
        let in_flight = metric(program.admin, "kees_webhook_requests_in_flight").await;
        (in_flight > 0.5).then_some(())
    })
    .await;

    program.terminate();
    eventually("it is not ready", || async {
        let (status, text) = admin(program.admin, "/readyz").await.unwrap();
        (status == StatusCode::SERVICE_UNAVAILABLE).then(|| assert_eq!(text, "draining\n"))
    })
    .await;
    assert_eq!(
        admin(program.admin, "/healthz").await.unwrap().0,
        StatusCode::OK
    );
    assert_served(&program, &certificate).await;
    eventually("no connection is accepted", || async {
        let error = TcpStream::connect(program.address).await.err()?;
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        Some(())
    })
    .await;

    half.write_all(rest).await.unwrap();
    let mut response = String::new();
    tokio::time::timeout(CONDITION_TIMEOUT, half.read_to_string(&mut response))
        .await
        .unwrap()
        .unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.contains("\"allowed\":true"), "{response}");
    let (status, log) = program.end().await;
    assert!(status.success(), "{status} {log:?}");
    assert!(
        log.last().unwrap().contains("\"message\":\"ended\""),
        "{log:?}"
    );
}

/// Asserts that a new connection is served while the program drains, and that the client is asked to close
/// it.
async fn assert_served(program: &Program, certificate: &CertificateDer<'static>) {
    for http in [Http::One, Http::Two] {
        let mut late = Client::connect(program.address, http, certificate)
            .await
            .unwrap();
        let response = late.send(support::post(valid_review())).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let connection = response.headers().get("connection");
        assert_eq!(
            connection.is_some_and(|value| value == "close"),
            http == Http::One
        );
    }
}

#[tokio::test]
async fn no_value_is_in_the_log_or_the_metrics() {
    const CANARY: &str = "canary-3f9b";
    const CANARY_BASE64: &str = "Y2FuYXJ5LTNmOWI";
    let (certificates, certificate) = Certificates::new();
    let env = format!("TOKEN={CANARY}");
    let flags = [
        "--log-level",
        "trace",
        "--init-env",
        &env,
        "--drain-delay",
        "0",
    ];
    let program = Program::start(&certificates, &flags);
    let mut client = Client::connect(program.address, Http::Two, &certificate)
        .await
        .unwrap();

    let valid = format!("kind=DYNAMIC,type=PASSWORD,size=256,localModeValue={CANARY_BASE64}");
    let (_, response) = client
        .mutate(review(&json!({"secret.bsycorp.com/a": valid})))
        .await;
    let patch = response["response"]["patch"].as_str().unwrap().to_owned();
    let mut audited = vec![response["response"]["auditAnnotations"].clone()];
    let invalid = format!("kind=DYNAMIC,type=PASSWORD,localModeValue={CANARY_BASE64},x={CANARY}");
    let (_, response) = client
        .mutate(review(&json!({"secret.bsycorp.com/a": invalid})))
        .await;
    audited.push(response["response"]["auditAnnotations"].clone());
    let message = response["response"]["status"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    let skipped = json!({"secret.bsycorp.com/a": valid, "init.bsycorp.com/inject": "false"});
    client.mutate(review(&skipped)).await;
    let mut truncated = review(&json!({"secret.bsycorp.com/a": valid}));
    truncated.truncate(truncated.len() - 9);
    client.mutate(truncated).await;
    assert_eq!(
        audited,
        [
            json!({"outcome": "patched", "entries": "a=/a"}),
            json!({"outcome": "denied", "reason": "annotation"})
        ]
    );
    let (_, metrics) = admin(program.admin, "/metrics").await.unwrap();

    program.terminate();
    let (status, log) = program.end().await;
    assert!(status.success());
    let log = log.join("\n");
    for outcome in ["patched", "denied", "skipped", "malformed"] {
        assert!(
            log.contains(&format!("\"outcome\":\"{outcome}\"")),
            "{outcome} in {log}"
        );
        assert!(
            metrics.contains(&format!("outcome=\"{outcome}\"")),
            "{outcome} in {metrics}"
        );
    }
    for (name, text) in [("log", log), ("metrics", metrics)] {
        for value in [CANARY, CANARY_BASE64, "PASSWORD", &patch, &message] {
            assert!(!text.contains(value), "{value} is in the {name}: {text}");
        }
    }
}

#[tokio::test]
async fn each_decision_is_logged_with_who_asks_for_what() {
    let (certificates, certificate) = Certificates::new();
    let program = Program::start(&certificates, &["--drain-delay", "0"]);
    let mut client = Client::connect(program.address, Http::One, &certificate)
        .await
        .unwrap();
    let mut of_controller: Value = serde_json::from_slice(&valid_review()).unwrap();
    let request = &mut of_controller["request"];
    request["userInfo"] =
        json!({"username": "system:serviceaccount:kube-system:replicaset-controller"});
    request["dryRun"] = json!(true);
    let metadata = &mut request["object"]["metadata"];
    metadata["name"].take();
    metadata["generateName"] = json!("web-7d4b9-");
    metadata["ownerReferences"] = json!([
        {"apiVersion": "v1", "kind": "Node", "name": "no controller"},
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7d4b9", "controller": true},
    ]);
    client.mutate(of_controller.to_string()).await;
    client.mutate(invalid_review()).await;
    program.terminate();
    let (_, log) = program.end().await;
    let reviews: Vec<Value> = log
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["message"] == "review")
        .collect();
    let reviews: Vec<_> = reviews.iter().map(fields).collect();
    insta::assert_snapshot!(reviews.join("\n\n"));
}

/// The fields of a log line that do not depend on the time, in alphabetical order.
fn fields(line: &Value) -> String {
    let fields = line.as_object().unwrap().iter();
    let mut fields: Vec<_> = fields
        .filter(|(key, _)| !["timestamp", "micros"].contains(&key.as_str()))
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    fields.sort();
    fields.join("\n")
}

#[tokio::test]
async fn the_audit_log_can_be_switched_off() {
    let (certificates, certificate) = Certificates::new();
    let flags = ["--drain-delay", "0", "--audit-log", "false"];
    let program = Program::start(&certificates, &flags);
    let mut client = Client::connect(program.address, Http::One, &certificate)
        .await
        .unwrap();
    client.mutate(valid_review()).await;
    client.mutate(invalid_review()).await;
    program.terminate();
    let (_, log) = program.end().await;
    assert!(
        !log.iter().any(|line| line.contains("\"review\"")),
        "{log:?}"
    );
}

#[tokio::test]
async fn a_log_line_has_only_the_first_bytes_of_a_uid_and_a_namespace() {
    let (certificates, certificate) = Certificates::new();
    let program = Program::start(&certificates, &["--drain-delay", "0"]);
    let mut client = Client::connect(program.address, Http::Two, &certificate)
        .await
        .unwrap();
    let mut denied: Value = serde_json::from_slice(&invalid_review()).unwrap();
    let uid = format!("\n\u{1b}[31m\u{9b}31m\u{202e}{}", "ä".repeat(50));
    denied["request"]["uid"] = uid.into();
    denied["request"]["namespace"] = "n".repeat(200).into();
    let (_, response) = client.mutate(denied.to_string()).await;
    assert_eq!(response["response"]["uid"], denied["request"]["uid"]);
    program.terminate();
    let (_, log) = program.end().await;
    let line = log.iter().find(|line| line.contains("denied"));
    let line = line.unwrap_or_else(|| panic!("{log:?}"));
    assert!(line.len() < 500, "{} bytes", line.len());
    let is_raw = |c: char| c.is_control() || c == '\u{202e}';
    assert!(!line.contains(is_raw), "{line}");
    let line: Value = serde_json::from_str(line).unwrap();
    let uid = format!(r"\n\u{{1b}}[31m\u{{9b}}31m\u{{202e}}{}", "ä".repeat(25));
    assert_eq!(line["uid"], uid);
    assert_eq!(line["namespace"], "n".repeat(64));
}

#[tokio::test]
async fn a_server_without_a_policy_warns_once() {
    let (certificates, _) = Certificates::new();
    let program = Program::start(&certificates, &["--drain-delay", "0"]);
    program.terminate();
    let (_, log) = program.end().await;
    let warnings: Vec<_> = log
        .iter()
        .filter(|line| line.contains("no policy file"))
        .collect();
    assert_eq!(warnings.len(), 1, "{log:?}");
}

/// Each case also has empty variables, as a template without values leaves them. They are no errors.
#[rstest]
#[case::no_flags(&[], 64, "--init-image <REFERENCE>")]
#[case::client_ca(&["--client-ca", "tls.key"], 64, "tls.key contains no certificate in PEM")]
#[case::tls_version(&["--tls-min-version", "1.1"], 64, "invalid value '1.1'")]
#[case::unknown_flag(&["--nonsense"], 64, "unexpected argument '--nonsense'")]
#[case::no_label(&["--env-label", ""], 64, "the store dynamodb needs --env-label")]
#[case::store(&["--store", "vault"], 64, "'vault' is not a store")]
#[case::region(&["--aws-region", "eu west"], 64, "it is not the name of a Region")]
#[case::endpoint(&["--aws-endpoint", "localhost:8000"], 64, "it does not begin with http://")]
#[case::root(&["--run-as", "0"], 64, "'0' is not a uid to run as")]
#[case::memory(&["--store", "memory"], 64, "the store memory ends with the process")]
#[case::expression(&["--wired-image", ""], 64, "it is empty and would match every image")]
#[case::syntax(&["--wired-image", "("], 64, "not a regular expression: unclosed group")]
#[case::variable(&["--init-env", "A"], 64, "use NAME=VALUE")]
#[case::decided(&["--init-env", "STORE=memory"], 64, "cannot set STORE")]
#[case::policy(&["--policy", "policy.yaml"], 64, "the policy file policy.yaml is invalid: the policy has no rules")]
#[case::no_policy(&["--policy", "absent.yaml"], 64, "cannot read absent.yaml: No such file")]
#[case::key(&["--tls-key", "tls.crt"], 64, "tls.crt contains no private key in PEM")]
#[case::address(&["--listen", "192.0.2.1:1"], 1, "cannot listen on 192.0.2.1:1")]
fn errors_at_start_are_printed(#[case] flags: &[&str], #[case] status: i32, #[case] message: &str) {
    let (certificates, _) = Certificates::new();
    certificates.put("policy.yaml", "rules: []");
    let mut command = program();
    command.current_dir(certificates.path());
    if !flags.is_empty() {
        for (name, value) in [
            ("TLS_CERT", "tls.crt"),
            ("TLS_KEY", "tls.key"),
            ("INIT_IMAGE", "kees-init:0.1.0"),
            ("ENV_LABEL", "dev"),
            ("LISTEN", "127.0.0.1:0"),
            ("ADMIN_LISTEN", "127.0.0.1:0"),
            ("ANNOTATION_DOMAIN", ""),
            ("AWS_ENDPOINT", ""),
            ("AWS_REGION", ""),
            ("INIT_ENV", ""),
            ("POLICY", ""),
            ("STORES", ""),
            ("WIRED_IMAGE", ""),
        ] {
            command.env(name, value);
        }
    }
    let Output {
        status: exited,
        stderr,
        ..
    } = command.args(flags).output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(stderr.contains(message), "{stderr}");
    assert_eq!(exited.code(), Some(status), "{stderr}");
}

#[rstest]
#[case::no_namespace(&[], "the namespace is not known; set --namespace")]
#[case::a_certificate_without_its_key(&["--tls-cert", "tls.crt"], "--tls-key <FILE>")]
#[case::lifetimes(
    &["--namespace", "kees-system", "--ca-lifetime", "60", "--certificate-lifetime", "61"],
    "--ca-lifetime is shorter than --certificate-lifetime"
)]
fn errors_of_its_own_certificates_are_printed(#[case] flags: &[&str], #[case] message: &str) {
    let mut command = program();
    command.args(["--init-image", "kees-init:0.1.0", "--env-label", "dev"]);
    let Output { status, stderr, .. } = command.args(flags).output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(stderr.contains(message), "{stderr}");
    assert_eq!(status.code(), Some(64), "{stderr}");
}

#[test]
fn help_is_not_an_error() {
    let Output { status, stdout, .. } = program().arg("--help").output().unwrap();
    assert!(status.success());
    assert!(String::from_utf8(stdout).unwrap().contains("--init-image"));
}
