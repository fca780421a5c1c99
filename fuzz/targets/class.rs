//! A SecretProviderClass, and a value for its expressions: parsed, printed as JSON, made files.
//!
//! Lines of three equals signs are between the objects, the translation of paths, the failover Region and the value.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use kees_common::SecretValue;
use kees_secret_provider_class::{
    ClassSpec, Mount, Surroundings, check_file_path, files, parse, secret_data, secret_objects,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut parts = text.split("\n===\n");
    let objects = parts.next().unwrap_or_default();
    let translation = parts.next().unwrap_or_default();
    let failover = parts.next().filter(|region| !region.is_empty());
    let value = parts.next().unwrap_or_default();
    let mut parameters = BTreeMap::from([
        ("objects".to_owned(), objects.to_owned()),
        ("pathTranslation".to_owned(), translation.to_owned()),
        ("region".to_owned(), "r".to_owned()),
    ]);
    parameters.extend(failover.map(|region| ("failoverRegion".to_owned(), region.to_owned())));
    let class = ClassSpec {
        provider: Some("aws".to_owned()),
        parameters: Some(parameters),
        secret_objects: None,
    };
    let mount = match parse(&class, &BTreeMap::new(), &Surroundings::UNKNOWN) {
        Ok(mount) => mount,
        Err(errors) => {
            assert!(!errors.is_empty());
            return errors.iter().for_each(|error| assert!(!error.to_string().is_empty()));
        }
    };
    let paths: BTreeSet<_> = mount.files().map(|file| file.path.as_str()).collect();
    assert_eq!(paths.len(), mount.files().count(), "two objects have one file");
    for path in paths {
        assert!(check_file_path(path.trim_start_matches("..")).is_ok(), "{path} leads elsewhere");
    }
    let json = serde_json::to_string(&mount).unwrap();
    assert_eq!(serde_json::from_str::<Mount>(&json).unwrap(), mount, "what was printed means something else");
    let value = SecretValue::new(value.as_bytes().to_vec());
    if let Ok(files) = files(&mount, |_| Some(&value)) {
        assert_eq!(files.len(), mount.files().count());
    }
    for secret in secret_objects(&class, Some(&mount)).unwrap() {
        let _ = secret_data(&secret, |_| Some(&value));
    }
});
