//! Checks the fixture of `common`'s tests against the downward-API file of a real kubelet.

use std::{collections::BTreeMap, fs};

use anyhow::ensure;
use kees_common::downward;
use serde_json::json;

use crate::{
    pods::{container, pod},
    world::World,
};

const FIXTURES: &str = "../common/tests/fixtures";

/// `KEES_BLESS=1` writes the fixture again.
#[test]
fn the_kubelet_writes_annotations_as_the_fixture_says() -> anyhow::Result<()> {
    let fixtures = kees_tests::here(FIXTURES);
    let annotations: BTreeMap<String, String> =
        serde_json::from_slice(&fs::read(fixtures.join("kubelet.json"))?)?;
    let world = World::shared()?;
    let namespace = world.namespace("downward")?;
    let mut reader = pod("reader", &[]);
    reader["metadata"]["annotations"] = json!(annotations);
    let mut app = container("app");
    app["volumeMounts"] = json!([{"name": "podinfo", "mountPath": "/podinfo"}]);
    reader["spec"]["containers"] = json!([app]);
    reader["spec"]["volumes"] = json!([{"name": "podinfo", "downwardAPI": {"items": [
        {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}},
    ]}}]);
    namespace.apply(&reader.to_string())?;
    namespace.wait_for("pod/reader", "condition=Ready")?;
    let file = namespace.exec("reader", "app", &["cat", "/podinfo/annotations"])?;

    // The kubelet adds annotations that say where the pod comes from. The API server does not have them.
    let expected = namespace.get(&["pod", "reader"])?["metadata"]["annotations"].take();
    let expected: BTreeMap<String, String> = serde_json::from_value(expected)?;
    ensure!(
        expected.len() > annotations.len(),
        "the annotation of kubectl is missing"
    );
    let parsed = downward::parse(file.as_bytes());
    ensure!(parsed.errors.is_empty(), "{:?}", parsed.errors);
    let mut read: BTreeMap<_, _> = parsed.annotations.into_iter().collect();
    read.retain(|key, _| !key.starts_with("kubernetes.io/config."));
    ensure!(
        read == expected,
        "the file does not have the pod's annotations: {file}"
    );

    let of_fixture = |line: &&str| line.starts_with("example.com/");
    let written: Vec<_> = file.lines().filter(of_fixture).collect();
    let (path, written) = (fixtures.join("kubelet.txt"), written.join("\n"));
    if std::env::var_os("KEES_BLESS").is_some() {
        fs::write(&path, &written)?;
    }
    assert_eq!(fs::read_to_string(&path)?, written);
    Ok(())
}
