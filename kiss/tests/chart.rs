//! The chart and the manifests have the flags of the server.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{collections::BTreeSet, fs, path::Path};

use clap::CommandFactory as _;
use kees_kiss::server::args::Args;
use serde_json::Value;

/// The flags that `kiss.tlsSecret` decides.
const OF_TLS: [&str; 3] = ["tls-cert", "tls-key", "insecure-plain-tcp"];

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../manifests")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn flags() -> Vec<String> {
    let command = Args::command();
    let flags = command.get_arguments();
    let flags = flags.filter_map(|flag| Some(flag.get_long()?.to_owned()));
    flags.collect()
}

fn camel_case(flag: &str) -> String {
    let mut words = flag.split('-');
    let first = words.next().unwrap().to_owned();
    words.fold(first, |key, word| {
        let (letter, rest) = word.split_at(1);
        key + &letter.to_uppercase() + rest
    })
}

#[test]
fn the_settings_of_the_chart_are_the_flags() {
    let schema: Value = serde_json::from_str(&read("chart/values.schema.json")).unwrap();
    let settings = &schema["properties"]["kiss"]["properties"]["settings"];
    assert_eq!(settings["additionalProperties"], false);
    let keys = settings["properties"].as_object().unwrap().keys();
    let keys: BTreeSet<_> = keys.cloned().collect();
    let flags = flags().into_iter();
    let flags = flags.filter(|flag| !OF_TLS.contains(&flag.as_str()));
    let flags: BTreeSet<_> = flags.map(|flag| camel_case(&flag)).collect();
    assert_eq!(keys, flags);
    let values = read("chart/values.yaml");
    let (_, values) = values.split_once("\nkiss:\n").unwrap();
    let (values, _) = values.split_once("\n  replicas:").unwrap();
    for key in keys {
        assert!(
            values.contains(&format!(" {key}: ")),
            "values.yaml does not show {key}"
        );
    }
}

#[test]
fn the_settings_of_the_manifests_are_flags() {
    let variables: Vec<_> = flags()
        .iter()
        .map(|flag| flag.to_uppercase().replace('-', "_"))
        .collect();
    let manifest = read("kiss/kustomization.yaml");
    let settings = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("  - ")?.split_once('='));
    let names: Vec<_> = settings.map(|(name, _)| name.to_owned()).collect();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        assert!(
            variables.contains(&name),
            "{name} is no flag of kiss-server"
        );
    }
}
