//! Values that are in a store, or that a run creates there.

use std::{
    os::unix::fs::PermissionsExt as _,
    sync::atomic::{AtomicUsize, Ordering},
};

use kees_common::{Field, SecretType, SecretValue, Spec, StoreName};
use kees_init::{Exit, Origin, Progress, run};
use kees_store::Stores;
use tempfile::TempDir;

use crate::pod::{Pod, Scripted};

const RSA: &str = "kind=DYNAMIC,type=RSA,size=2048";
const GPG: &str = "kind=DYNAMIC,type=GPG,size=2048,userId=Team A <team-a@example.com>";
const RANDOM: &str = "kind=DYNAMIC,type=RANDOM,size=256";
const PASSWORD: &str = "kind=DYNAMIC,type=PASSWORD,size=256";

const EVERYTHING: [(&str, &str); 10] = [
    ("init/storage-prefix", "/dev/team-a"),
    ("secret/tls_private", RSA),
    ("secret/tls_public", RSA),
    ("secret/mail_private", GPG),
    ("secret/mail_public", GPG),
    ("secret/mail_password", GPG),
    ("secret/api-key.partner_consumer", RANDOM),
    ("secret/api-key.partner_provider", RANDOM),
    ("secret/db-password", PASSWORD),
    ("secret/seed", RANDOM),
];

#[tokio::test]
async fn what_one_run_creates_the_next_one_finds() {
    let stores = Scripted::default();
    let (first, second) = (Pod::new(), Pod::new());
    let report = first.run(&EVERYTHING, &stores).await.unwrap();
    assert_eq!(report.count(Origin::Created), 9);
    assert_eq!(stores.creations(), 5, "one write for each generation");

    let report = second.run(&EVERYTHING, &stores).await.unwrap();
    assert_eq!(report.count(Origin::Found), 9);
    assert_eq!(stores.creations(), 5);
    assert_eq!(
        first.read("secrets.properties"),
        second.read("secrets.properties")
    );

    let values = first.list("secrets.properties");
    let of = |name: &str| values.get(name).unwrap();
    let pair = [
        (Field::Public, of("tls_public")),
        (Field::Private, of("tls_private")),
    ];
    kees_generate::verify(SecretType::Rsa, &pair).unwrap();
    let key = [
        (Field::Public, of("mail_public")),
        (Field::Private, of("mail_private")),
        (Field::Password, of("mail_password")),
    ];
    kees_generate::verify(SecretType::Gpg, &key).unwrap();
    assert_eq!(
        of("api-key.partner_consumer"),
        of("api-key.partner_provider")
    );
    assert_eq!(of("db-password").len(), 32);
    assert_eq!(of("seed").len(), 32);
}

#[tokio::test]
async fn all_lists_are_written_even_without_entries_and_are_sorted() {
    let (pod, stores) = (Pod::new(), Scripted::default());
    let report = pod
        .run(&[("secret/b", PASSWORD), ("secret/a", PASSWORD)], &stores)
        .await
        .unwrap();
    assert_eq!(report.summary(), "2 entries written (2 created)");
    assert_eq!(
        pod.files(),
        [
            "leases.properties",
            "resources.properties",
            "secrets.properties"
        ]
    );
    assert_eq!(pod.read("leases.properties"), "");
    let names: Vec<String> = pod
        .read("secrets.properties")
        .lines()
        .map(|line| line.split('=').next().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["a", "b"]);
}

#[tokio::test]
async fn references_and_resources_are_read_from_their_paths() {
    let stores = Scripted::default();
    stores.put("/dev/shared/token", "t0ken");
    stores.put("/dev/db", "postgres://db\n");
    let pod = Pod::new();
    let annotations = [
        ("init/storage-prefix", "/dev/"),
        (
            "secret/partner_token",
            "kind=REFERENCE,storageKey=shared/token",
        ),
        ("resource/db_url", ""),
    ];
    let report = pod.run(&annotations, &stores).await.unwrap();
    assert_eq!(pod.read("secrets.properties"), "partner_token=dDBrZW4=\n");
    assert_eq!(
        pod.read("resources.properties"),
        "db_url=cG9zdGdyZXM6Ly9kYgo=\n"
    );
    assert_eq!(pod.read("db_url"), "postgres://db\n");
    assert_eq!(
        (stores.reads(), stores.creations()),
        (1, 0),
        "one call for all"
    );

    let rows: Vec<String> = report
        .rows
        .iter()
        .map(|row| {
            let path = row.path.as_ref().unwrap();
            let store = row.store.unwrap();
            format!(
                "{} {} {:?} {store} {path} {} {}",
                row.word, row.name, row.kind, row.origin, row.size
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            "resource db_url \"\" memory /dev/db found 14",
            "secret partner_token \"REFERENCE\" memory /dev/shared/token found 5",
        ]
    );
}

#[tokio::test]
async fn pods_that_start_together_agree() {
    let stores = Scripted::default();
    let pods = [Pod::new(), Pod::new(), Pod::new()];
    let runs = pods.iter().map(|pod| pod.run(&EVERYTHING, &stores));
    let reports = futures_util::future::join_all(runs).await;
    // Each of the nine values is created by one of the pods.
    let created: usize = reports
        .iter()
        .map(|r| r.as_ref().unwrap().count(Origin::Created))
        .sum();
    assert_eq!(created, 9);
    let [a, b, c] = pods.map(|pod| pod.read("secrets.properties"));
    assert_eq!(a, b);
    assert_eq!(b, c);
}

#[tokio::test]
async fn a_field_that_the_pod_does_not_name_is_stored_too() {
    let stores = Scripted::default();
    let (one, both) = (Pod::new(), Pod::new());
    one.run(&[("secret/tls_public", RSA)], &stores)
        .await
        .unwrap();
    let annotations = [("secret/tls_public", RSA), ("secret/tls_private", RSA)];
    let report = both.run(&annotations, &stores).await.unwrap();
    assert_eq!(report.count(Origin::Found), 2);
    assert_eq!(
        one.list("secrets.properties")["tls_public"],
        both.list("secrets.properties")["tls_public"]
    );
}

#[tokio::test]
async fn two_entries_with_one_path_have_one_value() {
    let stores = Scripted::default();
    let pod = Pod::new();
    let shared = "kind=DYNAMIC,type=PASSWORD,size=128,storageKey=shared";
    pod.run(&[("secret/a", shared), ("secret/b", shared)], &stores)
        .await
        .unwrap();
    let values = pod.list("secrets.properties");
    assert_eq!(values["a"], values["b"]);
    assert_eq!((stores.reads(), stores.creations()), (1, 1));
}

#[tokio::test]
async fn a_second_run_removes_files_that_no_annotation_names_any_more() {
    let stores = Scripted::default();
    stores.put("/old", "1");
    stores.put("/new", "2");
    let pod = Pod::new();
    pod.run(&[("resource/old", "")], &stores).await.unwrap();
    pod.run(&[("resource/new", "")], &stores).await.unwrap();
    assert_eq!(
        pod.files(),
        [
            "leases.properties",
            "new",
            "resources.properties",
            "secrets.properties"
        ]
    );
}

#[tokio::test]
async fn a_run_that_fails_keeps_the_files_of_the_run_before() {
    let stores = Scripted::default();
    stores.put("/url", "1");
    let pod = Pod::new();
    pod.run(&[("resource/url", "")], &stores).await.unwrap();
    let before = (pod.files(), pod.read("resources.properties"));
    stores.put("/url", "2");
    std::fs::create_dir(pod.path("extra")).unwrap();
    let error = pod
        .run(
            &[("resource/url", ""), ("resource/extra", "storageKey=url")],
            &stores,
        )
        .await;
    assert_eq!(error.unwrap_err().exit(), Exit::CannotWrite);
    std::fs::remove_dir(pod.path("extra")).unwrap();
    assert_eq!((pod.files(), pod.read("resources.properties")), before);
}

#[rstest::rstest]
#[case("env", "a_b='it'\\''s\ntwo lines'\n")]
#[case("json", "{\n  \"a.b\": \"it's\\ntwo lines\"\n}\n")]
#[case("properties", "a.b=aXQncwp0d28gbGluZXM=\n")]
#[tokio::test]
async fn a_format_changes_the_lists_and_no_file_name(#[case] format: &str, #[case] list: &str) {
    let stores = Scripted::default();
    stores.put("/a.b", "it's\ntwo lines");
    let pod = Pod::new();
    pod.run(&[("init/format", format), ("resource/a.b", "")], &stores)
        .await
        .unwrap();
    assert_eq!(pod.read("resources.properties"), list);
    assert_eq!(pod.read("a.b"), "it's\ntwo lines");
}

#[tokio::test]
async fn the_format_files_has_a_file_for_each_entry_and_no_lists() {
    let stores = Scripted::default();
    stores.put("/token", [0xff, 0, 1]);
    stores.put("/url", "u");
    let pod = Pod::new();
    let annotations = [
        ("init/format", "files"),
        ("secret/token", "kind=REFERENCE"),
        ("resource/url", ""),
    ];
    // The lists of an earlier run with another format are removed.
    pod.run(&annotations[1..], &stores).await.unwrap();
    pod.run(&annotations, &stores).await.unwrap();
    assert_eq!(pod.files(), ["token", "url"]);
    assert_eq!(std::fs::read(pod.path("token")).unwrap(), [0xff, 0, 1]);
}

#[tokio::test]
async fn the_operator_wins_over_the_pod() {
    let stores = Scripted::default();
    stores.put("/prod/url", "u");
    let mut pod = Pod::new();
    pod.settings.storage.storage_prefix = Some("/prod".parse().unwrap());
    pod.settings.output.format = Some(kees_common::output::Format::Json);
    pod.settings.output.file_mode = Some(kees_common::FileMode::OWNER);
    let annotations = [
        ("init/storage-prefix", "/dev"),
        ("init/format", "env"),
        ("init/file-mode", "0444"),
        ("resource/url", ""),
    ];
    let report = pod.run(&annotations, &stores).await.unwrap();
    assert_eq!(pod.read("resources.properties"), "{\n  \"url\": \"u\"\n}\n");
    let mode = std::fs::metadata(pod.path("url"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o400);
    assert_eq!(report.warnings.len(), 3, "{:?}", report.warnings);
}

#[tokio::test]
async fn the_embedded_store_is_a_store_like_any_other() {
    let folder = TempDir::new().unwrap();
    let mut pod = Pod::new();
    pod.settings.storage.flags.store = StoreName::Embedded;
    pod.settings.storage.embedded_file = Some(folder.path().join("kees.db"));
    let request = pod.request(&EVERYTHING).unwrap();
    let mut counts = Vec::new();
    for _ in 0..2 {
        let stores = Stores::open(request.stores(), &pod.settings.stores())
            .await
            .unwrap();
        let report = run(&request, &stores, &()).await.unwrap();
        counts.push((report.count(Origin::Created), report.count(Origin::Found)));
    }
    assert_eq!(counts, [(9, 0), (0, 9)]);
}

#[derive(Default)]
struct Counted {
    announced: AtomicUsize,
    made: AtomicUsize,
}

impl Progress for Counted {
    fn generating(&self, count: usize) {
        self.announced.fetch_add(count, Ordering::Relaxed);
    }

    fn generated(&self, _: &Spec) {
        self.made.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn progress_counts_generations() {
    let (pod, progress) = (Pod::new(), Counted::default());
    let request = pod.request(&EVERYTHING).unwrap();
    run(&request, &Scripted::default(), &progress)
        .await
        .unwrap();
    assert_eq!(progress.announced.into_inner(), 5);
    assert_eq!(progress.made.into_inner(), 5);
}

/// A stored value that is not what its annotation says.
#[rstest::rstest]
#[case::half_a_pair(&["tls_public"], "tls_private")]
#[case::the_other_half(&["tls_private"], "tls_public")]
#[case::a_pair_of_two_generations(&["other_public", "tls_private"], "secret.bsycorp.com/tls_")]
#[case::halves_exchanged(&["tls_private", "tls_public"], "secret.bsycorp.com/tls_")]
#[tokio::test(start_paused = true)]
async fn fields_that_do_not_belong_together_are_an_error(
    #[case] stored: &[&str],
    #[case] named: &str,
) {
    let made = [
        kees_generate::generate(&Spec::Rsa { bits: 2048 }),
        kees_generate::generate(&Spec::Rsa { bits: 2048 }),
    ];
    let [tls, other] = made.map(Result::unwrap);
    let value = |name: &str| match name {
        "tls_public" => tls.get(Field::Public),
        "tls_private" => tls.get(Field::Private),
        _ => other.get(Field::Public),
    };
    let stores = Scripted::default();
    // Two values are stored as `_public` and `_private`, in that order; one under its own name.
    for (at, name) in stored.iter().enumerate() {
        let path = match stored.len() {
            1 => format!("/{name}"),
            _ => format!("/tls_{}", ["public", "private"][at]),
        };
        let value: SecretValue = value(name).unwrap().clone();
        stores.memory.put(path.parse().unwrap(), value);
    }
    let pod = Pod::new();
    let annotations = [("secret/tls_public", RSA), ("secret/tls_private", RSA)];
    let error = pod.run(&annotations, &stores).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Data, "{error}");
    assert!(error.to_string().contains(named), "{error}");
    assert_eq!(
        (stores.creations(), pod.files().len()),
        (0, 0),
        "nothing is created or written"
    );
}

#[tokio::test(start_paused = true)]
async fn a_named_field_that_is_absent_while_another_is_stored_is_an_error() {
    let stores = Scripted::default();
    let made = kees_generate::generate(&Spec::Rsa { bits: 2048 }).unwrap();
    let private = made.get(Field::Private).unwrap().clone();
    stores.memory.put("/tls_private".parse().unwrap(), private);
    let pod = Pod::new();
    let error = pod
        .run(&[("secret/tls_public", RSA)], &stores)
        .await
        .unwrap_err();
    assert_eq!(error.exit(), Exit::Data, "{error}");
    assert!(
        error.to_string().contains("/tls_public is missing"),
        "{error}"
    );
}

#[tokio::test]
async fn an_empty_secret_is_an_error_and_an_empty_resource_is_not() {
    let stores = Scripted::default();
    stores.put("/nothing", "");
    let pod = Pod::new();
    pod.run(&[("resource/nothing", "")], &stores).await.unwrap();
    let error = pod
        .run(&[("secret/nothing", "kind=REFERENCE")], &stores)
        .await
        .unwrap_err();
    assert_eq!(error.exit(), Exit::Data);
    assert!(
        error
            .to_string()
            .contains("secret.bsycorp.com/nothing (memory /nothing)"),
        "{error}"
    );
}

#[tokio::test]
async fn a_large_value_is_written() {
    let stores = Scripted::default();
    stores.put("/large", vec![7; 400_000]);
    let pod = Pod::new();
    pod.run(&[("resource/large", "")], &stores).await.unwrap();
    assert_eq!(std::fs::read(pod.path("large")).unwrap(), vec![7; 400_000]);
}
