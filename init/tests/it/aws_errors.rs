//! Errors of AWS: the program reports each with its exit status, and with a line that has the
//! annotation, the path, the store, AWS's own code and message, and what to do.
//!
//! The unit tests of the stores name the sources of the codes and messages.

use std::{fs, net::TcpListener, process::Command};

use kees_common::StoreName::{self, DynamoDb, SecretsManager};
use rstest::rstest;
use serde_json::json;

use crate::{
    cloud::{Cloud, Instead, error_response, sts_error},
    container::{Container, run},
};

const REFERENCE: &str = "kind=REFERENCE";
const PASSWORD: &str = "kind=DYNAMIC,type=PASSWORD,size=128";
const TABLE: &str = "arn:aws:dynamodb:eu-west-1:*:table/local-kube-secret";
const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:*:secret:/dev/token-??????";

/// A pod with the entry `secret/token` and the prefix `/dev`.
fn pod(annotation: &str) -> Container {
    Container::new(&[
        ("init/storage-prefix", "/dev"),
        ("secret/token", annotation),
    ])
}

/// Asserts that the program ends with `status`, and that standard error and the termination message
/// have a line with the annotation, the path, and each of `parts`.
fn fails(pod: &Container, command: &mut Command, status: i32, parts: &[&str]) {
    let store = command
        .get_envs()
        .find_map(|(name, value)| (name == "STORE").then_some(value?.to_str()?.to_owned()));
    let (got, stderr) = run(command);
    assert_eq!(got, status, "{stderr}");
    let place = format!("secret.bsycorp.com/token ({} /dev/token): ", store.unwrap());
    let message = pod.read("termination-log");
    let line = message
        .lines()
        .find(|line| line.starts_with(&place))
        .unwrap_or_else(|| panic!("{place} is not in: {message}"));
    for part in parts {
        assert!(line.contains(part), "'{part}' is not in: {line}");
    }
    assert!(stderr.contains(line), "{stderr}");
    assert!(message.starts_with(&format!("nothing was written: 1 error, exit {status}, ")));
    assert!(pod.volume().is_empty(), "{:?}", pod.volume());
}

/// As [`fails`], with this response of AWS to every call.
fn is_answered(store: StoreName, annotation: &str, answer: Instead, status: i32, parts: &[&str]) {
    let pod = pod(annotation);
    let cloud = Cloud::scripted(move |_, _| Some(answer.clone()));
    let mut command = pod.command();
    let command = cloud.configure(&mut command, store);
    fails(&pod, command.env("TIMEOUT", "2"), status, parts);
}

#[rstest]
#[case::dynamodb(DynamoDb, "the prefix and storageKey=")]
#[case::secretsmanager(SecretsManager, "AWS_REGION")]
fn an_absent_value_is_reported_with_what_to_do(#[case] store: StoreName, #[case] remedy: &str) {
    let pod = pod(REFERENCE);
    let mut command = pod.command();
    let command = Cloud::start()
        .configure(&mut command, store)
        .env("TIMEOUT", "2");
    fails(
        &pod,
        command,
        75,
        &["absent", "store a value there", remedy],
    );
}

#[rstest]
#[case::read(DynamoDb, REFERENCE, &["allow dynamodb:GetItem on", TABLE])]
#[case::read_secret(SecretsManager, REFERENCE, &["allow secretsmanager:GetSecretValue on", SECRET])]
fn a_read_that_is_denied_names_action_and_resource(
    #[case] store: StoreName,
    #[case] annotation: &str,
    #[case] parts: &[&str],
) {
    let answer = error_response("AccessDeniedException", "");
    is_answered(
        store,
        annotation,
        answer,
        77,
        &[&["AccessDeniedException"], parts].concat(),
    );
}

#[rstest]
#[case(DynamoDb, &["allow dynamodb:PutItem on", TABLE])]
#[case(SecretsManager, &["allow secretsmanager:CreateSecret and secretsmanager:TagResource on", SECRET])]
fn a_write_that_is_denied_names_action_and_resource(
    #[case] store: StoreName,
    #[case] parts: &[&str],
) {
    let pod = pod(PASSWORD);
    let cloud = Cloud::scripted(|call, _| {
        let is_write = ["TransactWriteItems", "CreateSecret"].contains(&call.operation.as_str());
        is_write.then(|| error_response("AccessDeniedException", ""))
    });
    let mut command = pod.command();
    let command = cloud.configure(&mut command, store).env("TIMEOUT", "2");
    let waited = "or let another writer create it: none did while this run waited";
    fails(
        &pod,
        command,
        77,
        &[&["AccessDeniedException", waited], parts].concat(),
    );
    assert!(cloud.table().is_empty());
}

#[rstest]
#[case::throttled(
    DynamoDb, "ThrottlingException", "Rate exceeded", 69,
    &["ThrottlingException: Rate exceeded", "raise the table's capacity or the account's quota"]
)]
#[case::throttled_secret(
    SecretsManager, "ThrottlingException", "Rate exceeded", 69, &["tried again until the deadline"]
)]
#[case::server_side(
    DynamoDb, "InternalServerError", "The request processing has failed.", 69,
    &["InternalServerError", "tried again until the deadline"]
)]
#[case::missing_table(
    DynamoDb, "ResourceNotFoundException", "Requested resource not found", 69,
    &["no table local-kube-secret in eu-west-1", "create the table", "ENV_LABEL, AWS_REGION"]
)]
#[case::endpoint_of_another_region(
    DynamoDb, "InvalidSignatureException",
    "Credential should be scoped to a valid region, not 'eu-west-1'.", 69,
    &["not 'eu-west-1'", "AWS_REGION", "AWS_ENDPOINT"]
)]
#[case::endpoint_of_another_region(
    SecretsManager, "InvalidSignatureException",
    "Credential should be scoped to a valid region. ", 69, &["AWS_REGION", "AWS_ENDPOINT"]
)]
#[case::clock_behind(
    DynamoDb, "InvalidSignatureException",
    "Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z", 77,
    &["Signature expired", "set the clock of the node right"]
)]
#[case::clock_ahead(
    SecretsManager, "InvalidSignatureException",
    "Signature not yet current: 20260101T010000Z is still later than 20260101T001500Z", 77,
    &["Signature not yet current", "set the clock of the node right"]
)]
#[case::credentials(
    DynamoDb, "ExpiredTokenException", "The security token included in the request is expired", 77,
    &["ExpiredTokenException", "valid and current"]
)]
#[case::key_of_the_table(
    DynamoDb, "AccessDeniedException",
    "KMS key access denied error: User: arn:aws:sts::1:assumed-role/pod/kees is not authorized to \
     perform: kms:Decrypt on resource: arn:aws:kms:eu-west-1:1:key/k because no identity-based \
     policy allows the kms:Decrypt action", 77,
    &["allow kms:Decrypt on arn:aws:kms:eu-west-1:1:key/k in the policy of the role in use and in the key's"]
)]
#[case::key_that_the_role_may_not_use(
    SecretsManager, "AccessDeniedException", "Access to KMS is not allowed", 77,
    &["allow kms:Decrypt on the KMS key"]
)]
#[case::key_that_is_disabled(
    SecretsManager, "DecryptionFailure",
    "Secrets Manager can't decrypt the protected secret text using the provided KMS key.", 69,
    &["DecryptionFailure", "check that the KMS key is enabled", "kms:Decrypt"]
)]
#[case::unknown(
    DynamoDb, "SomethingNewException", "A new message.", 69,
    &["SomethingNewException: A new message.", "AWS's documentation of the code"]
)]
#[case::unknown(
    SecretsManager, "SomethingNewException", "A new message.", 69,
    &["SomethingNewException: A new message.", "AWS's documentation of the code"]
)]
fn each_error_of_aws_has_its_own_message_and_remedy(
    #[case] store: StoreName,
    #[case] code: &str,
    #[case] message: &str,
    #[case] status: i32,
    #[case] parts: &[&str],
) {
    is_answered(
        store,
        REFERENCE,
        error_response(code, message),
        status,
        parts,
    );
}

#[rstest]
fn a_response_that_is_not_from_aws_is_an_error(
    #[values(DynamoDb, SecretsManager)] store: StoreName,
) {
    let half = Instead::Answer(200, "{\"SecretString\": \"canary".to_owned());
    is_answered(
        store,
        REFERENCE,
        half,
        69,
        &["broke off or cannot be parsed"],
    );
    let portal = Instead::Answer(403, "<html>canary</html>".to_owned());
    is_answered(store, REFERENCE, portal, 69, &["403", "AWS_ENDPOINT"]);
}

#[rstest]
fn a_store_that_cannot_be_reached_differs_from_one_that_does_not_respond(
    #[values(DynamoDb, SecretsManager)] store: StoreName,
) {
    is_answered(
        store,
        REFERENCE,
        Instead::Silence,
        69,
        &[
            "did not answer before the run's TIMEOUT was over",
            "the network on the way to it",
        ],
    );

    let pod = pod(REFERENCE);
    let mut command = pod.command();
    Cloud::start().configure(&mut command, store);
    // The listener is closed.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    command
        .env("AWS_ENDPOINT", format!("http://{address}"))
        .env("TIMEOUT", "2");
    let parts = [
        &*address.to_string(),
        "Connection refused",
        "AWS_ENDPOINT, network policies",
    ];
    fails(&pod, &mut command, 69, &parts);
}

#[rstest]
#[case::read(REFERENCE, "it was marked for deletion.")]
#[case::created(PASSWORD, "a secret with this name is already scheduled for deletion.")]
fn a_name_that_a_deletion_blocks_is_reported_with_its_date_if_that_may_be_read(
    #[case] annotation: &str,
    #[case] words: &'static str,
    #[values(true, false)] may_see_the_date: bool,
) {
    let pod = pod(annotation);
    let cloud = Cloud::scripted(move |call, _| match call.operation.as_str() {
        "DescribeSecret" if may_see_the_date => {
            let answer = json!({"Name": "/dev/token", "DeletedDate": 1_767_225_600.0});
            Some(Instead::Answer(200, answer.to_string()))
        }
        "DescribeSecret" => Some(error_response("AccessDeniedException", "not authorized")),
        // Reading does not report a name that cannot be created.
        "GetSecretValue" if words.contains("already") => None,
        _ => Some(error_response("InvalidRequestException", words)),
    });
    let mut command = pod.command();
    let command = cloud
        .configure(&mut command, SecretsManager)
        .env("TIMEOUT", "2");
    let date = "on or after 2026-01-01T00:00:00Z";
    let mut parts = vec![
        "InvalidRequestException",
        "its name is blocked until then, 7 to 30 days from its deletion",
        "restore-secret --secret-id /dev/token",
    ];
    parts.extend(may_see_the_date.then_some(date));
    fails(&pod, command, 75, &parts);
    assert_eq!(
        pod.read("termination-log").contains("2026-01-01"),
        may_see_the_date
    );
}

const ROLE: &str = "arn:aws:iam::123456789012:role/pod";

#[rstest]
#[case::expired(
    Some(sts_error("ExpiredTokenException", "Token expired: current date/time 2 must be before 1")),
    &["ExpiredTokenException", "Token expired", "recreate the pod", "the node's clock"]
)]
#[case::not_trusted(
    Some(sts_error("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")),
    &["AccessDenied", ROLE, "sts:AssumeRoleWithWebIdentity", "trust policy"]
)]
#[case::unknown_issuer(
    Some(sts_error("InvalidIdentityToken", "No OpenIDConnect provider found in your account")),
    &["InvalidIdentityToken", "OIDC provider"]
)]
#[case::missing(None, &["No such file", "check that the projected token is mounted"])]
fn a_web_identity_that_is_not_accepted_is_reported(
    #[case] answer: Option<Instead>,
    #[case] parts: &[&str],
    #[values(DynamoDb, SecretsManager)] store: StoreName,
) {
    let pod = pod(REFERENCE);
    let file = pod.path("token");
    if answer.is_some() {
        fs::write(&file, "canary").unwrap();
    }
    let cloud = Cloud::scripted(move |_, _| answer.clone());
    let mut command = pod.command();
    let command = cloud
        .configure(&mut command, store)
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_STS_ENDPOINT", cloud.url())
        .env("AWS_ROLE_ARN", ROLE)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", &file)
        .env("TIMEOUT", "5");
    fails(&pod, command, 77, parts);
    assert!(!pod.read("termination-log").contains("canary"));
}

#[test]
fn a_pod_without_credentials_is_told_how_to_get_them() {
    let pod = pod(REFERENCE);
    let mut command = pod.command();
    let command = Cloud::start()
        .configure(&mut command, DynamoDb)
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    let parts = [
        "no AWS identity",
        "AWS_WEB_IDENTITY_TOKEN_FILE (IRSA)",
        "EKS Pod Identity",
        "recreate the pod",
    ];
    fails(&pod, command, 77, &parts);
}

/// A reason that all entries share is one error, so that the termination message has room for it.
#[test]
fn missing_credentials_are_reported_once_with_all_entries() {
    let names: Vec<_> = (0..40).map(|n| format!("secret/token-{n}")).collect();
    let annotations: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), REFERENCE))
        .collect();
    let pod = Container::new(&annotations);
    let mut command = pod.command();
    let command = Cloud::start()
        .configure(&mut command, DynamoDb)
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    let (status, stderr) = run(command);
    assert_eq!(status, 77, "{stderr}");
    let message = pod.read("termination-log");
    assert!(message.len() <= 1500, "{message}");
    let (summary, line) = message.split_once('\n').unwrap();
    assert_eq!(summary, "nothing was written: 1 error, exit 77, denied");
    assert!(line.starts_with("40 entries in dynamodb: "), "{line}");
    let lines = stderr.lines().filter(|line| line.contains("ERROR"));
    assert_eq!(lines.count(), 2, "the error and the summary: {stderr}");
    for name in names {
        let entry = name.replace("secret/", "secret.bsycorp.com/");
        assert!(
            stderr.contains(&format!("{entry} (/")),
            "{entry} in {stderr}"
        );
    }
}
