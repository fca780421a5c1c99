//! `kubectl apply -k`, as an operator uses it.

use std::fs;

use kees_tests::{Authority, Overlay};
use rstest::rstest;

use crate::{
    cert_manager::Controllers,
    rendered::{NAMESPACE, SERVICE},
    world::{World, annotated_pod_starts},
};

#[rstest]
fn an_overlay_that_is_applied_twice_reports_every_object_as_unchanged(
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

    let second = kubectl.run(&["apply", "-k", &overlay.argument()])?;
    let lines: Vec<_> = second.lines().collect();
    assert_eq!(lines.len(), first.lines().count(), "{second}");
    for line in lines {
        assert!(line.ends_with(" unchanged"), "{line}");
    }
    assert_eq!(
        world.ca_bundle()?,
        bundle,
        "the second apply changed caBundle"
    );

    let namespace = world.namespace("applied")?;
    annotated_pod_starts(&namespace, "pod")
}
