//! The policy file.

use kees_inject::{Decision, ParsePolicyError, Policy, SkipReason};
use rstest::rstest;
use serde_json::Value;

use crate::pods::{decision, errors, injected, pod, variable, with_policy};

#[rstest]
#[case::not_yaml(
    "rules: [",
    "the policy cannot be read: unclosed bracket '[' at line 1, column 8"
)]
#[case::nothing(
    "",
    "the policy cannot be read: unexpected end of input at line 1, column 1"
)]
#[case::no_rules(
    "rules: []",
    "the policy has no rules and would deny every pod; add one under rules:"
)]
#[case::an_unknown_key(
    "rules:\n- namespaces: [a]\n  prefix: /dev",
    "the policy cannot be read: unknown field `prefix`, expected one of name, namespaces, serviceAccounts, storagePrefix, stores, localMode, create, references, classObjects, resources, instanceMetadata, maxEntries, maxKeys, optOut, mode, strict at line 3, column 3"
)]
#[case::a_misspelled_key(
    "rules:\n- namespaces: [a]\n  maxentries: 1",
    "the policy cannot be read: the key 'maxentries' is unknown; did you mean maxEntries at line 3, column 3"
)]
#[case::a_misspelled_key_of_the_file(
    "stict: true\nrules: []",
    "the policy cannot be read: the key 'stict' is unknown; did you mean strict at line 1, column 1"
)]
#[case::no_limit(
    "rules:\n- namespaces: [a]\n  maxEntries: 0",
    "the policy cannot be read: 0 allows nothing; use a number from 1 at line 3, column 15"
)]
#[case::an_unknown_mode(
    "rules:\n- namespaces: [a]\n  mode: audit",
    "the policy cannot be read: unknown variant `audit`, expected one of enforce, warn at line 3, column 9"
)]
#[case::a_number_as_a_name(
    "rules:\n- namespaces: [a]\n  name: '2'",
    "the policy cannot be read: a name begins with a letter and has at most 63 letters, digits, '-', '_' and '.' at line 3, column 9"
)]
#[case::a_name_twice(
    "rules:\n- {name: x, namespaces: [a]}\n- {name: x, namespaces: [b]}",
    "the policy has two rules with the name x; rename one of them"
)]
#[case::no_namespaces(
    "rules:\n- storagePrefix: /dev",
    "the policy cannot be read: missing field `namespaces` at line 2, column 3"
)]
#[case::empty_namespaces(
    "rules:\n- namespaces: []",
    "the policy cannot be read: an empty list matches nothing; name at least one, or '*' at line 2, column 15"
)]
#[case::a_broken_glob(
    "rules:\n- namespaces: ['a[']",
    "the policy cannot be read: error parsing glob 'a[': unclosed character class; missing ']' at line 2, column 16"
)]
#[case::a_broken_template(
    "rules:\n- namespaces: [a]\n  storagePrefix: /{pod}",
    "the policy cannot be read: {pod} is unknown; use {cluster}, {namespace} or {serviceAccount} at line 3, column 18"
)]
#[case::a_prefix_without_a_slash(
    "rules:\n- namespaces: [a]\n  storagePrefix: dev/{namespace}",
    "the policy cannot be read: 'dev/{namespace}' does not begin with '/', so it is another prefix than '/dev/{namespace}'; write '/dev/{namespace}' at line 3, column 18"
)]
#[case::an_empty_prefix(
    "rules:\n- namespaces: [a]\n  storagePrefix: ''",
    "the policy cannot be read: '' does not begin with '/', so it is another prefix than '/'; write '/' at line 3, column 18"
)]
#[case::an_unknown_store(
    "rules:\n- namespaces: [a]\n  stores: [vault]",
    "the policy cannot be read: 'vault' is not a store; use dynamodb, secretsmanager, ssm or embedded at line 3, column 11"
)]
#[case::no_stores(
    "rules:\n- namespaces: [a]\n  stores: []",
    "the policy cannot be read: an empty list allows no store; name at least one at line 3, column 11"
)]
#[case::a_broken_quantity(
    "rules:\n- namespaces: [a]\n  resources: {limits: {memory: lots}}",
    "the policy cannot be read: 'lots' is not a quantity; use a number with a unit, such as 10m, 64Mi or 1.5 at line 3, column 32"
)]
#[case::an_unknown_amount(
    "rules:\n- namespaces: [a]\n  resources: {limits: {gpu: 1}}",
    "the policy cannot be read: unknown field `gpu`, expected one of cpu, memory at line 3, column 24"
)]
#[case::an_unknown_creator(
    "rules:\n- namespaces: [a]\n  create: maybe",
    "the policy cannot be read: unknown variant `maybe`, expected one of init, creator, never at line 3, column 11"
)]
#[case::a_word_for_a_truth(
    "rules:\n- namespaces: [a]\n  localMode: maybe",
    "the policy cannot be read: invalid boolean at line 3, column 14"
)]
#[case::a_word_for_strict(
    "strict: maybe\nrules: []",
    "the policy cannot be read: invalid boolean at line 1, column 9"
)]
#[case::a_key_twice(
    "rules:\n- namespaces: [a]\n  namespaces: [b]",
    "the policy cannot be read: duplicate mapping key: namespaces, set DuplicateKeyPolicy in Options if acceptable at line 3, column 3"
)]
fn an_invalid_policy_file_is_an_error_with_the_line(#[case] yaml: &str, #[case] message: &str) {
    let error: ParsePolicyError = yaml.parse::<Policy>().unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn the_first_rule_that_matches_applies() {
    let settings = with_policy(
        "rules:
        - {namespaces: [team-b], storagePrefix: /b}
        - {namespaces: ['team-*'], serviceAccounts: [other], storagePrefix: /other}
        - {namespaces: ['team-?'], storagePrefix: /first}
        - {namespaces: ['*'], storagePrefix: /second}",
    );
    assert_eq!(
        variable(&injected(&pod([]), &settings), "STORAGE_PREFIX"),
        Some("/first")
    );
}

#[test]
fn a_pod_without_a_rule_is_denied() {
    let settings = with_policy("rules: [{namespaces: [team-b], storagePrefix: /b}]");
    assert_eq!(
        errors(&pod([]), &settings),
        [
            "policy: the policy has no rule for ServiceAccount default in namespace team-a; ask the \
          operator for one"
        ]
    );
}

#[test]
fn the_policies_of_the_documents_and_manifests_are_valid() {
    let page = include_str!("../../../docs/injection.md");
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    example.parse::<Policy>().unwrap();
    include_str!("../../../manifests/base/policy.yaml")
        .parse::<Policy>()
        .unwrap();
}

/// The pod or the pod template of a manifest.
fn pod_of(mut manifest: Value) -> Value {
    let mut spec = manifest["spec"].take();
    for field in ["jobTemplate", "template"] {
        match spec.get_mut(field).map(Value::take) {
            Some(template) if field == "template" => return template,
            Some(mut template) => spec = template["spec"].take(),
            None => {}
        }
    }
    manifest["spec"] = spec;
    manifest
}

#[test]
fn the_examples_are_allowed_by_the_policy_of_the_manifests() {
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests");
    let read = |name: &str| std::fs::read_to_string(format!("{manifests}/{name}")).unwrap();
    let mut settings = with_policy(&read("base/policy.yaml"));
    settings.cluster = Some("dev".to_owned());
    let base: Value = serde_saphyr::from_str(&read("examples/kustomization.yaml")).unwrap();
    let mut names = Vec::new();
    for name in base["resources"].as_array().unwrap() {
        let name = name.as_str().unwrap();
        let manifest = serde_saphyr::from_str(&read(&format!("examples/{name}"))).unwrap();
        let decision = decision(&pod_of(manifest), &settings);
        match name {
            "standalone.yaml" => assert!(
                matches!(
                    decision,
                    Decision::Skip {
                        reason: SkipReason::OptedOut,
                        ..
                    }
                ),
                "{decision:?}"
            ),
            _ => assert!(
                matches!(decision, Decision::Patch { .. }),
                "{name}: {decision:?}"
            ),
        }
        names.push(name.to_owned());
    }
    assert_eq!(names.len(), 5, "{names:?}");
}
