//! Tests of copying, between SQLite files and a Secrets Manager that is played at HTTP level.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use kees_common::SecretValue;
use kees_store::{
    IdempotencyToken, Store,
    aws::Aws,
    dynamodb::DynamoDb,
    embedded::Embedded,
    secretsmanager::SecretsManager,
    values::{PutRequest, PutStore as _},
};
use kees_store_testing::stub::{Answer, Asked, Stub};
use serde_json::{Value, json};

use super::*;

const RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

type Secrets = Arc<Mutex<BTreeMap<String, Value>>>;

/// A Secrets Manager with these secrets: names, and `SecretString` or `SecretBinary`.
fn secrets_manager(secrets: &Secrets) -> Store {
    let secrets = Arc::clone(secrets);
    let stub = Stub::new(move |asked| respond(&mut secrets.lock().unwrap(), asked));
    Store::SecretsManager(SecretsManager::new(&Aws::from_config(stub.config()), None))
}

fn respond(secrets: &mut BTreeMap<String, Value>, asked: &Asked) -> Answer {
    let text = |key: &str| asked.body[key].as_str().unwrap_or_default().to_owned();
    let absent = "Secrets Manager can't find the specified secret.";
    let named = |name: &str, content: &Value| {
        let mut content = content.clone();
        content["Name"] = name.into();
        content
    };
    match asked.operation.as_str() {
        "ListSecrets" => {
            let listed = secrets.keys().map(|name| json!({"Name": name}));
            Answer::ok(&json!({"SecretList": listed.collect::<Vec<_>>()}))
        }
        "BatchGetSecretValue" => Answer::error_response(400, "AccessDeniedException", "no"),
        "GetSecretValue" => match secrets.get(&text("SecretId")) {
            Some(content) => Answer::ok(&named(&text("SecretId"), content)),
            None => Answer::error_response(400, "ResourceNotFoundException", absent),
        },
        "CreateSecret" if secrets.contains_key(&text("Name")) => {
            Answer::error_response(400, "ResourceExistsException", "it exists")
        }
        "CreateSecret" => {
            let mut content = asked.body.clone();
            let keep = ["SecretString", "SecretBinary"];
            let object = content.as_object_mut().unwrap();
            object.retain(|key, _| keep.contains(&key.as_str()));
            secrets.insert(text("Name"), content);
            Answer::ok(&json!({}))
        }
        other => panic!("{other}"),
    }
}

fn embedded(folder: &Path, name: &str) -> Store {
    Store::Embedded(Embedded::new(folder.join(name)))
}

async fn put(store: &Store, path: &str, value: &[u8]) {
    let request = PutRequest {
        path: &path.parse().unwrap(),
        value: &SecretValue::new(value.to_vec()),
        overwrite: true,
        token: &IdempotencyToken::random().unwrap(),
    };
    store.put(&request).await.unwrap();
}

/// Copies what is below `/dev/a`, and returns what became of each path.
async fn copied(from: &Store, to: &Store, is_dry: bool) -> Vec<String> {
    let mut report = CopyReport::default();
    let transfer = Transfer {
        from,
        to,
        timeout: Duration::from_secs(5),
        is_dry,
    };
    let prefix = "/dev/a".parse().unwrap();
    copy_below(&prefix, &transfer, &mut report).await.unwrap();
    report.lines()
}

/// Every kind of value in a flat store.
async fn fill(store: &Store) {
    for (path, value) in [
        ("/dev/a/bytes", &[0, 255][..]),
        ("/dev/a/db", b"text"),
        ("/dev/a/key_private", RSA),
        ("/dev/a/key_public", RSA),
        ("/dev/a/leases/port.7", b"web-0"),
        ("/dev/a/leases/port/shop/web-0/0-9", b"7"),
        ("/dev/a/lone_public", b"-"),
        ("/dev/ab/db", b"of a neighbour"),
    ] {
        put(store, path, value).await;
    }
}

#[tokio::test]
async fn the_fields_of_a_generation_become_one_secret_and_fields_again() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (
        embedded(folder.path(), "one"),
        embedded(folder.path(), "two"),
    );
    let secrets = Secrets::default();
    let cloud = secrets_manager(&secrets);
    fill(&first).await;
    let expected = [
        "/dev/a/bytes copied",
        "/dev/a/db copied",
        "/dev/a/key public private copied",
        "/dev/a/leases/port.7 lease, not copied",
        "/dev/a/leases/port/shop/web-0/0-9 lease, not copied",
        "/dev/a/lone_public copied",
    ];
    assert_eq!(copied(&first, &cloud, false).await, expected);
    let content = |name: &str| secrets.lock().unwrap()[name].clone();
    assert_eq!(content("/dev/a/db"), json!({"SecretString": "text"}));
    assert_eq!(content("/dev/a/bytes"), json!({"SecretBinary": "AP8="}));
    let base64 = SecretValue::new(RSA.to_vec()).to_base64();
    let json = json!({"public": *base64, "private": *base64});
    let held = content("/dev/a/key")["SecretString"].clone();
    assert_eq!(
        serde_json::from_str::<Value>(held.as_str().unwrap()).unwrap(),
        json
    );
    assert_eq!(secrets.lock().unwrap().len(), 4);

    let back = copied(&cloud, &second, false).await;
    assert_eq!(back.len(), 4);
    assert!(
        back.iter().all(|line| line.ends_with(" copied")),
        "{back:?}"
    );
    // What went there and back is what it was.
    let again = copied(&first, &second, false).await;
    let present = again.iter().filter(|line| line.ends_with(" is there"));
    assert_eq!(present.count(), 4, "{again:?}");
}

#[tokio::test]
async fn a_copy_goes_on_where_it_was_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = embedded(folder.path(), "one");
    fill(&store).await;
    let secrets = Secrets::default();
    let cloud = secrets_manager(&secrets);
    put_secret(&secrets, "/dev/a/db", "text");
    put_secret(&secrets, "/dev/a/lone_public", "another");
    put_secret(&secrets, "/dev/a/key", "of another shape");
    let lines = copied(&store, &cloud, false).await;
    assert_eq!(lines[0], "/dev/a/bytes copied");
    assert_eq!(lines[1], "/dev/a/db is there");
    for (line, path) in [(&lines[2], "/dev/a/key"), (&lines[5], "/dev/a/lone_public")] {
        let message =
            format!("secretsmanager has another value at {path}, which was not overwritten");
        assert!(line.contains(&message), "{line}");
    }
    let held = secrets.lock().unwrap()["/dev/a/lone_public"].clone();
    assert_eq!(held, json!({"SecretString": "another"}));
}

fn put_secret(secrets: &Secrets, name: &str, text: &str) {
    let content = json!({"SecretString": text});
    secrets.lock().unwrap().insert(name.to_owned(), content);
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = embedded(folder.path(), "one");
    fill(&store).await;
    let secrets = Secrets::default();
    put_secret(&secrets, "/dev/a/db", "text");
    let lines = copied(&store, &secrets_manager(&secrets), true).await;
    assert_eq!(lines[0], "/dev/a/bytes would be copied");
    assert_eq!(lines[1], "/dev/a/db is there");
    assert_eq!(secrets.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_path_that_the_other_store_does_not_accept_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = embedded(folder.path(), "one");
    put(&store, "/dev/a/x y", b"1").await;
    put(&store, "/dev/a/z", b"2").await;
    let lines = copied(&store, &secrets_manager(&Secrets::default()), false).await;
    assert!(lines[0].contains("does not accept the path"), "{lines:?}");
    assert_eq!(lines[1], "/dev/a/z copied");
}

/// The table of the original may hold text that is not base64.
#[tokio::test]
async fn a_generation_of_which_one_field_cannot_be_copied_is_not_copied() {
    let name = |name: &str| json!({"secretName": {"S": name}});
    let item =
        |name: &str, value: &str| json!({"secretName": {"S": name}, "secretValue": {"S": value}});
    let stub = Stub::new(move |asked| {
        let (public, private) = ("/dev/a/k_public", "/dev/a/k_private");
        Answer::ok(&match asked.operation.as_str() {
            "Scan" => json!({"Items": [name(public), name(private)]}),
            _ => json!({"Responses": {"dev-kube-secret": [
                item(public, "not base64!"), item(private, "AP8="),
            ]}}),
        })
    });
    let table = DynamoDb::new(&Aws::from_config(stub.config()), "dev");
    let folder = tempfile::tempdir().unwrap();
    let to = embedded(folder.path(), "to");
    let lines = copied(&Store::DynamoDb(table), &to, false).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    let other = "/dev/a/k_private failed: another field of its generation cannot be copied";
    assert_eq!(lines[0], other);
    let wrong = "/dev/a/k_public failed: the stored text is not base64";
    assert!(lines[1].starts_with(wrong), "{lines:?}");
    assert!(
        copied(&to, &secrets_manager(&Secrets::default()), false)
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn an_error_of_the_store_ends_the_copy() {
    let folder = tempfile::tempdir().unwrap();
    let store = embedded(folder.path(), "one");
    fill(&store).await;
    let stub = Stub::new(|_| Answer::error_response(400, "ExpiredTokenException", "expired"));
    let cloud = Store::SecretsManager(SecretsManager::new(&Aws::from_config(stub.config()), None));
    let transfer = Transfer {
        from: &store,
        to: &cloud,
        timeout: Duration::from_secs(5),
        is_dry: false,
    };
    let prefix = "/dev/a".parse().unwrap();
    let mut report = CopyReport::default();
    let end = copy_below(&prefix, &transfer, &mut report).await;
    assert_eq!(end.unwrap_err().exit(), kees_init::Exit::Denied);
}
