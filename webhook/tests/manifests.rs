//! The manifests and the Helm chart have every flag of the webhook, and the version of the program.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;

use clap::CommandFactory as _;
use kees_inject::Policy;
use kees_webhook::Args;
use rstest::rstest;
use serde_json::Value;

/// The flags that a value of the chart outside `settings` decides.
const ELSEWHERE: &[(&str, &str)] = &[
    ("annotation-domain", "annotationDomain"),
    ("ca-lifetime", "certificates"),
    ("certificate-lifetime", "certificates"),
    ("client-ca", "clientCa"),
    ("image-pull-policy", "initImage"),
    ("init-image", "initImage"),
    ("namespace", "certificates"),
    ("policy", "policy"),
    ("secret-provider-classes", "secretProviderClasses"),
    ("secret-sync", "controller"),
    ("service-name", "name"),
    ("tls-cert", "certificates"),
    ("tls-key", "certificates"),
    ("tls-secret", "name"),
    ("webhook-configuration", "name"),
];

#[test]
fn every_flag_is_a_value_of_the_chart() {
    let schema: Value = serde_json::from_str(&read("chart/values.schema.json")).unwrap();
    let values = read("chart/values.yaml");
    for flag in flags() {
        let elsewhere = ELSEWHERE.iter().find(|(name, _)| *name == flag);
        let (pointer, key) = match elsewhere {
            Some((_, key)) => (format!("/properties/{key}"), (*key).to_owned()),
            None => (
                format!("/properties/settings/properties/{}", camel_case(&flag)),
                camel_case(&flag),
            ),
        };
        assert!(
            schema.pointer(&pointer).is_some(),
            "--{flag} is not a value of the chart: add {key} to `settings` in \
             manifests/chart/values.schema.json and to values.yaml"
        );
        assert!(
            values.contains(&format!("{key}:")),
            "--{flag}: manifests/chart/values.yaml does not show {key}"
        );
    }
}

#[rstest]
#[case::of_the_policy("unknown: 1\nrules: []", "/properties/policy")]
#[case::of_a_rule(
    "rules:\n- namespaces: [a]\n  unknown: 1",
    "/properties/policy/properties/rules/items"
)]
fn every_key_of_the_policy_is_a_value_of_the_chart(#[case] policy: &str, #[case] pointer: &str) {
    let schema: Value = serde_json::from_str(&read("chart/values.schema.json")).unwrap();
    // The error lists the known keys.
    let error = policy.parse::<Policy>().unwrap_err().to_string();
    let (_, keys) = error.split_once("expected one of ").unwrap();
    let (keys, _) = keys.split_once(" at line").unwrap();
    let values = schema.pointer(&format!("{pointer}/properties")).unwrap();
    for key in keys.split(", ") {
        assert!(
            values.get(key).is_some(),
            "{key} is not in {pointer} of manifests/chart/values.schema.json"
        );
    }
}

#[test]
fn the_settings_of_the_manifests_are_flags() {
    let flags: Vec<_> = flags().iter().map(|flag| variable(flag)).collect();
    for line in read("base/kustomization.yaml").lines() {
        let Some((name, _)) = line
            .strip_prefix("  - ")
            .and_then(|text| text.split_once('='))
        else {
            continue;
        };
        assert!(
            flags.contains(&name.to_owned()),
            "{name} is not a flag of kees-webhook"
        );
    }
}

#[rstest]
#[case("chart/Chart.yaml", "version: ", 1)]
#[case("chart/Chart.yaml", "appVersion: ", 1)]
#[case("base/kustomization.yaml", "app.kubernetes.io/version: ", 1)]
#[case("base/kustomization.yaml", "newTag: ", 1)]
#[case("base/kustomization.yaml", "INIT_IMAGE=kees-init:", 1)]
#[case(
    "own-certificates/kustomization.yaml",
    "app.kubernetes.io/version: ",
    1
)]
#[case("cert-manager/kustomization.yaml", "app.kubernetes.io/version: ", 1)]
#[case(
    "secret-provider-class/component/rbac.yaml",
    "app.kubernetes.io/version: ",
    2
)]
#[case("webhook-sync/rbac.yaml", "app.kubernetes.io/version: ", 2)]
#[case(
    "secret-provider-class-crd/kustomization.yaml",
    "app.kubernetes.io/version: ",
    1
)]
#[case("examples/standalone.yaml", "image: kees-init:", 1)]
fn the_manifests_have_the_version_of_the_program(
    #[case] file: &str,
    #[case] before: &str,
    #[case] times: usize,
) {
    let text = read(file);
    let versions: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let line = line.trim_start().trim_start_matches("- ");
            line.strip_prefix(before)
        })
        .collect();
    assert_eq!(versions, vec![env!("CARGO_PKG_VERSION"); times], "{file}");
}

/// What the program may do in the cluster: the verbs of each rule, in order, once for all ways of installing.
#[rstest]
#[case::kustomize("own-certificates/rbac.yaml")]
#[case::chart("chart/templates/own-certificates.yaml")]
fn the_permissions_are_those_of_the_page(#[case] file: &str) {
    let page = read("../docs/webhook.md");
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| Role |") || line.starts_with("| ClusterRole |"));
    let of_page: Vec<_> = rows
        .map(|row| row.trim_end_matches(" |").rsplit(" | ").next().unwrap())
        .collect();
    let manifest = read(file);
    let verbs = manifest
        .lines()
        .filter_map(|line| line.trim().strip_prefix("verbs: ["));
    let of_manifest: Vec<_> = verbs
        .map(|verbs| verbs.split(']').next().unwrap())
        .collect();
    assert_eq!(of_manifest, of_page);
    assert_eq!(of_page.len(), 3);
}

/// The names of all flags that are also variables.
fn flags() -> Vec<String> {
    let command = Args::command();
    command
        .get_arguments()
        .filter(|flag| flag.get_env().is_some())
        .map(|flag| flag.get_long().unwrap().to_owned())
        .collect()
}

fn variable(flag: &str) -> String {
    flag.to_uppercase().replace('-', "_")
}

/// `initCpuLimit` for `init-cpu-limit`.
fn camel_case(flag: &str) -> String {
    let mut words = flag.split('-');
    let mut name = words.next().unwrap().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        name.push_str(&first.to_uppercase());
        name.push_str(rest);
    }
    name
}

fn read(file: &str) -> String {
    let path = format!("{}/../manifests/{file}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
