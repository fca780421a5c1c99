//! Runs the examples of `manifests/examples`.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::Overlay;
use serde_json::json;

use crate::{
    install::INIT_IMAGE,
    pods::{pods_of, properties},
    world::{ENV_LABEL, World},
};

/// A namespace in which the policy allows as much as `manifests/base/policy.yaml`.
const NAMESPACE: &str = "examples";

#[test]
fn every_example_runs() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace(NAMESPACE)?;
    let token = BASE64_STANDARD.encode("token");
    world.dynamodb.put(
        ENV_LABEL,
        &format!("/test/{NAMESPACE}/partner/api-token"),
        &token,
    )?;
    namespace.run(&["apply", "-k", &overlay()?.argument()])?;

    namespace.rolled_out("deployment/web")?;
    let web = pods_of(&namespace, "web")?;
    let listed = namespace.exec(&web[0], "web", &["ls", "-l", "/bsycorp-init"])?;
    assert!(listed.contains("secrets.properties"), "{listed}");

    namespace.rolled_out("statefulset/store")?;
    let mode = namespace.exec(
        "store-0",
        "store",
        &["stat", "-c", "%g %a", "/run/store/secrets.properties"],
    )?;
    assert_eq!(mode.trim(), "2000 440");

    namespace.wait_for("job/report", "condition=Complete")?;
    let report = namespace.run(&["logs", "job/report", "-c", "report"])?;
    assert!(report.contains("5 /bsycorp-init/api-token"), "{report}");
    assert!(report.contains("32 /bsycorp-init/report-key"), "{report}");

    namespace.run(&["create", "job", "--from=cronjob/rotate", "rotate-now"])?;
    namespace.wait_for("job/rotate-now", "condition=Complete")?;
    let rotated = namespace.run(&["logs", "job/rotate-now", "-c", "rotate"])?;
    assert_eq!(rotated.trim(), "the token has 40 characters");

    namespace.wait_for("pod/standalone", "jsonpath={.status.phase}=Succeeded")?;
    let printed = properties(&namespace.run(&["logs", "standalone", "-c", "app"])?)?;
    assert_eq!(printed["app.service.blah"], b"8ekD64eU9hDqA5kz");
    assert_eq!(printed["db_url"], b"jdbc:mysql://localhost/app");
    Ok(())
}

/// The examples with images of the test cluster.
fn overlay() -> anyhow::Result<Overlay> {
    let (init, tag) = INIT_IMAGE.split_once(':').unwrap_or_default();
    let images = json!([
        {"name": "busybox", "newName": "localhost/busybox"},
        {"name": "kees-init", "newName": init, "newTag": tag},
    ]);
    Overlay::new("manifests/examples", ".", json!({"images": images}))
}
