//! Replicas that are replaced, evicted or killed, and an API server that restarts, under load.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use kees_tests::{eventually, node};
use serde_json::json;

use crate::{load, world::World};

/// The pods of each test.
const PODS: usize = 2000;

#[test]
fn a_rolling_update_loses_no_pod() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let outcome = load::during(world.cluster.kubectl(), PODS, || {
        let system = world.system();
        system.run(&["rollout", "restart", "deployment/kees-webhook"])?;
        system.rolled_out("deployment/kees-webhook")
    })?;
    outcome.assert_nothing_lost();
    Ok(())
}

#[test]
fn an_eviction_of_each_replica_loses_no_pod() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let outcome = load::during(world.cluster.kubectl(), PODS, || {
        for name in world.replicas()? {
            evict(world, &name)?;
            world.system().rolled_out("deployment/kees-webhook")?;
        }
        Ok(())
    })?;
    outcome.assert_nothing_lost();
    Ok(())
}

#[test]
fn a_restart_of_the_api_server_loses_no_pod() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let mut outcome = load::during(world.cluster.kubectl(), PODS, || {
        node::restart_api_server(world.cluster.kubectl())
    })?;
    // An API server that starts accepts requests before it has read the endpoints of Services. A load
    // balancer waits for its `/readyz`; this test does not.
    let is_starting = |message: &str| message.contains("no endpoints available for service");
    outcome.refused.retain(|message, _| !is_starting(message));
    outcome.assert_nothing_lost();
    ensure!(outcome.repeated > 0, "the API server did not restart");
    Ok(())
}

/// A process that is killed cannot finish its open requests, and the API server may call it until the
/// kubelet has reported its end. So a few pods can be refused. None is created without its init
/// container, and the webhook is soon as before.
#[test]
fn a_killed_replica_lets_no_pod_pass_without_injection() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let outcome = load::during(world.cluster.kubectl(), PODS, || {
        let pid = *node::processes("kees-webhook")?
            .first()
            .context("no webhook runs")?;
        node::kill(pid)?;
        world.system().rolled_out("deployment/kees-webhook")
    })?;
    assert_eq!(outcome.not_injected, 0, "{outcome:?}");
    let refused: usize = outcome.refused.values().sum();
    assert!(refused * 10 < outcome.created, "{outcome:?}");

    let after = load::during(world.cluster.kubectl(), 200, || Ok(()))?;
    after.assert_nothing_lost();
    Ok(())
}

fn evict(world: &World, name: &str) -> anyhow::Result<()> {
    let eviction = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": "kees-system"},
    });
    let path = format!("/api/v1/namespaces/kees-system/pods/{name}/eviction");
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), eviction.to_string())?;
    let file = file.path().display().to_string();
    // The PodDisruptionBudget may refuse it for a moment.
    eventually("eviction", Duration::from_mins(1), || {
        let system = world.system();
        system.run(&["create", "--raw", &path, "-f", &file])
    })?;
    Ok(())
}
