//! Secrets Manager's documented answers to `ListSecrets`, `PutSecretValue`, `DeleteSecret` and
//! `DescribeSecret`, played at HTTP level.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::{
    ErrorKind, IdempotencyToken, RetryBudget,
    aws::{
        Aws,
        stub::{Answer, Stub},
    },
    values::list_all,
};

fn store(stub: &Stub) -> SecretsManager {
    SecretsManager::new(&Aws::from_config(stub.config()), None)
}

fn path() -> StoragePath {
    "/dev/a".parse().unwrap()
}

async fn list(stub: &Stub, prefix: &str) -> Result<Vec<Metadata>, StoreError> {
    let prefix = prefix.parse().unwrap();
    let budget = || RetryBudget::new(Duration::from_mins(1));
    list_all(&store(stub), &prefix, budget, |_| ()).await
}

async fn put(stub: &Stub, value: &[u8], overwrite: bool) -> Result<Creation, StoreError> {
    let request = PutRequest {
        path: &path(),
        value: &SecretValue::new(value.to_vec()),
        overwrite,
        token: &IdempotencyToken::random().unwrap(),
    };
    store(stub).put(&request).await
}

#[tokio::test]
async fn a_list_has_every_page_and_what_the_store_says() {
    let stub = Stub::new(|asked| {
        Answer::ok(&match asked.body["NextToken"].as_str() {
            None => json!({
                "SecretList": [
                    {"Name": "/dev/ab/x"},
                    {"Name": "/dev/a/x", "CreatedDate": 1_700_000_000, "KmsKeyId": "alias/k",
                     "Tags": [{"Key": "kees/type", "Value": "RSA"}]},
                ],
                "NextToken": "2",
            }),
            _ => json!({"SecretList": [{"Name": "/dev/a"}]}),
        })
    });
    let listed = list(&stub, "/dev/a").await.unwrap();
    let names: Vec<_> = listed.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["/dev/a", "/dev/a/x"]);
    assert_eq!(listed[1].created.as_deref(), Some("2023-11-14T22:13:20Z"));
    assert_eq!(listed[1].kms_key.as_deref(), Some("alias/k"));
    assert_eq!(listed[1].tag("kees/type"), Some("RSA"));
    let filters = json!([{"Key": "name", "Values": ["/dev/a"]}]);
    assert_eq!(stub.asked()[0].body["Filters"], filters);
}

#[tokio::test]
async fn a_denied_list_names_the_permission_without_a_resource() {
    let stub = Stub::new(|_| Answer::error_response(400, "AccessDeniedException", "no"));
    let error = list(&stub, "/a").await.unwrap_err();
    let denied = ErrorKind::Denied {
        action: "secretsmanager:ListSecrets".to_owned(),
        resource: "*".to_owned(),
    };
    assert_eq!(error.kind, denied);
}

#[rstest]
#[case::text(b"text", json!("text"), Value::Null)]
#[case::bytes(&[0, 255], Value::Null, json!("AP8="))]
#[tokio::test]
async fn a_put_creates_a_secret_without_tags(
    #[case] value: &[u8],
    #[case] text: Value,
    #[case] binary: Value,
) {
    let stub = Stub::new(|_| Answer::ok(&json!({})));
    assert_eq!(put(&stub, value, false).await.unwrap(), Creation::Created);
    let asked = stub.asked().remove(0);
    assert_eq!(asked.operation, "CreateSecret");
    assert_eq!(asked.body["SecretString"], text);
    assert_eq!(asked.body["SecretBinary"], binary);
    assert_eq!(asked.body["Tags"], Value::Null);
}

#[tokio::test]
async fn a_put_that_overwrites_adds_a_version_or_creates_the_secret() {
    let exists = Stub::new(|_| Answer::ok(&json!({})));
    put(&exists, b"x", true).await.unwrap();
    assert_eq!(exists.operations(), ["PutSecretValue"]);
    let absent = Stub::new(|asked| match asked.operation.as_str() {
        "PutSecretValue" => Answer::error_response(
            400,
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret.",
        ),
        _ => Answer::ok(&json!({})),
    });
    assert_eq!(put(&absent, b"x", true).await.unwrap(), Creation::Created);
    assert_eq!(absent.operations(), ["PutSecretValue", "CreateSecret"]);
}

#[tokio::test]
async fn a_secret_that_is_being_deleted_is_told_with_its_date() {
    let stub = Stub::new(|asked| match asked.operation.as_str() {
        "DescribeSecret" => Answer::ok(&json!({"Name": "/dev/a", "DeletedDate": 1_700_000_000})),
        // The words of moto.
        "DeleteSecret" => Answer::error_response(
            400,
            "InvalidRequestException",
            "You tried to perform the operation on a secret that's currently marked deleted.",
        ),
        _ => Answer::error_response(
            400,
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
        ),
    });
    let date = Some("2023-11-14T22:13:20Z".to_owned());
    let expected = ErrorKind::ScheduledForDeletion { date };
    assert_eq!(put(&stub, b"x", true).await.unwrap_err().kind, expected);
    let described = store(&stub).describe(&path()).await.unwrap_err();
    assert_eq!(described.kind, expected);
    let deleted = store(&stub).delete(&path(), Recovery::Default).await;
    assert_eq!(deleted.unwrap_err().kind, expected);
}

#[tokio::test]
async fn a_message_that_repeats_the_value_is_left_out() {
    for overwrite in [false, true] {
        let stub = Stub::new(|_| {
            Answer::error_response(400, "InvalidParameterException", "wrong: canary")
        });
        let error = put(&stub, b"canary", overwrite).await.unwrap_err();
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[rstest]
#[case(Recovery::Default, json!({"SecretId": "/dev/a"}))]
#[case(Recovery::Days(7), json!({"SecretId": "/dev/a", "RecoveryWindowInDays": 7}))]
#[case(Recovery::None, json!({"SecretId": "/dev/a", "ForceDeleteWithoutRecovery": true}))]
#[tokio::test]
async fn the_recovery_window_is_sent(#[case] recovery: Recovery, #[case] body: Value) {
    let stub = Stub::new(|_| Answer::ok(&json!({})));
    assert!(store(&stub).delete(&path(), recovery).await.unwrap());
    assert_eq!(stub.asked()[0].body, body);
}
