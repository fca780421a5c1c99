//! Tests of the sources of credentials.

use aws_smithy_runtime_api::box_error::BoxError;
use rstest::rstest;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::ConnectorError;

use super::{
    CREDENTIALS_TIMEOUT,
    environment::{Environment, KEY, Key, SECRET_KEY},
};
use crate::{ErrorKind, aws::settings::Caller};

fn nothing() -> CredentialsError {
    CredentialsError::not_loaded("nothing is set")
}

fn refused() -> CredentialsError {
    let refused: BoxError = Box::new(std::io::Error::other("connection refused"));
    CredentialsError::provider_error(ConnectorError::io(refused))
}

#[test]
fn a_pod_without_any_identity_is_told_what_is_missing() {
    let error = Environment {
        metadata_disabled: true,
        ..Environment::default()
    }
    .explain(&nothing(), None, None);
    assert_eq!(error.kind, ErrorKind::Credentials);
    assert_eq!(
        error.message,
        "no AWS identity: neither AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE (IRSA) nor AWS_CONTAINER_CREDENTIALS_FULL_URI (EKS Pod Identity) is set, and AWS_EC2_METADATA_DISABLED forbids that of the node"
    );
    assert!(
        error.remedy.contains("recreate the pod"),
        "{}",
        error.remedy
    );
}

#[test]
fn a_node_that_gives_no_identity_is_named() {
    let error = Environment::default().explain(&refused(), None, None);
    assert_eq!(error.kind, ErrorKind::Credentials);
    assert!(
        error
            .message
            .ends_with("the node's metadata service gives none"),
        "{}",
        error.message
    );
}

#[test]
fn a_profile_that_was_passed_over_is_named() {
    let environment = |caller| Environment {
        caller,
        profile: Some("work".to_owned()),
        ..Environment::default()
    };
    for (caller, remedy) in [
        (Caller::Pod, "ServiceAccount"),
        (Caller::Person, "aws sso login"),
    ] {
        let error = environment(caller).explain(&refused(), Some("it was not defined"), None);
        assert_eq!(error.kind, ErrorKind::Credentials);
        let named = "no AWS identity: AWS_PROFILE is work: it was not defined";
        assert!(error.message.starts_with(named), "{}", error.message);
        assert!(error.remedy.contains(remedy), "{}", error.remedy);
    }
}

#[rstest]
#[case(Environment { key: Key::Half(KEY, SECRET_KEY), ..Environment::default() }, "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not")]
#[case(Environment { key: Key::Half(SECRET_KEY, KEY), ..Environment::default() }, "AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not")]
#[case(Environment { role: Some("r".to_owned()), ..Environment::default() }, "AWS_ROLE_ARN is set and AWS_WEB_IDENTITY_TOKEN_FILE is not")]
#[case(Environment { token_file: Some("t".into()), ..Environment::default() }, "AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not")]
fn half_of_an_identity_is_told(#[case] environment: Environment, #[case] what: &str) {
    let error = environment.explain(&nothing(), None, None);
    assert_eq!(error.kind, ErrorKind::Credentials);
    assert!(error.message.ends_with(what), "{}", error.message);
}

#[rstest]
#[case::no_agent(refused(), ErrorKind::Unreachable, "eks-pod-identity-agent runs")]
#[case::slow_agent(
    CredentialsError::provider_timed_out(CREDENTIALS_TIMEOUT),
    ErrorKind::TimedOut,
    "eks-pod-identity-agent runs"
)]
#[case::denied(
    CredentialsError::provider_error("Non-success status from HTTP credential provider: 403"),
    ErrorKind::Credentials,
    "trust policy"
)]
#[case::token_that_is_no_header(
    CredentialsError::invalid_configuration("failed to parse header value"),
    ErrorKind::Credentials,
    "without a newline at its end"
)]
fn pod_identity_is_told_apart_from_its_agent(
    #[case] source: CredentialsError,
    #[case] kind: ErrorKind,
    #[case] remedy: &str,
) {
    let environment = Environment {
        container: true,
        ..Environment::default()
    };
    let error = environment.explain(&source, None, None);
    assert_eq!(error.kind, kind);
    assert!(
        error.message.contains("EKS Pod Identity"),
        "{}",
        error.message
    );
    assert!(error.remedy.contains(remedy), "{}", error.remedy);
}

#[test]
fn a_request_that_cannot_be_built_is_not_repeated() {
    let dump: BoxError = "failed to apply endpoint to Request { token: canary }".into();
    let source = CredentialsError::provider_error(ConnectorError::other(dump, None));
    let environment = Environment {
        container: true,
        ..Environment::default()
    };
    let error = environment.explain(&source, None, None);
    assert_eq!(error.kind, ErrorKind::Credentials);
    assert!(error.message.ends_with("the request could not be built"));
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

#[test]
fn a_profile_that_is_wrong_is_not_an_identity_that_is_missing() {
    let source = CredentialsError::invalid_configuration("profile `x` was not defined");
    let error = Environment::default().explain(&source, None, None);
    assert_eq!(error.kind, ErrorKind::Credentials);
    assert!(
        error.message.contains("profile `x` was not defined"),
        "{}",
        error.message
    );
}

/// Whether the agent is asked again depends on the status that it answered.
#[rstest]
#[case(429, ErrorKind::Throttled)]
#[case(500, ErrorKind::Server)]
#[case(503, ErrorKind::Server)]
#[case(400, ErrorKind::Credentials)]
#[case(403, ErrorKind::Credentials)]
#[case(404, ErrorKind::Credentials)]
fn an_agent_that_is_throttled_or_fails_is_asked_again(
    #[case] status: u16,
    #[case] kind: ErrorKind,
) {
    let environment = Environment {
        container: true,
        ..Environment::default()
    };
    let source = CredentialsError::provider_error("Non-success status");
    let error = environment.explain(&source, None, Some(status));
    assert_eq!(error.kind, kind);
}
