//! Parameter Store's documented answers to `DescribeParameters`, `ListTagsForResource`,
//! `PutParameter` and `DeleteParameter`, played at HTTP level.

use std::time::Duration;

use kees_common::SecretValue;
use serde_json::json;

use super::*;
use crate::{
    ErrorKind, IdempotencyToken, RetryBudget,
    aws::{
        Aws,
        stub::{Answer, Stub},
    },
    values::list_all,
};

fn store(stub: &Stub) -> Ssm {
    Ssm::new(&Aws::from_config(stub.config()), None)
}

fn path() -> StoragePath {
    "/dev/a".parse().unwrap()
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
                "Parameters": [
                    {"Name": "/dev/ab"},
                    {"Name": "/dev/a/x", "KeyId": "alias/aws/ssm", "Version": 3,
                     "LastModifiedDate": 1_700_000_000.5},
                ],
                "NextToken": "2",
            }),
            Some("2") => json!({"Parameters": [], "NextToken": "3"}),
            _ => json!({"Parameters": [{"Name": "/dev/a"}]}),
        })
    });
    let prefix = "/dev/a".parse().unwrap();
    let budget = || RetryBudget::new(Duration::from_mins(1));
    let listed = list_all(&store(&stub), &prefix, budget, |_| ())
        .await
        .unwrap();
    let names: Vec<_> = listed.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["/dev/a", "/dev/a/x"]);
    assert_eq!(listed[1].version.as_deref(), Some("3"));
    assert_eq!(listed[1].changed.as_deref(), Some("2023-11-14T22:13:20.5Z"));
    let filters = json!([{"Key": "Name", "Option": "BeginsWith", "Values": ["/dev/a"]}]);
    assert_eq!(stub.asked()[0].body["ParameterFilters"], filters);
}

#[tokio::test]
async fn a_denied_list_names_the_permission_without_a_resource() {
    let stub = Stub::new(|_| Answer::error_response(400, "AccessDeniedException", "no"));
    let error = store(&stub).list(&"/a".parse().unwrap(), None).await;
    let denied = ErrorKind::Denied {
        action: "ssm:DescribeParameters".to_owned(),
        resource: "*".to_owned(),
    };
    assert_eq!(error.unwrap_err().kind, denied);
}

#[tokio::test]
async fn a_description_has_the_tags() {
    let stub = Stub::new(|asked| {
        Answer::ok(&match asked.operation.as_str() {
            "DescribeParameters" => json!({"Parameters": [{"Name": "/dev/a"}]}),
            _ => json!({"TagList": [{"Key": "kees/type", "Value": "RANDOM"}]}),
        })
    });
    let described = store(&stub).describe(&path()).await.unwrap().unwrap();
    assert_eq!(described.tag("kees/type"), Some("RANDOM"));
    let none = Stub::new(|_| Answer::ok(&json!({"Parameters": []})));
    assert_eq!(store(&none).describe(&path()).await.unwrap(), None);
}

#[tokio::test]
async fn a_put_is_a_secure_string_without_tags() {
    for overwrite in [false, true] {
        let stub = Stub::new(|_| Answer::ok(&json!({"Version": 1})));
        assert_eq!(
            put(&stub, b"text", overwrite).await.unwrap(),
            Creation::Created
        );
        let expected = json!({
            "Name": "/dev/a", "Value": "text", "Type": "SecureString", "Overwrite": overwrite,
        });
        assert_eq!(stub.asked()[0].body, expected);
    }
}

#[tokio::test]
async fn bytes_that_are_not_text_are_not_sent() {
    let stub = Stub::new(|_| Answer::ok(&json!({"Version": 1})));
    let error = put(&stub, &[0, 255], true).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert!(stub.asked().is_empty());
}

#[tokio::test]
async fn a_message_that_repeats_the_value_is_left_out() {
    let stub = Stub::new(|_| Answer::error_response(400, "ValidationException", "not canary"));
    let error = put(&stub, b"canary", true).await.unwrap_err();
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

#[tokio::test]
async fn a_delete_tells_what_was_absent() {
    let stub = Stub::new(|_| Answer::error_response(400, "ParameterNotFound", ""));
    let deleted = store(&stub).delete(&path(), Recovery::Default).await;
    assert!(!deleted.unwrap());
}
