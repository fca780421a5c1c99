//! Tests of which source of credentials is used.

use std::io::Write as _;

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_smithy_runtime_api::{box_error::BoxError, client::result::ConnectorError};
use rstest::rstest;
use serde_json::json;
use tempfile::NamedTempFile;

use super::{CallerCredentials, environment::Environment};
use crate::{
    ErrorKind,
    aws::{
        error::AwsError,
        settings::{AgentAddresses, AwsSettings, CredentialSource},
        stub::{Answer, Asked, Stub},
    },
};

const IPV4: &str = "http://169.254.170.23/v1/credentials";
const IPV6: &str = "http://[fd00:ec2::23]/v1/credentials";

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn sts_answer() -> Answer {
    let body = "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>STS</AccessKeyId>\
         <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2036-01-01T00:00:00Z</Expiration></Credentials>\
         </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
    Answer::Http(200, body.to_owned())
}

fn agent_answer() -> Answer {
    Answer::ok(&json!({
        "AccessKeyId": "AGENT",
        "SecretAccessKey": "s",
        "Token": "t",
        "Expiration": "2036-01-01T00:00:00Z",
    }))
}

fn refused() -> Answer {
    let refused: BoxError = Box::new(std::io::Error::other("connection refused"));
    Answer::NoResponse(ConnectorError::io(refused))
}

/// STS, and an agent that answers like this at each address.
fn cloud(agent: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Stub {
    Stub::new(move |asked: &Asked| {
        if asked.url.contains("/v1/credentials") {
            agent(&asked.url)
        } else {
            sts_answer()
        }
    })
}

/// The configuration of a program in `region`.
fn config(stub: &Stub, region: &str) -> SdkConfig {
    let region = aws_config::Region::new(region.to_owned());
    stub.config().into_builder().region(region).build()
}

fn credentials(
    stub: &Stub,
    environment: Environment,
    source: CredentialSource,
) -> CallerCredentials {
    let settings = AwsSettings {
        source,
        ..AwsSettings::default()
    };
    CallerCredentials::new(environment, &config(stub, "eu-west-2"), &settings)
}

fn urls(stub: &Stub) -> Vec<String> {
    stub.asked().into_iter().map(|asked| asked.url).collect()
}

/// The variables of both identities.
fn both(role_token: &NamedTempFile, agent_token: &NamedTempFile) -> Environment {
    Environment {
        role: Some("arn:aws:iam::123456789012:role/pod".to_owned()),
        token_file: Some(role_token.path().to_owned()),
        agent_token_file: Some(agent_token.path().to_owned()),
        ..Environment::default()
    }
}

const AUTO: CredentialSource = CredentialSource::PodIdentity(AgentAddresses::Both);

#[tokio::test]
async fn the_role_of_the_service_account_is_assumed_at_the_sts_of_the_region() {
    let (role_token, agent_token) = (file("role.token"), file("agent-token"));
    let environment = both(&role_token, &agent_token);
    let stub = cloud(|_| panic!("the agent is not asked"));
    let source = CredentialSource::ServiceAccountRole;
    let credentials = credentials(&stub, environment, source);
    for _ in 0..3 {
        let found = credentials.provide_credentials().await.unwrap();
        assert_eq!(found.access_key_id(), "STS");
    }
    assert_eq!(urls(&stub), ["https://sts.eu-west-2.amazonaws.com/"]);
    let form = stub.asked()[0].body.to_string();
    assert!(form.contains("WebIdentityToken=role.token"), "{form}");
}

#[rstest]
#[case(AgentAddresses::Both, IPV4)]
#[case(AgentAddresses::Ipv4, IPV4)]
#[case(AgentAddresses::Ipv6, IPV6)]
#[tokio::test]
async fn the_agent_is_asked_at_the_address_that_is_preferred(
    #[case] addresses: AgentAddresses,
    #[case] url: &str,
) {
    let (role_token, agent_token) = (file("role.token"), file("agent-token\n"));
    let environment = both(&role_token, &agent_token);
    let stub = cloud(|_| agent_answer());
    let source = CredentialSource::PodIdentity(addresses);
    let credentials = credentials(&stub, environment, source);
    let found = credentials.provide_credentials().await.unwrap();
    assert_eq!(found.access_key_id(), "AGENT");
    assert!(found.expiry().is_some());
    assert_eq!(urls(&stub), [url]);
}

#[tokio::test]
async fn the_agent_is_looked_for_at_its_second_address_where_the_first_does_not_answer() {
    let (role_token, agent_token) = (file("role.token"), file("agent-token"));
    let answer = |url: &str| {
        if url == IPV4 {
            refused()
        } else {
            agent_answer()
        }
    };
    let stub = cloud(answer);
    let credentials = credentials(&stub, both(&role_token, &agent_token), AUTO);
    let found = credentials.provide_credentials().await.unwrap();
    assert_eq!(found.access_key_id(), "AGENT");
    assert_eq!(urls(&stub), [IPV4, IPV6]);
}

#[rstest]
#[case(AgentAddresses::Both, &[IPV4, IPV6])]
#[case(AgentAddresses::Ipv6, &[IPV6])]
#[tokio::test]
async fn an_agent_that_does_not_run_is_named(
    #[case] addresses: AgentAddresses,
    #[case] asked: &[&str],
) {
    let (role_token, agent_token) = (file("role.token"), file("agent-token"));
    let stub = cloud(|_| refused());
    let source = CredentialSource::PodIdentity(addresses);
    let credentials = credentials(&stub, both(&role_token, &agent_token), source);
    let error = credentials.provide_credentials().await.unwrap_err();
    let error = AwsError::within(&error).unwrap();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.remedy.contains("eks-pod-identity-agent runs"));
    assert_eq!(urls(&stub), asked);
}

#[rstest]
#[case::denied(403, ErrorKind::Credentials)]
#[case::throttled(429, ErrorKind::Throttled)]
#[case::failing(503, ErrorKind::Server)]
#[tokio::test]
async fn an_agent_that_answers_with_an_error_is_asked_at_one_address(
    #[case] status: u16,
    #[case] kind: ErrorKind,
) {
    let (role_token, agent_token) = (file("role.token"), file("canary"));
    let stub = cloud(move |_| Answer::Http(status, "canary".to_owned()));
    let credentials = credentials(&stub, both(&role_token, &agent_token), AUTO);
    let error = credentials.provide_credentials().await.unwrap_err();
    let explained = AwsError::within(&error).unwrap();
    assert_eq!(explained.kind, kind);
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    assert_eq!(urls(&stub), [IPV4]);
}

#[rstest]
#[case::no_json("canary")]
#[case::no_key(r#"{"AccessKeyId": "canary"}"#)]
#[tokio::test]
async fn an_answer_without_credentials_is_not_repeated_in_the_error(#[case] body: &'static str) {
    let (role_token, agent_token) = (file("role.token"), file("agent-token"));
    let stub = cloud(|_| Answer::Http(200, body.to_owned()));
    let credentials = credentials(&stub, both(&role_token, &agent_token), AUTO);
    let error = credentials.provide_credentials().await.unwrap_err();
    let explained = AwsError::within(&error).unwrap();
    assert_eq!(explained.kind, ErrorKind::Credentials);
    assert!(explained.message.contains("without usable credentials"));
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

#[rstest]
#[case::empty(Some("\n"), "it is empty")]
#[case::lines(Some("canary\nb"), "more than one line")]
#[case::missing(None, "No such file")]
#[tokio::test]
async fn a_token_that_cannot_be_used_is_named(#[case] content: Option<&str>, #[case] why: &str) {
    let (role_token, agent_token) = (file("role.token"), file(content.unwrap_or_default()));
    let mut environment = both(&role_token, &agent_token);
    if content.is_none() {
        environment.agent_token_file = Some(agent_token.path().with_extension("absent"));
    }
    let stub = cloud(|_| panic!("nothing is to be asked"));
    let credentials = credentials(&stub, environment, AUTO);
    let error = credentials.provide_credentials().await.unwrap_err();
    let error = AwsError::within(&error).unwrap();
    assert_eq!(error.kind, ErrorKind::Credentials);
    assert!(error.message.contains(why), "{}", error.message);
    assert!(!error.message.contains("canary"), "{}", error.message);
    assert!(error.remedy.contains("pods.eks.amazonaws.com"));
}

/// Without the variables of the identity that is asked for, there may be another one.
#[rstest]
#[case::role(CredentialSource::ServiceAccountRole)]
#[case::agent(AUTO)]
#[tokio::test]
async fn without_its_variables_a_source_is_not_the_only_one(#[case] source: CredentialSource) {
    let (role_token, agent_token) = (file("role.token"), file("agent-token"));
    let whole = both(&role_token, &agent_token);
    let environment = match source {
        CredentialSource::ServiceAccountRole => Environment {
            role: None,
            token_file: None,
            ..whole
        },
        _ => Environment {
            agent_token_file: None,
            ..whole
        },
    };
    let stub = cloud(|_| agent_answer());
    let credentials = credentials(&stub, environment, source);
    let found = credentials.provide_credentials().await;
    if source == AUTO {
        assert_eq!(found.unwrap().access_key_id(), "STS");
    } else {
        // The last source is the metadata service of the node, which STS's answer is no answer of.
        let error = found.unwrap_err();
        let error = AwsError::within(&error).unwrap();
        assert!(
            error.message.contains("no AWS identity"),
            "{}",
            error.message
        );
    }
    assert!(urls(&stub).iter().all(|url| url != IPV4));
}
