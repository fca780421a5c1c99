//! DynamoDB's documented answers, played at HTTP level.
//!
//! Codes, statuses and bodies are those of the Amazon DynamoDB Developer Guide ("Error handling
//! with DynamoDB") and API Reference (`BatchGetItem`, `GetItem`, `TransactGetItems`,
//! `TransactWriteItems`).

use kees_common::{Field, Generated, Generation, SecretValue, Spec};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::{
    ErrorKind, IdempotencyToken, NewGeneration,
    aws::stub::{Answer, Asked, Stub},
};

pub(super) const TABLE: &str = "dev-kube-secret";
pub(super) const ARN: &str = "arn:aws:dynamodb:eu-west-1:*:table/dev-kube-secret";

pub(super) fn store(stub: &Stub) -> DynamoDb {
    DynamoDb::new(&Aws::from_config(stub.config()), "dev")
}

fn at(path: &str) -> Locator {
    Locator {
        path: path.parse().unwrap(),
        member: None,
        property: None,
        version_stage: None,
        version_id: None,
        is_previous: false,
    }
}

fn all_at(paths: &[&str]) -> Vec<Locator> {
    paths.iter().map(|path| at(path)).collect()
}

/// An item as DynamoDB sends it, its value "canary".
fn item(path: &str) -> Value {
    json!({"secretName": {"S": path}, "secretValue": {"S": "Y2FuYXJ5"}})
}

pub(super) fn key(path: &str) -> Value {
    json!({"secretName": {"S": path}})
}

/// Which of `found` are values, and which are absent.
fn is_there(found: Vec<Found>) -> Vec<bool> {
    found
        .into_iter()
        .map(|found| {
            found
                .unwrap()
                .is_some_and(|value| value.expose() == b"canary")
        })
        .collect()
}

pub(super) fn error_response(code: &str, message: &str) -> Answer {
    let status = if code == "InternalServerError" {
        500
    } else {
        400
    };
    let code = match code {
        "AccessDeniedException" | "ThrottlingException" | "UnrecognizedClientException" => {
            format!("com.amazon.coral.service#{code}")
        }
        code => format!("com.amazonaws.dynamodb.v20120810#{code}"),
    };
    Answer::error_response(status, &code, message)
}

/// What IAM says (IAM User Guide, "Troubleshoot access denied error messages").
pub(super) fn denied(action: &str) -> Answer {
    let message = format!(
        "User: arn:aws:sts::123456789012:assumed-role/pod/kees is not authorized to perform: \
         {action} on resource: arn:aws:dynamodb:eu-west-1:123456789012:table/{TABLE} because no \
         identity-based policy allows the {action} action"
    );
    error_response("AccessDeniedException", &message)
}

/// A transaction that was canceled for `reasons`, one for each of its items.
pub(super) fn canceled(reasons: &[(&str, &str)]) -> Answer {
    let codes: Vec<_> = reasons.iter().map(|(code, _)| *code).collect();
    let reasons: Vec<_> = reasons
        .iter()
        .map(|(code, message)| match *code {
            "None" => json!({"Code": "None"}),
            code => json!({"Code": code, "Message": message}),
        })
        .collect();
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        ),
        "CancellationReasons": reasons,
    });
    Answer::Http(400, body.to_string())
}

fn pair() -> (Generation, Generated) {
    let generation = Generation {
        store: StoreName::DynamoDb,
        path: "/dev/signing".parse().unwrap(),
        spec: Spec::Rsa { bits: 2048 },
        fields: vec![
            (Field::Public, "/dev/signing_public".parse().unwrap()),
            (Field::Private, "/dev/signing_private".parse().unwrap()),
        ],
        entries: vec![0],
    };
    let value = |bytes: &[u8]| SecretValue::new(bytes.to_vec());
    let values = Generated::new(vec![
        (Field::Public, value(b"public")),
        (Field::Private, value(b"canary")),
    ]);
    (generation, values)
}

async fn create(stub: &Stub) -> Result<Creation, StoreError> {
    let (generation, values) = pair();
    let token = IdempotencyToken::random().unwrap();
    let new = NewGeneration {
        generation: &generation,
        values: &values,
        namespace: None,
    };
    let request = CreateRequest {
        generations: &[new],
        token: &token,
    };
    store(stub).create(&request).await
}

#[tokio::test]
async fn one_item_is_asked_for_by_itself_and_consistently() {
    let stub = Stub::new(|_| Answer::ok(&json!({"Item": item("/dev/a")})));
    assert_eq!(
        is_there(store(&stub).read(&all_at(&["/dev/a", "/dev/a"])).await),
        [true, true]
    );
    let [
        Asked {
            operation, body, ..
        },
    ] = &stub.asked()[..]
    else {
        panic!("{:?}", stub.asked())
    };
    assert_eq!(operation, "GetItem");
    let expected = json!({"TableName": TABLE, "Key": key("/dev/a"), "ConsistentRead": true});
    assert_eq!(*body, expected);
}

#[tokio::test]
async fn several_items_are_one_consistent_batch_whose_answers_come_in_any_order() {
    let stub = Stub::new(|_| {
        Answer::ok(&json!({
            "Responses": {TABLE: [item("/dev/c"), item("/dev/a")]},
            "UnprocessedKeys": {},
        }))
    });
    let found = store(&stub)
        .read(&all_at(&["/dev/a", "/dev/b", "/dev/c", "/dev/a"]))
        .await;
    assert_eq!(is_there(found), [true, false, true, true]);
    let [
        Asked {
            operation, body, ..
        },
    ] = &stub.asked()[..]
    else {
        panic!("{:?}", stub.asked())
    };
    assert_eq!(operation, "BatchGetItem");
    let keys = [key("/dev/a"), key("/dev/b"), key("/dev/c")];
    let expected = json!({"RequestItems": {TABLE: {"Keys": keys, "ConsistentRead": true}}});
    assert_eq!(*body, expected);
}

/// A table that has everything and answers `most` items of a batch, the others unprocessed.
fn slow_table(most: usize) -> Stub {
    Stub::new(move |asked| {
        let keys = asked.body["RequestItems"][TABLE]["Keys"]
            .as_array()
            .unwrap()
            .clone();
        let (now, later) = keys.split_at(most.min(keys.len()));
        let items: Vec<_> = now
            .iter()
            .map(|key| item(key["secretName"]["S"].as_str().unwrap()))
            .collect();
        let unprocessed = match later {
            [] => json!({}),
            later => json!({TABLE: {"Keys": later, "ConsistentRead": true}}),
        };
        Answer::ok(&json!({"Responses": {TABLE: items}, "UnprocessedKeys": unprocessed}))
    })
}

fn many(count: usize) -> Vec<Locator> {
    (0..count).map(|nth| at(&format!("/dev/{nth}"))).collect()
}

#[tokio::test]
async fn a_batch_has_a_hundred_keys_at_most() {
    let stub = slow_table(100);
    assert_eq!(
        is_there(store(&stub).read(&many(250)).await),
        vec![true; 250]
    );
    let keys = |asked: &Asked| {
        asked.body["RequestItems"][TABLE]["Keys"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(
        stub.asked().iter().map(keys).collect::<Vec<_>>(),
        [100, 100, 50]
    );
}

#[tokio::test]
async fn unprocessed_keys_are_asked_for_again_and_they_alone() {
    let stub = slow_table(40);
    assert_eq!(
        is_there(store(&stub).read(&many(100)).await),
        vec![true; 100]
    );
    let keys = |asked: &Asked| {
        asked.body["RequestItems"][TABLE]["Keys"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(
        stub.asked().iter().map(keys).collect::<Vec<_>>(),
        [100, 60, 20]
    );
}

#[tokio::test]
async fn a_table_that_processes_nothing_is_throttling() {
    let stub = slow_table(0);
    for (found, path) in store(&stub)
        .read(&many(2))
        .await
        .into_iter()
        .zip(["/dev/0", "/dev/1"])
    {
        let error = found.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Throttled);
        assert_eq!(error.path.unwrap().as_str(), path);
    }
    assert_eq!(stub.operations(), ["BatchGetItem"]);
}

#[tokio::test]
async fn where_a_batch_is_denied_each_denial_is_named() {
    let stub = Stub::new(|asked| match asked.operation.as_str() {
        "BatchGetItem" => denied("dynamodb:BatchGetItem"),
        _ => match asked.body["Key"]["secretName"]["S"].as_str().unwrap() {
            "/dev/a" => Answer::ok(&json!({"Item": item("/dev/a")})),
            "/dev/b" => Answer::ok(&json!({})),
            _ => denied("dynamodb:GetItem"),
        },
    });
    let mut found = store(&stub)
        .read(&all_at(&["/dev/a", "/dev/b", "/dev/c"]))
        .await;
    let error = found.pop().unwrap().unwrap_err();
    assert_eq!(is_there(found), [true, false]);
    assert_eq!(error.path.unwrap().as_str(), "/dev/c");
    let ErrorKind::Denied { action, resource } = error.kind else {
        panic!("{:?}", error.kind)
    };
    assert_eq!(action, "dynamodb:GetItem");
    assert_eq!(
        resource,
        "arn:aws:dynamodb:eu-west-1:123456789012:table/dev-kube-secret"
    );
    assert_eq!(error.code.as_deref(), Some("AccessDeniedException"));
    assert!(
        error.remedy.contains("dynamodb:GetItem"),
        "{}",
        error.remedy
    );
}

#[rstest]
#[case::read("dynamodb:GetItem")]
#[case::write("dynamodb:PutItem")]
#[tokio::test]
async fn a_denial_without_words_names_what_is_missing(#[case] action: &str) {
    let stub = Stub::new(|_| error_response("AccessDeniedException", ""));
    let error = match action {
        "dynamodb:GetItem" => store(&stub)
            .read(&[at("/dev/a")])
            .await
            .remove(0)
            .unwrap_err(),
        _ => create(&stub).await.unwrap_err(),
    };
    let expected = ErrorKind::Denied {
        action: action.to_owned(),
        resource: ARN.to_owned(),
    };
    assert_eq!(error.kind, expected);
}

#[rstest]
#[case::throttled(
    "ThrottlingException",
    "Throughput exceeds the current capacity of your table.",
    ErrorKind::Throttled
)]
#[case::throughput(
    "ProvisionedThroughputExceededException",
    "The level of configured provisioned throughput for the table was exceeded.",
    ErrorKind::Throttled
)]
#[case::requests(
    "RequestLimitExceeded",
    "Throughput exceeds the current throughput limit for your account.",
    ErrorKind::Throttled
)]
#[case::server(
    "InternalServerError",
    "The server encountered an internal error trying to fulfill the request.",
    ErrorKind::Server
)]
#[case::no_table(
    "ResourceNotFoundException",
    "Requested resource not found",
    ErrorKind::Setup
)]
#[case::another_key(
    "ValidationException",
    "The provided key element does not match the schema",
    ErrorKind::Setup
)]
#[case::credentials(
    "UnrecognizedClientException",
    "The security token included in the request is invalid.",
    ErrorKind::Credentials
)]
#[case::unknown(
    "SomethingNewException",
    "Something that nobody knows yet.",
    ErrorKind::Other
)]
#[tokio::test]
async fn refusals_are_told_apart_however_the_call(
    #[case] code: &'static str,
    #[case] message: &'static str,
    #[case] kind: ErrorKind,
) {
    let stub = Stub::new(move |_| error_response(code, message));
    let store = store(&stub);
    let paths = ["/dev/a", "/dev/b"];
    let mut errors: Vec<_> = [
        store.read(&[at("/dev/a")]).await,
        store.read(&all_at(&paths)).await,
        store.read_together(&all_at(&paths)).await,
    ]
    .into_iter()
    .flatten()
    .map(Result::unwrap_err)
    .collect();
    errors.push(create(&stub).await.unwrap_err());
    assert_eq!(errors.len(), 6);
    for error in &errors {
        assert_eq!(
            (&error.kind, error.code.as_deref()),
            (&kind, Some(code)),
            "{error:?}"
        );
        assert!(error.path.is_some(), "{error:?}");
        assert_eq!(
            error.is_transient(),
            matches!(kind, ErrorKind::Throttled | ErrorKind::Server)
        );
        assert!(!error.remedy.is_empty());
    }
    if code == "SomethingNewException" {
        assert_eq!(errors[0].message, message, "the store's own words are kept");
    }
}

#[tokio::test]
async fn a_missing_table_is_named_with_its_region_and_what_to_do() {
    let stub =
        Stub::new(|_| error_response("ResourceNotFoundException", "Requested resource not found"));
    let error = store(&stub)
        .read(&[at("/dev/a")])
        .await
        .remove(0)
        .unwrap_err();
    for text in [&error.message, &error.remedy] {
        assert!(text.contains(TABLE) && text.contains("eu-west-1"), "{text}");
    }
    assert!(error.remedy.contains("secretName (S)"), "{}", error.remedy);
}

#[tokio::test]
async fn a_snapshot_is_one_transaction_answered_in_order() {
    let stub = Stub::new(|_| Answer::ok(&json!({"Responses": [{}, {"Item": item("/dev/b")}]})));
    let found = store(&stub)
        .read_together(&all_at(&["/dev/a", "/dev/b", "/dev/a"]))
        .await;
    assert_eq!(is_there(found), [false, true, false]);
    assert_eq!(stub.operations(), ["TransactGetItems"]);
    let get = |path| json!({"Get": {"Key": key(path), "TableName": TABLE}});
    assert_eq!(
        stub.asked()[0].body,
        json!({"TransactItems": [get("/dev/a"), get("/dev/b")]})
    );
}

#[tokio::test]
async fn a_snapshot_beside_a_write_is_tried_again() {
    let stub = Stub::new(|_| {
        canceled(&[
            ("None", ""),
            ("TransactionConflict", "Transaction is ongoing for the item"),
        ])
    });
    for found in store(&stub)
        .read_together(&all_at(&["/dev/a", "/dev/b"]))
        .await
    {
        let error = found.unwrap_err();
        assert_eq!(error.code.as_deref(), Some("TransactionConflict"));
        assert!(error.is_transient());
    }
}

#[tokio::test]
async fn a_generation_is_one_transaction_on_the_condition_that_no_name_is_there() {
    let stub = Stub::new(|_| Answer::ok(&json!({})));
    assert_eq!(create(&stub).await.unwrap(), Creation::Created);
    let [
        Asked {
            operation, body, ..
        },
    ] = &stub.asked()[..]
    else {
        panic!("{:?}", stub.asked())
    };
    assert_eq!(operation, "TransactWriteItems");
    assert_eq!(body["ClientRequestToken"].as_str().unwrap().len(), 32);
    let put = |path: &str, value: &str| {
        json!({"Put": {
            "TableName": TABLE,
            "Item": {"secretName": {"S": path}, "secretValue": {"S": value}},
            "ConditionExpression": "attribute_not_exists(secretName)",
        }})
    };
    let puts = [
        put("/dev/signing_public", "cHVibGlj"),
        put("/dev/signing_private", "Y2FuYXJ5"),
    ];
    assert_eq!(body["TransactItems"], json!(puts));
}

#[rstest]
#[case::the_first_exists(&[("ConditionalCheckFailed", "The conditional request failed"), ("None", "")])]
#[case::the_second_exists(&[("None", ""), ("ConditionalCheckFailed", "The conditional request failed")])]
#[case::one_exists_and_one_is_contended(&[("TransactionConflict", "Transaction is ongoing for the item"), ("ConditionalCheckFailed", "The conditional request failed")])]
#[tokio::test]
async fn a_failed_condition_means_that_something_is_there(
    #[case] reasons: &'static [(&'static str, &'static str)],
) {
    let stub = Stub::new(|_| canceled(reasons));
    assert_eq!(create(&stub).await.unwrap(), Creation::Exists);
}

#[rstest]
#[case::conflict(&[("None", ""), ("TransactionConflict", "Transaction is ongoing for the item")], ErrorKind::Throttled, "/dev/signing_private")]
#[case::throttled(&[("ThrottlingError", "Throughput exceeds the current capacity of your table or index."), ("None", "")], ErrorKind::Throttled, "/dev/signing_public")]
#[case::throughput(&[("ProvisionedThroughputExceeded", "The level of configured provisioned throughput for the table was exceeded."), ("None", "")], ErrorKind::Throttled, "/dev/signing_public")]
#[case::too_large(&[("None", ""), ("ValidationError", "Item size has exceeded the maximum allowed size.")], ErrorKind::Other, "/dev/signing_private")]
#[case::another_key(&[("ValidationError", "The provided key element does not match the schema"), ("None", "")], ErrorKind::Setup, "/dev/signing_public")]
#[case::collection(&[("ItemCollectionSizeLimitExceeded", "Collection size exceeded."), ("None", "")], ErrorKind::Other, "/dev/signing_public")]
#[case::what_cannot_pass_goes_first(&[("TransactionConflict", "Transaction is ongoing for the item"), ("ValidationError", "Item size has exceeded the maximum allowed size.")], ErrorKind::Other, "/dev/signing_private")]
#[tokio::test]
async fn other_cancellations_name_their_reason_and_the_item(
    #[case] reasons: &'static [(&'static str, &'static str)],
    #[case] kind: ErrorKind,
    #[case] path: &str,
) {
    let stub = Stub::new(|_| canceled(reasons));
    let error = create(&stub).await.unwrap_err();
    assert_eq!((error.kind, error.path.unwrap().as_str()), (kind, path));
    let reason = reasons
        .iter()
        .find(|(code, _)| Some(*code) == error.code.as_deref());
    assert_eq!(error.message, reason.unwrap().1);
}

#[rstest]
#[case(
    "TransactionInProgressException",
    "The transaction with the given request token is already in progress."
)]
#[case(
    "TransactionConflictException",
    "Operation was rejected because there is an ongoing transaction for the item."
)]
#[tokio::test]
async fn a_write_that_is_under_way_already_is_tried_again(
    #[case] code: &'static str,
    #[case] message: &'static str,
) {
    let stub = Stub::new(|_| error_response(code, message));
    assert!(create(&stub).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn no_error_shows_a_value() {
    for answer in [
        || canceled(&[("ValidationError", "x"), ("None", "")]),
        || error_response("ValidationException", "x"),
        || {
            Answer::Http(
                200,
                r#"{"Item": {"secretName": {"S": "/dev/a"}, "secretValue": {"B": "Y2FuYXJ5"}}}"#
                    .to_owned(),
            )
        },
        || Answer::Http(200, r#"{"Item": {"secretValue": {"S": "canary"#.to_owned()),
        || Answer::Http(500, "<html>canary".to_owned()),
    ] {
        let stub = Stub::new(move |_| answer());
        let errors = [
            create(&stub).await.err(),
            store(&stub).read(&[at("/dev/a")]).await.remove(0).err(),
        ];
        assert!(errors.iter().any(Option::is_some));
        for error in errors.into_iter().flatten() {
            assert!(
                !format!("{error:?}").to_lowercase().contains("canary"),
                "{error:?}"
            );
            assert!(!format!("{error:?}").contains("Y2FuYXJ5"), "{error:?}");
        }
    }
}
