//! The main job, end to end, on one real cluster.

mod world;

use world::World;

#[test]
fn a_pod_starts() -> anyhow::Result<()> {
    let world = World::shared();
    let namespace = world.cluster.namespace("thin", &[])?;
    namespace.run(&[
        "run",
        "pod",
        "--image=localhost/busybox:1",
        "--",
        "sleep",
        "1000",
    ])?;
    namespace.wait_for("pod/pod", "condition=Ready")?;
    assert!(world.dynamodb.items("test")?.is_empty());
    Ok(())
}
