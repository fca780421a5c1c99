//! Credentials that are not available for a while, and the name of the STS session.

use std::{
    fs,
    process::Command,
    sync::{Arc, Mutex},
};

use kees_common::StoreName;
use rstest::rstest;
use serde_json::json;

use crate::{
    cloud::{Cloud, Instead, sts_error},
    container::{Container, run},
};

const ROLE: &str = "arn:aws:iam::123456789012:role/pod";

fn pod() -> Container {
    Container::new(&[("secret/token", "kind=DYNAMIC,type=PASSWORD,size=128")])
}

/// A source of credentials that sends `responses` in turn and then `credentials`, and the requests
/// that it received.
fn source(responses: Vec<Instead>, credentials: String) -> (Cloud, Arc<Mutex<Vec<String>>>) {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&requests);
    let cloud = Cloud::scripted(move |call, _| {
        let mut noted = noted.lock().unwrap();
        noted.push(call.text.clone());
        let response = responses.get(noted.len() - 1).cloned();
        Some(response.unwrap_or_else(|| Instead::Answer(200, credentials.clone())))
    });
    (cloud, requests)
}

/// The program with `store` as its DynamoDB, and without credentials of its own.
fn command(pod: &Container, store: &Cloud) -> Command {
    let mut command = pod.command();
    store
        .configure(&mut command, StoreName::DynamoDb)
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("TIMEOUT", "20");
    command
}

fn agent_credentials() -> String {
    json!({
        "AccessKeyId": "ASIAEXAMPLE",
        "SecretAccessKey": "example",
        "Token": "token",
        "Expiration": "2036-01-01T00:00:00Z",
    })
    .to_string()
}

fn sts_credentials() -> String {
    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
     <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA1</AccessKeyId>\
     <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
     <Expiration>2036-01-01T00:00:00Z</Expiration></Credentials>\
     </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        .to_owned()
}

/// Runs a pod with EKS Pod Identity: its exit status, and how often the agent was asked.
fn run_with_agent(responses: &[u16]) -> (i32, usize, String) {
    let (pod, store) = (pod(), Cloud::start());
    let responses = responses
        .iter()
        .map(|status| Instead::Answer(*status, String::new()));
    let (agent, requests) = source(responses.collect(), agent_credentials());
    let mut command = command(&pod, &store);
    let uri = format!("{}/v1/credentials", agent.url());
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri);
    let (status, stderr) = run(&mut command);
    let asked = requests.lock().unwrap().len();
    (status, asked, stderr)
}

#[rstest]
#[case::throttled(&[429, 429])]
#[case::failing(&[500, 503, 500, 503, 500])]
fn an_agent_that_is_throttled_or_fails_is_asked_again(#[case] responses: &[u16]) {
    let (status, asked, stderr) = run_with_agent(responses);
    assert_eq!((status, asked), (0, responses.len() + 1), "{stderr}");
}

#[rstest]
fn an_agent_that_denies_is_asked_once(#[values(400, 403, 404)] response: u16) {
    let (status, asked, stderr) = run_with_agent(&[response; 3]);
    assert_eq!((status, asked), (77, 1), "{stderr}");
}

/// Runs a pod with IRSA: its exit status, and what STS was asked.
fn run_with_sts(responses: &[Instead], variables: &[(&str, &str)]) -> (i32, Vec<String>, String) {
    let (pod, store) = (pod(), Cloud::start());
    let (sts, requests) = source(responses.to_vec(), sts_credentials());
    let file = pod.path("token");
    fs::write(&file, "a.jwt.token").unwrap();
    let mut command = command(&pod, &store);
    command
        .env("AWS_STS_ENDPOINT", sts.url())
        .env("AWS_ROLE_ARN", ROLE)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", &file)
        .envs(variables.iter().copied());
    let (status, stderr) = run(&mut command);
    let asked = requests.lock().unwrap().clone();
    (status, asked, stderr)
}

#[rstest]
#[case::unknown_key(sts_error(
    "InvalidIdentityToken",
    "Couldn't retrieve verification key from your identity provider"
))]
#[case::provider(sts_error("IDPCommunicationError", "The identity provider was not reachable"))]
#[case::throttled(sts_error("Throttling", "Rate exceeded"))]
#[case::too_many(Instead::Answer(429, String::new()))]
#[case::failing(Instead::Answer(503, "<html>".to_owned()))]
fn sts_is_asked_again_where_that_may_help(#[case] response: Instead) {
    let (status, asked, stderr) = run_with_sts(&[response.clone(), response], &[]);
    assert_eq!((status, asked.len()), (0, 3), "{stderr}");
}

#[rstest]
#[case::denied(sts_error("AccessDenied", "Not authorized"))]
#[case::expired(sts_error("ExpiredTokenException", "Token expired"))]
#[case::wrong(sts_error("ValidationError", "Request ARN is invalid"))]
fn sts_is_asked_once_where_asking_again_cannot_help(#[case] response: Instead) {
    let (status, asked, stderr) = run_with_sts(&[response.clone(), response], &[]);
    assert_eq!((status, asked.len()), (77, 1), "{stderr}");
}

/// `CloudTrail` shows the name of the session.
#[rstest]
#[case(&[("POD_NAMESPACE", "team-a"), ("POD_NAME", "web-7d4b9c-x2x")], "team-a.web-7d4b9c-x2x")]
#[case(&[("POD_NAME", "")], "kees")]
#[case(&[("POD_NAMESPACE", "team-a"), ("AWS_ROLE_SESSION_NAME", "own")], "own")]
fn the_session_is_named_after_the_pod(#[case] variables: &[(&str, &str)], #[case] name: &str) {
    let (status, asked, stderr) = run_with_sts(&[], variables);
    assert_eq!(status, 0, "{stderr}");
    let form: Vec<_> = asked[0].split('&').collect();
    assert!(
        form.contains(&&*format!("RoleSessionName={name}")),
        "{form:?}"
    );
}

/// A pod whose environment names no Region.
fn run_without_region(store: StoreName, variables: &[(&str, &str)]) -> (i32, String, String) {
    let (pod, cloud) = (pod(), Cloud::start());
    let mut command = pod.command();
    cloud
        .configure(&mut command, store)
        .env_remove("AWS_REGION")
        .env("TIMEOUT", "5")
        .envs(variables.iter().copied());
    let (status, stderr) = run(&mut command);
    (status, stderr, pod.read("termination-log"))
}

#[test]
fn secrets_manager_without_a_region_is_refused() {
    let (status, _, message) = run_without_region(StoreName::SecretsManager, &[]);
    assert_eq!(status, 64, "{message}");
    assert!(message.contains("set AWS_REGION"), "{message}");
}

#[test]
fn dynamodb_without_a_region_uses_that_of_the_original_and_warns() {
    let (status, stderr, _) = run_without_region(StoreName::DynamoDb, &[]);
    assert_eq!(status, 0, "{stderr}");
    assert!(stderr.contains("ap-southeast-2"), "{stderr}");
}

#[rstest]
#[case(StoreName::SecretsManager)]
#[case(StoreName::DynamoDb)]
fn the_default_region_of_the_environment_is_used(#[case] store: StoreName) {
    let (status, stderr, _) = run_without_region(store, &[("AWS_DEFAULT_REGION", "eu-west-1")]);
    assert_eq!(status, 0, "{stderr}");
    assert!(!stderr.contains("ap-southeast-2"), "{stderr}");
    let (status, _, message) = run_without_region(store, &[("AWS_DEFAULT_REGION", "eu/west")]);
    assert_eq!(status, 64, "{message}");
}
