//! Whole mounts: parameters, what is around the pod, and the answers of each Region; the files, or the error.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
};

use kees_common::SecretValue;
use kees_secret_provider_class::{
    Around, ClassSpec, Mount, Object, ParseClassError, Selector, Service, Surroundings, files,
    parse,
};
use serde_json::{Value, json};

use crate::{cases, class, classes::error_class, list, text};

/// The errors of a fetch: programs that fetch have their own messages.
const OF_A_FETCH: [&str; 5] = [
    "fetch-secret",
    "fetch-parameters",
    "ssm-invalid-parameters",
    "sm-client-error",
    "ssm-client-error",
];

#[test]
fn every_mount_has_the_files_or_the_error_of_the_provider() {
    let mut counts = BTreeMap::new();
    for case in list(&cases("mount_cases.json"), 55) {
        let id = text(case, "id");
        let expected = case["expect"]["error_class"].as_str();
        let parsed = parse_case(case);
        let outcome = match (parsed, expected) {
            (Err(errors), expected) => {
                assert_eq!(error_class(&errors[0]), expected, "{id}");
                "refused"
            }
            (Ok(mount), None) => {
                assert_eq!(written(&mount, case), case["expect"]["files"], "{id}");
                "written"
            }
            (Ok(_), Some(class)) if OF_A_FETCH.contains(&class) => "not fetched",
            // Here files may be in folders.
            (Ok(mount), Some("flat-writer-path")) => {
                assert!(mount.files().any(|file| file.path.contains('/')), "{id}");
                "in folders"
            }
            // A parameter of the driver's call, which nobody writes into a class.
            (Ok(_), Some("permission-json")) => "without the driver",
            (Ok(mount), Some(class)) => panic!("{id}: {class}: {mount:?}"),
        };
        *counts.entry(outcome).or_insert(0) += 1;
    }
    let counts: Vec<_> = counts.into_iter().collect();
    let expected = [
        ("in folders", 2),
        ("not fetched", 15),
        ("refused", 14),
        ("without the driver", 1),
        ("written", 23),
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

/// The files, from the answers of the Regions: those of Secrets Manager are in the order of the objects, and those
/// of Parameter Store have names. `null` is an answer that did not come.
fn written(mount: &Mount, case: &Value) -> Value {
    let [primary, failover] = ["primary", "failover"].map(|region| Region::new(&case[region]));
    let mut values = BTreeMap::new();
    for object in &mount.objects {
        let found = primary.value(object.service, &object.selector);
        let found = found.or_else(|| failover.value(object.service, object.failover_selector()));
        values.insert(key(object), SecretValue::new(found.unwrap().into_bytes()));
    }
    let files = files(mount, |object| values.get(&key(object))).unwrap();
    let files = files.iter().map(|file| {
        let value = file.content.expose_text().unwrap();
        let written = json!({"mode": file.mode.to_string(), "value": value});
        (file.path.clone(), written)
    });
    Value::Object(files.collect())
}

fn key(object: &Object) -> (Service, Selector) {
    (object.service, object.selector.clone())
}

struct Region<'c> {
    secrets: RefCell<VecDeque<&'c Value>>,
    parameters: BTreeMap<&'c str, &'c str>,
}

impl<'c> Region<'c> {
    fn new(answers: &'c Value) -> Self {
        let list = |key: &str| answers[key].as_array().into_iter().flatten();
        let parameters =
            list("get_parameters").filter_map(|answer| answer["parameters"].as_array());
        let parameters = parameters.flatten();
        Self {
            secrets: RefCell::new(list("get_secret_value").collect()),
            parameters: parameters
                .map(|parameter| (text(parameter, "name"), text(parameter, "value")))
                .collect(),
        }
    }

    fn value(&self, service: Service, selector: &Selector) -> Option<String> {
        match service {
            Service::SecretsManager => {
                let answer = self.secrets.borrow_mut().pop_front()?;
                let value = answer["string"].as_str().or(answer["binary_utf8"].as_str());
                value.map(str::to_owned)
            }
            Service::ParameterStore => {
                let value = self.parameters.get(selector.name.as_str());
                value.map(|value| (*value).to_owned())
            }
        }
    }
}
