//! The mounts of AWS's provider, as whole runs: calls over HTTP, files in a volume.
//!
//! What the provider refuses before it calls AWS, and what becomes of values, is tested with the same cases in
//! `secret-provider-class/tests/conformance`. `KEES_ASCP_CASES` names another folder with the cases; `none` passes them
//! over.

#![expect(clippy::print_stderr, reason = "a test says what it passes over")]

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    env, fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use kees_secret_provider_class::{Around, ClassSpec, Mount, Surroundings, parse};
use serde_json::{Value, json};

use crate::{
    class_volume::Pod,
    cloud::{Call, Instead},
    container::run,
};

/// Here the failover Region is not asked if the first Region has the values, so what it would answer does not matter.
const NOT_ASKED: [&str; 3] = [
    "Multi Region Param Fallback Invalid Fail",
    "Multi Region Param Fallback 4XX Fail",
    "Multi Region Secrets Fallback 4XX Fail",
];

const FIRST: &str = "fakeRegion";
const SECOND: &str = "fakeBackupRegion";

fn cases() -> Vec<Value> {
    const FOLDER: &str = "KEES_ASCP_CASES";
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/conformance/ascp");
    let folder = env::var_os(FOLDER).map_or_else(|| beside.into(), PathBuf::from);
    if folder.as_os_str() == "none" {
        eprintln!("passed over: {FOLDER} is none");
        return Vec::new();
    }
    let text = fs::read_to_string(folder.join("mount_cases.json"));
    let text = text.unwrap_or_else(|error| {
        panic!("{error}; name the folder of the cases with {FOLDER}, or pass them over with {FOLDER}=none")
    });
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_run_leaves_the_files_of_the_provider_or_its_error() {
    let mut counts = BTreeMap::new();
    for case in cases() {
        let id = case["id"].as_str().unwrap();
        let Some(mount) = mount(&case) else {
            continue;
        };
        let outcome = play(&case, mount);
        let expected = case["expect"]["error_class"].as_str();
        let expected = expected.filter(|_| !NOT_ASKED.contains(&id));
        let what = match (outcome, expected) {
            (Ok(files), None) => {
                if !NOT_ASKED.contains(&id) {
                    assert_eq!(files, case["expect"]["files"], "{id}");
                }
                "written"
            }
            (Err((status, message)), Some(class)) => {
                // The Region that the provider names, if it names one.
                let original = case["expect"]["error_original"].as_str().unwrap();
                let mut words = original.split(": ");
                let region = words.find(|word| [FIRST, SECOND].contains(word));
                let region = region.unwrap_or(FIRST);
                // After a failure of the first Region, nobody knows whether it has the object.
                let expected = match class {
                    "sm-client-error" | "ssm-invalid-parameters" if region == FIRST => 75,
                    _ => 69,
                };
                assert_eq!(status, expected, "{id}: {message}");
                assert!(
                    message.contains(&format!(" in {region}: ")),
                    "{id}: {message}"
                );
                "not read"
            }
            (outcome, expected) => panic!("{id}: {outcome:?}, not {expected:?}"),
        };
        *counts.entry(what).or_insert(0) += 1;
    }
    let counts: Vec<_> = counts.into_iter().collect();
    assert!(
        counts.is_empty() || counts == [("not read", 12), ("written", 26)],
        "{counts:?}"
    );
}

/// What a case asks for, if AWS is called for it.
fn mount(case: &Value) -> Option<Mount> {
    let is_elsewhere = ["flat-writer-path", "permission-json"].map(Value::from);
    if is_elsewhere.contains(&case["expect"]["error_class"]) {
        return None;
    }
    let parameters = case["parameters"].as_object()?.iter();
    let parameters = parameters.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
    let parameters = parameters.chain([("objects", case["objects"].as_str()?)]);
    let class = ClassSpec {
        provider: Some("aws".to_owned()),
        parameters: Some(
            parameters
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect(),
        ),
        secret_objects: None,
    };
    let cluster = &case["cluster"];
    let is_known = cluster["node_found"] == true && cluster["pod_found"] == true;
    let region = cluster["node_region"]
        .as_str()
        .filter(|name| is_known && !name.is_empty());
    let role = cluster["role_arn"].as_str().filter(|role| !role.is_empty());
    let surroundings = Surroundings {
        region: region.map_or(Around::Missing, Around::Known),
        role: role.map_or(Around::Missing, Around::Known),
    };
    parse(&class, &BTreeMap::new(), &surroundings).ok()
}

/// The files, or the exit status and the termination message.
fn play(case: &Value, mount: Mount) -> Result<Value, (i32, String)> {
    let regions = [(FIRST, "primary"), (SECOND, "failover")];
    let regions = regions.map(|(region, key)| (region, Region::new(&case[key])));
    let regions = Arc::new(Mutex::new(regions));
    let script = move |call: &Call| {
        let mut regions = regions.lock().unwrap();
        let mut regions = regions.iter_mut();
        let (_, region) = regions.find(|(name, _)| *name == call.region).unwrap();
        Some(region.answer(call))
    };
    let mut pod = Pod::scripted(&[], script);
    pod.fill("v", mount);
    let (status, _) = run(pod.command().env("TIMEOUT", "0.8"));
    let files = pod.files("v").into_iter();
    let files = files.filter(|(path, _)| !path.ends_with('/'));
    let files = files.map(|(path, (mode, value))| (path, json!({"mode": mode, "value": value})));
    match status {
        0 => Ok(Value::Object(files.collect())),
        status => {
            assert_eq!(files.count(), 0);
            Err((status, pod.container.read("termination-log")))
        }
    }
}

/// The answers of a Region. What is missing or `null` did not come.
struct Region {
    answers: Value,
    /// The answers of Secrets Manager that were not given yet, in their order.
    secrets: VecDeque<Value>,
    /// The answers that were given, which stay the same when a call is made again.
    given: HashMap<String, Value>,
}

impl Region {
    fn new(answers: &Value) -> Self {
        let secrets = answers["get_secret_value"].as_array();
        Self {
            answers: answers.clone(),
            secrets: secrets.cloned().unwrap_or_default().into(),
            given: HashMap::new(),
        }
    }

    fn answer(&mut self, call: &Call) -> Instead {
        let of_secrets = call.operation.ends_with("GetSecretValue");
        let error = &self.answers[if of_secrets { "sm_error" } else { "ssm_error" }];
        if let Some(fault) = error["fault"].as_str() {
            let status = if fault == "client" { 400 } else { 500 };
            let code = error["type"]
                .as_str()
                .unwrap()
                .trim_start_matches("*types.");
            let body = json!({"__type": code, "message": error["message"]});
            return Instead::Answer(status, body.to_string());
        }
        let body = &call.body;
        match call.operation.as_str() {
            "GetSecretValue" => match self.secret(&body["SecretId"]) {
                Value::Null => Instead::HangUp,
                secret => Instead::Answer(200, secret.to_string()),
            },
            "BatchGetSecretValue" => {
                let (mut values, mut errors) = (Vec::new(), Vec::new());
                for id in body["SecretIdList"].as_array().unwrap() {
                    match self.secret(id) {
                        Value::Null => errors.push(json!({
                            "SecretId": id, "ErrorCode": "InternalServiceError", "Message": "…",
                        })),
                        secret => values.push(secret),
                    }
                }
                let body = json!({"SecretValues": values, "Errors": errors});
                Instead::Answer(200, body.to_string())
            }
            "GetParameters" => self.parameters(body["Names"].as_array().unwrap()),
            other => panic!("{other}"),
        }
    }

    /// The answer about a secret, or null if none came.
    fn secret(&mut self, id: &Value) -> Value {
        let id = id.as_str().unwrap();
        let secrets = &mut self.secrets;
        let next = || secrets.pop_front().unwrap_or_default();
        let given = self.given.entry(id.to_owned()).or_insert_with(next);
        let key = if id.starts_with("arn:") {
            "ARN"
        } else {
            "Name"
        };
        if let Some(text) = given["string"].as_str() {
            json!({key: id, "SecretString": text})
        } else if let Some(text) = given["binary_utf8"].as_str() {
            let value = kees_common::SecretValue::new(text.as_bytes().to_vec());
            json!({key: id, "SecretBinary": *value.to_base64()})
        } else {
            Value::Null
        }
    }

    fn parameters(&self, names: &[Value]) -> Instead {
        let batches = self.answers["get_parameters"].as_array();
        let batches = || batches.into_iter().flatten();
        let invalid = |name: &str| {
            let mut invalid = batches()
                .filter_map(|batch| batch["invalid"].as_array())
                .flatten();
            invalid.any(|invalid| *invalid == name)
        };
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for asked in names {
            let asked = asked.as_str().unwrap();
            let name = asked.split(':').next().unwrap();
            let mut all = batches()
                .filter_map(|batch| batch["parameters"].as_array())
                .flatten();
            match all.find(|parameter| parameter["name"] == *name) {
                _ if invalid(name) => missing.push(asked),
                Some(parameter) => found.push(json!({"Name": name, "Value": parameter["value"]})),
                None => return Instead::HangUp,
            }
        }
        let body = json!({"Parameters": found, "InvalidParameters": missing});
        Instead::Answer(200, body.to_string())
    }
}
