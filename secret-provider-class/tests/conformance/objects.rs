//! Lists of objects: what they ask for, or the first error.

use kees_secret_provider_class::{Around, ClassErrorKind};
use serde_json::Value;

use crate::{cases, class, classes::error_class, described, list, parse_alone, text};

#[test]
fn every_list_of_objects_has_the_verdict_of_the_provider() {
    let all = cases("spc_objects_upstream.json");
    for case in list(&all, 83) {
        let id = text(case, "id");
        let regions = case["regions"].as_array().unwrap();
        let region = |index: usize| regions.get(index).map(|region| region.as_str().unwrap());
        let mut parameters = vec![
            ("objects", text(case, "objects")),
            ("pathTranslation", text(case, "path_translation")),
            ("region", region(0).unwrap()),
        ];
        parameters.extend(region(1).map(|region| ("failoverRegion", region)));
        let parsed = parse_alone(&class(&parameters), Around::Missing);
        let expected = &case["expect"];
        match parsed {
            Ok(mount) => assert_eq!(described(&mount), expected["objects"], "{id}"),
            Err(errors) if case["original_is_wrong"].is_string() => {
                let of_file =
                    |kind: &ClassErrorKind| matches!(kind, ClassErrorKind::SameFile { .. });
                assert!(errors.iter().all(|error| of_file(&error.kind)), "{id}");
            }
            Err(errors) => {
                let class = error_class(&errors[0]).map(Value::from);
                assert_eq!(
                    class,
                    Some(expected["error_class"].clone()),
                    "{id}: {errors:?}"
                );
            }
        }
    }
}
