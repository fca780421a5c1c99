//! Every rendered object is one that the API server takes, with all of its fields.

use kees_tests::Authority;
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    objects::{merged, parsed},
    rendered::{SERVICE, cert_manager, certificate_files, many, overlay, template},
    world::World,
};

#[rstest]
fn the_api_server_accepts_every_object_of_every_overlay(
    #[values(
        ".",
        "own-certificates",
        "cert-manager",
        "certificate-files",
        "observability",
        "secret-provider-class",
        "secret-provider-class-crd"
    )]
    folder: &str,
) -> anyhow::Result<()> {
    let world = World::alone()?;
    accepted(&world, &overlay(folder, &Authority::new()?)?)
}

#[rstest]
#[case::own(json!({}))]
#[case::own_with_lifetimes(json!({"certificates": {"own": {"lifetime": 60, "caLifetime": 3600}}}))]
#[case::cert_manager(cert_manager())]
#[case::another_issuer(json!({"certificates": {"source": "cert-manager", "certManager": {
    "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "corporate"},
    "duration": "24h", "renewBefore": "8h",
}}}))]
#[case::files(json!(null))]
#[case::many(many())]
#[case::many_with_cert_manager(merged(many(), cert_manager()))]
#[case::the_network_of_the_node(json!({"hostNetwork": true, "settings": {"listen": "0.0.0.0:9443"}}))]
#[case::observability(json!({"observability": {
    "podMonitor": {"enabled": true, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": true},
    "dashboard": {"enabled": true},
}}))]
#[case::classes(json!({"secretProviderClasses": {"enabled": true, "crd": true}}))]
#[case::kiss(json!({"kiss": {
    "enabled": true,
    "settings": {"jwksUrl": "https://example.com/keys", "audience": ["kubernetes"]},
    "networkPolicy": {"enabled": true},
}}))]
#[case::another_name(json!({"name": "team-a", "annotationDomain": "team-a.example.org"}))]
fn the_api_server_accepts_every_object_of_the_chart(#[case] values: Value) -> anyhow::Result<()> {
    let world = World::alone()?;
    let values = if values.is_null() {
        certificate_files(&Authority::new()?, SERVICE)?
    } else {
        values
    };
    accepted(&world, &template(&values)?)
}

/// Sends all objects to the API server, which must report no unknown field, no warning and no error.
fn accepted(world: &World, rendered: &str) -> anyhow::Result<()> {
    let kubectl = world.system();
    // A dry run creates no namespace, and an object in it needs one.
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kubectl.namespace()},
    });
    kubectl.apply(&namespace.to_string())?;
    let objects = parsed(rendered)?;
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let output = kubectl.apply_with(
        &["--dry-run=server", "--validate=strict"],
        &list.to_string(),
    )?;
    anyhow::ensure!(!output.contains("Warning"), "{output}");
    assert_eq!(
        output.matches("(server dry run)").count(),
        objects.len(),
        "{output}"
    );
    Ok(())
}
