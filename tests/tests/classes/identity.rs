//! EKS Pod Identity: the agent of the node gives the credentials.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    process::Command,
    sync::mpsc,
    thread,
};

use anyhow::{Context as _, ensure};
use serde_json::json;

use crate::{
    pods::{class, files, pod, secrets_named},
    world::{REGION, World},
};

/// The address of the agent, which the EKS user guide names.
const AGENT: &str = "169.254.170.23";

#[test]
fn pod_identity_asks_the_agent_with_a_token_for_it() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let address = format!("{AGENT}/32");
    let status = Command::new("ip")
        .args(["address", "add", &address, "dev", "lo"])
        .status()?;
    ensure!(
        status.success(),
        "the node does not get the agent's address"
    );
    let listener = TcpListener::bind((AGENT, 80))?;
    let (seen, tokens) = mpsc::channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else {
                continue;
            };
            let mut buffer = [0; 8192];
            let length = connection.read(&mut buffer).unwrap_or_default();
            let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let body = json!({
                "AccessKeyId": "ASIATESTS", "SecretAccessKey": "tests", "Token": "tests",
                "Expiration": "2099-01-01T00:00:00Z", "AccountId": "123456789012",
            })
            .to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = connection.write_all(answer.as_bytes());
            let _ = seen.send(request);
        }
    });
    let namespace = world.namespace("pod-identity")?;
    world.secret(REGION, "pod-identity", "value")?;
    let mut class = class("pod-identity", &secrets_named(&["pod-identity"]));
    class["spec"]["parameters"]["usePodIdentity"] = json!("true");
    namespace.apply(&class.to_string())?;
    world.aws.take_calls();
    namespace.apply(&pod("app", "pod-identity").to_string())?;
    namespace.wait_for("pod/app", "condition=Ready")?;
    ensure!(files(&namespace, "app")?["pod-identity"].1 == "value");
    ensure!(!world.aws.take_calls().contains_key("sts"), "STS was asked");
    let request = tokens.try_recv().context("the agent was not asked")?;
    ensure!(request.starts_with("GET /v1/credentials "), "{request}");
    let token = request.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("authorization: ")
            .map(str::to_owned)
    });
    ensure!(
        token.is_some_and(|token| token.split('.').count() == 3),
        "no token"
    );
    Ok(())
}
