//! Warnings, and the strict mode of the policy that makes them errors.

use kees_inject::{Decision, SkipReason};
use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{decision, errors, injected, pod, settings, warnings, with_policy};

const MISSPELLED: &str = "secrets.bsycorp.com/x: ignored; did you mean secret.bsycorp.com/x";

const LENIENT: &str = "rules: [{namespaces: ['*'], storagePrefix: /}]";
const STRICT: &str = "{strict: true, rules: [{namespaces: ['*'], storagePrefix: /}]}";

fn with_misspelled_prefix() -> Value {
    let mut pod = pod([]);
    pod["metadata"]["annotations"]["secrets.bsycorp.com/x"] =
        "kind=DYNAMIC,type=PASSWORD,size=256".into();
    pod
}

#[test]
fn a_misspelled_prefix_beside_right_ones_gives_a_warning() {
    let pod = with_misspelled_prefix();
    injected(&pod, &settings());
    assert_eq!(warnings(&pod, &settings()), [MISSPELLED]);
}

#[test]
fn a_misspelled_prefix_alone_gives_a_warning() {
    let mut pod = with_misspelled_prefix();
    pod["metadata"]["annotations"] = json!({"secrets.bsycorp.com/x": "", "example.com/y": ""});
    let Decision::Skip {
        reason, warnings, ..
    } = decision(&pod, &settings())
    else {
        panic!("the pod has no annotation of kees")
    };
    assert_eq!(reason, SkipReason::NotAnnotated);
    assert_eq!(warnings, [MISSPELLED]);
}

fn with_unknown_key() -> Value {
    let mut pod = pod([]);
    pod["metadata"]["annotations"]["secret.bsycorp.com/db-password"] =
        "kind=DYNAMIC,type=PASSWORD,size=256,hue=red".into();
    pod
}

fn with_narrow_mode() -> Value {
    let mut pod = pod([("file-mode", "0400")]);
    pod["spec"]["securityContext"] = json!({"fsGroup": 5});
    pod
}

fn with_read_only_parent() -> Value {
    let mut pod = pod([("mount-path", "/data/kees")]);
    pod["spec"]["volumes"] = json!([{"name": "w", "emptyDir": {}}]);
    let mount = json!({"name": "w", "mountPath": "/data", "readOnly": true});
    pod["spec"]["containers"][0]["volumeMounts"] = json!([mount]);
    pod
}

fn on_windows() -> Value {
    let mut pod = pod([]);
    pod["spec"]["os"] = json!({"name": "windows"});
    pod
}

fn misspelled_alone() -> Value {
    let mut pod = pod([]);
    pod["metadata"]["annotations"] = json!({"secrets.bsycorp.com/x": ""});
    pod
}

fn wired_by_hand() -> Value {
    let mut pod = with_unknown_key();
    pod["spec"]["initContainers"] = json!([{"name": "x", "image": "kees-init:1"}]);
    pod
}

#[rstest]
#[case::an_unknown_key(with_unknown_key())]
#[case::a_misspelled_prefix(with_misspelled_prefix())]
#[case::a_misspelled_prefix_alone(misspelled_alone())]
#[case::a_narrow_mode(with_narrow_mode())]
#[case::a_read_only_parent(with_read_only_parent())]
#[case::windows(on_windows())]
#[case::wired_by_hand(wired_by_hand())]
fn a_strict_policy_makes_each_warning_an_error(#[case] pod: Value) {
    let warnings = warnings(&pod, &with_policy(LENIENT));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let expected = format!("{}; in strict mode, this warning is an error", warnings[0]);
    assert_eq!(errors(&pod, &with_policy(STRICT)), [expected]);
}

#[test]
fn a_strict_policy_lists_warnings_after_the_errors() {
    let mut pod = with_unknown_key();
    pod["metadata"]["annotations"]["init.bsycorp.com/containers"] = "web".into();
    let errors = errors(&pod, &with_policy(STRICT));
    assert!(
        errors[0].starts_with("init.bsycorp.com/containers: "),
        "{errors:?}"
    );
    assert!(
        errors[1].starts_with("secret.bsycorp.com/db-password: the key 'hue'"),
        "{errors:?}"
    );
}

#[rstest]
#[case(pod([]))]
#[case(pod([("order", "last")]))]
fn a_strict_policy_changes_nothing_without_warnings(#[case] pod: Value) {
    let strict = injected(&pod, &with_policy(STRICT));
    assert_eq!(strict, injected(&pod, &with_policy(LENIENT)));
}
