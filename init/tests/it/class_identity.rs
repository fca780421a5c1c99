//! As whom AWS is asked for the volumes of classes.

use std::{fs, process::Command};

use serde_json::json;

use crate::{
    class_volume::Pod,
    cloud::{Call, Instead},
    container::run,
};

const BOTH: &str = "\
- {objectName: s, objectType: secretsmanager}
- {objectName: /p, objectType: ssmparameter}
";

const ROLE: &str = "arn:aws:iam::123456789012:role/pod";

/// The answers of STS and of the agent, with the access keys STS and AGENT.
fn identities(call: &Call) -> Option<Instead> {
    if call.operation != "AssumeRoleWithWebIdentity" {
        return None;
    }
    let body = if call.text.contains("WebIdentityToken") {
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>STS</AccessKeyId>\
         <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2036-01-01T00:00:00Z</Expiration></Credentials>\
         </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
            .to_owned()
    } else {
        let credentials = json!({
            "AccessKeyId": "AGENT",
            "SecretAccessKey": "s",
            "Token": "t",
            "Expiration": "2036-01-01T00:00:00Z",
        });
        credentials.to_string()
    };
    Some(Instead::Answer(200, body))
}

fn pod(parameters: &[(&str, &str)]) -> Pod {
    let mut pod = Pod::scripted(&[("secret/token", "kind=REFERENCE")], identities);
    pod.add("db", BOTH, parameters);
    pod.secret("s", "1");
    pod.secret("/token", "2");
    pod.parameter("/p", "3");
    pod
}

/// The program with both identities, and static credentials (of the key `tests`).
fn command(pod: &Pod) -> Command {
    let (role_token, agent_token) = (
        pod.container.path("role.token"),
        pod.container.path("agent.token"),
    );
    fs::write(&role_token, "a.role.token").unwrap();
    fs::write(&agent_token, "an-agent-token").unwrap();
    let mut command = pod.command();
    command
        .env("AWS_STS_ENDPOINT", pod.cloud.url())
        .env("AWS_ROLE_ARN", ROLE)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", role_token)
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", agent_token)
        .env(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            format!("{}/v1/credentials", pod.cloud.url()),
        );
    command
}

/// The calls of a run that succeeds, sorted.
fn calls(pod: &Pod, command: &mut Command) -> Vec<String> {
    let (status, stderr) = run(command);
    assert_eq!(status, 0, "{stderr}");
    let mut calls = pod.calls();
    calls.sort();
    calls
}

/// The call for the annotation, which uses what is found first.
const OF_ANNOTATION: &str = "GetSecretValue eu-west-1 tests";

#[test]
fn a_class_uses_the_role_of_the_service_account_with_one_call_of_sts() {
    let pod = pod(&[]);
    let expected = [
        "AssumeRoleWithWebIdentity",
        "GetParameters eu-west-1 STS",
        "GetSecretValue eu-west-1 STS",
        OF_ANNOTATION,
    ];
    assert_eq!(calls(&pod, &mut command(&pod)), expected);
}

#[test]
fn a_class_uses_pod_identity_if_it_says_so() {
    let pod = pod(&[("usePodIdentity", "true")]);
    // The call of the agent has no name of its own in the stand-in.
    let expected = [
        "AssumeRoleWithWebIdentity",
        "GetParameters eu-west-1 AGENT",
        "GetSecretValue eu-west-1 AGENT",
        OF_ANNOTATION,
    ];
    assert_eq!(calls(&pod, &mut command(&pod)), expected);
}

#[test]
fn without_tokens_what_is_found_first_is_used() {
    for use_pod_identity in ["true", "false"] {
        let pod = pod(&[("usePodIdentity", use_pod_identity)]);
        let mut command = command(&pod);
        command
            .env_remove("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
            .env_remove("AWS_CONTAINER_CREDENTIALS_FULL_URI")
            .env_remove("AWS_ROLE_ARN")
            .env_remove("AWS_WEB_IDENTITY_TOKEN_FILE");
        let expected = [
            "GetParameters eu-west-1 tests",
            OF_ANNOTATION,
            OF_ANNOTATION,
        ];
        assert_eq!(calls(&pod, &mut command), expected);
    }
}

#[test]
fn two_volumes_of_two_identities_each_use_their_own() {
    let mut pod = pod(&[]);
    pod.add("agent", BOTH, &[("usePodIdentity", "true")]);
    pod.add("agent-again", BOTH, &[("usePodIdentity", "true")]);
    let calls = calls(&pod, &mut command(&pod));
    let count = |text: &str| calls.iter().filter(|call| call.ends_with(text)).count();
    assert_eq!(
        (
            count("AssumeRoleWithWebIdentity"),
            count("AGENT"),
            count("STS")
        ),
        (2, 4, 2)
    );
}

#[test]
fn a_role_that_cannot_be_assumed_is_told_once_for_all_objects() {
    let mut pod = Pod::scripted(&[], |call| {
        let is_sts = call.operation == "AssumeRoleWithWebIdentity";
        is_sts.then(|| crate::cloud::sts_error("AccessDenied", "Not authorized"))
    });
    pod.add("db", BOTH, &[]);
    let (status, stderr) = run(&mut command(&pod));
    assert_eq!(status, 77, "{stderr}");
    assert!(
        stderr.contains("STS does not let this pod assume"),
        "{stderr}"
    );
    assert!(stderr.contains("2 objects in eu-west-1: "), "{stderr}");
    assert_eq!(pod.calls(), ["AssumeRoleWithWebIdentity"]);
}
