//! `secretObjects`, and the volumes that name a class.

use std::collections::BTreeMap;

use kees_common::SecretValue;
use kees_secret_provider_class::{
    ClassErrorKind, ClassSpec, CsiVolume, Surroundings, VolumeError, parse, secret_data,
    secret_objects,
};
use serde_json::{Value, json};

use crate::{cases, list, text};

fn class(secret: &Value) -> ClassSpec {
    serde_json::from_value(json!({"secretObjects": [secret]})).unwrap()
}

#[test]
fn every_secret_object_has_the_verdict_of_the_driver() {
    let all = cases("secret_objects.json");
    for case in list(&all["validate"], 4) {
        let parsed = secret_objects(&class(&case["input"]), None);
        let Err(errors) = parsed else {
            assert_eq!(case["ok"], true, "{case}");
            continue;
        };
        let error = match &errors[0].kind {
            ClassErrorKind::NoSecretName => "secret name is empty",
            ClassErrorKind::NoSecretType => "secret type is empty",
            ClassErrorKind::NoData => "data is empty",
            other => panic!("{other}"),
        };
        assert_eq!(case["error"], error);
    }
}

#[test]
fn every_secret_has_the_data_of_the_driver() {
    let all = cases("secret_objects.json");
    for case in list(&all["data"], 6) {
        let secret = json!({"secretName": "s", "type": case["type"], "data": case["data"]});
        let files = case["files"].as_object().unwrap().iter();
        let files: BTreeMap<_, _> = files
            .map(|(path, value)| {
                let value = value.as_str().unwrap().to_owned();
                (path.as_str(), SecretValue::new(value.into_bytes()))
            })
            .collect();
        let secrets = secret_objects(&class(&secret), None);
        let data = secrets.ok().and_then(|secrets| {
            let data = secret_data(&secrets[0], |file| files.get(file)).ok()?;
            let data = data.into_iter();
            let data = data.map(|(key, value)| (key, value.expose_text().unwrap().to_owned()));
            Some(data.collect::<BTreeMap<_, _>>())
        });
        assert_eq!(json!(data), case["secret"], "{case}");
    }
    for case in list(&all["type"], 2) {
        let secret = json!({"secretName": "s", "type": case["input"], "data": [
            {"objectName": "o", "key": "k"}
        ]});
        match secret_objects(&class(&secret), None) {
            Ok(secrets) => assert_eq!(secrets[0].secret_type, text(case, "output")),
            Err(errors) => {
                assert_eq!(errors[0].kind, ClassErrorKind::NoSecretType);
                assert!(text(case, "note").starts_with("unreachable"));
            }
        }
    }
    for key in list(&all["tls_keys_allowed"], 2) {
        let secret = json!({"secretName": "s", "type": "kubernetes.io/tls", "data": [
            {"objectName": "o", "key": key}, {"objectName": "o", "key": "ca.crt"}
        ]});
        let errors = secret_objects(&class(&secret), None).unwrap_err();
        let kinds: Vec<_> = errors.into_iter().map(|error| error.kind).collect();
        assert_eq!(kinds, [ClassErrorKind::TlsKey("ca.crt".to_owned())]);
    }
}

#[test]
fn every_volume_of_a_class_is_found() {
    let all = cases("secret_objects.json");
    for case in list(&all["spc_volume"], 5) {
        let volumes = case["volumes"].as_array().unwrap().iter();
        let found = volumes.filter(|volume| {
            let csi = serde_json::from_value::<Option<CsiVolume>>(volume["csi"].clone());
            let csi = csi.unwrap().unwrap_or_default();
            csi.class() == case["spc"].as_str()
        });
        let found = found.map(|volume| &volume["name"]).next();
        assert_eq!(found.unwrap_or(&Value::Null), &case["found"], "{case}");
    }
}

/// A class that is absent, or in another namespace, is an error of whoever looks it up.
#[test]
fn every_error_of_a_volume_is_found() {
    let all = cases("secret_objects.json");
    for case in list(&all["volume_errors"], 7) {
        let mut csi = json!({
            "driver": "secrets-store.csi.k8s.io",
            "readOnly": true,
            "volumeAttributes": {"secretProviderClass": "c"},
        });
        let mut class = json!({"provider": "aws", "parameters": {
            "objects": "- {objectName: o, objectType: secretsmanager}"
        }});
        let mut expected = None;
        match text(case, "case") {
            "volumeAttributes empty" => {
                csi["volumeAttributes"] = json!({});
                expected = Some(VolumeError::NoClass);
            }
            "volume readOnly not true" => {
                csi["readOnly"] = json!(false);
                expected = Some(VolumeError::NotReadOnly);
            }
            "spec.provider empty" => class["provider"] = json!(""),
            "spec.parameters empty" => class["parameters"] = json!({}),
            "provider unknown" => class["provider"] = json!("other"),
            absent => {
                assert!(absent.starts_with("SecretProviderClass"), "{absent}");
                continue;
            }
        }
        let csi: CsiVolume = serde_json::from_value(csi).unwrap();
        let class: ClassSpec = serde_json::from_value(class).unwrap();
        let parsed = parse(&class, &BTreeMap::new(), &Surroundings::UNKNOWN);
        assert_eq!(csi.errors().first(), expected.as_ref(), "{case}");
        let is_refused = expected.is_some() || parsed.is_err() || !class.is_aws();
        assert!(is_refused, "{case}");
    }
}
