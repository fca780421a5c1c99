//! Several mounts of one volume, while versions and labels change. Without the versions of an earlier mount, as with the
//! driver from 1.6 on, each mount reads everything again.

use std::collections::BTreeMap;

use kees_common::{Locator, SecretValue};
use kees_secret_provider_class::{Around, Fetch, Read, Service};
use serde_json::{Value, json};

use crate::{cases, class, list, parse_alone, text};

#[test]
fn every_mount_of_a_volume_has_the_files_of_the_provider() {
    // The current value of each name, as far as the answers told it.
    let mut store = BTreeMap::new();
    for step in list(&cases("rotation_sequence.json"), 5) {
        learn(&step["primary"], &mut store);
        let class = class(&[("objects", text(step, "objects"))]);
        let mount = parse_alone(&class, Around::Known("fakeRegion")).unwrap();
        let mut fetch = Fetch::<()>::new(&mount);
        let reads = fetch.wanted();
        let mut calls: Vec<_> = reads.iter().flat_map(calls).collect();
        for read in &reads {
            let values = read.locators.iter();
            let values = values.map(|locator| Ok(store.get(locator.path.as_str()).cloned()));
            fetch.answer(read, values.collect(), |()| true);
        }
        assert_eq!(fetch.wanted(), []);
        let files = fetch.finish().unwrap();
        let files = files.iter().map(|file| {
            let value = file.content.expose_text().unwrap();
            let described = json!({"mode": file.mode.to_string(), "value": value});
            (file.path.clone(), described)
        });
        let id = text(step, "id");
        assert_eq!(
            Value::Object(files.collect()),
            step["expect"]["files"],
            "{id}"
        );
        // A secret is not asked for if its version has not changed.
        calls.sort();
        let expected = step["calls_sorted"].as_array().unwrap().iter();
        let expected: Vec<_> = expected.map(|call| call.as_str().unwrap()).collect();
        let is_parameters = |call: &&str| call.starts_with("GetParameters ");
        let is_secret = |call: &&str| call.starts_with("GetSecretValue ");
        let parameters = calls.iter().map(String::as_str).filter(is_parameters);
        assert!(
            parameters.eq(expected.iter().copied().filter(is_parameters)),
            "{id}: {calls:?}"
        );
        let mut secrets = expected.iter().copied().filter(is_secret);
        assert!(
            secrets.all(|call| calls.iter().any(|own| own == call)),
            "{id}: {calls:?}"
        );
    }
}

fn learn(answers: &Value, store: &mut BTreeMap<String, SecretValue>) {
    let list = |key: &str| answers[key].as_array().into_iter().flatten();
    let mut add = |name: &str, value: &str| {
        let value = SecretValue::new(value.as_bytes().to_vec());
        store.insert(name.to_owned(), value);
    };
    for answer in list("get_secret_value") {
        let (name, _) = text(answer, "version_id").rsplit_once('-').unwrap();
        let value = answer["string"].as_str().or(answer["binary_utf8"].as_str());
        add(name, value.unwrap());
    }
    let parameters = list("get_parameters").filter_map(|answer| answer["parameters"].as_array());
    for parameter in parameters.flatten() {
        add(text(parameter, "name"), text(parameter, "value"));
    }
}

/// The calls of the provider for a read.
fn calls(read: &Read) -> Vec<String> {
    let selected = |locator: &Locator, version: &str, label: &str| {
        let part = |sign: &str, selector: &Option<String>| {
            selector
                .as_ref()
                .map_or(String::new(), |selector| format!("{sign}{selector}"))
        };
        let version = part(version, &locator.version_id);
        let label = part(label, &locator.version_stage);
        format!("{}{version}{label}", locator.path)
    };
    match read.service {
        Service::SecretsManager => {
            let locators = read.locators.iter();
            let names = locators.map(|locator| selected(locator, "#", "@"));
            names.map(|name| format!("GetSecretValue {name}")).collect()
        }
        Service::ParameterStore => {
            let batches = read.locators.chunks(10).map(|batch| {
                let names = batch.iter().map(|locator| selected(locator, ":", ":"));
                format!("GetParameters {}", names.collect::<Vec<_>>().join(","))
            });
            batches.collect()
        }
    }
}
