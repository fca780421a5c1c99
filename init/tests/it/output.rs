//! The files that formats and options of the pod name.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

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

const CONFIG: &str = "url: {{ resource.url | trim | tojson }}\n\
    {% for name, value in secret.db | items %}\n\
    {{ name }}: {{ value | tojson }}\n\
    {% endfor %}\n\
    {% if lease.worker is defined %}\n\
    worker: {{ lease.worker }}\n\
    {% endif %}\n";

#[tokio::test]
async fn a_template_is_rendered_from_the_values_of_all_kinds() {
    let pod = Pod::new();
    let object = every_member(DATABASE);
    let annotations = [
        ("init/local-mode", "true"),
        ("init/template.app.yaml", CONFIG),
        ("secret/db", object.as_str()),
        ("resource/url", "localModeValue=cG9zdGdyZXM6Ly8K"),
        ("lease/worker", "kind=INDEX,rangeStart=3,rangeEnd=3"),
    ];
    let report = pod.run(&annotations, &Scripted::default()).await.unwrap();
    let expected = "url: \"postgres://\"\npassword: \"it's \\\"s3cret\\\"\"\nport: \"5432\"\n\
                    username: \"app\"\nworker: 3\n";
    assert_eq!(pod.read("app.yaml"), expected);
    assert!(report.files.contains(&pod.path("app.yaml")));
}

#[tokio::test]
async fn an_error_in_a_template_is_found_before_a_store_is_asked() {
    let (pod, stores) = (Pod::new(), Scripted::default());
    let annotations = [
        ("init/template.app.conf", "a\n{{ secret.dbpassword }}\n"),
        ("secret/db-password", "kind=DYNAMIC,type=PASSWORD,size=64"),
    ];
    let error = pod.run(&annotations, &stores).await.unwrap_err();
    assert_eq!((error.exit(), stores.creations()), (Exit::Data, 0));
    let expected = "init.bsycorp.com/template.app.conf: line 2, column 11: the pod has no secret \
                    dbpassword; did you mean db-password";
    assert!(error.to_string().contains(expected), "{error}");
}

#[tokio::test]
async fn a_template_that_a_value_does_not_fit_writes_nothing_and_shows_no_value() {
    let (pod, stores) = (Pod::new(), Scripted::default());
    stores.put("/key", b"\xffcanary".to_vec());
    let annotations = [
        ("init/template.app.conf", "a\n{{ secret.key }}\n"),
        ("secret/key", "kind=REFERENCE"),
    ];
    let error = pod.run(&annotations, &stores).await.unwrap_err();
    let text = error.to_string();
    let expected = "template.app.conf: line 2, column 4: a value is not text (UTF-8)";
    assert!(
        text.contains(expected) && !text.contains("canary"),
        "{text}"
    );
    assert_eq!((error.exit(), pod.files()), (Exit::Data, vec![]));
}

/// A key in PKCS#8 and a certificate of it, both in PEM.
fn certificate() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(["server.example.com".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    (key.serialize_pem(), certificate.pem())
}

const KEYSTORE: [(&str, &str); 4] = [
    (
        "init/keystore.server.p12",
        "key=tls_private,certificate=tls,password=tls-password,alias=server",
    ),
    ("secret/tls_private", "kind=REFERENCE"),
    ("resource/tls", ""),
    ("secret/tls-password", "kind=REFERENCE"),
];

/// What `openssl pkcs12` prints of a keystore.
pub(crate) fn openssl(pod: &Pod, password: &str) -> String {
    let path = pod.path("server.p12");
    let password = format!("pass:{password}");
    let output = Command::new("openssl")
        .args(["pkcs12", "-nodes", "-passin", &password, "-in"])
        .arg(path)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_keystore_has_the_key_and_its_certificate() {
    let (pod, stores) = (Pod::new(), Scripted::default());
    let (key, certificate) = certificate();
    stores.put("/tls_private", key.as_str());
    stores.put("/tls", certificate.as_str());
    stores.put("/tls-password", "pass w0rd'");
    pod.run(&KEYSTORE, &stores).await.unwrap();
    let printed = openssl(&pod, "pass w0rd'");
    let is_there = |pem: &str| {
        pem.replace("\r\n", "\n")
            .lines()
            .all(|line| printed.contains(line))
    };
    assert!(is_there(&key) && is_there(&certificate), "{printed}");
    assert!(printed.contains("friendlyName: server"), "{printed}");
    assert_eq!(openssl(&pod, "another"), "");
}

#[rstest]
#[case(
    Some("canary"),
    None,
    "p",
    "the value of key= is not an RSA, EC or ED25519 private key"
)]
#[case(
    None,
    Some("canary"),
    "p",
    "the value of certificate= is neither certificates in PEM"
)]
#[case(
    None,
    Some("\u{30}\u{1}canary"),
    "p",
    "the value of certificate= is neither"
)]
#[case(
    None,
    None,
    "a\0canary",
    "the value of password= is empty or has other"
)]
#[case(
    None,
    None,
    "c\u{e4}canary",
    "the value of password= is empty or has other"
)]
#[tokio::test]
async fn what_is_no_keystore_is_an_error_without_a_value(
    #[case] key: Option<&str>,
    #[case] certificate: Option<&str>,
    #[case] password: &str,
    #[case] message: &str,
) {
    let (pod, stores) = (Pod::new(), Scripted::default());
    let valid = self::certificate();
    stores.put("/tls_private", key.unwrap_or(&valid.0));
    stores.put("/tls", certificate.unwrap_or(&valid.1));
    stores.put("/tls-password", password);
    let error = pod.run(&KEYSTORE, &stores).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.exit(), Exit::Data);
    assert!(text.contains(message) && !text.contains("canary"), "{text}");
    assert_eq!(pod.files(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_certificate_of_another_key_is_an_error() {
    let (pod, stores) = (Pod::new(), Scripted::default());
    stores.put("/tls_private", certificate().0);
    stores.put("/tls", certificate().1);
    stores.put("/tls-password", "password");
    let error = pod.run(&KEYSTORE, &stores).await.unwrap_err();
    let expected = "the first certificate of certificate= is not that of the key of key=";
    assert!(error.to_string().contains(expected), "{error}");
}
