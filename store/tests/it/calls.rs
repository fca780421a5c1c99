//! How many calls a run makes.

use std::sync::atomic::{AtomicUsize, Ordering};

use kees_common::{Field, Generation, Spec, StoreName};
use kees_store::{
    ErrorKind, WriteLimits,
    aws::Aws,
    dynamodb::DynamoDb,
    protocol::{Obtained, Wanted, WhenAbsent},
};
use kees_store_testing::{
    generation_at, obtain_all,
    scripted::{Play, Scripted},
    stub::{Answer, Stub},
    wanted,
};
use serde_json::json;

use crate::creating::{denied, minute, texts};

fn passwords(store: StoreName, count: usize) -> Vec<Generation> {
    (0..count)
        .map(|nth| {
            let path = format!("/dev/password-{nth}").parse().unwrap();
            generation_at(store, path, Spec::Password { bits: 128 })
        })
        .collect()
}

fn all(generations: &[Generation]) -> Vec<Wanted<'_>> {
    let wanted = |of| wanted(of, &[Field::Whole], WhenAbsent::Create);
    generations.iter().map(wanted).collect()
}

fn assert_created(obtained: &[Obtained<std::convert::Infallible>], count: usize) {
    let is_created = |obtained: &&Obtained<_>| matches!(obtained, Obtained::Created(_));
    assert_eq!(
        obtained.iter().filter(is_created).count(),
        count,
        "{obtained:?}"
    );
}

#[tokio::test]
async fn ten_absent_passwords_in_dynamodb_are_one_read_and_one_write() {
    let stub = Stub::new(|asked| match asked.operation.as_str() {
        "BatchGetItem" => Answer::ok(&json!({"Responses": {}, "UnprocessedKeys": {}})),
        _ => Answer::ok(&json!({})),
    });
    let store = DynamoDb::new(&Aws::from_config(stub.config()), "dev");
    let generations = passwords(StoreName::DynamoDb, 10);
    let obtained = obtain_all(&store, "we", &all(&generations), &(), &mut minute()).await;
    assert_created(&obtained, 10);
    assert_eq!(stub.operations(), ["BatchGetItem", "TransactWriteItems"]);
    let items = stub.asked()[1].body["TransactItems"].clone();
    assert_eq!(items.as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn a_transaction_of_dynamodb_has_a_hundred_items_at_most() {
    let stub = Stub::new(|asked| match asked.operation.as_str() {
        "BatchGetItem" => Answer::ok(&json!({"Responses": {}, "UnprocessedKeys": {}})),
        _ => Answer::ok(&json!({})),
    });
    let store = DynamoDb::new(&Aws::from_config(stub.config()), "dev");
    let generations = passwords(StoreName::DynamoDb, 250);
    let obtained = obtain_all(&store, "we", &all(&generations), &(), &mut minute()).await;
    assert_created(&obtained, 250);
    let asked = stub.asked().into_iter();
    let mut items: Vec<usize> = asked
        .filter_map(|asked| Some(asked.body["TransactItems"].as_array()?.len()))
        .collect();
    items.sort_unstable();
    assert_eq!(items, [50, 100, 100]);
}

/// AWS answers a token that was used with other parameters (API reference, `TransactWriteItems`).
#[tokio::test]
async fn a_token_that_was_used_otherwise_is_looked_at_like_a_lost_race() {
    let reads = AtomicUsize::new(0);
    let stub = Stub::new(move |asked| match asked.operation.as_str() {
        "GetItem" if reads.fetch_add(1, Ordering::Relaxed) == 0 => Answer::ok(&json!({})),
        "GetItem" => Answer::ok(&json!({"Item": {
            "secretName": {"S": "/dev/password-0"}, "secretValue": {"S": "b3RoZXI="},
        }})),
        _ => Answer::error_response(
            400,
            "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException",
            "The ClientRequestToken was used with other parameters",
        ),
    });
    let store = DynamoDb::new(&Aws::from_config(stub.config()), "dev");
    let generations = passwords(StoreName::DynamoDb, 1);
    let obtained = obtain_all(&store, "we", &all(&generations), &(), &mut minute()).await;
    let [Obtained::Found(values)] = &obtained[..] else {
        panic!("{obtained:?}")
    };
    assert_eq!(texts(&values.current), ["other"]);
}

#[tokio::test(start_paused = true)]
async fn what_remains_absent_after_a_failed_condition_is_written_one_by_one() {
    let store = Scripted::new().creates([Play::OtherWriterFirstForOne]);
    let generations = passwords(StoreName::Memory, 10);
    let obtained = obtain_all(&store, "we", &all(&generations), &(), &mut minute()).await;
    assert_created(&obtained, 9);
    let mut expected = vec!["read 10", "create 10", "read 10"];
    expected.extend(["create 1"; 9]);
    assert_eq!(store.log(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_request_holds_the_same_generations() {
    let store = Scripted::new().creates([Play::Fail(ErrorKind::Throttled)]);
    let generations = passwords(StoreName::Memory, 10);
    let obtained = obtain_all(&store, "we", &all(&generations), &(), &mut minute()).await;
    assert_created(&obtained, 10);
    // A repeated success is read back.
    let expected = ["read 10", "create 10", "read 10", "create 10", "read 10"];
    assert_eq!(store.log(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_denied_request_is_sent_one_by_one_so_that_each_denial_is_named() {
    let plays = [Play::Fail(denied()), Play::Answer, Play::Fail(denied())];
    let store = Scripted::new().creates(plays);
    let generations = passwords(StoreName::Memory, 3);
    let obtained = obtain_all(&store, "we", &all(&generations), &(), &mut minute()).await;
    assert_created(&obtained, 2);
    assert!(
        matches!(&obtained[1], Obtained::Absent(Some(error)) if error.kind == denied()),
        "{obtained:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_writes_one_generation_at_a_time_is_asked_for_each() {
    let store = Scripted::new().with_limits(WriteLimits::ONE_GENERATION);
    let generations = passwords(StoreName::Memory, 40);
    let obtained = obtain_all(&store, "we", &all(&generations), &(), &mut minute()).await;
    assert_created(&obtained, 40);
    assert_eq!(store.log().len(), 41);
}
