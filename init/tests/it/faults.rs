//! Wrong annotations and wrong settings: everything at once, and no store asked.

use kees_common::{SecretValue, StoreName};
use kees_init::{Exit, InitError, Request, settings::LocalModePolicy};

use crate::pod::{Pod, Scripted};

const PASSWORD: &str = "kind=DYNAMIC,type=PASSWORD,size=128";

#[tokio::test]
async fn every_annotation_at_fault_is_named_and_no_store_is_asked() {
    let (pod, stores) = (Pod::new(), Scripted::default());
    let annotations = [
        ("secret/good", PASSWORD),
        ("secret/size_public", "kind=DYNAMIC,type=RSA,size=1024"),
        ("secret/kind", "kind=dynamic"),
        ("secret/path", "kind=REFERENCE,storageKey=../../prod/db"),
        (
            "secret/one",
            "kind=DYNAMIC,type=PASSWORD,size=128,storageKey=same",
        ),
        (
            "secret/two",
            "kind=DYNAMIC,type=RANDOM,size=128,storageKey=same",
        ),
        ("lease/number", "kind=INDEX,rangeStart=0,rangeEnd=9"),
        ("resource/secrets.properties", ""),
        ("init/file-mode", "0777"),
    ];
    let failure = pod.run(&annotations, &stores).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Data);
    let named: Vec<String> = failure
        .causes()
        .iter()
        .map(|cause| match cause {
            InitError::Annotation(fault) => fault.annotation.replace(".bsycorp.com", ""),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(
        named,
        [
            "init/file-mode",
            "lease/number",
            "resource/secrets.properties",
            "secret/kind",
            "secret/path",
            "secret/size_public",
            "secret/two",
        ]
    );
    assert_eq!((stores.reads(), pod.files().len()), (0, 0));
}

#[test]
fn a_variable_is_needed_where_something_needs_it() {
    let mut pod = Pod::new();
    pod.settings.pod.pod_name = None;
    pod.settings.storage.flags.store = StoreName::DynamoDb;
    pod.settings.storage.flags.stores = vec![StoreName::Embedded];
    let annotations = [
        ("secret/a", "kind=REFERENCE"),
        ("secret/b", "kind=REFERENCE,store=embedded"),
        ("lease/n", "kind=INDEX,rangeStart=0,rangeEnd=9"),
    ];
    let failure = pod.request(&annotations[..2]).unwrap_err();
    let lines: Vec<String> = failure.causes().iter().map(InitError::line).collect();
    assert_eq!(
        lines,
        [
            "ENV_LABEL is missing; the DynamoDB table is ENV_LABEL-kube-secret",
            "EMBEDDED_FILE is missing; name the SQLite file of the store embedded",
        ]
    );
    let local = [("init/local-mode", "true"), annotations[2]];
    let failure = pod.request(&local).unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
    assert!(
        failure.to_string().contains("POD_NAME is missing"),
        "{failure}"
    );

    // In local mode no store needs anything, and without a lease no name does.
    pod.request(&[("init/local-mode", "true"), ("secret/p", PASSWORD)])
        .unwrap();
}

#[rstest::rstest]
#[case("secrets.properties", "SECRETS_FILE; name two files")]
#[case("..", "which cannot be the name of a file")]
#[case(".kees", "which cannot be the name of a file")]
#[case(".kees.new.1", "which cannot be the name of a file")]
fn a_list_needs_a_file_of_its_own(#[case] name: &str, #[case] message: &str) {
    let mut pod = Pod::new();
    pod.settings.output.resources_file = pod.path(name);
    let failure = pod.request(&[]).unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
    assert!(failure.to_string().contains(message), "{failure}");
    assert!(failure.to_string().contains("RESOURCES_FILE"), "{failure}");
}

#[test]
fn local_mode_can_be_denied() {
    let mut pod = Pod::new();
    pod.settings.storage.local_mode = LocalModePolicy::Deny;
    for mode in ["true", "remote-then-local"] {
        let failure = pod
            .request(&[("init/local-mode", mode), ("secret/p", PASSWORD)])
            .unwrap_err();
        assert_eq!(failure.exit(), Exit::Data);
        assert!(
            failure
                .to_string()
                .contains("init.bsycorp.com/local-mode: "),
            "{failure}"
        );
    }
    pod.request(&[("init/local-mode", "false"), ("secret/p", PASSWORD)])
        .unwrap();
}

#[test]
fn a_store_is_one_of_those_that_are_allowed() {
    let mut pod = Pod::new();
    let annotations = [("secret/p", "kind=REFERENCE,store=secretsmanager")];
    let failure = pod.request(&annotations).unwrap_err();
    assert!(
        failure
            .to_string()
            .contains("store secretsmanager is not allowed"),
        "{failure}"
    );
    pod.settings.storage.flags.stores = vec![StoreName::SecretsManager];
    let request = pod.request(&annotations).unwrap();
    assert_eq!(
        Vec::from_iter(request.stores()),
        [StoreName::SecretsManager]
    );
}

#[tokio::test]
async fn a_value_that_the_format_cannot_hold_is_named() {
    let (pod, stores) = (Pod::new(), Scripted::default());
    for (path, value) in [
        ("/a", vec![0xff]),
        ("/b", b"text".to_vec()),
        ("/c", vec![0]),
    ] {
        stores
            .memory
            .put(path.parse().unwrap(), SecretValue::new(value));
    }
    let annotations = [
        ("init/format", "env"),
        ("secret/a", "kind=REFERENCE"),
        ("secret/b", "kind=REFERENCE"),
        ("secret/c", "kind=REFERENCE"),
    ];
    let failure = pod.run(&annotations, &stores).await.unwrap_err();
    assert_eq!(
        (failure.exit(), failure.causes().len()),
        (Exit::Data, 2),
        "{failure}"
    );
    assert!(
        failure.to_string().contains("secret.bsycorp.com/c: "),
        "{failure}"
    );
    assert_eq!(pod.files().len(), 0);
}

#[test]
fn two_names_that_become_one_variable_are_refused() {
    let annotations = [
        ("init/format", "env"),
        ("secret/a-b", PASSWORD),
        ("secret/a.b", PASSWORD),
    ];
    let failure = Pod::new().request(&annotations).unwrap_err();
    assert_eq!(failure.exit(), Exit::Data);
    assert!(failure.to_string().contains("a_b"), "{failure}");
}

#[rstest::rstest]
#[case(b"secret.bsycorp.com/x`\njunk", "line 1")]
#[case(b"a/b=\"1\"\nc/d=unquoted", "line 2")]
#[case(b"a/b=\"\xff\"", "line 1")]
fn a_file_that_the_kubelet_did_not_write_is_refused(#[case] file: &[u8], #[case] line: &str) {
    let failure = Request::parse(&Pod::new().settings, file).unwrap_err();
    assert_eq!(failure.exit(), Exit::Data);
    assert!(failure.to_string().contains(line), "{failure}");
}

#[test]
fn a_missing_annotations_file_is_wrong_usage() {
    let mut pod = Pod::new();
    pod.settings.pod.annotations_file = pod.path("none");
    let failure = Request::read(&pod.settings).unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
    assert!(
        failure.to_string().contains("none cannot be read"),
        "{failure}"
    );
}
