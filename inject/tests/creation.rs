//! What a creator may create for a pod.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use kees_inject::{
    Creation, CreatorPod, InjectSettings, NoCreation, SecretSync, creation, secret_sync,
};
use rstest::rstest;

const PASSWORD: (&str, &str) = (
    "secret.bsycorp.com/db-password",
    "kind=DYNAMIC,type=PASSWORD,size=256",
);
const LEASE: (&str, &str) = (
    "lease.bsycorp.com/node",
    "kind=INDEX,rangeStart=0,rangeEnd=9",
);
const PREFIX: &str = "init.bsycorp.com/storage-prefix";
const INJECTED: (&str, &str) = ("init.bsycorp.com/injected", "0.1.0");

const POLICY: &str = "
rules:
- {namespaces: [warned], storagePrefix: '/dev/{namespace}', mode: warn}
- {namespaces: [frozen], storagePrefix: '/dev/{namespace}', create: never}
- {namespaces: [team-*], storagePrefix: '/dev/{namespace}', create: creator}
";

fn decide(namespace: &str, annotations: &[(&str, &str)]) -> Creation {
    let settings = InjectSettings {
        policy: POLICY.parse().unwrap(),
        ..InjectSettings::new("")
    };
    let pod = CreatorPod {
        namespace,
        service_account: "default",
    };
    creation(pod, annotations, &settings)
}

fn paths(creation: Creation) -> Vec<String> {
    let Creation::Create { plan, .. } = creation else {
        panic!("{creation:?}");
    };
    let paths = plan.generations.iter();
    paths
        .map(|generation| generation.path.to_string())
        .collect()
}

fn denied(creation: Creation) -> Vec<String> {
    let Creation::Denied(errors) = creation else {
        panic!("{creation:?}");
    };
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn a_prefix_of_the_pod_is_used_within_that_of_the_rule() {
    let at = |prefix| decide("team-a", &[PASSWORD, (PREFIX, prefix)]);
    assert_eq!(
        paths(at("/dev/team-a/web")),
        ["/dev/team-a/web/db-password"]
    );
    for outside in ["/dev/team-ab", "/dev", "/"] {
        let errors = denied(at(outside));
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            errors[0].contains("is not at or below /dev/team-a"),
            "{errors:?}"
        );
    }
}

#[test]
fn an_injected_pod_without_a_prefix_has_that_of_the_rule() {
    let of_rule = decide("team-a", &[PASSWORD, INJECTED]);
    assert_eq!(paths(of_rule), ["/dev/team-a/db-password"]);
}

#[test]
fn a_rule_that_only_warns_is_enforced() {
    let outside = decide("warned", &[PASSWORD, (PREFIX, "/dev/team-a")]);
    assert!(denied(outside)[0].contains("is not at or below /dev/warned"));
}

#[test]
fn a_pod_that_no_rule_matches_is_denied() {
    let unknown = decide("unknown", &[PASSWORD, (PREFIX, "/dev/unknown")]);
    assert!(denied(unknown)[0].contains("the policy has no rule"));
}

#[test]
fn a_lease_is_given_below_the_prefix_of_the_rule() {
    for annotations in [&[PASSWORD, LEASE, INJECTED][..], &[LEASE, INJECTED]] {
        let Creation::Create { plan, .. } = decide("team-a", annotations) else {
            panic!("{annotations:?}");
        };
        assert_eq!(plan.leases.len(), 1);
        let path = plan.leases[0].range.number_path(7);
        assert_eq!(path.as_str(), "/dev/team-a/leases/node.7");
        assert_eq!(plan.generations.len(), annotations.len() - 2);
    }
    let outside = decide("team-a", &[LEASE, (PREFIX, "/dev/team-ab")]);
    assert!(denied(outside)[0].contains("is not at or below /dev/team-a"));
}

#[test]
fn an_invalid_entry_denies_the_whole_pod() {
    let invalid = ("secret.bsycorp.com/other", "kind=DYNAMIC,type=PASSWORD");
    let errors = denied(decide("team-a", &[PASSWORD, invalid, INJECTED]));
    assert!(
        errors[0].starts_with("secret.bsycorp.com/other: "),
        "{errors:?}"
    );
}

#[rstest]
#[case::no_prefix("team-a", &[PASSWORD], NoCreation::NoPrefix)]
#[case::local("team-a", &[PASSWORD, INJECTED, ("init.bsycorp.com/local-mode", "true")], NoCreation::LocalMode)]
#[case::remote_then_local(
    "team-a",
    &[PASSWORD, INJECTED, ("init.bsycorp.com/local-mode", "remote-then-local")],
    NoCreation::LocalMode
)]
#[case::never("frozen", &[PASSWORD, INJECTED], NoCreation::Never)]
#[case::never_a_lease("frozen", &[LEASE, INJECTED], NoCreation::Never)]
#[case::a_local_lease(
    "team-a",
    &[LEASE, INJECTED, ("init.bsycorp.com/local-mode", "remote-then-local")],
    NoCreation::LocalMode
)]
#[case::only_read(
    "team-a",
    &[("secret.bsycorp.com/api", "kind=REFERENCE,storageKey=api"), INJECTED],
    NoCreation::NotAsked
)]
#[case::only_resources("team-a", &[("resource.bsycorp.com/url", "storageKey=url"), INJECTED], NoCreation::NotAsked)]
fn nothing_is_created_for_these_pods(
    #[case] namespace: &str,
    #[case] annotations: &[(&str, &str)],
    #[case] reason: NoCreation,
) {
    let creation = decide(namespace, annotations);
    assert!(
        matches!(creation, Creation::Nothing(found) if found == reason),
        "{creation:?}"
    );
}

#[test]
fn a_local_mode_that_contains_false_is_none_as_in_the_original() {
    let off = ("init.bsycorp.com/local-mode", "false");
    assert_eq!(
        paths(decide("team-a", &[PASSWORD, INJECTED, off])),
        ["/dev/team-a/db-password"]
    );
}

fn decide_secret(namespace: &str, annotations: &[(&str, &str)]) -> SecretSync {
    let settings = InjectSettings {
        policy: POLICY.parse().unwrap(),
        ..InjectSettings::new("")
    };
    let pod = CreatorPod {
        namespace,
        service_account: "default",
    };
    secret_sync(pod, annotations, &settings)
}

const SYNC: (&str, &str) = ("init.bsycorp.com/sync", "web");

#[rstest]
#[case("team-a", "/dev/team-a/db-password")]
#[case::a_secret_that_nobody_creates_is_read("frozen", "/dev/frozen/db-password")]
fn a_secret_is_read_below_the_prefix_of_the_rule(#[case] namespace: &str, #[case] path: &str) {
    let SecretSync::Read { parsed, plan } = decide_secret(namespace, &[PASSWORD, SYNC]) else {
        panic!("{namespace}");
    };
    assert_eq!(plan.items[0].locator.path.as_str(), path);
    assert_eq!(parsed.options.sync.name.unwrap().as_str(), "web");
}

#[rstest]
#[case::no_rule("other", &[PASSWORD, SYNC], "policy: the policy has no rule")]
#[case::another_prefix("team-a", &[PASSWORD, SYNC, (PREFIX, "/dev/team-b")], "init.bsycorp.com/storage-prefix: /dev/team-b is not at or below")]
#[case::only_warned("warned", &[PASSWORD, SYNC, (PREFIX, "/dev/team-b")], "init.bsycorp.com/storage-prefix: /dev/team-b is not at or below")]
#[case::wrong_name("team-a", &[PASSWORD, ("init.bsycorp.com/sync", "Web")], "init.bsycorp.com/sync: sync=Web is wrong")]
#[case::template("team-a", &[PASSWORD, SYNC, ("init.bsycorp.com/sync-key.a", "{{ secret.b }}")], "init.bsycorp.com/sync-key.a: line 1, column 11: the pod has no secret b")]
fn what_the_policy_does_not_allow_is_not_read(
    #[case] namespace: &str,
    #[case] annotations: &[(&str, &str)],
    #[case] expected: &str,
) {
    let SecretSync::Denied(errors) = decide_secret(namespace, annotations) else {
        panic!("it is read");
    };
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].to_string().starts_with(expected), "{}", errors[0]);
}

#[test]
fn a_pod_without_the_option_asks_for_no_secret() {
    let annotations = [PASSWORD, ("init.bsycorp.com/sync-type", "Opaque")];
    assert!(matches!(
        decide_secret("team-a", &annotations),
        SecretSync::Nothing
    ));
}
