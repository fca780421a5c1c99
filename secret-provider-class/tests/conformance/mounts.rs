//! Whole mounts: parameters, what is around the pod, and the answers of each Region; the files, or the error.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
};

use kees_common::{Locator, SecretValue};
use kees_secret_provider_class::{
    Around, Cause, ClassSpec, Fetch, FetchError, Mount, OutputFile, ParseClassError, Read, Service,
    Site, Surroundings, parse,
};
use serde_json::{Value, json};

use crate::{cases, class, classes::error_class, list, text};

/// Here the failover Region is not asked if the first Region has the values, so what it would answer does not matter.
const NOT_ASKED: [&str; 3] = [
    "Multi Region Param Fallback Invalid Fail",
    "Multi Region Param Fallback 4XX Fail",
    "Multi Region Secrets Fallback 4XX Fail",
];

#[test]
fn every_mount_has_the_files_or_the_error_of_the_provider() {
    let mut counts = BTreeMap::new();
    for case in list(&cases("mount_cases.json"), 55) {
        let id = text(case, "id");
        let expected = case["expect"]["error_class"].as_str();
        let outcome = match (parse_case(case), expected) {
            (Err(errors), expected) => {
                assert_eq!(error_class(&errors[0]), expected, "{id}");
                "refused"
            }
            // Here files may be in folders.
            (Ok(mount), Some("flat-writer-path")) => {
                assert!(mount.files().any(|file| file.path.contains('/')), "{id}");
                "in folders"
            }
            // A parameter of the driver's call, which nobody writes into a class.
            (Ok(_), Some("permission-json")) => "without the driver",
            (Ok(mount), expected) => match (fetch(&mount, case), expected) {
                (Ok(files), None) => {
                    assert_eq!(described(&files), case["expect"]["files"], "{id}");
                    "written"
                }
                (Ok(_), Some(_)) if NOT_ASKED.contains(&id) => {
                    "written without the failover Region"
                }
                (Err(errors), Some(class)) => {
                    assert_eq!(fetch_class(&errors), class, "{id}: {errors:?}");
                    "not fetched"
                }
                (Ok(_), Some(class)) => panic!("{id}: {class}"),
                (Err(errors), None) => panic!("{id}: {errors:?}"),
            },
        };
        *counts.entry(outcome).or_insert(0) += 1;
    }
    let counts: Vec<_> = counts.into_iter().collect();
    let expected = [
        ("in folders", 2),
        ("not fetched", 12),
        ("refused", 14),
        ("without the driver", 1),
        ("written", 23),
        ("written without the failover Region", 3),
    ];
    assert!(counts.is_empty() || counts == expected, "{counts:?}");
}

fn parse_case(case: &Value) -> Result<Mount, Vec<ParseClassError>> {
    let class: ClassSpec = {
        let mut parameters = vec![("objects", text(case, "objects"))];
        let given = case["parameters"].as_object().unwrap();
        parameters.extend(
            given
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str().unwrap())),
        );
        class(&parameters)
    };
    let cluster = &case["cluster"];
    let is_known = cluster["node_found"] == true && cluster["pod_found"] == true;
    let region = cluster["node_region"]
        .as_str()
        .filter(|region| is_known && !region.is_empty());
    let role = cluster["role_arn"].as_str().filter(|role| !role.is_empty());
    let around = |known: Option<&'static str>| known.map_or(Around::Missing, Around::Known);
    let surroundings = Surroundings {
        region: region.map_or(Around::Missing, Around::Known),
        role: around(role.map(|_| "role")),
    };
    parse(&class, &BTreeMap::new(), &surroundings)
}

/// An error of a store.
#[derive(Debug, Clone, PartialEq)]
struct Failure {
    is_of_client: bool,
}

fn fetch(mount: &Mount, case: &Value) -> Result<Vec<OutputFile>, Vec<FetchError<Failure>>> {
    let [primary, failover] = ["primary", "failover"].map(|region| Region::new(&case[region]));
    let mut fetch = Fetch::new(mount);
    loop {
        let reads = fetch.wanted();
        if reads.is_empty() {
            return fetch.finish();
        }
        for read in reads {
            let region = match read.site {
                Site::Primary => &primary,
                Site::Failover => &failover,
            };
            let results = region.read(&read);
            fetch.answer(&read, results, |failure| failure.is_of_client);
        }
    }
}

fn described(files: &[OutputFile]) -> Value {
    let files = files.iter().map(|file| {
        let value = file.content.expose_text().unwrap();
        let described = json!({"mode": file.mode.to_string(), "value": value});
        (file.path.clone(), described)
    });
    Value::Object(files.collect())
}

/// The class of the last cause of the first error.
fn fetch_class(errors: &[FetchError<Failure>]) -> &'static str {
    let error = &errors[0];
    let (_, _, cause) = error.causes.last().unwrap();
    match (error.service, cause) {
        (Service::SecretsManager, Cause::Store(failure)) if failure.is_of_client => {
            "sm-client-error"
        }
        (Service::ParameterStore, Cause::Store(failure)) if failure.is_of_client => {
            "ssm-client-error"
        }
        (Service::SecretsManager, Cause::Store(_)) => "fetch-secret",
        (Service::ParameterStore, Cause::Store(_)) => "fetch-parameters",
        (Service::ParameterStore, Cause::Absent) => "ssm-invalid-parameters",
        (_, cause) => panic!("{cause:?}"),
    }
}

type Results = Vec<Result<Option<SecretValue>, Failure>>;

/// The answers of a Region, which are given in their order. What is missing or `null` did not come.
struct Region<'c> {
    answers: &'c Value,
    secrets: RefCell<VecDeque<&'c Value>>,
    batches: RefCell<VecDeque<&'c Value>>,
}

impl<'c> Region<'c> {
    fn new(answers: &'c Value) -> Self {
        let list = |key: &str| answers[key].as_array().into_iter().flatten();
        Self {
            answers,
            secrets: RefCell::new(list("get_secret_value").collect()),
            batches: RefCell::new(list("get_parameters").collect()),
        }
    }

    fn read(&self, read: &Read) -> Results {
        let error = match read.service {
            Service::SecretsManager => &self.answers["sm_error"],
            Service::ParameterStore => &self.answers["ssm_error"],
        };
        if let Some(fault) = error["fault"].as_str() {
            let is_of_client = fault == "client";
            let failure = || Err(Failure { is_of_client });
            return read.locators.iter().map(|_| failure()).collect();
        }
        match read.service {
            Service::SecretsManager => read.locators.iter().map(|_| self.secret()).collect(),
            Service::ParameterStore => {
                let batches = read.locators.chunks(10);
                batches.flat_map(|batch| self.parameters(batch)).collect()
            }
        }
    }

    fn secret(&self) -> Result<Option<SecretValue>, Failure> {
        let answer = self.secrets.borrow_mut().pop_front();
        let answer = answer.filter(|answer| !answer.is_null());
        let is_of_client = false;
        let answer = answer.ok_or(Failure { is_of_client })?;
        let value = answer["string"].as_str().or(answer["binary_utf8"].as_str());
        Ok(value.map(|value| SecretValue::new(value.as_bytes().to_vec())))
    }

    /// The original stops at the first batch with an invalid name, so the answer to a later one may be missing.
    fn parameters(&self, batch: &[Locator]) -> Results {
        let answer = self.batches.borrow_mut().pop_front();
        let answer = answer.filter(|answer| !answer.is_null());
        let all = self.answers["get_parameters"].as_array();
        let value = |locator: &Locator| {
            let name = locator.path.as_str();
            let is_invalid = |answer: &Value| {
                let mut invalid = answer["invalid"].as_array().into_iter().flatten();
                invalid.any(|invalid| invalid == name)
            };
            if all.into_iter().flatten().any(is_invalid) {
                return Ok(None);
            }
            let is_of_client = false;
            let answer = answer.ok_or(Failure { is_of_client })?;
            let mut parameters = answer["parameters"].as_array().into_iter().flatten();
            let parameter = parameters.find(|parameter| parameter["name"] == name);
            let value = parameter.map(|parameter| text(parameter, "value"));
            Ok(value.map(|value| SecretValue::new(value.as_bytes().to_vec())))
        };
        batch.iter().map(value).collect()
    }
}
