//! Keys in PEM, and keys in the format `env`.

use std::process::Command;

use kees_common::{Encoding, Field};
use kees_init::{Exit, Origin};

use crate::pod::{Pod, Scripted};

const EC: &str = "kind=DYNAMIC,type=EC,size=256";
const EC_PEM: &str = "kind=DYNAMIC,type=EC,size=256,encoding=pem";
const GPG: &str = "kind=DYNAMIC,type=GPG,size=2048,userId=Team A <team-a@example.com>";

#[tokio::test]
async fn one_stored_key_serves_both_encodings() {
    let stores = Scripted::default();
    let (pem, der) = (Pod::new(), Pod::new());
    let annotations = [("secret/tls_private", EC_PEM), ("secret/tls_public", EC)];
    let report = pem.run(&annotations, &stores).await.unwrap();
    assert_eq!(report.count(Origin::Created), 2);
    let annotations = [
        ("secret/tls_private", EC),
        ("secret/tls_public", EC),
        (
            "secret/copy_private",
            "kind=REFERENCE,type=EC,storageKey=tls_private,encoding=pem",
        ),
    ];
    let report = der.run(&annotations, &stores).await.unwrap();
    assert_eq!(report.count(Origin::Found), 3);
    assert_eq!(stores.creations(), 1);

    let (pem, der) = (
        pem.list("secrets.properties"),
        der.list("secrets.properties"),
    );
    assert_eq!(pem["tls_public"], der["tls_public"]);
    let encoded = Encoding::Pem.encode(Field::Private, der["tls_private"].clone());
    assert_eq!(pem["tls_private"], encoded);
    assert_eq!(der["copy_private"], encoded);
}

#[tokio::test]
async fn local_mode_encodes_derived_keys_and_not_local_values() {
    let pod = Pod::new();
    let annotations = [
        ("init/local-mode", "true"),
        ("secret/a_private", EC_PEM),
        (
            "secret/b_private",
            "kind=DYNAMIC,type=EC,size=256,encoding=pem,localModeValue=bm90IGEga2V5",
        ),
    ];
    pod.run(&annotations, &Scripted::default()).await.unwrap();
    let values = pod.list("secrets.properties");
    let derived = values["a_private"].expose_text().unwrap();
    assert!(derived.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert_eq!(values["b_private"].expose_text(), Some("not a key"));
}

#[tokio::test]
async fn a_reference_with_an_encoding_must_be_a_key() {
    let stores = Scripted::default();
    stores.put("/tls_private", "-----BEGIN PRIVATE KEY-----\n");
    let reference = "kind=REFERENCE,type=EC,encoding=pem";
    let error = Pod::new()
        .run(&[("secret/tls_private", reference)], &stores)
        .await
        .unwrap_err();
    assert_eq!(error.exit(), Exit::Data);
    let expected = "expected an EC private key (DER PKCS#8), found PEM text";
    assert!(error.to_string().contains(expected), "{error}");
}

/// The armor and the passphrase of a GPG key are text, which a shell reads back unchanged.
#[tokio::test]
async fn a_gpg_key_in_the_format_env_is_read_back_by_a_shell() {
    let stores = Scripted::default();
    let (env, properties) = (Pod::new(), Pod::new());
    let keys = [
        ("secret/mail_private", GPG),
        ("secret/mail_public", GPG),
        ("secret/mail_password", GPG),
    ];
    let annotations = [&keys[..], &[("init/format", "env")]].concat();
    env.run(&annotations, &stores).await.unwrap();
    properties.run(&keys, &stores).await.unwrap();
    let values = properties.list("secrets.properties");
    for name in ["mail_private", "mail_public", "mail_password"] {
        let file = env.path("secrets.properties");
        let script = format!(". {}; printf %s \"${name}\"", file.display());
        let shell = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(shell.stdout, values[name].expose(), "{name}");
    }
}

#[tokio::test]
async fn a_value_that_is_not_text_is_refused_in_the_format_env_before_it_is_created() {
    let stores = Scripted::default();
    for value in [EC, "kind=DYNAMIC,type=RANDOM,size=8"] {
        let annotations = [("init/format", "env"), ("secret/a_private", value)];
        let error = Pod::new().run(&annotations, &stores).await.unwrap_err();
        assert_eq!(error.exit(), Exit::Data);
    }
    assert_eq!(stores.creations(), 0);
}
