//! A value appears only in its file: the tests plant a canary in every value, and search everything
//! else that a run writes for it.

use std::fmt::Write as _;

use kees_common::{SecretValue, StoreName};
use kees_init::{Report, RunError};
use rstest::rstest;
use serde_json::json;

use crate::{
    cloud::{Cloud, attribute},
    container::{Container, run},
    pod::{Pod, Scripted},
};

const CANARY: &str = "canary-in-the-coal-mine";

/// The canary and its encodings.
fn encodings() -> [String; 3] {
    let value = SecretValue::new(CANARY.as_bytes().to_vec());
    let mut hexadecimal = String::new();
    for byte in CANARY.bytes() {
        write!(hexadecimal, "{byte:02x}").unwrap();
    }
    [
        CANARY.to_owned(),
        value.to_base64().to_string(),
        hexadecimal,
    ]
}

/// Whether a text contains the canary.
pub(crate) fn has_canary(text: &str) -> bool {
    encodings()
        .iter()
        .any(|encoding| text.contains(encoding.as_str()))
        || text.contains(&format!("{:?}", CANARY.as_bytes()))
}

fn text_of(result: &Result<Report, RunError>) -> String {
    match result {
        Ok(report) => format!("{report:?} {}", report.summary()),
        Err(error) => {
            format!(
                "{error:?} {error} {} {}",
                error.summary(),
                error.termination_message()
            )
        }
    }
}

#[test]
fn the_canary_is_found_in_each_encoding() {
    let value = SecretValue::new(CANARY.as_bytes().to_vec());
    assert!(has_canary(&format!("x{CANARY}")));
    assert!(has_canary(&value.to_base64()));
    assert!(has_canary(&format!("{:?}", value.expose())));
    assert!(!has_canary(&format!("{value:?}")));
}

#[tokio::test(start_paused = true)]
async fn neither_a_report_nor_an_error_shows_a_value() {
    let [_, base64, _] = encodings();
    let local = format!("kind=REFERENCE,localModeValue={base64}");
    let not_base64 = format!("kind=REFERENCE,localModeValue={CANARY}");
    let wrong = format!("kind=DYNAMIC,type=RSA,size=1024,localModeValue={base64}");
    let rsa = "kind=DYNAMIC,type=RSA,size=2048";
    let runs: [&[(&str, &str)]; 8] = [
        &[("secret/a", "kind=REFERENCE"), ("resource/a", "")],
        &[
            ("init/format", "env"),
            ("secret/a", "kind=REFERENCE"),
            ("secret/binary", "kind=REFERENCE"),
        ],
        // The stored values are not keys.
        &[("secret/tls_public", rsa), ("secret/tls_private", rsa)],
        // One field of a pair.
        &[("secret/half_public", rsa), ("secret/half_private", rsa)],
        &[("init/local-mode", "true"), ("secret/a", &local)],
        &[("init/local-mode", "true"), ("secret/a", &not_base64)],
        &[("secret/a_public", &wrong)],
        &[
            ("secret/a", "kind=REFERENCE"),
            ("secret/absent", "kind=REFERENCE"),
        ],
    ];
    let mut succeeded = 0;
    for annotations in runs {
        let (pod, stores) = (Pod::new(), Scripted::default());
        for path in ["/a", "/tls_public", "/tls_private", "/half_public"] {
            stores.put(path, CANARY);
        }
        stores.put("/binary", [CANARY.as_bytes(), &[0xff]].concat());
        let result = pod.run(annotations, &stores).await;
        assert!(
            !has_canary(&text_of(&result)),
            "{annotations:?}: {}",
            text_of(&result)
        );
        succeeded += usize::from(result.is_ok());
    }
    assert_eq!(succeeded, 2, "each of the others has an error");
}

/// The AWS SDK and its HTTP client log whole requests and responses.
#[rstest]
fn no_log_of_a_run_with_aws_shows_a_value(
    #[values(StoreName::DynamoDb, StoreName::SecretsManager)] store: StoreName,
    #[values("text", "json")] format: &str,
) {
    let container = Container::new(&[
        ("secret/canary", "kind=REFERENCE"),
        ("secret/seed", "kind=DYNAMIC,type=RANDOM,size=256"),
        ("secret/tls_private", "kind=DYNAMIC,type=RSA,size=2048"),
    ]);
    let cloud = Cloud::start();
    let canary = SecretValue::new(CANARY.as_bytes().to_vec());
    cloud.put(
        "/canary",
        match store {
            StoreName::DynamoDb => attribute(&canary),
            _ => json!({"SecretString": CANARY}),
        },
    );
    for _ in ["created", "found"] {
        let mut command = container.command();
        cloud.configure(&mut command, store);
        // RUST_LOG sets the level of many other programs.
        let loud = ["LOG_LEVEL", "RUST_LOG"].map(|variable| (variable, "trace"));
        let (status, stderr) = run(command.envs(loud).env("LOG_FORMAT", format));
        assert_eq!(status, 0, "{stderr}");
        assert!(stderr.contains("3 entries written"), "{stderr}");
        assert!(!has_canary(&stderr), "{stderr}");
        for line in container.read("volume/secrets.properties").lines() {
            let (name, value) = line.split_once('=').unwrap();
            assert!(!stderr.contains(&value[..24]), "{name} is in: {stderr}");
        }
    }
}
