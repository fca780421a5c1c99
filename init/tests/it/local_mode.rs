//! Local mode: without a store, or with the store first.

use std::time::Duration;

use kees_common::{Field, SecretType, StoreName};
use kees_init::{Exit, Origin};
use kees_store::ErrorKind;

use crate::pod::{Pod, Scripted, denied};

const LOCAL: (&str, &str) = ("init/local-mode", "true");
const REMOTE_THEN_LOCAL: (&str, &str) = ("init/local-mode", "remote-then-local");
const RSA: &str = "kind=DYNAMIC,type=RSA,size=2048";
const GPG: &str = "kind=DYNAMIC,type=GPG,size=2048,userId=user<user@email.com>";

#[tokio::test]
async fn values_are_the_same_as_in_the_original() {
    let mut pod = Pod::new();
    pod.settings.pod.pod_name = Some("test-pod-name".to_owned());
    let annotations = [
        LOCAL,
        ("init/storage-prefix", "local"),
        (
            "secret/app.service.blah",
            "kind=DYNAMIC,type=RANDOM,size=288",
        ),
        (
            "secret/service-b.api-key",
            "kind=DYNAMIC,type=RANDOM,size=128",
        ),
        ("secret/common.thing", "kind=DYNAMIC,type=RANDOM,size=288"),
        (
            "secret/api-key.test.v1_consumer",
            "kind=DYNAMIC,type=RANDOM,size=128",
        ),
        (
            "secret/api-key.test.v1_provider",
            "kind=DYNAMIC,type=RANDOM,size=128",
        ),
        ("secret/common.gpg.v1_password", GPG),
        (
            "lease/snowflake",
            "kind=INDEX,storageKeyPrefix=snowflake,rangeStart=0,rangeEnd=1000",
        ),
        (
            "resource/app.db.url",
            "storageKey=db.url,localModeValue=dmFsdWU=",
        ),
    ];
    let stores = Scripted::default();
    let report = pod.run(&annotations, &stores).await.unwrap();
    assert_eq!(
        pod.read("secrets.properties"),
        "api-key.test.v1_consumer=+ghlgXxIrJgCYVjkb6Co3w==\n\
         api-key.test.v1_provider=+ghlgXxIrJgCYVjkb6Co3w==\n\
         app.service.blah=JuTNTwzlgOWVLXk6aG8LQiZ6JXuGlPpaXvEKJkk7jDjsrJpC\n\
         common.gpg.v1_password=SmRGbU5tSUh0MjhZc3RXcQ==\n\
         common.thing=yE+yS8YCxsbERhg1N2Vq64qqHgmhh9M/TLlZtTK83uWtqSMY\n\
         service-b.api-key=sk5qlMR6Es7mPM3msyNx9Q==\n"
    );
    assert_eq!(pod.read("leases.properties"), "snowflake=NDMw\n");
    assert_eq!(pod.read("snowflake"), "430");
    assert_eq!(pod.read("resources.properties"), "app.db.url=dmFsdWU=\n");
    assert_eq!(pod.read("app.db.url"), "value");
    assert_eq!(report.count(Origin::Local), 8);
    assert!(report.rows.iter().all(|row| row.store.is_none()));
    assert_eq!(stores.reads(), 0);
}

#[tokio::test]
async fn a_password_is_the_same_as_in_the_original() {
    let pod = Pod::new();
    let annotations = [
        LOCAL,
        (
            "secret/app.service.blah",
            "kind=DYNAMIC,type=PASSWORD,size=128",
        ),
    ];
    pod.run(&annotations, &Scripted::default()).await.unwrap();
    let value = &pod.list("secrets.properties")["app.service.blah"];
    assert_eq!(value.expose_text(), Some("8ekD64eU9hDqA5kz"));
}

/// The pod that the original's documentation shows.
#[tokio::test]
async fn the_example_of_the_original_runs_and_is_the_same_every_time() {
    let annotations = [
        LOCAL,
        (
            "secret/reference-password",
            "kind=REFERENCE,type=PASSWORD,localModeValue=cGFzc3dvcmQK",
        ),
        (
            "secret/dynamic-password",
            "kind=DYNAMIC,type=PASSWORD,size=128",
        ),
        ("secret/dynamic-random", "kind=DYNAMIC,type=RANDOM,size=128"),
        ("secret/rsa.v1_public", RSA),
        ("secret/rsa.v1_private", RSA),
        ("secret/gpg.v1_private", GPG),
        ("secret/gpg.v1_public", GPG),
        ("secret/gpg.v1_password", GPG),
        (
            "resource/db-url",
            "storageKey=db.url,localModeValue=bG9jYWxob3N0OjU0MzIK",
        ),
    ];
    let (first, second) = (Pod::new(), Pod::new());
    for pod in [&first, &second] {
        let report = pod.run(&annotations, &Scripted::default()).await.unwrap();
        assert_eq!(report.count(Origin::Local), 9);
    }
    assert_eq!(
        first.read("secrets.properties"),
        second.read("secrets.properties")
    );
    assert_eq!(first.read("db-url"), "localhost:5432\n");
    let values = first.list("secrets.properties");
    assert_eq!(
        values["reference-password"].expose_text(),
        Some("password\n")
    );
    let pair = [
        (Field::Public, &values["rsa.v1_public"]),
        (Field::Private, &values["rsa.v1_private"]),
    ];
    kees_generate::verify(SecretType::Rsa, &pair).unwrap();
    let key = [
        (Field::Public, &values["gpg.v1_public"]),
        (Field::Private, &values["gpg.v1_private"]),
        (Field::Password, &values["gpg.v1_password"]),
    ];
    kees_generate::verify(SecretType::Gpg, &key).unwrap();
}

#[tokio::test]
async fn a_value_of_the_annotation_wins_over_a_derived_one() {
    let pod = Pod::new();
    let annotations = [
        LOCAL,
        (
            "secret/p",
            "kind=DYNAMIC,type=PASSWORD,size=128,localModeValue=bWluZQ==",
        ),
    ];
    pod.run(&annotations, &Scripted::default()).await.unwrap();
    assert_eq!(pod.read("secrets.properties"), "p=bWluZQ==\n");
}

#[test]
fn an_entry_without_a_local_value_is_an_error() {
    let annotations = [LOCAL, ("resource/url", ""), ("secret/r", "kind=REFERENCE")];
    let error = Pod::new().request(&annotations).unwrap_err();
    assert_eq!(
        (error.exit(), error.errors().len()),
        (Exit::Data, 2),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stored_value_wins_and_an_absent_one_is_local_at_once() {
    let (pod, stores) = (Pod::new(), Scripted::default());
    stores.put("/stored", "from the store");
    let annotations = [
        REMOTE_THEN_LOCAL,
        ("resource/stored", "localModeValue=bG9jYWw="),
        ("resource/unstored", "localModeValue=bG9jYWw="),
        ("secret/common.thing", "kind=DYNAMIC,type=RANDOM,size=288"),
    ];
    let begun = tokio::time::Instant::now();
    let report = pod.run(&annotations, &stores).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(
        (report.count(Origin::Found), report.count(Origin::Local)),
        (1, 2)
    );
    assert_eq!(pod.read("stored"), "from the store");
    assert_eq!(pod.read("unstored"), "local");
    assert_eq!(
        pod.read("secrets.properties"),
        "common.thing=yE+yS8YCxsbERhg1N2Vq64qqHgmhh9M/TLlZtTK83uWtqSMY\n"
    );
    assert_eq!(stores.creations(), 0);
}

#[rstest::rstest]
#[case(denied("dynamodb:GetItem"), Exit::Denied)]
#[case(ErrorKind::Throttled, Exit::Unavailable)]
#[case(ErrorKind::Unreachable, Exit::Unavailable)]
#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_an_error_and_gives_no_local_value(
    #[case] kind: ErrorKind,
    #[case] exit: Exit,
) {
    let pod = Pod::new();
    let stores = Scripted {
        reading: Some(kind),
        ..Scripted::default()
    };
    let annotations = [
        REMOTE_THEN_LOCAL,
        ("secret/p", "kind=DYNAMIC,type=PASSWORD,size=128"),
    ];
    let error = pod.run(&annotations, &stores).await.unwrap_err();
    assert_eq!(error.exit(), exit);
    assert_eq!(pod.files().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_for_a_value_that_is_neither_stored_nor_local() {
    let error = Pod::new()
        .run(
            &[REMOTE_THEN_LOCAL, ("resource/url", "")],
            &Scripted::default(),
        )
        .await;
    let error = error.unwrap_err();
    assert_eq!(error.exit(), Exit::Absent);
    assert!(error.to_string().contains("localModeValue="), "{error}");
}

#[test]
fn a_lease_needs_local_mode_or_a_store_that_keeps_leases() {
    let lease = ("lease/n", "kind=INDEX,rangeStart=0,rangeEnd=9");
    let mut pod = Pod::new();
    pod.settings.storage.flags.store = StoreName::SecretsManager;
    let error = pod.request(&[lease]).unwrap_err();
    assert_eq!(error.exit(), Exit::Data);
    assert!(
        error.to_string().contains("secretsmanager keeps no leases"),
        "{error}"
    );
    assert!(pod.request(&[lease, ("init/local-mode", "true")]).is_ok());
}
