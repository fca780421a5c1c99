//! A run ends with a status for every content of the annotations file.

use std::fmt::Write as _;

use kees_init::{Origin, Request};
use proptest::prelude::*;

use crate::pod::{Pod, Scripted, annotations_file};

#[tokio::test]
async fn five_hundred_entries_are_one_run() {
    let (pod, stores) = (Pod::new(), Scripted::default());
    let names: Vec<String> = (0..500).map(|n| format!("secret/entry-{n:03}")).collect();
    let annotations: Vec<(&str, &str)> = names
        .iter()
        .map(|name| (name.as_str(), "kind=DYNAMIC,type=PASSWORD,size=128"))
        .collect();
    let report = pod.run(&annotations, &stores).await.unwrap();
    assert_eq!(report.count(Origin::Created), 500);
    assert_eq!(pod.read("secrets.properties").lines().count(), 500);
}

#[tokio::test]
async fn an_annotations_file_of_a_megabyte_is_read() {
    let (pod, stores) = (Pod::new(), Scripted::default());
    let padding = "x".repeat(1024);
    let mut file = annotations_file(&[("secret/p", "kind=DYNAMIC,type=PASSWORD,size=128")]);
    for n in 0..1024 {
        write!(file, "\nexample.com/padding-{n}=\"{padding}\"").unwrap();
    }
    assert!(file.len() > 1 << 20);
    let request = Request::parse(&pod.settings, file.as_bytes()).unwrap();
    let report = kees_init::run(&request, &stores, &()).await.unwrap();
    assert_eq!(report.rows.len(), 1);
}

/// Annotations that are almost valid.
fn annotation() -> impl Strategy<Value = (String, String)> {
    let key = prop_oneof![
        "(secret|resource|lease)[.]bsycorp[.]com/[a-z._-]{1,12}(_public|_private|_password)?",
        "init[.]bsycorp[.]com/(local-mode|storage-prefix|format|file-mode|store)",
        "\\PC{0,20}",
    ];
    let pair = prop_oneof![
        "kind=(DYNAMIC|REFERENCE|INDEX)",
        "type=(RSA|GPG|PASSWORD|RANDOM)",
        "size=(128|2048|[0-9]{1,6})",
        "storageKey=[a-z./]{0,8}",
        "localModeValue=[a-zA-Z0-9+/]{0,8}={0,2}",
        "(rangeStart|rangeEnd)=-?[0-9]{1,12}",
        "userId=.{0,8}<.{0,8}>",
        "\\PC{0,12}",
    ];
    let value = prop_oneof![
        prop::collection::vec(pair, 0..6).prop_map(|pairs| pairs.join(",")),
        Just("true".to_owned()),
        Just("remote-then-local".to_owned()),
        "\\PC{0,40}",
    ];
    (key, value)
}

proptest! {
    #[test]
    fn parsing_never_panics_on_any_bytes(file in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Request::parse(&Pod::new().settings, &file);
    }

    #[test]
    fn parsing_never_panics_on_any_annotations(
        annotations in prop::collection::vec(annotation(), 0..8),
    ) {
        let pairs = annotations.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        if let Err(error) = Request::new(&Pod::new().settings, pairs) {
            prop_assert!(!error.errors().is_empty());
            prop_assert!(error.termination_message().len() <= kees_init::TERMINATION_MESSAGE_BYTES);
            prop_assert_eq!(
                error.to_string().lines().count(), 1 + error.errors().len(), "a line for each error"
            );
        }
    }
}
