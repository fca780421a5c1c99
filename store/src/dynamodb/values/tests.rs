//! DynamoDB's documented answers to `Scan`, `PutItem` and `DeleteItem`, played at HTTP level.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

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

fn store(stub: &Stub) -> DynamoDb {
    DynamoDb::new(&Aws::from_config(stub.config()), "dev")
}

fn key(name: &str) -> Value {
    json!({"secretName": {"S": name}})
}

async fn list(stub: &Stub, prefix: &str) -> Result<Vec<String>, StoreError> {
    let prefix = prefix.parse().unwrap();
    let budget = || RetryBudget::new(Duration::from_mins(1));
    let listed = list_all(&store(stub), &prefix, budget, |_| ()).await?;
    Ok(listed.into_iter().map(|one| one.name).collect())
}

/// A page of a scan can be empty, and the filter of DynamoDB knows no segments.
#[tokio::test]
async fn a_list_scans_every_page_and_asks_for_names_only() {
    let stub = Stub::new(|asked| {
        let start = asked.body["ExclusiveStartKey"]["secretName"]["S"].as_str();
        Answer::ok(&match start {
            None => {
                json!({"Items": [key("/dev/a/2"), key("/dev/ab/1")], "LastEvaluatedKey": key("x")})
            }
            Some("x") => json!({"Items": [], "LastEvaluatedKey": key("y")}),
            _ => json!({"Items": [key("/dev/a/1"), key("/dev/a")]}),
        })
    });
    let names = list(&stub, "/dev/a/").await.unwrap();
    assert_eq!(names, ["/dev/a", "/dev/a/1", "/dev/a/2"]);
    assert_eq!(stub.operations(), ["Scan"; 3]);
    let first = &stub.asked()[0].body;
    assert_eq!(first["ProjectionExpression"], "secretName");
    assert_eq!(first["ConsistentRead"], true);
    assert_eq!(
        first["ExpressionAttributeValues"],
        json!({":prefix": {"S": "/dev/a"}})
    );
}

#[tokio::test]
async fn the_whole_table_is_listed_without_a_filter() {
    let stub = Stub::new(|_| Answer::ok(&json!({"Items": [key("dev/x"), key("/a")]})));
    assert_eq!(list(&stub, "/").await.unwrap(), ["/a", "dev/x"]);
    assert_eq!(stub.asked()[0].body["FilterExpression"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_throttled_is_read_again() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let stub = Stub::new(|_| match CALLS.fetch_add(1, Ordering::Relaxed) {
        0 | 2 => Answer::error_response(400, "ProvisionedThroughputExceededException", "slow"),
        1 => Answer::ok(&json!({"Items": [key("/a/1")], "LastEvaluatedKey": key("/a/1")})),
        _ => Answer::ok(&json!({"Items": [key("/a/2")]})),
    });
    assert_eq!(list(&stub, "/a").await.unwrap(), ["/a/1", "/a/2"]);
    assert_eq!(stub.operations().len(), 4);
}

#[tokio::test]
async fn a_denied_list_names_the_permission() {
    let stub = Stub::new(|_| Answer::error_response(400, "AccessDeniedException", "no"));
    let error = list(&stub, "/a").await.unwrap_err();
    let ErrorKind::Denied { action, .. } = &error.kind else {
        panic!("{error:?}");
    };
    assert_eq!(action, "dynamodb:Scan");
    assert_eq!(stub.operations().len(), 1);
}

#[tokio::test]
async fn a_put_writes_base64_and_a_delete_tells_what_was_absent() {
    let stub = Stub::new(|asked| match asked.operation.as_str() {
        "DeleteItem" => Answer::error_response(400, "ConditionalCheckFailedException", "it failed"),
        _ => Answer::ok(&json!({})),
    });
    let path: StoragePath = "/a".parse().unwrap();
    for (overwrite, operation) in [(false, "TransactWriteItems"), (true, "PutItem")] {
        let request = PutRequest {
            path: &path,
            value: &kees_common::SecretValue::new(b"canary".to_vec()),
            overwrite,
            token: &IdempotencyToken::random().unwrap(),
        };
        let put = PutStore::put(&store(&stub), &request).await.unwrap();
        assert_eq!(put, Creation::Created);
        let asked = stub.asked().pop().unwrap();
        assert_eq!(asked.operation, operation);
        assert!(asked.body.to_string().contains(r#"{"S":"Y2FuYXJ5"}"#));
    }
    let deleted = store(&stub).delete(&path, Recovery::Default).await;
    assert!(!deleted.unwrap());
}
