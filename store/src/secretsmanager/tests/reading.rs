//! Reads, by twenty and one by one.

use super::*;

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

const NO_VALUE: &str =
    "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT";

/// The message for an absent secret ends after "the specified secret".
#[rstest]
#[case::one(&["/dev/a"])]
#[case::in_a_batch(&["/dev/a", "/dev/b"])]
#[tokio::test]
async fn a_secret_without_a_value_is_not_absent(#[case] paths: &[&str]) {
    let stub = Stub::new(|asked| match asked.operation.as_str() {
        "BatchGetSecretValue" => Answer::ok(&json!({
            "SecretValues": [text("/dev/b", "2")],
            "Errors": [{
                "SecretId": "/dev/a",
                "ErrorCode": "ResourceNotFoundException",
                "Message": NO_VALUE,
            }],
        })),
        _ => Answer::error_response(400, "ResourceNotFoundException", NO_VALUE),
    });
    let error = read(&stub, paths).await.remove(0).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoValue);
    assert!(!error.is_transient());
    assert!(
        error
            .message
            .contains("the secret /dev/a exists and has no value"),
        "{error}"
    );
    assert!(
        error.remedy.contains("put-secret-value"),
        "{}",
        error.remedy
    );
}

#[rstest]
#[case::stage(Some("AWSPREVIOUS"), None, "no version with the stage AWSPREVIOUS")]
#[case::id(None, Some("v1"), "no version v1")]
#[tokio::test]
async fn a_version_that_a_secret_does_not_have_is_named(
    #[case] stage: Option<&str>,
    #[case] id: Option<&str>,
    #[case] message: &str,
) {
    let stub = Stub::new(|_| Answer::error_response(400, "ResourceNotFoundException", NO_VALUE));
    let locator = Locator {
        version_stage: stage.map(str::to_owned),
        version_id: id.map(str::to_owned),
        is_previous: false,
        ..whole("/dev/a")
    };
    let error = store(&stub).read(&[locator]).await.remove(0).unwrap_err();
    assert!(error.message.contains(message), "{error}");
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
        "BatchGetSecretValue" => Answer::error_response(
            400,
            "AccessDeniedException",
            denied!("secretsmanager:BatchGetSecretValue", ""),
        ),
        _ if asked.body["SecretId"] == "/dev/a" => Answer::error_response(
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
        "BatchGetSecretValue" => {
            Answer::error_response(400, "ThrottlingException", "Rate exceeded")
        }
        _ => Answer::ok(&text("any", "x")),
    });
    let found = read(&stub, &["/dev/a", "/dev/b"]).await;
    assert!(found.iter().all(|found| exposed(found) == Some(b"x")));
}

#[tokio::test]
async fn a_batch_that_the_service_fails_is_an_error_of_each_secret() {
    let stub =
        Stub::new(|_| Answer::error_response(500, "InternalServiceError", "An error occurred"));
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
        _ => Answer::error_response(400, "InvalidParameterException", "unexpected"),
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
            is_previous: false,
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
        "DescribeSecret" => Answer::error_response(400, "AccessDeniedException", "not authorized"),
        _ => Answer::error_response(
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
    let stub = Stub::new(move |_| Answer::error_response(400, code, message));
    let error = read(&stub, &["/dev/a"]).await.remove(0).unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)));
    assert_eq!(error.message, message);
    assert!(error.remedy.contains(remedy), "{}", error.remedy);
}
