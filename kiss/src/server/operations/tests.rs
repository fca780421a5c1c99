//! The operations on AWS in memory: what exists before and after each.

use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;
use zeroize::Zeroizing;

use super::*;
use crate::server::{
    cloud::memory::{MemoryCloud, Policy, Secret, State},
    names::Separator,
};

const LONG: Duration = Duration::from_secs(30);

fn operations() -> Operations<MemoryCloud> {
    let naming = Naming {
        secret_prefix: "k8s-secret".to_owned(),
        role_prefix: "k8s-sa".to_owned(),
        separator: Separator::Dash,
    };
    let operations = Operations::new(MemoryCloud::default(), naming);
    operations
        .cloud
        .state()
        .roles
        .extend(["k8s-sa_a_web", "k8s-sa_a_api", "k8s-sa_a_job"].map(str::to_owned));
    operations
}

fn id(text: &str) -> SecretId {
    let (namespace, name) = text.split_once('/').unwrap();
    SecretId::new(namespace, name).unwrap()
}

fn value(text: &str) -> Value {
    Zeroizing::new(text.to_owned())
}

fn soon() -> Deadline {
    Deadline::after(LONG)
}

fn message(result: Result<(), OperationError>) -> String {
    result.unwrap_err().to_string()
}

#[tokio::test]
async fn a_secret_lives_from_create_to_delete() {
    let operations = operations();
    let db = id("a/db-0");
    operations.create(&db, value("one"), soon()).await.unwrap();
    {
        let state = operations.cloud.state();
        let secret = &state.secrets["k8s-secret-a-db-0"];
        assert_eq!(secret.value, "one");
        let expected = [
            ("managed-by", "kiss"),
            ("secret-namespace", "a"),
            ("secret-name", "db-0"),
        ];
        let expected =
            expected.map(|(key, value)| (format!("security.kaluza.com/{key}"), value.to_owned()));
        assert_eq!(secret.tags, expected);
    }
    let exists = operations.create(&db, value("x"), soon()).await;
    assert_eq!(message(exists), "resource 'a/db-0' already exists");
    operations.update(&db, value("two"), soon()).await.unwrap();
    assert_eq!(
        operations.cloud.state().secrets["k8s-secret-a-db-0"].value,
        "two"
    );
    operations.delete(&db, soon()).await.unwrap();
    assert_eq!(
        message(operations.delete(&db, soon()).await),
        "resource 'a/db-0' not found"
    );
    let gone = operations.update(&db, value("x"), soon()).await;
    assert_eq!(message(gone), "resource 'a/db-0' not found");
}

#[tokio::test]
async fn a_clash_of_names_is_refused_by_the_tags() {
    let operations = operations();
    let (theirs, ours) = (id("a/b-c"), id("a-b/c"));
    operations
        .create(&theirs, value("theirs"), soon())
        .await
        .unwrap();
    operations.create_policy(&theirs, soon()).await.unwrap();
    let before = operations.cloud.state().clone();
    assert_eq!(
        message(operations.create(&ours, value("x"), soon()).await),
        "resource 'a-b/c' already exists: its name in AWS, k8s-secret-a-b-c, is that of something that does not \
         belong to it; choose another name"
    );
    let not_ours = "resource 'a-b/c' is not managed by KISS";
    assert_eq!(
        message(operations.update(&ours, value("x"), soon()).await),
        not_ours
    );
    assert_eq!(message(operations.delete(&ours, soon()).await), not_ours);
    assert_eq!(
        message(operations.create_policy(&ours, soon()).await),
        not_ours
    );
    assert_eq!(*operations.cloud.state(), before);
}

#[tokio::test]
async fn only_the_secrets_with_all_three_tags_are_listed() {
    let operations = operations();
    for secret in ["a/z", "a/b", "ab/c", "a-b/d", "a/0"] {
        operations
            .create(&id(secret), value("x"), soon())
            .await
            .unwrap();
    }
    for (name, tags) in [
        ("untagged", vec![]),
        (
            "other-manager",
            vec![
                ("managed-by", "x"),
                ("secret-namespace", "a"),
                ("secret-name", "n"),
            ],
        ),
        (
            "unnamed",
            vec![("managed-by", "kiss"), ("secret-namespace", "a")],
        ),
    ] {
        let tags = tags.into_iter();
        let tags =
            tags.map(|(key, value)| (format!("security.kaluza.com/{key}"), value.to_owned()));
        let secret = Secret {
            arn: name.to_owned(),
            value: String::new(),
            tags: tags.collect(),
        };
        operations
            .cloud
            .state()
            .secrets
            .insert(name.to_owned(), secret);
    }
    // A secret of another cluster, whose server has another prefix.
    {
        let mut state = operations.cloud.state();
        let other = state.secrets["k8s-secret-a-b"].clone();
        let mut tags = other.tags.clone();
        tags[2].1 = "elsewhere".to_owned();
        let name = "other-cluster-a-elsewhere".to_owned();
        state.secrets.insert(name, Secret { tags, ..other });
    }
    assert_eq!(operations.list("a", soon()).await.unwrap(), ["0", "b", "z"]);
    assert_eq!(operations.list("ab", soon()).await.unwrap(), ["c"]);
    assert!(operations.list("b", soon()).await.unwrap().is_empty());
    operations.list("A", soon()).await.unwrap_err();
}

#[tokio::test]
async fn a_policy_is_bound_and_detached_when_it_is_deleted() {
    let operations = operations();
    let db = id("a/db");
    assert_eq!(
        message(operations.create_policy(&db, soon()).await),
        "No secret for 'a/db': create the secret first"
    );
    operations.create(&db, value("x"), soon()).await.unwrap();
    assert_eq!(
        message(operations.bind(&db, "web", soon()).await),
        "policy for 'a/db' not found: create the policy first"
    );
    operations.create_policy(&db, soon()).await.unwrap();
    assert_eq!(
        message(operations.create_policy(&db, soon()).await),
        "resource 'a/db' already exists"
    );
    for account in ["web", "api", "job"] {
        operations.bind(&db, account, soon()).await.unwrap();
    }
    assert_eq!(
        message(operations.bind(&db, "none", soon()).await),
        "role 'k8s-sa_a_none' not found: create the role of the ServiceAccount first"
    );
    operations.unbind(&db, "job", soon()).await.unwrap();
    assert_eq!(
        message(operations.unbind(&db, "job", soon()).await),
        "role 'k8s-sa_a_job' does not exist or has not got the policy"
    );
    {
        let state = operations.cloud.state();
        let policy = &state.policies["arn:aws:iam::1:policy/k8s-secret_a_db"];
        assert_eq!(
            policy.document,
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:x:1:secret:k8s-secret-a-db-000001","Condition":{"ForAnyValue:StringEquals":{"secretsmanager:VersionStage":"AWSCURRENT"}}}]}"#
        );
        assert_eq!(policy.roles.len(), 2);
    }
    operations.delete_policy(&db, soon()).await.unwrap();
    assert!(operations.cloud.state().policies.is_empty());
    assert_eq!(
        message(operations.delete_policy(&db, soon()).await),
        "policy for 'a/db' not found"
    );
}

#[tokio::test]
async fn a_policy_of_another_origin_is_not_touched() {
    let operations = operations();
    let db = id("a/db");
    operations.create(&db, value("x"), soon()).await.unwrap();
    let foreign = Policy {
        document: String::new(),
        tags: vec![],
        roles: ["k8s-sa_a_web".to_owned()].into(),
    };
    let arn = "arn:aws:iam::1:policy/k8s-secret_a_db".to_owned();
    operations.cloud.state().policies.insert(arn, foreign);
    let before = operations.cloud.state().clone();
    let not_ours = "resource 'a/db' is not managed by KISS";
    assert_eq!(
        message(operations.delete_policy(&db, soon()).await),
        not_ours
    );
    assert_eq!(message(operations.bind(&db, "web", soon()).await), not_ours);
    assert_eq!(
        message(operations.unbind(&db, "web", soon()).await),
        not_ours
    );
    let taken = message(operations.create_policy(&db, soon()).await);
    assert!(taken.contains("k8s-secret_a_db, is that of something"));
    assert_eq!(*operations.cloud.state(), before);
}

#[tokio::test]
async fn a_deletion_that_fails_in_the_middle_says_how_to_finish() {
    let operations = operations();
    let db = id("a/db");
    operations.create(&db, value("x"), soon()).await.unwrap();
    operations.create_policy(&db, soon()).await.unwrap();
    for account in ["web", "api", "job"] {
        operations.bind(&db, account, soon()).await.unwrap();
    }
    operations.cloud.fail("detach", 1, CloudErrorKind::Other);
    assert_eq!(
        message(operations.delete_policy(&db, soon()).await),
        "failed to delete policy for unknown reasons (detach: Other): the policy still exists, detached from 1 of \
         3 roles; delete it again to finish"
    );
    operations.cloud.fail("none", 0, CloudErrorKind::Other);
    operations.delete_policy(&db, soon()).await.unwrap();
    assert!(operations.cloud.state().policies.is_empty());
}

#[rstest]
#[case(
    "create_secret",
    CloudErrorKind::State,
    "AWS refuses the change of 'a/db' in its state (State): if the secret was deleted outside of kiss, restore it with AWS's tools, or wait until the recovery window is over"
)]
#[case(
    "create_secret",
    CloudErrorKind::Other,
    "failed to create secret for unknown reasons (create_secret: Other)"
)]
#[case(
    "create_secret",
    CloudErrorKind::NoAnswer,
    "failed to create secret for unknown reasons (create_secret: NoAnswer): AWS may have done it all the same; make the call again to know"
)]
#[tokio::test]
async fn an_error_of_a_creation_has_its_text(
    #[case] action: &'static str,
    #[case] kind: CloudErrorKind,
    #[case] text: &str,
) {
    let operations = operations();
    operations.cloud.fail(action, 0, kind);
    let created = operations
        .create(&id("a/db"), value("marker"), soon())
        .await;
    assert_eq!(message(created), text);
}

/// Without an answer of AWS it is not known what is left.
#[tokio::test]
async fn a_deletion_without_an_answer_does_not_say_that_the_policy_exists() {
    let operations = operations();
    let db = id("a/db");
    operations.create(&db, value("x"), soon()).await.unwrap();
    operations.create_policy(&db, soon()).await.unwrap();
    let fail = |action| operations.cloud.fail(action, 0, CloudErrorKind::NoAnswer);
    fail("delete_policy");
    assert_eq!(
        message(operations.delete_policy(&db, soon()).await),
        "failed to delete policy for unknown reasons (delete_policy: NoAnswer): AWS may have done it all the same; \
         delete the policy again to know"
    );
    operations.bind(&db, "web", soon()).await.unwrap();
    assert_eq!(
        message(operations.delete_policy(&db, soon()).await),
        "failed to delete policy for unknown reasons (delete_policy: NoAnswer): the policy perhaps still exists, \
         detached from 1 of 1 roles; delete it again to finish"
    );
    fail("policy");
    assert_eq!(
        message(operations.bind(&db, "web", soon()).await),
        "failed to bind secret for unknown reasons (policy: NoAnswer)"
    );
}

#[tokio::test]
async fn a_value_has_at_most_64_kib() {
    let operations = operations();
    let largest = "x".repeat(LARGEST_VALUE);
    operations
        .create(&id("a/db"), value(&largest), soon())
        .await
        .unwrap();
    let larger = value(&format!("{largest}x"));
    assert_eq!(
        message(operations.update(&id("a/db"), larger, soon()).await),
        "invalid input 'a/db': the value has 65537 bytes, and a secret has 1 to 65536"
    );
    message(operations.create(&id("a/x"), value(""), soon()).await);
}

#[tokio::test(start_paused = true)]
async fn after_the_deadline_nothing_is_changed() {
    let mut operations = operations();
    operations
        .create(&id("a/db"), value("x"), soon())
        .await
        .unwrap();
    operations.cloud.delay = Duration::from_millis(600);
    let before = operations.cloud.state().clone();
    let second = || Deadline::after(Duration::from_millis(500));
    let deadline = "the deadline of the call has come, and nothing was changed";
    let updated = operations.update(&id("a/db"), value("y"), second()).await;
    assert_eq!(message(updated), deadline);
    assert_eq!(
        message(operations.delete(&id("a/db"), second()).await),
        deadline
    );
    let listed = operations.list("a", second()).await;
    assert_eq!(listed.unwrap_err().to_string(), deadline);
    assert_eq!(*operations.cloud.state(), before);
    let late = second();
    tokio::time::advance(Duration::from_secs(1)).await;
    let created = operations.create(&id("a/x"), value("y"), late).await;
    assert_eq!(message(created), deadline);
    assert_eq!(*operations.cloud.state(), before);
}

/// Something that a caller asks for.
#[derive(Debug, Clone)]
enum Call {
    Create(String),
    Update(String),
    Delete(String),
    CreatePolicy(String),
    DeletePolicy(String),
    Bind(String, String),
    Unbind(String, String),
    List,
}

/// Names that begin like each other, and so clash with the separator of the original.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        16 => prop::sample::select(vec!["a", "b", "a-a", "a-b", "b-a", "a-a-a"]).prop_map(str::to_owned),
        2 => "[ab]{1,2}(-[ab]{1,2}){0,2}",
        1 => Just(format!("a-{}", "b".repeat(60))),
        1 => Just("a".repeat(253)),
        1 => "\\PC{0,3}",
    ]
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        name().prop_map(Call::Create),
        name().prop_map(Call::Update),
        name().prop_map(Call::Delete),
        name().prop_map(Call::CreatePolicy),
        name().prop_map(Call::DeletePolicy),
        (name(), name()).prop_map(|(name, account)| Call::Bind(name, account)),
        (name(), name()).prop_map(|(name, account)| Call::Unbind(name, account)),
        Just(Call::List),
    ]
}

/// Makes the call in `namespace`, with names that may be invalid. Returns what it reads.
async fn make(operations: &Operations<MemoryCloud>, namespace: &str, call: &Call) -> Vec<String> {
    let id = |name: &String| SecretId::new(namespace, name);
    let text = value(namespace);
    let done = match call {
        Call::List => return operations.list(namespace, soon()).await.unwrap_or_default(),
        Call::Create(name) => match id(name) {
            Ok(id) => operations.create(&id, text, soon()).await,
            Err(_) => return vec![],
        },
        Call::Update(name) => match id(name) {
            Ok(id) => operations.update(&id, text, soon()).await,
            Err(_) => return vec![],
        },
        Call::Delete(name) => match id(name) {
            Ok(id) => operations.delete(&id, soon()).await,
            Err(_) => return vec![],
        },
        Call::CreatePolicy(name) => match id(name) {
            Ok(id) => operations.create_policy(&id, soon()).await,
            Err(_) => return vec![],
        },
        Call::DeletePolicy(name) => match id(name) {
            Ok(id) => operations.delete_policy(&id, soon()).await,
            Err(_) => return vec![],
        },
        Call::Bind(name, account) => match id(name) {
            Ok(id) => operations.bind(&id, account, soon()).await,
            Err(_) => return vec![],
        },
        Call::Unbind(name, account) => match id(name) {
            Ok(id) => operations.unbind(&id, account, soon()).await,
            Err(_) => return vec![],
        },
    };
    drop(done);
    vec![]
}

/// The state without what belongs to `namespace`, by the tags.
fn of_others(state: &State, namespace: &str) -> State {
    let mut state = state.clone();
    let tag = "security.kaluza.com/secret-namespace".to_owned();
    let mine = (tag, namespace.to_owned());
    state
        .secrets
        .retain(|_, secret| !secret.tags.contains(&mine));
    state
        .policies
        .retain(|_, policy| !policy.tags.contains(&mine));
    state
}

/// Asserts that each policy opens one secret, that of its own tags, to roles of its own namespace.
fn assert_policies(state: &State) {
    for policy in state.policies.values() {
        let (_, namespace) = &policy.tags[1];
        for secret in state.secrets.values() {
            if policy.document.contains(&format!("\"{}\"", secret.arn)) {
                assert_eq!(policy.tags, secret.tags);
            }
        }
        for role in &policy.roles {
            assert!(
                role.starts_with(&format!("k8s-sa_{namespace}_")),
                "{role} of {namespace}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    /// Whatever several namespaces do, none reads or changes what belongs to another one.
    #[test]
    fn no_call_touches_another_namespace(
        calls in proptest::collection::vec((name(), call()), 1..40),
        separator in prop_oneof![Just(Separator::Dash), Just(Separator::Underscore), Just(Separator::Slash)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut operations = operations();
            operations.naming.separator = separator;
            for (namespace, call) in &calls {
                if let Call::Bind(_, account) = call {
                    let role = format!("k8s-sa_{namespace}_{account}");
                    operations.cloud.state().roles.insert(role);
                }
                let before = of_others(&operations.cloud.state(), namespace);
                let read = make(&operations, namespace, call).await;
                let after = operations.cloud.state().clone();
                let mut others = of_others(&after, namespace);
                // The counter is nobody's.
                others.clone_counter(&before);
                assert_eq!(others, before, "{namespace}: {call:?}");
                for name in read {
                    let own = after.secrets.values().any(|secret| {
                        secret.tags[1].1 == *namespace && secret.tags[2].1 == name
                    });
                    assert!(own, "{namespace} sees {name}");
                }
                assert_policies(&after);
                // A value is the namespace that has written it.
                for secret in after.secrets.values() {
                    assert_eq!(secret.value, secret.tags[1].1);
                }
            }
        });
    }
}
