//! Wrong annotations and settings: all errors are reported at once, and no store is asked.

use kees_common::{SecretValue, StoreName};
use kees_init::{Exit, InitError, Request, settings::LocalModePolicy};

use crate::pod::{Pod, Scripted};

const PASSWORD: &str = "kind=DYNAMIC,type=PASSWORD,size=128";

#[tokio::test]
async fn every_wrong_annotation_is_reported_and_no_store_is_asked() {
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
        ("lease/number", "kind=INDEX,rangeStart=-1,rangeEnd=9"),
        ("resource/secrets.properties", ""),
        ("init/file-mode", "0777"),
    ];
    let error = pod.run(&annotations, &stores).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Data);
    let named: Vec<String> = error
        .errors()
        .iter()
        .map(|error| match error {
            InitError::Annotation(error) => error.annotation.replace(".bsycorp.com", ""),
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
fn a_variable_is_required_only_if_the_pod_needs_it() {
    let mut pod = Pod::new();
    pod.settings.pod.pod_name = None;
    pod.settings.storage.flags.store = StoreName::DynamoDb;
    pod.settings.storage.flags.stores = vec![StoreName::Embedded];
    let annotations = [
        ("secret/a", "kind=REFERENCE"),
        ("secret/b", "kind=REFERENCE,store=embedded"),
        ("lease/n", "kind=INDEX,rangeStart=0,rangeEnd=9"),
    ];
    let error = pod.request(&annotations[..2]).unwrap_err();
    let lines: Vec<String> = error.errors().iter().map(InitError::line).collect();
    assert_eq!(
        lines,
        [
            "ENV_LABEL is missing; the DynamoDB table is ENV_LABEL-kube-secret",
            "EMBEDDED_FILE is missing; name the SQLite file of the store embedded",
        ]
    );
    let local = [("init/local-mode", "true"), annotations[2]];
    let error = pod.request(&local).unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    assert!(error.to_string().contains("POD_NAME is missing"), "{error}");

    // Local mode needs no setting of a store, and only a lease needs the name of the pod.
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
    let error = pod.request(&[]).unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    assert!(error.to_string().contains(message), "{error}");
    assert!(error.to_string().contains("RESOURCES_FILE"), "{error}");
}

#[test]
fn local_mode_can_be_denied() {
    let mut pod = Pod::new();
    pod.settings.storage.local_mode = LocalModePolicy::Deny;
    for mode in ["true", "remote-then-local"] {
        let error = pod
            .request(&[("init/local-mode", mode), ("secret/p", PASSWORD)])
            .unwrap_err();
        assert_eq!(error.exit(), Exit::Data);
        assert!(
            error.to_string().contains("init.bsycorp.com/local-mode: "),
            "{error}"
        );
    }
    pod.request(&[("init/local-mode", "false"), ("secret/p", PASSWORD)])
        .unwrap();
}

#[test]
fn an_arn_is_one_of_those_that_are_allowed() {
    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:a-AbCdEf";
    let mut pod = Pod::new();
    let value = format!("kind=REFERENCE,store=secretsmanager,storageKey={ARN}");
    pod.settings.storage.flags.stores = vec![StoreName::DynamoDb, StoreName::SecretsManager];
    for (references, is_allowed) in [
        (None, true),
        (Some("none".to_owned()), false),
        (Some(format!("{ARN}x,arn:aws:secretsmanager:::b")), false),
        (Some(format!("arn:aws:secretsmanager:::b,{ARN}")), true),
    ] {
        pod.settings.storage.references = references.map(|text| text.parse().unwrap());
        let request = pod.request(&[("secret/p", &value)]);
        assert_eq!(request.is_ok(), is_allowed);
        if let Err(error) = request {
            assert_eq!(error.exit(), Exit::Data);
            let message = format!("secret.bsycorp.com/p: {ARN} is not among the references");
            assert!(error.to_string().contains(&message), "{error}");
        }
    }
    // Without a store, in local mode, nothing is read.
    pod.settings.storage.references = Some("none".parse().unwrap());
    let value = format!("{value},localModeValue=YQ==");
    pod.request(&[("secret/p", &value), ("init/local-mode", "true")])
        .unwrap();
}

#[test]
fn an_unknown_word_of_local_mode_is_the_store_as_in_the_original_with_a_warning() {
    let pod = Pod::new();
    let annotations = [("secret/p", PASSWORD), ("init/local-mode", "True")];
    let request = pod.request(&annotations).unwrap();
    assert_eq!(request.stores().len(), 1);
    let warnings: Vec<_> = request.warnings().iter().map(ToString::to_string).collect();
    let expected = "init.bsycorp.com/local-mode: local-mode=True is wrong; use \"true\", \"false\" or \
                    remote-then-local, in lower case; it is ignored";
    assert_eq!(warnings, [expected]);
}

#[test]
fn a_store_is_one_of_those_that_are_allowed() {
    let mut pod = Pod::new();
    let annotations = [("secret/p", "kind=REFERENCE,store=secretsmanager")];
    let error = pod.request(&annotations).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("store secretsmanager is not allowed"),
        "{error}"
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
    let error = pod.run(&annotations, &stores).await.unwrap_err();
    assert_eq!(
        (error.exit(), error.errors().len()),
        (Exit::Data, 2),
        "{error}"
    );
    assert!(
        error.to_string().contains("secret.bsycorp.com/c: "),
        "{error}"
    );
    assert_eq!(pod.files().len(), 0);
}

#[test]
fn two_names_that_become_one_variable_are_an_error() {
    let annotations = [
        ("init/format", "env"),
        ("secret/a-b", PASSWORD),
        ("secret/a.b", PASSWORD),
    ];
    let error = Pod::new().request(&annotations).unwrap_err();
    assert_eq!(error.exit(), Exit::Data);
    assert!(error.to_string().contains("a_b"), "{error}");
}

#[rstest::rstest]
#[case(b"secret.bsycorp.com/x`\njunk", "line 1")]
#[case(b"a/b=\"1\"\nc/d=unquoted", "line 2")]
#[case(b"a/b=\"\xff\"", "line 1")]
fn a_file_that_the_kubelet_did_not_write_is_an_error(#[case] file: &[u8], #[case] line: &str) {
    let error = Request::parse(&Pod::new().settings, file).unwrap_err();
    assert_eq!(error.exit(), Exit::Data);
    assert!(error.to_string().contains(line), "{error}");
}

#[test]
fn a_missing_annotations_file_is_wrong_usage() {
    let mut pod = Pod::new();
    pod.settings.pod.annotations_file = pod.path("none");
    let error = Request::read(&pod.settings).unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    assert!(error.to_string().contains("none cannot be read"), "{error}");
}
