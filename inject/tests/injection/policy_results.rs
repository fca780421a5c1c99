//! What the policy decides about a pod: which rule applies, its mode, and its limits.

use kees_inject::{Decision, PolicyOutcome, SkipReason};
use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{
    decision, errors, init_container, injected, operations, pod, settings, variable, warnings,
    with_policy,
};

/// The rule and its outcome.
fn result(pod: &Value, policy: &str) -> Option<(Option<String>, PolicyOutcome)> {
    let decision = decision(pod, &with_policy(policy));
    let result = decision.policy()?;
    let rule = result.rule.as_ref().map(ToString::to_string);
    Some((rule, result.outcome))
}

/// A pod with one more annotation.
fn with_entry(mut pod: Value, key: &str, value: &str) -> Value {
    pod["metadata"]["annotations"][key] = value.into();
    pod
}

#[rstest]
#[case::its_name(
    "rules: [{namespaces: [x]}, {name: ours, namespaces: [team-a], storagePrefix: /}]",
    Some("ours"),
    PolicyOutcome::Allowed
)]
#[case::its_number(
    "rules: [{namespaces: [x]}, {namespaces: [team-a], storagePrefix: /}]",
    Some("2"),
    PolicyOutcome::Allowed
)]
#[case::denied("rules: [{namespaces: [team-a]}]", Some("1"), PolicyOutcome::Denied)]
#[case::warned(
    "rules: [{namespaces: [team-a], mode: warn}]",
    Some("1"),
    PolicyOutcome::Warned
)]
#[case::no_rule("rules: [{namespaces: [x]}]", None, PolicyOutcome::Denied)]
#[case::no_rule_in_mode_warn(
    "{mode: warn, rules: [{namespaces: [x]}]}",
    None,
    PolicyOutcome::Warned
)]
fn the_result_names_the_rule(
    #[case] policy: &str,
    #[case] rule: Option<&str>,
    #[case] outcome: PolicyOutcome,
) {
    let expected = (rule.map(str::to_owned), outcome);
    assert_eq!(result(&pod([]), policy), Some(expected));
}

#[test]
fn without_a_policy_file_there_is_no_result() {
    assert_eq!(decision(&pod([]), &settings()).policy(), None);
    assert_eq!(settings().policy.rule_names().count(), 0);
}

#[test]
fn an_error_of_an_annotation_is_not_a_denial_by_the_policy() {
    let policy = "rules: [{namespaces: ['*'], storagePrefix: /}]";
    let pod = pod([("mount-path", "relative")]);
    assert!(matches!(
        decision(&pod, &with_policy(policy)),
        Decision::Deny { .. }
    ));
    assert_eq!(
        result(&pod, policy),
        Some((Some("1".to_owned()), PolicyOutcome::Allowed))
    );
}

#[test]
fn the_names_of_all_rules_are_known() {
    let settings = with_policy("rules: [{namespaces: [a]}, {name: b, namespaces: [b]}]");
    let names: Vec<_> = settings.policy.rule_names().collect();
    assert_eq!(names, ["1", "b"]);
}

#[test]
fn in_mode_warn_the_pod_gets_what_it_asks_for_with_a_warning_for_each_denial() {
    let mut settings = with_policy(
        "rules: [{namespaces: ['*'], storagePrefix: '/{namespace}', stores: [secretsmanager], mode: warn}]",
    );
    settings.stores = vec![kees_common::StoreName::SecretsManager];
    let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shared-AbCdEf";
    let pod = pod([
        ("storage-prefix", "/other"),
        ("local-mode", "remote-then-local"),
    ]);
    let pod = with_entry(
        pod,
        "secret.bsycorp.com/in-table",
        "kind=DYNAMIC,type=UUID,store=dynamodb",
    );
    let pod = with_entry(
        pod,
        "resource.bsycorp.com/shared",
        &format!("storageKey={arn}"),
    );
    insta::assert_snapshot!(warnings(&pod, &settings).join("\n"), @r"
    init.bsycorp.com/storage-prefix: the policy would deny this: /other is not at or below /team-a, which the policy allows for this pod; use /team-a or a prefix below it
    init.bsycorp.com/local-mode: the policy would deny this: local mode is not allowed here; remove the annotation, or ask the operator to allow it
    resource.bsycorp.com/shared: the policy would deny this: arn:aws:secretsmanager:eu-west-1:111122223333:secret:shared-AbCdEf is not among the references that the policy allows; ask the operator to add it
    secret.bsycorp.com/in-table: the policy would deny this: store dynamodb is not allowed here; allowed: secretsmanager
    ");
    let injected = injected(&pod, &settings);
    for (name, value) in [
        ("STORAGE_PREFIX", "/other"),
        ("STORE", "secretsmanager"),
        ("STORES", "secretsmanager,dynamodb"),
        ("LOCAL_MODE", "allow"),
        ("REFERENCES", arn),
    ] {
        assert_eq!(variable(&injected, name), Some(value), "{name}");
    }
    assert_eq!(operations(&injected, &settings), json!([]));
}

#[test]
fn in_mode_warn_other_errors_still_deny_the_pod() {
    let settings = with_policy("rules: [{namespaces: ['*'], storagePrefix: /a, mode: warn}]");
    let pod = pod([("storage-prefix", "/b"), ("mount-path", "relative")]);
    assert_eq!(errors(&pod, &settings).len(), 1);
    assert_eq!(warnings(&pod, &settings).len(), 1);
    // A store that the flags do not allow cannot work, whatever the policy says.
    let pod = with_entry(self::pod([]), "init.bsycorp.com/store", "secretsmanager");
    assert_eq!(errors(&pod, &settings).len(), 1);
    assert_eq!(warnings(&pod, &settings), Vec::<String>::new());
}

#[test]
fn a_rule_is_strict_or_not_whatever_the_file_says() {
    let pod = with_entry(pod([]), "secret.bsycorp.com/x", "kind=REFERENCE,foo=bar");
    for (policy, is_denied) in [
        (
            "{strict: true, rules: [{namespaces: ['*'], storagePrefix: /}]}",
            true,
        ),
        (
            "{strict: true, rules: [{namespaces: ['*'], storagePrefix: /, strict: false}]}",
            false,
        ),
        (
            "{rules: [{namespaces: ['*'], storagePrefix: /, strict: true}]}",
            true,
        ),
        ("{rules: [{namespaces: ['*'], storagePrefix: /}]}", false),
        // In mode warn, warnings stay warnings.
        (
            "{strict: true, mode: warn, rules: [{namespaces: ['*'], storagePrefix: /}]}",
            false,
        ),
    ] {
        let decision = decision(&pod, &with_policy(policy));
        assert_eq!(
            matches!(decision, Decision::Deny { .. }),
            is_denied,
            "{policy}"
        );
        let outcome = if is_denied {
            PolicyOutcome::Denied
        } else {
            PolicyOutcome::Allowed
        };
        assert_eq!(decision.policy().unwrap().outcome, outcome, "{policy}");
    }
}

#[test]
fn a_pod_opts_out_only_where_the_policy_allows_it() {
    let opted_out = pod([("inject", "false")]);
    let denied = with_policy("rules: [{namespaces: ['*'], storagePrefix: /, optOut: false}]");
    assert_eq!(
        errors(&opted_out, &denied),
        [
            "init.bsycorp.com/inject: the policy does not allow a pod to opt out; remove this annotation, \
             or those that ask for values"
        ]
    );
    let warned = with_policy("rules: [{namespaces: ['*'], optOut: false, mode: warn}]");
    assert!(matches!(
        decision(&opted_out, &warned),
        Decision::Skip { reason: SkipReason::OptedOut, warnings, .. } if warnings.len() == 1
    ));
    let allowed = with_policy("rules: [{namespaces: ['*'], storagePrefix: /}]");
    assert!(matches!(
        decision(&opted_out, &allowed),
        Decision::Skip { reason: SkipReason::OptedOut, warnings, policy: None } if warnings.is_empty()
    ));
}

/// A pod with `count` entries, by key and value.
fn with_entries(count: usize, entry: fn(usize) -> (String, &'static str)) -> Value {
    let mut pod = pod([]);
    pod["metadata"]["annotations"] = (0..count)
        .map(entry)
        .map(|(key, value)| (key, Value::from(value)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    pod
}

fn password(index: usize) -> (String, &'static str) {
    let value = "kind=DYNAMIC,type=PASSWORD,size=64";
    (format!("secret.bsycorp.com/p{index}"), value)
}

/// Two entries of each key, one for each field.
fn rsa_field(index: usize) -> (String, &'static str) {
    let field = ["public", "private"][index % 2];
    let key = format!("secret.bsycorp.com/k{}_{field}", index / 2);
    (key, "kind=DYNAMIC,type=RSA,size=2048")
}

fn ec_key(index: usize) -> (String, &'static str) {
    let key = format!("secret.bsycorp.com/k{index}_private");
    (key, "kind=DYNAMIC,type=ED25519")
}

#[rstest]
#[case::entries(256, password, None)]
#[case::too_many_entries(257, password, Some("257 values, and the policy allows 256"))]
#[case::keys(128, rsa_field, None)]
#[case::too_many_keys(129, rsa_field, Some("65 RSA and GPG keys, and the policy allows 64"))]
#[case::cheap_keys(256, ec_key, None)]
fn a_pod_has_a_limited_number_of_entries_and_of_keys(
    #[case] count: usize,
    #[case] entry: fn(usize) -> (String, &'static str),
    #[case] expected: Option<&str>,
) {
    let pod = with_entries(count, entry);
    let with_file = with_policy("rules: [{namespaces: ['*'], storagePrefix: /}]");
    for settings in [settings(), with_file] {
        match expected {
            None => {
                injected(&pod, &settings);
            }
            Some(part) => {
                let [error] = &errors(&pod, &settings)[..] else {
                    panic!("one error")
                };
                assert!(error.contains(part), "{error}");
            }
        }
    }
}

#[test]
fn a_rule_sets_its_own_limits() {
    let settings = with_policy(
        "rules: [{namespaces: ['*'], storagePrefix: /, maxEntries: 3, maxKeys: 1, localMode: true}]",
    );
    injected(&with_entries(2, rsa_field), &settings);
    assert_eq!(errors(&with_entries(4, rsa_field), &settings).len(), 2);
    // In local mode the init container derives the key of a REFERENCE.
    let reference = "kind=REFERENCE,type=RSA";
    let two = |mode| {
        let pod = pod([("local-mode", mode)]);
        let pod = with_entry(pod, "secret.bsycorp.com/a_public", reference);
        with_entry(pod, "secret.bsycorp.com/b_public", reference)
    };
    injected(&two("false"), &settings);
    assert_eq!(errors(&two("true"), &settings).len(), 1);
}

#[test]
fn an_invalid_entry_counts_too() {
    let settings = with_policy("rules: [{namespaces: ['*'], storagePrefix: /, maxEntries: 1}]");
    let pod = with_entry(pod([]), "secret.bsycorp.com/b", "kind=WRONG");
    assert_eq!(errors(&pod, &settings).len(), 2);
}

#[rstest]
#[case("inject", "False")]
#[case("inject", "true ")]
#[case("inject", "")]
#[case("inject", "no")]
#[case("local-mode", "True")]
#[case("local-mode", "yes")]
#[case("local-mode", "")]
fn an_unknown_word_of_a_switch_is_denied(#[case] option: &str, #[case] value: &str) {
    let errors = errors(&pod([(option, value)]), &settings());
    let expected = format!("init.bsycorp.com/{option}: {option}={value} is wrong; use \"true\"");
    assert!(
        matches!(&errors[..], [error] if error.starts_with(&expected)),
        "{errors:?}"
    );
}

#[rstest]
#[case("inject", "true")]
#[case("local-mode", "false")]
fn a_known_word_of_a_switch_is_allowed(#[case] option: &str, #[case] value: &str) {
    injected(&pod([(option, value)]), &settings());
}

#[test]
fn the_arns_that_the_pod_may_use_are_handed_to_the_init_container() {
    let mut settings = with_policy(
        "rules: [{namespaces: ['*'], storagePrefix: /, references: ['arn:aws:secretsmanager:*:111122223333:secret:shared/*']}]",
    );
    settings.store = kees_common::StoreName::SecretsManager;
    let arn = |name: &str| {
        format!("storageKey=arn:aws:secretsmanager:eu-west-1:111122223333:secret:{name}")
    };
    let pod = with_entry(pod([]), "resource.bsycorp.com/b", &arn("shared/b-AbCdEf"));
    let pod = with_entry(pod, "resource.bsycorp.com/a", &arn("shared/a-AbCdEf"));
    let allowed = injected(&pod, &settings);
    let expected = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shared/a-AbCdEf,\
                    arn:aws:secretsmanager:eu-west-1:111122223333:secret:shared/b-AbCdEf";
    assert_eq!(variable(&allowed, "REFERENCES"), Some(expected));
    assert_eq!(operations(&allowed, &settings), json!([]));
    assert_eq!(
        errors(
            &with_entry(pod, "resource.bsycorp.com/c", &arn("c-AbCdEf")),
            &settings
        ),
        [
            "resource.bsycorp.com/c: arn:aws:secretsmanager:eu-west-1:111122223333:secret:c-AbCdEf is not among \
             the references that the policy allows; ask the operator to add it"
        ]
    );
    assert!(
        init_container(&injected(&self::pod([]), &settings))
            .to_string()
            .contains(r#"{"name":"REFERENCES","value":"none"}"#)
    );
}
