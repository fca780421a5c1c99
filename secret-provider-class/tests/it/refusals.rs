//! What the provider accepts although it cannot work, and what it accepts and this project too.

use std::collections::BTreeMap;

use kees_secret_provider_class::{
    Around, ClassSpec, Identity, Mount, Service, Surroundings, parse,
};
use rstest::rstest;

use crate::{class, errors, parse_class, parse_objects};

#[rstest]
#[case::translated(
    "- {objectName: a/b, objectType: secretsmanager}\n- {objectName: a_b, objectType: ssmparameter}",
    "line 2, column 16: the file a_b is that of line 1 too; set another objectAlias"
)]
#[case::alias_is_a_name(
    "- {objectName: a, objectType: secretsmanager}\n\
     - {objectName: b, objectType: secretsmanager, objectAlias: a}",
    "line 2, column 60: the file a is that of line 1 too; set another objectAlias"
)]
#[case::two_labels(
    "- {objectName: a, objectType: secretsmanager, objectVersionLabel: x}\n\
     - {objectName: a, objectType: secretsmanager, objectVersionLabel: y}",
    "line 2, column 16: the file a is that of line 1 too; set another objectAlias"
)]
#[case::an_extract(
    "- {objectName: a, objectType: secretsmanager, jmesPath: [{path: x, objectAlias: a}]}",
    "line 1, column 81: the file a is that of line 1 too; set another objectAlias"
)]
#[case::dots(
    "- {objectName: .., objectType: secretsmanager}",
    "line 1, column 16: the file .. is not possible: it has '.' or '..' as a name; set objectAlias"
)]
#[case::dot(
    "- {objectName: a, objectAlias: ., objectType: secretsmanager}",
    "line 1, column 32: the file . is not possible: it has '.' or '..' as a name; set objectAlias"
)]
#[case::a_name_of_kees_init(
    "- {objectName: a, objectAlias: .kees, objectType: secretsmanager}",
    "line 1, column 32: the file .kees is not possible: kees-init uses the name itself; set objectAlias"
)]
#[case::a_temporary_file_of_kees_init(
    "- {objectName: a, objectAlias: .kees.new.7, objectType: secretsmanager}",
    "line 1, column 32: the file .kees.new.7 is not possible: kees-init uses the name itself; set objectAlias"
)]
#[case::a_long_expression(
    &format!("- {{objectName: a, objectType: secretsmanager, jmesPath: [{{path: {}, objectAlias: b}}]}}", "a.".repeat(3000)),
    &format!(
        "line 1, column 65: the path {}… is not a JMESPath expression: it has more than 4096 bytes",
        "a.".repeat(100)
    )
)]
#[case::a_version_in_the_name(
    "- {objectName: 'p:3', objectType: ssmparameter}",
    "line 1, column 16: the parameter p:3 has a ':' in its name; use objectVersion or \
     objectVersionLabel for the version"
)]
#[case::a_version_in_the_arn(
    "- {objectName: 'arn:aws:ssm:r:1:parameter/p:3', objectAlias: p}",
    "line 1, column 16: the parameter arn:aws:ssm:r:1:parameter/p:3 has a ':' in its name; use \
     objectVersion or objectVersionLabel for the version"
)]
#[case::an_expression(
    "- {objectName: a, objectType: secretsmanager, jmesPath: [{path: my-key, objectAlias: b}]}",
    "line 1, column 65: the path my-key is not a JMESPath expression: '-' must be \
     followed by numbers 1-9, at its column 3; put names with '-' in double quotes"
)]
#[case::a_long_name(
    &format!("- {{objectName: {}, objectType: secretsmanager}}", "a".repeat(256)),
    &format!(
        "line 1, column 16: the file {} is not possible: a name in it has more than 255 bytes; \
         set objectAlias",
        "a".repeat(256)
    )
)]
fn what_cannot_work_is_an_error(#[case] objects: &str, #[case] expected: &str) {
    let errors = errors(&[("objects", objects)]);
    let expected = format!("spec.parameters.objects: {expected}");
    assert_eq!(errors, [expected]);
}

#[rstest]
#[case::empty("/", "a name in it is empty")]
#[case::an_extract_elsewhere("a", "it has '.' or '..' as a name")]
#[case::a_folder("d", "line 2, column 16: d is a file and a folder, here and in line 1")]
fn a_path_without_translation_stays_in_the_volume(#[case] name: &str, #[case] expected: &str) {
    let objects = format!(
        "- {{objectName: {name}, objectType: secretsmanager}}\n\
         - {{objectName: d/e, objectType: ssmparameter, \
            jmesPath: [{{path: a, objectAlias: {}}}]}}",
        if name == "a" { "x/../../y" } else { "f" }
    );
    let errors = errors(&[("objects", &objects), ("pathTranslation", "False")]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains(expected), "{errors:?}");
}

#[test]
fn a_failover_object_of_another_service_is_an_error() {
    let objects = "- objectName: arn:aws:secretsmanager:eu-west-1:1:secret:s\n  objectAlias: s\n  \
                   failoverObject: {objectName: 'arn:aws:ssm:eu-west-2:1:parameter/s'}\n";
    let errors = errors(&[
        ("objects", objects),
        ("region", "eu-west-1"),
        ("failoverRegion", "eu-west-2"),
    ]);
    let expected = "spec.parameters.objects: line 3, column 32: the failoverObject is of \
                    ssmparameter, but the object is of secretsmanager; use one service";
    assert_eq!(errors, [expected]);
}

#[test]
fn one_parameter_may_have_two_aliases() {
    let objects = "- {objectName: p, objectType: ssmparameter, objectAlias: a}\n\
                   - {objectName: p, objectType: ssmparameter, objectAlias: b}\n";
    let mount = parse_objects(objects).unwrap();
    assert_eq!(mount.objects[0].selector, mount.objects[1].selector);
    let files: Vec<_> = mount.files().map(|file| file.path.as_str()).collect();
    assert_eq!(files, ["a", "b"]);
}

#[test]
fn a_failover_region_reads_what_the_failover_object_names() {
    let objects = "- objectName: s\n  objectType: secretsmanager\n  objectAlias: a\n  \
                   objectVersionLabel: one\n  \
                   failoverObject: {objectName: t, objectVersionLabel: two}\n\
                   - {objectName: u, objectType: secretsmanager}\n";
    let mount = parse_class(&class(&[
        ("objects", objects),
        ("failoverRegion", "eu-west-2"),
    ]));
    let mount = mount.unwrap();
    let failover = mount.objects[0].failover_selector();
    assert_eq!(failover.name, "t");
    assert_eq!(failover.label.as_deref(), Some("two"));
    assert_eq!(mount.objects[1].failover_selector().name, "u");
}

#[test]
fn a_request_is_the_same_after_json() {
    let objects = "- {objectName: a/b, objectType: ssmparameter, objectVersion: 3, \
                   filePermission: '0400', objectAlias: c, failoverObject: {objectName: d, \
                   objectVersion: 3}, jmesPath: [{path: a, objectAlias: e}]}";
    let parameters = [
        ("objects", objects),
        ("failoverRegion", "eu-west-2"),
        ("usePodIdentity", "t"),
        ("preferredAddressType", "ipv6"),
    ];
    let mount = parse_class(&class(&parameters)).unwrap();
    let json = serde_json::to_string(&mount).unwrap();
    let expected = r#"{"failoverRegion":"eu-west-2","identity":{"podIdentity":"ipv6"},"objects":[{"service":"ssmparameter","name":"a/b","version":"3","failover":{"name":"d","version":"3"},"file":{"path":"c","mode":"0400"},"extracts":[{"expression":"a","file":{"path":"e","mode":"0400"}}]}]}"#;
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_str::<Mount>(&json).unwrap(), mount);
    assert_eq!(mount.objects[0].service, Service::ParameterStore);
}

#[test]
fn a_class_of_another_provider_is_left_alone() {
    let spec: ClassSpec = serde_json::from_str(
        r#"{"provider": "azure", "parameters": {"keyvaultName": "k", "objects": "array: []"}}"#,
    )
    .unwrap();
    assert!(!spec.is_aws());
}

#[test]
fn attributes_of_the_volume_replace_parameters() {
    let objects = "- {objectName: s, objectType: secretsmanager}";
    let class = class(&[("objects", objects), ("region", "eu-west-1")]);
    let attribute = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    let known = Surroundings {
        region: Around::Known("eu-west-3"),
        role: Around::Missing,
    };
    let mount = |attributes: &BTreeMap<_, _>| parse(&class, attributes, &known);
    let identity = attribute("usePodIdentity", "1");
    assert!(matches!(
        mount(&identity).unwrap().identity,
        Identity::PodIdentity(_)
    ));
    let mut attributes = attribute("region", "");
    attributes.insert("usePodIdentity".to_owned(), "T".to_owned());
    assert_eq!(
        mount(&attributes).unwrap().region.as_deref(),
        Some("eu-west-3")
    );
    let errors = mount(&attribute("pathTranslation", "__")).unwrap_err();
    let messages: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        messages,
        [
            "spec.parameters.usePodIdentity: the service account has no IAM role; set its \
             annotation eks.amazonaws.com/role-arn, or usePodIdentity: \"true\"",
            "volumeAttributes.pathTranslation: __ is wrong; use False, or one ASCII character \
             that replaces '/'",
        ]
    );
}
