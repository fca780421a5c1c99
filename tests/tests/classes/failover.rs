//! The first Region is down.

use anyhow::ensure;
use serde_json::json;

use crate::{
    pods::{class, files, pod, secrets_named},
    world::{REGION, World},
};

const OTHER: &str = "eu-west-1";

#[test]
fn the_failover_region_is_asked_only_when_the_first_is_down() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("failover")?;
    world.secret(REGION, "failover", "first")?;
    world.secret(OTHER, "failover", "second")?;
    let mut class = class("failover", &secrets_named(&["failover"]));
    class["spec"]["parameters"]["failoverRegion"] = json!(OTHER);
    namespace.apply(&class.to_string())?;
    namespace.apply(&pod("up", "failover").to_string())?;
    namespace.wait_for("pod/up", "condition=Ready")?;
    world.aws.set_down(REGION, true);
    let down = (|| {
        namespace.apply(&pod("down", "failover").to_string())?;
        namespace.wait_for("pod/down", "condition=Ready")
    })();
    world.aws.set_down(REGION, false);
    down?;
    ensure!(files(&namespace, "up")?["failover"].1 == "first");
    ensure!(files(&namespace, "down")?["failover"].1 == "second");
    Ok(())
}
