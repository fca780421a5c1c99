//! The requests for leases, and DynamoDB's documented answers to them (API Reference, `BatchGetItem`,
//! `Scan`, `TransactWriteItems`).

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::{
    ErrorKind,
    aws::stub::{Answer, Stub},
    dynamodb::tests::{ARN, TABLE, canceled, denied, error_response, key, store},
    leases::PodIdentity,
};

const UNMET: (&str, &str) = ("ConditionalCheckFailed", "The conditional request failed");
const NONE: (&str, &str) = ("None", "");

fn path(number: u8) -> StoragePath {
    format!("/dev/leases/worker.{number}").parse().unwrap()
}

fn original() -> Record {
    Record {
        value: "web-0".to_owned(),
        pod: None,
    }
}

fn web() -> Record {
    let pod = PodIdentity {
        namespace: "shop".to_owned(),
        uid: "u-1".to_owned(),
    };
    Record {
        pod: Some(pod),
        ..original()
    }
}

fn change(number: u8, expected: Option<Record>, new: Option<Record>) -> Change {
    Change {
        path: path(number),
        expected,
        new,
    }
}

/// The item of [`web`] as DynamoDB sends it.
fn item(number: u8) -> Value {
    json!({
        "secretName": {"S": path(number).as_str()},
        "secretValue": {"S": "web-0"},
        "podNamespace": {"S": "shop"},
        "podUid": {"S": "u-1"},
    })
}

/// A claim of two records.
async fn claim(stub: &Stub) -> Result<bool, StoreError> {
    let step = [change(1, None, Some(web())), change(2, None, Some(web()))];
    store(stub).swap(&step).await
}

#[tokio::test]
async fn a_step_is_one_transaction_of_puts_deletes_and_checks() {
    let stub = Stub::new(|_| Answer::ok(&json!({})));
    let step = [
        change(1, None, Some(web())),
        change(2, Some(original()), Some(web())),
        change(3, Some(web()), None),
        change(4, Some(web()), Some(web())),
    ];
    assert!(store(&stub).swap(&step).await.unwrap());
    let of_web = "secretValue = :secretValue AND podNamespace = :podNamespace AND podUid = :podUid";
    let of_original = "secretValue = :secretValue AND attribute_not_exists(podNamespace) AND \
                       attribute_not_exists(podUid)";
    let values = json!({
        ":secretValue": {"S": "web-0"}, ":podNamespace": {"S": "shop"}, ":podUid": {"S": "u-1"},
    });
    let expected = json!([
        {"Put": {
            "TableName": TABLE, "Item": item(1),
            "ConditionExpression": "attribute_not_exists(secretName)",
        }},
        {"Put": {
            "TableName": TABLE, "Item": item(2), "ConditionExpression": of_original,
            "ExpressionAttributeValues": {":secretValue": {"S": "web-0"}},
        }},
        {"Delete": {
            "TableName": TABLE, "Key": key(path(3).as_str()), "ConditionExpression": of_web,
            "ExpressionAttributeValues": values,
        }},
        {"ConditionCheck": {
            "TableName": TABLE, "Key": key(path(4).as_str()), "ConditionExpression": of_web,
            "ExpressionAttributeValues": values,
        }},
    ]);
    assert_eq!(stub.operations(), ["TransactWriteItems"]);
    assert_eq!(stub.asked()[0].body["TransactItems"], expected);
}

/// DynamoDB answers a repeated token as before, also if the records have changed since then.
#[tokio::test]
async fn the_same_step_twice_has_two_tokens() {
    let stub = Stub::new(|_| Answer::ok(&json!({})));
    for _ in 0..2 {
        assert!(claim(&stub).await.unwrap());
    }
    let token = |nth: usize| stub.asked()[nth].body["ClientRequestToken"].clone();
    assert!(token(0).is_string());
    assert_ne!(token(0), token(1));
}

#[rstest]
#[case::the_first(&[UNMET, NONE])]
#[case::the_second(&[NONE, UNMET])]
#[case::beside_a_conflict(&[("TransactionConflict", "Transaction is ongoing for the item"), UNMET])]
#[tokio::test]
async fn a_record_that_is_not_the_expected_one_refuses_the_step(
    #[case] reasons: &'static [(&'static str, &'static str)],
) {
    let stub = Stub::new(|_| canceled(reasons));
    assert!(!claim(&stub).await.unwrap());
}

#[rstest]
#[case::conflict(
    "TransactionConflict",
    "Transaction is ongoing for the item",
    ErrorKind::Throttled
)]
#[case::throttled(
    "ThrottlingError",
    "Throughput exceeds the current capacity.",
    ErrorKind::Throttled
)]
#[case::throughput(
    "ProvisionedThroughputExceeded",
    "The level of configured provisioned throughput for the table was exceeded.",
    ErrorKind::Throttled
)]
#[case::another_key(
    "ValidationError",
    "The provided key element does not match the schema",
    ErrorKind::Setup
)]
#[tokio::test]
async fn a_step_canceled_for_another_reason_is_an_error_of_its_record(
    #[case] code: &'static str,
    #[case] message: &'static str,
    #[case] kind: ErrorKind,
) {
    let stub = Stub::new(move |_| canceled(&[NONE, (code, message)]));
    let error = claim(&stub).await.unwrap_err();
    assert_eq!((&error.kind, &error.path), (&kind, &Some(path(2))));
    assert_eq!(error.is_transient(), kind == ErrorKind::Throttled);
}

#[rstest]
#[case::in_progress("TransactionInProgressException", "", ErrorKind::Throttled)]
#[case::throttled("ThrottlingException", "Too fast.", ErrorKind::Throttled)]
#[case::server("InternalServerError", "An internal error.", ErrorKind::Server)]
#[case::no_table("ResourceNotFoundException", "Not found", ErrorKind::Setup)]
#[tokio::test]
async fn an_error_of_a_call_is_not_a_refusal(
    #[case] code: &'static str,
    #[case] message: &'static str,
    #[case] kind: ErrorKind,
) {
    let stub = Stub::new(move |_| error_response(code, message));
    assert_eq!(claim(&stub).await.unwrap_err().kind, kind);
    let page = store(&stub).records_below("/dev/", None).await;
    assert_eq!(page.unwrap_err().kind, kind);
    for record in store(&stub).records(&[path(1), path(2)]).await {
        let error = record.unwrap_err();
        assert_eq!(error.kind, kind);
        assert!(error.path.is_some());
    }
}

#[tokio::test]
async fn a_lost_answer_is_an_error_that_may_pass() {
    let stub = Stub::new(|_| Answer::Http(200, "{\"Uncon".to_owned()));
    assert!(claim(&stub).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn a_denied_step_names_the_action_that_is_missing() {
    let named = Stub::new(|_| denied("dynamodb:DeleteItem"));
    let unnamed = Stub::new(|_| error_response("AccessDeniedException", ""));
    let check = change(1, Some(web()), Some(web()));
    let claim = [check.clone(), change(2, None, Some(web()))];
    let free = [check.clone(), change(2, Some(web()), None)];
    for (stub, step, missing) in [
        (&named, &claim[..], "dynamodb:DeleteItem"),
        (&unnamed, &claim, "dynamodb:PutItem"),
        (&unnamed, &free, "dynamodb:DeleteItem"),
        (&unnamed, &[check], "dynamodb:ConditionCheckItem"),
    ] {
        let error = store(stub).swap(step).await.unwrap_err();
        let ErrorKind::Denied { action, resource } = error.kind else {
            panic!("{:?}", error.kind)
        };
        assert_eq!(action, missing);
        let account = ARN.replace('*', "123456789012");
        assert!(resource == ARN || resource == account, "{resource}");
    }
}

#[tokio::test]
async fn records_are_one_consistent_batch_and_each_once() {
    let stub = Stub::new(|_| {
        Answer::ok(&json!({"Responses": {TABLE: [item(3), item(1)]}, "UnprocessedKeys": {}}))
    });
    let records = store(&stub)
        .records(&[path(1), path(2), path(3), path(1)])
        .await;
    let (there, absent) = (Ok(Some(web())), Ok(None));
    assert_eq!(records, [there.clone(), absent, there.clone(), there]);
    assert_eq!(stub.operations(), ["BatchGetItem"]);
    let keys = [1, 2, 3].map(|number| key(path(number).as_str()));
    let expected = json!({"RequestItems": {TABLE: {"Keys": keys, "ConsistentRead": true}}});
    assert_eq!(stub.asked()[0].body, expected);
}

#[tokio::test]
async fn where_a_batch_is_denied_each_record_is_read_alone() {
    let stub = Stub::new(|asked| match asked.operation.as_str() {
        "BatchGetItem" => denied("dynamodb:BatchGetItem"),
        _ if asked.body["Key"] == key(path(1).as_str()) => Answer::ok(&json!({"Item": item(1)})),
        _ => denied("dynamodb:GetItem"),
    });
    let records = store(&stub).records(&[path(1), path(2)]).await;
    assert_eq!(records[0], Ok(Some(web())));
    let error = records[1].as_ref().unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Denied { .. }));
    assert_eq!(error.path, Some(path(2)));
}

/// The record of the original, an item that is none, and one whose name is no path.
#[tokio::test]
async fn an_item_that_is_no_record_is_an_error_beside_the_others() {
    let stub = Stub::new(|asked| match asked.operation.as_str() {
        "Scan" => Answer::ok(&json!({"Items": [
            {"secretName": {"S": path(1).as_str()}, "secretValue": {"S": "web-0"}},
            {"secretName": {"S": path(2).as_str()}, "secretValue": {"N": "2"}},
            {"secretName": {"S": "/dev//x"}},
        ]})),
        _ => Answer::ok(&json!({"Item": {"secretName": {"S": path(2).as_str()}}})),
    });
    let page = store(&stub).records_below("/dev/", None).await.unwrap();
    let [(first, record), (second, number), (third, nothing)] = &page.records[..] else {
        panic!("{page:?}")
    };
    assert_eq!(
        [first.as_str(), second.as_str()],
        [path(1), path(2)].each_ref().map(StoragePath::as_str)
    );
    assert_eq!(*record, Ok(original()));
    assert_eq!(number.as_ref().unwrap_err().path, Some(path(2)));
    assert!(nothing.as_ref().unwrap_err().message.contains(third));
    let read = store(&stub)
        .records(&[path(2)])
        .await
        .remove(0)
        .unwrap_err();
    assert_eq!(
        (read.kind, read.path),
        (ErrorKind::Malformed, Some(path(2)))
    );
}

#[tokio::test]
async fn each_call_reads_one_page_of_a_consistent_scan() {
    let stub = Stub::new(|asked| {
        let page = match asked.body["ExclusiveStartKey"]["secretName"]["S"].as_str() {
            None => json!({"Items": [], "LastEvaluatedKey": key("x")}),
            _ => json!({"Items": [item(1)]}),
        };
        Answer::ok(&page)
    });
    let store = store(&stub);
    let first = store.records_below("/dev/leases/worker.", None).await;
    let first = first.unwrap();
    assert!(first.records.is_empty());
    assert_eq!(first.next.as_deref(), Some("x"));
    let second = store.records_below("/dev/leases/worker.", first.next.as_deref());
    let second = second.await.unwrap();
    assert_eq!(second.records, [(path(1).to_string(), Ok(web()))]);
    assert_eq!(second.next, None);
    let [asked, next] = &stub.asked()[..] else {
        panic!("{:?}", stub.operations())
    };
    let mut expected = json!({
        "TableName": TABLE,
        "ConsistentRead": true,
        "FilterExpression": "begins_with(secretName, :prefix)",
        "ExpressionAttributeValues": {":prefix": {"S": "/dev/leases/worker."}},
    });
    assert_eq!(asked.body, expected);
    expected["ExclusiveStartKey"] = key("x");
    assert_eq!(next.body, expected);
}
