//! The leader of two controllers is killed, and the other one takes over.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kees_tests::{eventually, node};

use crate::{
    pods::{entry, never_scheduled, pod},
    world::World,
};

const PASSWORD: &str = "kind=DYNAMIC,type=PASSWORD,size=256";

const DEADLINE: Duration = Duration::from_mins(2);

#[test]
fn the_other_replica_takes_over_when_the_leader_is_killed() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let system = world.system();
    system.run(&["scale", "deployment/kees-controller", "--replicas=2"])?;
    system.rolled_out("deployment/kees-controller")?;
    let namespace = world.namespace("takeover")?;
    let create = |name: &str| {
        let pod = never_scheduled(pod(name, &[(entry(name), PASSWORD)]));
        namespace.apply(&pod.to_string())
    };
    let stored = |number: usize| {
        eventually("password", DEADLINE, || {
            let stored = world.stored("takeover")?.len();
            ensure!(stored == number, "{stored} passwords");
            Ok(())
        })
    };
    create("before")?;
    stored(1)?;

    let leader = eventually("leader", DEADLINE, || holder(world))?;
    let uid = system.run(&["get", "pod", &leader, "--output=jsonpath={.metadata.uid}"])?;
    // The kubelet restarts the container. It is killed until the other replica has taken the Lease, as
    // on a node that does not come back.
    kill(&uid)?;
    let begun = Instant::now();
    create("after")?;
    let successor = eventually("other leader", DEADLINE, || {
        kill(&uid)?;
        let holder = holder(world)?;
        ensure!(holder != leader, "{holder} still leads");
        Ok(holder)
    })?;
    stored(2)?;
    report(begun.elapsed());
    ensure!(successor.starts_with("kees-controller-"), "{successor}");
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
    system.rolled_out("deployment/kees-controller")
}

/// The pod that holds the Lease.
fn holder(world: &World) -> anyhow::Result<String> {
    let path = "--output=jsonpath={.spec.holderIdentity}";
    let holder = world
        .system()
        .run(&["get", "lease", "kees-controller", path])?;
    ensure!(!holder.is_empty(), "nobody leads");
    Ok(holder)
}

/// Kills the controller of the pod with this uid, if it runs.
fn kill(uid: &str) -> anyhow::Result<()> {
    for pid in node::processes("kees-controller")? {
        let groups = node::control_groups(pid).unwrap_or_default();
        if groups.contains(uid) {
            node::kill(pid).context("cannot kill the leader")?;
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "docs/controller.md has this figure")]
fn report(took: Duration) {
    println!(
        "controller: a pod was served {:.1} s after the leader was killed",
        took.as_secs_f64()
    );
}
