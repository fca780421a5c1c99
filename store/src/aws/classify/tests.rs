//! Tests of how errors of AWS are told apart.

use aws_smithy_runtime_api::box_error::BoxError;
use kees_common::{StoragePath, StoreName};
use rstest::rstest;

use super::*;
use crate::aws::{
    Aws,
    stub::{Answer, Stub},
};

const TABLE: &str = "arn:aws:dynamodb:eu-west-1:*:table/dev-kube-secret";

/// What becomes of a read that is answered so.
async fn error(answer: impl Fn() -> Answer + Send + Sync + 'static) -> StoreError {
    let stub = Stub::new(move |_| answer());
    let request = Aws::from_config(stub.config())
        .secrets_manager()
        .get_secret_value()
        .secret_id("a");
    let error = request.send().await.unwrap_err();
    let path: StoragePath = "/dev/a".parse().unwrap();
    let call = Call {
        store: StoreName::DynamoDb,
        action: "dynamodb:GetItem",
        resource: TABLE.into(),
        path: Some(&path),
    };
    classify(&error, &call)
}

async fn error_response(status: u16, code: &'static str, message: &'static str) -> StoreError {
    error(move || Answer::error_response(status, code, message)).await
}

fn denied(action: &str, resource: &str) -> ErrorKind {
    ErrorKind::Denied {
        action: action.to_owned(),
        resource: resource.to_owned(),
    }
}

/// Codes: Amazon DynamoDB Developer Guide, "Error handling with DynamoDB", and the common errors
/// of the AWS API references. The words about clock and Region: IAM User Guide, "Troubleshoot
/// Signature Version 4 requests". What the remedy must say is the last column.
#[rstest]
#[case(
    "UnrecognizedClientException",
    "The security token included in the request is invalid.",
    ErrorKind::Credentials,
    "credentials"
)]
#[case(
    "ExpiredTokenException",
    "The security token included in the request is expired",
    ErrorKind::Credentials,
    "credentials"
)]
#[case(
    "InvalidSignatureException",
    "The request signature we calculated does not match the signature you provided.",
    ErrorKind::Credentials,
    "credentials"
)]
#[case(
    "InvalidSignatureException",
    "Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z (20260101T002000Z - 5 min.)",
    ErrorKind::Credentials,
    "clock"
)]
#[case(
    "InvalidSignatureException",
    "Signature not yet current: 20260101T010000Z is still later than 20260101T001500Z (20260101T001000Z + 5 min.)",
    ErrorKind::Credentials,
    "clock"
)]
#[case(
    "RequestTimeTooSkewed",
    "The difference between the request time and the current time is too large.",
    ErrorKind::Credentials,
    "clock"
)]
#[case(
    "InvalidSignatureException",
    "Credential should be scoped to a valid region, not 'eu-west-1'.",
    ErrorKind::Setup,
    "AWS_REGION"
)]
#[case("ThrottlingException", "Rate exceeded", ErrorKind::Throttled, "quota")]
#[case(
    "ProvisionedThroughputExceededException",
    "The level of configured provisioned throughput for the table was exceeded.",
    ErrorKind::Throttled,
    "capacity"
)]
#[case(
    "RequestLimitExceeded",
    "Throughput exceeds the current throughput limit for your account.",
    ErrorKind::Throttled,
    "quota"
)]
#[case(
    "InternalServerError",
    "The request processing has failed.",
    ErrorKind::Server,
    "again"
)]
#[case(
    "KMSAccessDeniedException",
    "The ciphertext refers to a key that you may not use.",
    denied("kms:Decrypt", "the KMS key"),
    "kms:Decrypt"
)]
#[case(
    "KMSDisabledException",
    "The key is disabled.",
    ErrorKind::Setup,
    "enabled"
)]
#[case("KMSThrottlingException", "Slow down.", ErrorKind::Throttled, "quota")]
#[case(
    "SomethingNewException",
    "A text of its own.",
    ErrorKind::Other,
    "documentation"
)]
#[tokio::test]
async fn each_code_has_its_kind_its_own_words_and_a_remedy(
    #[case] code: &'static str,
    #[case] message: &'static str,
    #[case] kind: ErrorKind,
    #[case] remedy: &str,
) {
    let error = error_response(400, code, message).await;
    assert_eq!(error.kind, kind);
    assert_eq!(error.code.as_deref(), Some(code));
    assert_eq!(error.message, message);
    assert!(error.remedy.contains(remedy), "{}", error.remedy);
    assert_eq!(error.path.unwrap().as_str(), "/dev/a");
}

/// The words of denials: IAM User Guide, "Troubleshoot access denied error messages"; those of the
/// table's key are DynamoDB's, as its users have quoted them.
#[rstest]
#[case::identity_policy(
    "User: arn:aws:sts::1:assumed-role/pod/kees is not authorized to perform: dynamodb:GetItem on resource: arn:aws:dynamodb:eu-west-1:1:table/t because no identity-based policy allows the dynamodb:GetItem action",
    denied("dynamodb:GetItem", "arn:aws:dynamodb:eu-west-1:1:table/t"),
    "allow dynamodb:GetItem on arn:aws:dynamodb:eu-west-1:1:table/t in the policy of the role in use"
)]
#[case::explicit_deny(
    "User: arn:aws:sts::1:assumed-role/pod/kees is not authorized to perform: dynamodb:GetItem on resource: arn:aws:dynamodb:eu-west-1:1:table/t with an explicit deny in a service control policy",
    denied("dynamodb:GetItem", "arn:aws:dynamodb:eu-west-1:1:table/t"),
    "take dynamodb:GetItem on arn:aws:dynamodb:eu-west-1:1:table/t out of the policy that denies it explicitly"
)]
#[case::without_words(
    "Access denied",
    denied("dynamodb:GetItem", TABLE),
    "allow dynamodb:GetItem on arn:aws:dynamodb:eu-west-1:*:table/dev-kube-secret in the policy of the role in use"
)]
#[case::key_of_the_table(
    "KMS key access denied error: User: arn:aws:sts::1:assumed-role/pod/kees is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-west-1:1:key/k because no identity-based policy allows the kms:Decrypt action",
    denied("kms:Decrypt", "arn:aws:kms:eu-west-1:1:key/k"),
    "allow kms:Decrypt on arn:aws:kms:eu-west-1:1:key/k in the policy of the role in use and in the key's"
)]
#[tokio::test]
async fn a_denial_names_action_and_resource(
    #[case] message: &'static str,
    #[case] kind: ErrorKind,
    #[case] remedy: &str,
) {
    let error = error_response(400, "AccessDeniedException", message).await;
    assert_eq!((error.kind, error.remedy.as_str()), (kind, remedy));
}

/// What a proxy, a load balancer or a captive portal answers is not AWS's.
#[rstest]
#[case(403, ErrorKind::Other, "AWS_ENDPOINT")]
#[case(407, ErrorKind::Setup, "HTTPS_PROXY")]
#[case(429, ErrorKind::Throttled, "quota")]
#[case(503, ErrorKind::Server, "again")]
#[tokio::test]
async fn an_answer_that_is_not_awss_own_is_told_by_its_status(
    #[case] status: u16,
    #[case] kind: ErrorKind,
    #[case] remedy: &str,
) {
    let error = error(move || Answer::Http(status, "<html>canary</html>".to_owned())).await;
    assert_eq!(error.kind, kind);
    assert!(
        error.message.contains(&status.to_string()),
        "{}",
        error.message
    );
    assert!(error.remedy.contains(remedy), "{}", error.remedy);
    assert!(!format!("{error:?}").contains("canary"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_may_come_whole_the_next_time() {
    let half = r#"{"SecretString": "canary"#;
    let error = error(move || Answer::Http(200, half.to_owned())).await;
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.is_transient());
    assert!(!format!("{error:?}").contains("canary"));
}

fn io(text: &str) -> BoxError {
    Box::new(std::io::Error::other(text.to_owned()))
}

#[tokio::test]
async fn a_connection_that_is_not_made_is_told_apart_from_one_that_takes_too_long() {
    let refused = error(|| Answer::NoResponse(ConnectorError::io(io("connection refused")))).await;
    assert_eq!(refused.kind, ErrorKind::Unreachable);
    assert!(
        refused.message.contains("connection refused"),
        "{}",
        refused.message
    );
    let late = error(|| Answer::NoResponse(ConnectorError::timeout(io("late")))).await;
    assert_eq!(late.kind, ErrorKind::TimedOut);
    assert!(
        late.message.contains("dynamodb:GetItem"),
        "{}",
        late.message
    );
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_told_through_what_wraps_it() {
    let failure = || {
        let error_response = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let inner = std::io::Error::other(error_response);
        Answer::NoResponse(ConnectorError::io(Box::new(std::io::Error::other(inner))))
    };
    let error = error(failure).await;
    assert_eq!(error.kind, ErrorKind::Setup);
    assert!(error.remedy.contains("AWS_CA_BUNDLE"), "{}", error.remedy);
}

/// The SDK's own error holds the request, with the value that was to be written.
#[rstest]
#[case::endpoint(Some("localhost:8000"), "eu-west-1")]
#[case::host(Some("http://[::1"), "eu-west-1")]
#[case::region(None, "eu west")]
#[tokio::test]
async fn a_request_that_cannot_be_built_is_not_repeated(
    #[case] endpoint: Option<&str>,
    #[case] region: &'static str,
) {
    let stub = Stub::new(|_| panic!("nothing is to be asked"));
    let mut config = aws_sdk_secretsmanager::config::Builder::from(&stub.config())
        .region(aws_config::Region::new(region));
    config.set_endpoint_url(endpoint.map(str::to_owned));
    let error = aws_sdk_secretsmanager::Client::from_conf(config.build())
        .create_secret()
        .name("a")
        .secret_string("canary")
        .send()
        .await
        .unwrap_err();
    let call = Call {
        store: StoreName::SecretsManager,
        action: "secretsmanager:CreateSecret",
        resource: "a".into(),
        path: None,
    };
    let error = classify(&error, &call);
    assert_eq!(error.kind, ErrorKind::Setup);
    assert_eq!(error.message, "the request could not be built");
    assert!(error.remedy.contains("AWS_ENDPOINT"), "{}", error.remedy);
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}
