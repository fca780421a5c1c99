//! Classes and pods that are deleted.

use anyhow::ensure;

use crate::{
    pods::{class, files, pod, secrets_named},
    world::{REGION, World},
};

#[test]
fn a_running_pod_keeps_its_files_when_its_class_is_deleted() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("deleted-class")?;
    world.secret(REGION, "deleted-class", "value")?;
    namespace.apply(&class("gone", &secrets_named(&["deleted-class"])).to_string())?;
    namespace.apply(&pod("app", "gone").to_string())?;
    namespace.wait_for("pod/app", "condition=Ready")?;
    namespace.run(&["delete", "secretproviderclass", "gone"])?;
    ensure!(files(&namespace, "app")?["deleted-class"].1 == "value");
    namespace.run(&["delete", "pod", "app"])?;
    Ok(())
}
