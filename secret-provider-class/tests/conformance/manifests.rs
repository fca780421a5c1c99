//! Whole manifests: the files of a pod with a class, and the Secrets.

use std::collections::BTreeMap;

use kees_common::SecretValue;
use kees_secret_provider_class::{
    ClassSpec, CsiVolume, Service, Surroundings, files, parse, secret_data, secret_objects,
};
use serde_json::{Value, json};

use crate::{cases, list, read, text};

#[test]
fn every_manifest_has_the_files_and_the_secrets_of_the_original() {
    let expect = cases("manifests/expect.json");
    for case in list(&expect["cases"], 3) {
        let class = document(text(case, "spc"), "SecretProviderClass");
        let volume = volume(text(case, "pod"));
        assert_eq!(volume.errors(), []);
        assert_eq!(volume.class(), class["metadata"]["name"].as_str());
        let class: ClassSpec = serde_json::from_value(class["spec"].clone()).unwrap();
        assert!(class.is_aws());
        let attributes = volume.volume_attributes.unwrap();
        let mount = parse(&class, &attributes, &Surroundings::UNKNOWN).unwrap();
        let secrets = secret_objects(&class, Some(&mount)).unwrap();
        let Some(store) = case.get("store") else {
            let paths: Vec<_> = mount.files().map(|file| file.path.as_str()).collect();
            assert_eq!(paths, ["MySecret"]);
            continue;
        };
        let values: BTreeMap<_, _> = mount
            .objects
            .iter()
            .map(|object| {
                let service = match object.service {
                    Service::SecretsManager => "secretsmanager",
                    Service::ParameterStore => "ssm",
                };
                let name = object.selector.name.rsplit(':').next().unwrap();
                let value = text(&store[service], name).to_owned();
                (
                    object.selector.name.clone(),
                    SecretValue::new(value.into_bytes()),
                )
            })
            .collect();
        let files = files(&mount, |object| values.get(&object.selector.name)).unwrap();
        let found: BTreeMap<_, _> = files
            .iter()
            .map(|file| (file.path.as_str(), file.content.expose_text().unwrap()))
            .collect();
        assert_eq!(json!(found), case["files"]);
        let find = |path: &str| {
            let file = files.iter().find(|file| file.path == path);
            file.map(|file| &file.content)
        };
        let secrets = secrets.iter().map(|secret| {
            let data = secret_data(secret, find).unwrap();
            let data: BTreeMap<_, _> = data
                .iter()
                .map(|(key, value)| (key.as_str(), value.expose_text().unwrap()))
                .collect();
            let described = json!({"type": secret.secret_type, "data": data});
            (secret.name.clone(), described)
        });
        let secrets: BTreeMap<_, _> = secrets.collect();
        assert_eq!(json!(secrets), case["secrets"]);
    }
}

fn document(file: &str, kind: &str) -> Value {
    let text = read(&format!("manifests/{file}")).unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let mut documents = documents.into_iter();
    documents.find(|document| document["kind"] == kind).unwrap()
}

fn volume(file: &str) -> CsiVolume {
    let pod = if file.contains("Deployment") {
        document(file, "Deployment")["spec"]["template"].clone()
    } else {
        document(file, "Pod")
    };
    serde_json::from_value(pod["spec"]["volumes"][0]["csi"].clone()).unwrap()
}
