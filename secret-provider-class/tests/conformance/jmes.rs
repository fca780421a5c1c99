//! JMESPath: the text that an expression finds in a value, or the error.

use std::collections::BTreeMap;

use kees_common::SecretValue;
use kees_secret_provider_class::{ExtractError, FilesError, Mount, Surroundings, files, parse};
use serde_json::json;

use crate::{cases, class, list, text};

#[test]
fn every_expression_finds_what_the_provider_finds() {
    for case in list(&cases("jmes.json"), 32) {
        let id = text(case, "id");
        let value = SecretValue::new(text(case, "secret_value").to_owned().into_bytes());
        let expected = &case["expect"];
        let found = files(&mount(text(case, "path")), |_| Some(&value));
        match found {
            Ok(files) => {
                assert_eq!(files[0].content.expose(), value.expose(), "{id}");
                let found = files[1].content.expose_text();
                assert_eq!(found, expected["value"].as_str(), "{id}");
            }
            Err(errors) => {
                let [FilesError::Extract { error, .. }] = errors.as_slice() else {
                    panic!("{id}: {errors:?}");
                };
                let class = match error {
                    ExtractError::NotJson => "jmes-json",
                    ExtractError::Expression { .. } => "jmes-expression",
                    ExtractError::Nothing(_) => "jmes-null",
                    ExtractError::NotText(_) => "jmes-not-string",
                };
                assert_eq!(expected["error_class"], class, "{id}: {error}");
            }
        }
    }
}

/// A mount with one expression, which need not be possible.
fn mount(path: &str) -> Mount {
    let objects = "- {objectName: o, objectType: secretsmanager, \
                   jmesPath: [{path: a, objectAlias: b}]}";
    let class = class(&[("objects", objects)]);
    let mut mount = parse(&class, &BTreeMap::new(), &Surroundings::UNKNOWN).unwrap();
    path.clone_into(&mut mount.objects[0].extracts[0].expression);
    let json = json!(mount);
    serde_json::from_value(json).unwrap()
}
