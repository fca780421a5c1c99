//! The calls of a refresh, from which `docs/scale.md` calculates the load of many pods.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use kees_common::StoreName::{self, DynamoDb, SecretsManager, Ssm};
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    cloud::{Call, Cloud, Instead},
    container::{Container, run},
    refreshing::Sidecar,
};

/// The pods, their period in seconds and their values on the page.
const PODS: f64 = 10_000.0;
const PERIOD: f64 = 300.0;
const VALUES: usize = 10;

/// The response to a read of any values.
fn answer(call: &Call) -> Value {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let body = &call.body;
    match call.operation.as_str() {
        "BatchGetItem" => {
            let (table, asked) = body["RequestItems"]
                .as_object()
                .and_then(|tables| tables.iter().next())
                .unwrap();
            let items = list(&asked["Keys"]).into_iter().map(|mut item| {
                item["secretValue"] = json!({"S": "dmFsdWU="});
                item
            });
            let items: Vec<_> = items.collect();
            json!({"Responses": {table: items}, "UnprocessedKeys": {}})
        }
        "BatchGetSecretValue" => {
            let values = list(&body["SecretIdList"]).into_iter();
            let values = values.map(|name| json!({"Name": name, "SecretString": "value"}));
            json!({"SecretValues": values.collect::<Vec<_>>(), "Errors": []})
        }
        "GetParameters" => {
            let values = list(&body["Names"]).into_iter();
            let values = values.map(|name| {
                json!({"Name": name, "Value": "value", "Type": "SecureString", "Version": 1})
            });
            json!({"Parameters": values.collect::<Vec<_>>(), "InvalidParameters": []})
        }
        other => panic!("{other} is not a read of several values"),
    }
}

/// The operations of one refresh in which nothing has changed.
fn calls_of_a_refresh(store: StoreName) -> Vec<String> {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&calls);
    let cloud = Cloud::scripted(move |call, _| {
        log.lock().unwrap().push(call.operation.clone());
        Some(Instead::Answer(200, answer(call).to_string()))
    });
    let keys: Vec<_> = (0..VALUES).map(|n| format!("secret/value-{n}")).collect();
    let entries: Vec<_> = keys.iter().map(|key| (&**key, "kind=REFERENCE")).collect();
    let container = Container::new(&entries);
    let configured = || -> Command {
        let mut command = container.command();
        cloud.configure(&mut command, store);
        command.env("REFRESH", "1s").env("LOG_LEVEL", "debug");
        command
    };
    let (status, stderr) = run(&mut configured());
    assert_eq!(status, 0, "{stderr}");
    let mut sidecar = Sidecar::run(configured().arg("refresh"));
    sidecar.line("no value has changed");
    calls.lock().unwrap().clear();
    sidecar.line("no value has changed");
    assert_eq!(sidecar.stop(), Some(0));
    calls.lock().unwrap().clone()
}

/// The numbers in a cell: `1,000 units` has 1000.
fn numbers(cell: &str) -> Vec<f64> {
    let digits = |c: char| !c.is_ascii_digit() && c != '.' && c != ',';
    let words = cell.split(digits).map(|word| word.replace(',', ""));
    words.filter_map(|word| word.parse().ok()).collect()
}

#[rstest]
#[case(SecretsManager, "Secrets Manager", "BatchGetSecretValue")]
#[case(Ssm, "Parameter Store", "GetParameters")]
#[case(DynamoDb, "DynamoDB on demand", "BatchGetItem")]
fn the_scale_page_calculates_with_the_calls_of_a_refresh(
    #[case] store: StoreName,
    #[case] name: &str,
    #[case] operation: &str,
) {
    let calls = calls_of_a_refresh(store);
    assert!(calls.iter().all(|call| call == operation), "{calls:?}");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scale.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once("that refresh every five minutes").unwrap();
    let row = section
        .lines()
        .find(|line| line.starts_with(&format!("| {name} |")))
        .unwrap();
    let cells: Vec<_> = row.split('|').map(str::trim).skip(2).collect();
    let [of_refresh, per_second, quota, share, shortest, ..] = cells[..] else {
        panic!("{row}");
    };
    let expected = format!("{} `{operation}`", calls.len());
    assert!(of_refresh.starts_with(&expected), "{expected}: {row}");
    // What the quota counts: read units in DynamoDB, one for each value, and calls elsewhere.
    let counted = if store == DynamoDb {
        VALUES
    } else {
        calls.len()
    };
    let rate = |of_pod: usize| PODS * f64::from(u32::try_from(of_pod).unwrap()) / PERIOD;
    let (rate_of_calls, rate) = (rate(calls.len()), rate(counted));
    let rates = numbers(per_second);
    assert_eq!(rates.first(), Some(&rate_of_calls.round()), "{row}");
    assert_eq!(rates.last(), Some(&rate.round()), "{row}");
    let quota = numbers(quota)[0];
    assert_eq!(numbers(share), [(rate / quota * 100.0).round()], "{row}");
    let seconds = (PERIOD * rate / quota).ceil();
    assert_eq!(numbers(shortest), [seconds], "{row}");
}
