//! Secrets Manager's documented answers, played at HTTP level.
//!
//! Shapes and codes are those of the AWS Secrets Manager API Reference (`BatchGetSecretValue`,
//! `GetSecretValue`, `CreateSecret`, `DescribeSecret`, `APIErrorType`). Words of AWS's that the
//! reference does not give are named where they are used.

use kees_common::{Field, Generated, Generation, SecretValue, Spec};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::{
    ErrorKind, IdempotencyToken,
    aws::stub::{Answer, Asked, Stub},
};

const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:";

/// What AWS says of a role that lacks a permission (IAM User Guide, "Troubleshoot access denied
/// error messages").
macro_rules! denied {
    ($action:literal, $resource:literal) => {
        concat!(
            "User: arn:aws:sts::123456789012:assumed-role/pod/kees is not authorized to perform: ",
            $action,
            $resource,
            " because no identity-based policy allows the ",
            $action,
            " action"
        )
    };
}

/// The value of `path` as a whole.
fn whole(path: &str) -> Locator {
    Locator {
        path: path.parse().unwrap(),
        member: None,
        property: None,
        version_stage: None,
        version_id: None,
    }
}

fn store(stub: &Stub) -> SecretsManager {
    SecretsManager::new(&stub.aws(), None)
}

fn text(name: &str, text: &str) -> Value {
    json!({"Name": name, "ARN": format!("{ARN}{name}-AbCdEf"), "SecretString": text})
}

fn exposed(found: &Found) -> Option<&[u8]> {
    found.as_ref().unwrap().as_ref().map(SecretValue::expose)
}

async fn read(stub: &Stub, paths: &[&str]) -> Vec<Found> {
    let locators: Vec<_> = paths.iter().map(|path| whole(path)).collect();
    store(stub).read(&locators).await
}

#[tokio::test]
async fn one_secret_is_asked_for_by_itself() {
    let stub = Stub::new(|_| Answer::ok(&text("/dev/a", "hunter2")));
    let found = read(&stub, &["/dev/a"]).await;
    assert_eq!(exposed(&found[0]), Some(&b"hunter2"[..]));
    assert_eq!(stub.operations(), ["GetSecretValue"]);
}

#[tokio::test]
async fn several_secrets_are_one_batch_whose_answers_come_in_any_order() {
    let stub = Stub::new(|_| {
        Answer::ok(&json!({
            "SecretValues": [text("/dev/c", "3"), text("/dev/a", "1")],
            "Errors": [{
                "SecretId": "/dev/b",
                "ErrorCode": "ResourceNotFoundException",
                "Message": "Secrets Manager can't find the specified secret.",
            }],
        }))
    });
    let found = read(&stub, &["/dev/a", "/dev/b", "/dev/c"]).await;
    assert_eq!(exposed(&found[0]), Some(&b"1"[..]));
    assert_eq!(exposed(&found[1]), None);
    assert_eq!(exposed(&found[2]), Some(&b"3"[..]));
    assert_eq!(stub.operations(), ["BatchGetSecretValue"]);
}

#[tokio::test]
async fn a_batch_has_twenty_secrets_at_most() {
    let stub = Stub::new(|asked| {
        let ids = asked.body["SecretIdList"].as_array().unwrap().iter();
        let values: Vec<_> = ids.map(|id| text(id.as_str().unwrap(), "x")).collect();
        Answer::ok(&json!({"SecretValues": values, "Errors": []}))
    });
    let paths: Vec<_> = (0..45).map(|n| format!("/dev/{n}")).collect();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    let found = read(&stub, &paths).await;
    assert!(found.iter().all(|found| exposed(found) == Some(b"x")));
    let size = |asked: &Asked| asked.body["SecretIdList"].as_array().unwrap().len();
    let mut sizes: Vec<_> = stub.asked().iter().map(size).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [5, 20, 20]);
}

#[tokio::test]
async fn a_secret_that_several_entries_name_is_asked_for_once() {
    let stub = Stub::new(|_| Answer::ok(&text("/dev/db", r#"{"user": "u", "password": "p"}"#)));
    let property = |name: &str| Locator {
        property: Some(name.to_owned()),
        ..whole("/dev/db")
    };
    let found = store(&stub)
        .read(&[property("user"), property("password")])
        .await;
    assert_eq!(exposed(&found[0]), Some(&b"u"[..]));
    assert_eq!(exposed(&found[1]), Some(&b"p"[..]));
    assert_eq!(stub.operations(), ["GetSecretValue"]);
}

#[tokio::test]
async fn what_a_batch_passes_over_is_asked_for_by_itself() {
    let stub = Stub::new(|asked| match asked.operation.as_str() {
        "BatchGetSecretValue" => {
            Answer::ok(&json!({"SecretValues": [text("/dev/a", "1")], "Errors": []}))
        }
        _ => Answer::ok(&text("/dev/b", "2")),
    });
    let found = read(&stub, &["/dev/a", "/dev/b"]).await;
    assert_eq!(exposed(&found[1]), Some(&b"2"[..]));
    assert_eq!(stub.operations(), ["BatchGetSecretValue", "GetSecretValue"]);
}

#[rstest]
#[case::whole("-AbCdEf")]
#[case::without_its_random_end("")]
#[tokio::test]
async fn an_arn_is_found_again_in_a_batch(#[case] end: &str) {
    let stub = Stub::new(|_| {
        Answer::ok(&json!({"SecretValues": [text("/dev/b", "2"), text("shared", "1")]}))
    });
    let found = read(&stub, &[&format!("{ARN}shared{end}"), "/dev/b"]).await;
    assert_eq!(exposed(&found[0]), Some(&b"1"[..]));
    assert_eq!(stub.operations(), ["BatchGetSecretValue"]);
}

#[tokio::test]
async fn a_denied_batch_is_read_one_by_one_and_not_asked_for_again() {
    let stub = Stub::new(|asked| match asked.operation.as_str() {
        "BatchGetSecretValue" => Answer::refusal(
            400,
            "AccessDeniedException",
            denied!("secretsmanager:BatchGetSecretValue", ""),
        ),
        _ if asked.body["SecretId"] == "/dev/a" => Answer::refusal(
            400,
            "AccessDeniedException",
            denied!("secretsmanager:GetSecretValue", " on resource: /dev/a"),
        ),
        _ => Answer::ok(&text("/dev/b", "2")),
    });
    let store = store(&stub);
    let locators = [whole("/dev/a"), whole("/dev/b")];
    let found = store.read(&locators).await;
    let denied = found[0].as_ref().unwrap_err();
    assert_eq!(
        denied.kind,
        ErrorKind::Denied {
            action: "secretsmanager:GetSecretValue".to_owned(),
            resource: "arn:aws:secretsmanager:eu-west-1:*:secret:/dev/a-??????".to_owned(),
        }
    );
    assert_eq!(denied.code.as_deref(), Some("AccessDeniedException"));
    assert_eq!(exposed(&found[1]), Some(&b"2"[..]));

    store.read(&locators).await;
    let batches = stub
        .operations()
        .iter()
        .filter(|name| name.starts_with("Batch"))
        .count();
    assert_eq!(batches, 1);
}

#[tokio::test]
async fn a_throttled_batch_is_read_one_by_one() {
    let stub = Stub::new(|asked| match asked.operation.as_str() {
        "BatchGetSecretValue" => Answer::refusal(400, "ThrottlingException", "Rate exceeded"),
        _ => Answer::ok(&text("any", "x")),
    });
    let found = read(&stub, &["/dev/a", "/dev/b"]).await;
    assert!(found.iter().all(|found| exposed(found) == Some(b"x")));
}

#[tokio::test]
async fn a_batch_that_the_service_fails_is_an_error_of_each_secret() {
    let stub = Stub::new(|_| Answer::refusal(500, "InternalServiceError", "An error occurred"));
    let found = read(&stub, &["/dev/a", "/dev/b"]).await;
    let errors: Vec<_> = found
        .iter()
        .map(|found| found.as_ref().unwrap_err())
        .collect();
    assert!(errors.iter().all(|error| error.kind == ErrorKind::Server));
    assert_eq!(errors[1].path.as_ref().unwrap().as_str(), "/dev/b");
    assert_eq!(stub.operations(), ["BatchGetSecretValue"]);
}

#[tokio::test]
async fn a_denial_inside_a_batch_is_of_that_secret_alone() {
    let message = denied!("secretsmanager:GetSecretValue", " on resource: /dev/a");
    let stub = Stub::new(move |_| {
        let error =
            json!({"SecretId": "/dev/a", "ErrorCode": "AccessDeniedException", "Message": message});
        Answer::ok(&json!({"SecretValues": [text("/dev/b", "2")], "Errors": [error]}))
    });
    let found = read(&stub, &["/dev/a", "/dev/b"]).await;
    let denied = found[0].as_ref().unwrap_err();
    assert!(matches!(denied.kind, ErrorKind::Denied { .. }));
    assert_eq!(exposed(&found[1]), Some(&b"2"[..]));
    assert_eq!(stub.operations(), ["BatchGetSecretValue"]);
}

#[tokio::test]
async fn a_stage_and_a_version_are_asked_for_beside_the_batch() {
    let stub = Stub::new(|asked| match asked.operation.as_str() {
        "BatchGetSecretValue" => {
            Answer::ok(&json!({"SecretValues": [text("/dev/a", "now"), text("/dev/b", "b")]}))
        }
        _ if asked.body["VersionStage"] == "AWSPREVIOUS" => Answer::ok(&text("/dev/a", "before")),
        _ if asked.body["VersionId"] == "v1" => Answer::ok(&text("/dev/a", "first")),
        _ => Answer::refusal(400, "InvalidParameterException", "unexpected"),
    });
    let stage = Some("AWSPREVIOUS".to_owned());
    let locators = [
        whole("/dev/a"),
        Locator {
            version_stage: stage,
            ..whole("/dev/a")
        },
        Locator {
            version_id: Some("v1".to_owned()),
            ..whole("/dev/a")
        },
        whole("/dev/b"),
    ];
    let found = store(&stub).read(&locators).await;
    let found: Vec<_> = found.iter().map(|found| exposed(found).unwrap()).collect();
    assert_eq!(found, [&b"now"[..], b"before", b"first", b"b"]);
}

/// The words are those that users of `GetSecretValue` have quoted; the API reference lists the
/// case under `InvalidRequestException`.
#[rstest]
#[case::with_the_right_to_the_date(true)]
#[case::without_it(false)]
#[tokio::test]
async fn a_secret_that_is_being_deleted_is_told_with_its_date_where_that_may_be_seen(
    #[case] allowed: bool,
) {
    let stub = Stub::new(move |asked| match asked.operation.as_str() {
        "DescribeSecret" if allowed => {
            Answer::ok(&json!({"Name": "/dev/a", "DeletedDate": 1_767_225_600.0}))
        }
        "DescribeSecret" => Answer::refusal(400, "AccessDeniedException", "not authorized"),
        _ => Answer::refusal(
            400,
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
        ),
    });
    let error = read(&stub, &["/dev/a"]).await.remove(0).unwrap_err();
    let date = allowed.then(|| "2026-01-01T00:00:00Z".to_owned());
    assert_eq!(error.kind, ErrorKind::ScheduledForDeletion { date });
    assert_eq!(error.message.contains("2026-01-01"), allowed);
    assert!(error.remedy.contains("restore-secret --secret-id /dev/a"));
}

/// "Access to KMS is not allowed": AWS re:Post Knowledge Center, "How do I resolve AWS KMS key
/// access errors after I tried to retrieve an encrypted Secrets Manager secret?".
#[rstest]
#[case::key_state(
    "DecryptionFailure",
    "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
    ErrorKind::Setup,
    "kms:Decrypt"
)]
#[case::key_policy(
    "AccessDeniedException",
    "Access to KMS is not allowed",
    ErrorKind::Denied { action: "kms:Decrypt".to_owned(), resource: "the KMS key".to_owned() },
    "kms:Decrypt"
)]
#[case::another_invalid_request(
    "InvalidRequestException",
    "You can't use this operation here.",
    ErrorKind::Other,
    "documentation"
)]
#[tokio::test]
async fn what_keeps_a_value_back_is_told_apart(
    #[case] code: &'static str,
    #[case] message: &'static str,
    #[case] kind: ErrorKind,
    #[case] remedy: &str,
) {
    let stub = Stub::new(move |_| Answer::refusal(400, code, message));
    let error = read(&stub, &["/dev/a"]).await.remove(0).unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)));
    assert_eq!(error.message, message);
    assert!(error.remedy.contains(remedy), "{}", error.remedy);
}

const PASSWORD: Spec = Spec::Password { bits: 128 };
const RANDOM: Spec = Spec::Random { bits: 128 };

fn gpg() -> Spec {
    Spec::Gpg {
        bits: 2048,
        user_id: "A <a@b.c>".parse().unwrap(),
    }
}

fn generation(spec: Spec) -> Generation {
    let path: StoragePath = "/dev/k".parse().unwrap();
    let fields = spec.fields().iter().map(|field| match field {
        Field::Whole => (*field, path.clone()),
        named => (*named, format!("/dev/k_{named}").parse().unwrap()),
    });
    let fields = fields.collect();
    Generation {
        store: StoreName::SecretsManager,
        path,
        spec,
        fields,
        entries: vec![0],
    }
}

/// One value for each field: its name.
fn values(spec: &Spec) -> Generated {
    let fields = spec.fields().iter();
    Generated::new(
        fields
            .map(|f| (*f, SecretValue::new(format!("<{f}>").into_bytes())))
            .collect(),
    )
}

async fn create_with(
    store: &SecretsManager,
    spec: Spec,
    values: &Generated,
) -> Result<Creation, StoreError> {
    let generation = generation(spec);
    let token = IdempotencyToken::random().unwrap();
    let namespace = Some("team-a");
    store
        .create(&NewGeneration {
            generation: &generation,
            values,
            token,
            namespace,
        })
        .await
}

async fn create(stub: &Stub, spec: Spec) -> Result<Creation, StoreError> {
    let values = values(&spec);
    create_with(&store(stub), spec, &values).await
}

#[rstest]
#[case(
    Spec::Rsa { bits: 2048 },
    json!({"SecretString": r#"{"public":"PHB1YmxpYz4=","private":"PHByaXZhdGU+"}"#}),
    "RSA"
)]
#[case(
    gpg(),
    json!({"SecretString": r#"{"public":"<public>","private":"<private>","password":"<password>"}"#}),
    "GPG"
)]
#[case(
    Spec::ApiKey { bits: 128 },
    json!({"SecretString": r#"{"consumer":"PGNvbnN1bWVyPg==","provider":"PHByb3ZpZGVyPg=="}"#}),
    "RANDOM"
)]
#[case(PASSWORD, json!({"SecretString": "<>"}), "PASSWORD")]
#[case(RANDOM, json!({"SecretBinary": "PD4="}), "RANDOM")]
#[tokio::test]
async fn a_generation_is_one_secret(
    #[case] spec: Spec,
    #[case] content: Value,
    #[case] secret_type: &str,
) {
    let stub = Stub::new(|_| Answer::ok(&json!({})));
    assert_eq!(create(&stub, spec).await.unwrap(), Creation::Created);
    let mut expected = content;
    let body = stub.asked()[0].body.clone();
    expected["Name"] = json!("/dev/k");
    expected["ClientRequestToken"] = body["ClientRequestToken"].clone();
    expected["Tags"] = json!([
        {"Key": "kees/managed-by", "Value": "kees"},
        {"Key": "kees/namespace", "Value": "team-a"},
        {"Key": "kees/type", "Value": secret_type},
    ]);
    assert_eq!(body, expected);
    assert_eq!(body["ClientRequestToken"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn what_is_created_is_read_again_value_by_value() {
    let armor = "-----BEGIN\n\n\"\\\u{e9}\u{1}\n-----END\n";
    let simple = values(&gpg());
    let values = simple.iter().map(|(field, value)| match field {
        Field::Private => (field, SecretValue::new(armor.as_bytes().to_vec())),
        _ => (field, value.clone()),
    });
    let values = Generated::new(values.collect());
    let created = Stub::new(|_| Answer::ok(&json!({})));
    create_with(&store(&created), gpg(), &values).await.unwrap();
    let held = created.asked()[0].body["SecretString"]
        .as_str()
        .unwrap()
        .to_owned();

    let stub = Stub::new(move |_| Answer::ok(&text("/dev/k", &held)));
    let generation = generation(gpg());
    let locators = [Field::Password, Field::Private, Field::Public].map(|f| generation.locator(f));
    let found = store(&stub).read(&locators).await;
    assert_eq!(exposed(&found[0]), Some(&b"<password>"[..]));
    assert_eq!(exposed(&found[1]), Some(armor.as_bytes()));
    assert_eq!(exposed(&found[2]), Some(&b"<public>"[..]));
    assert_eq!(stub.operations(), ["GetSecretValue"]);
}

#[tokio::test]
async fn a_name_that_exists_is_a_lost_race() {
    let stub = Stub::new(|_| {
        let message = "The operation failed because the secret /dev/k already exists.";
        Answer::refusal(400, "ResourceExistsException", message)
    });
    assert_eq!(create(&stub, PASSWORD).await.unwrap(), Creation::Exists);
}

/// The words are AWS's own, as quoted in hashicorp/terraform-provider-aws#8219; moto answers
/// `ResourceExistsException` instead.
#[tokio::test]
async fn a_name_that_is_being_deleted_is_no_lost_race() {
    let stub = Stub::new(|asked| match asked.operation.as_str() {
        "DescribeSecret" => Answer::ok(&json!({"DeletedDate": 1_767_225_600.0})),
        _ => Answer::refusal(
            400,
            "InvalidRequestException",
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
        ),
    });
    let error = create(&stub, PASSWORD).await.unwrap_err();
    assert!(matches!(
        error.kind,
        ErrorKind::ScheduledForDeletion { date: Some(_) }
    ));
}

#[tokio::test]
async fn a_denied_create_names_the_permission_for_its_tags_too() {
    let message = denied!("secretsmanager:CreateSecret", " on resource: /dev/k");
    let stub = Stub::new(move |_| Answer::refusal(400, "AccessDeniedException", message));
    let error = create(&stub, PASSWORD).await.unwrap_err();
    assert_eq!(
        error.remedy,
        "allow secretsmanager:CreateSecret and secretsmanager:TagResource on arn:aws:secretsmanager:eu-west-1:*:secret:/dev/k-?????? in the policy of the pod's role"
    );
}

#[tokio::test]
async fn a_denied_tag_is_named_as_such() {
    let message = denied!("secretsmanager:TagResource", " on resource: /dev/k");
    let stub = Stub::new(move |_| Answer::refusal(400, "AccessDeniedException", message));
    let error = create(&stub, PASSWORD).await.unwrap_err();
    let ErrorKind::Denied { action, .. } = error.kind else {
        panic!("{error}")
    };
    assert_eq!(action, "secretsmanager:TagResource");
}

/// API reference, `CreateSecret`: a secret holds at most 65,536 bytes. moto takes more.
#[tokio::test]
async fn a_value_that_is_too_large_is_not_sent() {
    let stub = Stub::new(|_| Answer::ok(&json!({})));
    let of_size = |size| Generated::new(vec![(Field::Whole, SecretValue::new(vec![7; size]))]);
    assert!(
        create_with(&store(&stub), RANDOM, &of_size(65_536))
            .await
            .is_ok()
    );
    let error = create_with(&store(&stub), RANDOM, &of_size(65_537))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test]
async fn the_key_of_the_operator_encrypts_what_is_created() {
    let stub = Stub::new(|_| Answer::ok(&json!({})));
    let store = SecretsManager::new(&stub.aws(), Some("alias/kees".to_owned()));
    create_with(&store, PASSWORD, &values(&PASSWORD))
        .await
        .unwrap();
    assert_eq!(stub.asked()[0].body["KmsKeyId"], "alias/kees");
}

/// AWS may repeat what it was sent in the message of a refusal.
#[tokio::test]
async fn a_refusal_that_repeats_the_value_is_told_without_it() {
    let stub = Stub::new(|asked| {
        let value = asked.body["SecretString"].as_str().unwrap();
        let message = format!("Value '{value}' at 'secretString' failed to satisfy constraint");
        Answer::refusal(400, "ValidationException", &message)
    });
    let canary = Generated::new(vec![(
        Field::Whole,
        SecretValue::new(b"canary-7d1".to_vec()),
    )]);
    let error = create_with(&store(&stub), PASSWORD, &canary)
        .await
        .unwrap_err();
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    assert!(error.message.contains("secretString"), "{error}");
}

#[rstest]
#[case("eu-west-1", "arn:aws:secretsmanager:eu-west-1:*:secret:/dev/a-??????")]
#[case(
    "cn-north-1",
    "arn:aws-cn:secretsmanager:cn-north-1:*:secret:/dev/a-??????"
)]
#[case(
    "us-gov-east-1",
    "arn:aws-us-gov:secretsmanager:us-gov-east-1:*:secret:/dev/a-??????"
)]
fn a_secret_is_named_as_a_policy_names_it(#[case] region: &str, #[case] resource: &str) {
    let stub = Stub::new(|_| Answer::ok(&json!({})));
    let store = SecretsManager {
        region: region.to_owned(),
        ..store(&stub)
    };
    assert_eq!(store.resource(&"/dev/a".parse().unwrap()), resource);
}
