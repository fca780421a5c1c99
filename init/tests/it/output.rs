//! The files that formats and options of the pod name.

use std::{fs, os::unix::fs::PermissionsExt as _};

use kees_common::SecretValue;
use kees_init::Exit;
use rstest::rstest;

use crate::pod::{Pod, Scripted};

/// A reference with every member of `object`, in local mode.
fn every_member(object: &str) -> String {
    let value = SecretValue::new(object.as_bytes().to_vec()).to_base64();
    format!("kind=REFERENCE,property=*,localModeValue={}", &*value)
}

const DATABASE: &str = r#"{"username":"app","password":"it's \"s3cret\"","port":5432}"#;

#[tokio::test]
async fn every_member_of_an_object_is_in_the_list_and_has_a_file() {
    let pod = Pod::new();
    let object = every_member(DATABASE);
    let resource = object.strip_prefix("kind=REFERENCE,").unwrap();
    let annotations = [
        ("init/local-mode", "true"),
        ("init/format", "json"),
        ("secret/db", object.as_str()),
        ("resource/host", resource),
    ];
    let report = pod.run(&annotations, &Scripted::default()).await.unwrap();
    assert_eq!(report.rows.len(), 2);
    let list: serde_json::Value = serde_json::from_str(&pod.read("secrets.properties")).unwrap();
    let expected = serde_json::json!({
        "db.password": "it's \"s3cret\"",
        "db.port": "5432",
        "db.username": "app",
    });
    assert_eq!(list, expected);
    assert_eq!(pod.read("host.port"), "5432");
    assert!(!pod.path("host").exists() && !pod.path("db.port").exists());
}

#[rstest]
#[case(
    "files",
    r#"{"b":"canary"}"#,
    "secret/db.b",
    "its value db.b has the name of a value of secret.bsycorp.com/db; rename one of them"
)]
#[case(
    "env",
    r#"{"b":"canary"}"#,
    "secret/db_b",
    "db_b and db.b would both be the shell variable db_b"
)]
#[case("files", r#"{"b":"canary"}"#, "resource/db.b", "the file ")]
#[case(
    "dotenv",
    r#"{"b":"canary's \"value\""}"#,
    "secret/x",
    "the value of db.b has a single quote beside a double quote"
)]
#[tokio::test]
async fn members_that_cannot_be_handed_out_are_an_error_before_anything_is_written(
    #[case] format: &str,
    #[case] object: &str,
    #[case] other: &str,
    #[case] message: &str,
) {
    let (pod, stores) = (Pod::new(), Scripted::default());
    let object = every_member(object);
    let annotations = [
        ("init/local-mode", "true"),
        ("init/format", format),
        ("secret/db", object.as_str()),
        (other, "kind=REFERENCE,localModeValue=YQ=="),
    ];
    let error = pod.run(&annotations, &stores).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Data);
    let text = error.to_string();
    assert!(text.contains(message) && !text.contains("canary"), "{text}");
    assert_eq!(pod.files(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_placed_entry_has_its_path_and_its_mode() {
    let (pod, stores) = (Pod::new(), Scripted::default());
    stores.put("/db", "value");
    stores.put("/url", "postgres://");
    let annotations = [
        ("secret/db", "kind=REFERENCE"),
        ("resource/url", ""),
        ("init/file.db", "path=tls/.deep/db.key,mode=0400"),
        ("init/file.url", "path=url.txt"),
    ];
    let report = pod.run(&annotations, &stores).await.unwrap();
    assert_eq!(pod.read("tls/.deep/db.key"), "value");
    assert_eq!(pod.read("url.txt"), "postgres://");
    assert!(!pod.path("url").exists());
    assert_eq!(pod.list("secrets.properties")["db"].expose(), b"value");
    let mode = |name: &str| fs::metadata(pod.path(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("tls/.deep/db.key"), mode("url.txt")), (0o400, 0o444));
    assert!(report.files.contains(&pod.path("tls/.deep/db.key")));

    // A second run replaces the files.
    stores.put("/db", "value");
    pod.run(&annotations, &stores).await.unwrap();
    assert_eq!(pod.read("tls/.deep/db.key"), "value");
}
