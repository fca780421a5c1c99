//! Texts in DynamoDB that a person stored without encoding them.

use kees_common::StoreName;
use rstest::rstest;
use serde_json::json;

use crate::{
    cloud::Cloud,
    container::{Container, run},
};

/// Runs a pod with one entry, `/dev/token`, where the table holds `text`: the exit status, standard
/// error, and the volume's file of that name.
fn run_with(text: &str, key: &str, value: &str, format: &str, file: &str) -> (i32, String, String) {
    let pod = Container::new(&[("init/storage-prefix", "/dev"), (key, value)]);
    let cloud = Cloud::start();
    cloud.put("/dev/token", json!({"S": text}));
    let mut command = pod.command();
    cloud
        .configure(&mut command, StoreName::DynamoDb)
        .env("FORMAT", format)
        .env("TIMEOUT", "2");
    let (status, stderr) = run(&mut command);
    let content = if status == 0 {
        pod.read(&format!("volume/{file}"))
    } else {
        assert!(pod.volume().is_empty(), "{:?}", pod.volume());
        String::new()
    };
    (status, stderr, content)
}

/// `password12` became `password1w==`, and `hunter2` became `hunter0=`.
#[rstest]
#[case("password12")]
#[case("hunter2")]
#[case("not base64")]
fn a_list_of_properties_repeats_the_stored_text(#[case] text: &str) {
    let (status, stderr, list) = run_with(
        text,
        "secret/token",
        "kind=REFERENCE",
        "properties",
        "secrets.properties",
    );
    assert_eq!(status, 0, "{stderr}");
    assert_eq!(list, format!("token={text}\n"));
}

#[rstest]
#[case(
    "secret/token",
    "kind=REFERENCE",
    "env",
    "format env needs the raw value"
)]
#[case(
    "secret/token",
    "kind=REFERENCE",
    "json",
    "format json needs the raw value"
)]
#[case("secret/token", "kind=REFERENCE", "files", "a file of its own needs")]
#[case("resource/token", "", "properties", "a file of its own needs")]
#[case(
    "secret/token",
    "kind=DYNAMIC,type=PASSWORD,size=128",
    "properties",
    "the stored text is not canonical base64"
)]
fn what_needs_the_raw_value_refuses_it(
    #[case] key: &str,
    #[case] value: &str,
    #[case] format: &str,
    #[case] message: &str,
) {
    let (status, stderr, _) = run_with("hunter2", key, value, format, "");
    assert_eq!(status, 65, "{stderr}");
    assert!(stderr.contains(message), "{stderr}");
    assert!(!stderr.contains("hunter2"), "{stderr}");
}

#[test]
fn a_stored_text_with_a_line_break_adds_no_line_to_a_list() {
    let text = "canary\nother=value";
    let (status, stderr, _) = run_with(text, "secret/token", "kind=REFERENCE", "properties", "");
    assert_eq!(status, 65, "{stderr}");
    assert!(!stderr.contains("canary"), "{stderr}");
}
