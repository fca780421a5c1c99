//! `kees doctor` and `kees version` without a cluster.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use rstest::rstest;

use crate::folder::Folder;

/// A kubeconfig for this server.
fn kubeconfig(server: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
current-context: test
contexts: [{{name: test, context: {{cluster: test, user: test}}}}]
clusters: [{{name: test, cluster: {{server: '{server}'}}}}]
users: [{{name: test, user: {{token: canary}}}}]
"
    )
}

#[rstest]
#[case::nobody_listens(&kubeconfig("https://127.0.0.1:1"), "https://127.0.0.1:1 does not respond")]
#[case::no_such_name(&kubeconfig("https://kees.invalid"), "https://kees.invalid does not respond")]
#[case::not_yaml("{", "the kubeconfig cannot be used")]
#[case::empty("", "the kubeconfig cannot be used")]
fn a_cluster_that_cannot_be_asked_is_an_error_within_seconds(
    #[case] kubeconfig: &str,
    #[case] message: &str,
    #[values("doctor", "version")] command: &str,
) {
    let folder = Folder::new();
    folder.write("kubeconfig", kubeconfig);
    let started = Instant::now();
    let output = folder.kees(&[command, "--kubeconfig", "kubeconfig"]);
    assert_eq!(output.status, 2, "{}", output.stderr);
    assert!(output.stderr.contains(message), "{}", output.stderr);
    assert!(!output.stderr.contains("canary"), "{}", output.stderr);
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_user_whom_the_api_server_does_not_accept_gets_its_message_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let api = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let read = connection.read(&mut [0; 4096]).unwrap();
        assert!(read > 0);
        let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"token expired","reason":"Unauthorized","code":401}"#;
        let response = format!(
            "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(response.as_bytes()).unwrap();
    });
    let folder = Folder::new();
    folder.write("kubeconfig", &kubeconfig(&server));
    let output = folder.kees(&["doctor", "--kubeconfig", "kubeconfig"]);
    api.join().unwrap();
    assert_eq!(output.status, 2);
    let message = format!(
        "{server} does not accept your user (token expired); log in again, or choose another --context\n"
    );
    assert_eq!(output.stderr, message);
}

#[test]
fn a_kubeconfig_that_does_not_exist_is_named() {
    let output = Folder::new().kees(&["doctor", "--kubeconfig", "absent"]);
    assert_eq!(output.status, 2);
    assert!(output.stderr.contains("absent"), "{}", output.stderr);
    assert!(output.stderr.contains("--kubeconfig"), "{}", output.stderr);
}

#[test]
fn the_version_of_the_program_alone_needs_no_cluster() {
    let output = Folder::new().kees(&["version", "--client"]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(output.stdout, format!("kees {version}\n"));
    let output = Folder::new().kees(&["version", "--client", "--output", "json"]);
    assert_eq!(
        output.stdout,
        format!("{{\n  \"kees\": \"{version}\"\n}}\n")
    );
}
