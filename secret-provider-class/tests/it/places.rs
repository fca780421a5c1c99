//! The places of errors, and that all are reported.

use kees_secret_provider_class::{ClassSpec, secret_objects};
use serde_json::json;

use crate::{errors, parse_objects};

#[test]
fn all_errors_are_reported_and_that_of_the_provider_comes_first() {
    let objects = "\
- objectName: a/b
  objectType: secretsmanager
- objectName: a_b
  objectType: secretsmanager
- objectType: ssm
-
- objectName: c
  objectType: ssm
- objectName: d
  objectType: ssmparameter
  filePermission: 0644
- objectName: e
  objectType: secretsmanager
  jmesPath:
  - path: x
";
    let parameters = [
        ("objects", objects),
        ("region", "eu-west-1"),
        ("failoverRegion", "eu-west-1"),
        ("usePodIdentity", "yes"),
        ("pathTranslation", "_"),
    ];
    let of_objects = |error: &str| format!("spec.parameters.objects: {error}");
    assert_eq!(
        errors(&parameters),
        [
            "spec.parameters.failoverRegion: it is eu-west-1 too; the failover Region must be \
             another than the Region"
                .to_owned(),
            "spec.parameters.usePodIdentity: yes is wrong; use \"true\" or \"false\"".to_owned(),
            of_objects(
                "line 5, column 3: objectName is missing; set it to the name or ARN of the secret"
            ),
            of_objects("line 6, column 2: the item is empty; remove it"),
            of_objects(
                "line 8, column 15: the objectType ssm is unknown; use secretsmanager or \
                 ssmparameter"
            ),
            of_objects(
                "line 11, column 19: the filePermission 420 is wrong; use four octal digits in \
                 quotes, such as \"0400\""
            ),
            of_objects(
                "line 15, column 5: objectAlias is missing; set it to the name of the file for \
                 the result"
            ),
            of_objects(
                "line 3, column 15: the file a_b is that of line 1 too; set another objectAlias"
            ),
        ]
    );
}

#[test]
fn an_error_of_yaml_has_its_place() {
    let errors = parse_objects("- objectName: a\n- {\n").unwrap_err();
    let position = errors[0].place.position.unwrap();
    assert_eq!(position.line, 2);
    let errors = parse_objects("- objectName: a\n- objectName: [b]\n").unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "spec.parameters.objects: line 2, column 15: objectName must be text"
    );
}

#[test]
fn every_error_of_secret_objects_has_its_field() {
    let mount = parse_objects("- {objectName: db/user, objectType: secretsmanager}").unwrap();
    let class: ClassSpec = serde_json::from_value(json!({"secretObjects": [
        {"secretName": "a", "type": "Opaque", "data": [
            {"objectName": "db_usr", "key": "k"},
            {"objectName": "db_user", "key": "k"},
            {"key": "a b"},
        ]},
        {"secretName": " a ", "type": "kubernetes.io/tls", "data": [
            {"objectName": " db_user ", "key": "ca.crt"},
        ]},
        {"secretName": "A", "data": []},
    ]}))
    .unwrap();
    let errors = secret_objects(&class, Some(&mount)).unwrap_err();
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "spec.secretObjects[0].data[0].objectName: the class has no file db_usr; did you mean \
             db_user",
            "spec.secretObjects[0].data[1].key: the key k is used twice; use another one",
            "spec.secretObjects[0].data[2]: objectName is missing; set it to the name of a file \
             of the class",
            "spec.secretObjects[0].data[2].key: a b cannot be a key of a Secret; use letters, \
             digits, '-', '_' and '.'",
            "spec.secretObjects[1].secretName: the secretName a is used twice; put all keys under \
             one",
            "spec.secretObjects[1].data[0].key: the key ca.crt is not one of kubernetes.io/tls; \
             use tls.crt or tls.key",
            "spec.secretObjects[2].secretName: A cannot be the name of a Secret; use lower-case \
             letters, digits, '-' and '.'",
            "spec.secretObjects[2]: type is missing; use Opaque, kubernetes.io/tls or another \
             type of Secrets",
            "spec.secretObjects[2]: data is missing; list objectName and key",
        ]
    );
}
