//! `kubectl apply -k`, as an operator uses it.

use std::fs;

use kees_tests::{Authority, Kubectl, Overlay};
use rstest::rstest;

use crate::{
    cert_manager::Controllers,
    rendered::{NAMESPACE, SERVICE},
    world::{World, annotated_pod_starts},
};

#[rstest]
fn an_overlay_that_is_applied_twice_changes_nothing(
    #[values(".", "cert-manager", "certificate-files")] folder: &str,
) -> anyhow::Result<()> {
    let world = World::alone()?;
    let authority = Authority::new()?;
    let overlay = Overlay::new("manifests", folder, world.kustomization())?;
    if folder == "certificate-files" {
        let secret = authority.issue(&[SERVICE])?.secret(&authority);
        fs::write(overlay.base().join("secret.yaml"), secret)?;
    }
    let kubectl = world.system();
    let first = kubectl.run(&["apply", "-k", &overlay.argument()])?;
    // The namespace comes before everything in it.
    assert!(
        first.starts_with(&format!("namespace/{NAMESPACE} created")),
        "{first}"
    );
    if folder == "cert-manager" {
        Controllers::new(&world)?.issue()?;
    }
    kubectl.rolled_out("deployment/kees-webhook")?;
    let bundle = world.ca_bundle()?;
    assert!(!bundle.is_empty());

    let budget = version(&kubectl)?;
    let second = kubectl.run(&["apply", "-k", &overlay.argument()])?;
    let lines: Vec<_> = second.lines().collect();
    assert_eq!(lines.len(), first.lines().count(), "{second}");
    // kubectl sends the selector of a PodDisruptionBudget each time, and the API server changes nothing.
    for line in lines {
        let sent = line == "poddisruptionbudget.policy/kees-webhook configured";
        assert!(sent || line.ends_with(" unchanged"), "{line}");
    }
    assert_eq!(version(&kubectl)?, budget);
    assert_eq!(
        world.ca_bundle()?,
        bundle,
        "the second apply changed caBundle"
    );

    let namespace = world.namespace("applied")?;
    annotated_pod_starts(&namespace, "pod")
}

/// The version of the `PodDisruptionBudget`'s specification.
fn version(kubectl: &Kubectl) -> anyhow::Result<String> {
    let path = "jsonpath={.metadata.uid} {.metadata.generation}";
    kubectl.run(&["get", "poddisruptionbudget", "kees-webhook", "-o", path])
}
