//! What the controller does when the API server restarts, when its watch is cut, and when etcd has
//! no history any more.

use std::{collections::BTreeMap, thread, time::Duration};

use anyhow::ensure;
use kees_tests::{Kubectl, Namespace, eventually, node};
use serde_json::Value;

use crate::{
    metrics::{scrape, value},
    pods::{entry, list, never_scheduled, pod},
    world::World,
};

const PASSWORD: &str = "kind=DYNAMIC,type=PASSWORD,size=256";

/// The pods of each step.
const PODS: usize = 20;

const DEADLINE: Duration = Duration::from_mins(1);

#[test]
fn pods_around_a_restart_of_the_api_server_and_a_compaction_of_etcd_are_served_once()
-> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("restarts")?;
    let created_before = created(world)?;

    create(&namespace, "before")?;
    let before = served(world, 1)?;

    // Some of these pods are created before the API server ends, the others after it has started.
    thread::scope(|scope| {
        let creating = scope.spawn(|| create_slowly(&namespace, "meanwhile"));
        node::restart_api_server(world.cluster.kubectl())?;
        creating
            .join()
            .unwrap_or_else(|_| unreachable!("it does not panic"))
    })?;
    let meanwhile = served(world, 2)?;

    // The controllers learn of nothing for a while. Their watches then begin at a version that etcd has
    // deleted.
    let lists = lists(world)?;
    let controllers = node::processes("kees-controller")?;
    ensure!(!controllers.is_empty(), "no controller runs");
    for pid in &controllers {
        node::pause(*pid)?;
    }
    let paused = (|| {
        namespace.run(&["delete", "pod", "before-0", "--wait=false"])?;
        create(&namespace, "between")?;
        node::restart_api_server(world.cluster.kubectl())?;
        node::compact_etcd()
    })();
    for pid in &controllers {
        node::go_on(*pid)?;
    }
    paused?;
    let between = served(world, 3)?;
    eventually("list after 410 Gone", DEADLINE, || {
        let now = self::lists(world)?;
        ensure!(now > lists, "{now} lists");
        Ok(())
    })?;

    create(&namespace, "after")?;
    let after = served(world, 4)?;
    assert_eq!(
        node::processes("kees-controller")?,
        controllers,
        "a controller restarted"
    );
    for earlier in [before, meanwhile, between] {
        for (path, stored) in earlier {
            assert!(after[&path] == stored, "{path} was created twice");
        }
    }
    let values = created(world)? - created_before;
    let expected = f64::from(u32::try_from(4 * PODS)?);
    assert!(
        (values - expected).abs() < 0.5,
        "{values} values were created"
    );
    each_pod_has_one_event(&namespace)
}

/// Pods that are never scheduled, each with a password of its own.
fn pods(step: &str) -> impl Iterator<Item = Value> {
    (0..PODS).map(move |number| {
        let name = format!("{step}-{number}");
        never_scheduled(pod(&name, &[(entry(&name), PASSWORD)]))
    })
}

/// Creates pods. Shortly after the start of an API server, it does not know yet where the webhook runs,
/// so it tries again.
fn create(namespace: &Namespace, step: &str) -> anyhow::Result<()> {
    let pods: Vec<_> = pods(step).collect();
    eventually("pods", DEADLINE, || namespace.apply(&list(&pods)))?;
    Ok(())
}

/// Creates one pod after the other. While the API server does not run, it tries again.
fn create_slowly(namespace: &Namespace, step: &str) -> anyhow::Result<()> {
    for pod in pods(step) {
        let manifest = pod.to_string();
        eventually("pod", DEADLINE, || namespace.apply(&manifest))?;
    }
    Ok(())
}

/// What is stored after so many steps.
fn served(world: &World, steps: usize) -> anyhow::Result<BTreeMap<String, String>> {
    eventually("passwords", DEADLINE, || {
        let stored = world.stored("restarts")?;
        ensure!(stored.len() == steps * PODS, "{} passwords", stored.len());
        Ok(stored)
    })
}

/// The values that the controllers have created since they started.
fn created(world: &World) -> anyhow::Result<f64> {
    sum(world, "kees_controller_created_total")
}

/// The lists of pods that the controllers have received since they started.
fn lists(world: &World) -> anyhow::Result<f64> {
    sum(world, "kees_controller_lists_total")
}

fn sum(world: &World, series: &str) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for address in world.controllers()? {
        sum += value(&scrape(&address)?, series)?;
    }
    Ok(sum)
}

fn each_pod_has_one_event(namespace: &Kubectl) -> anyhow::Result<()> {
    eventually("Event on each pod", DEADLINE, || {
        let events = namespace.get(&["events", "--field-selector=reason=KeesCreated"])?;
        let mut pods: Vec<_> = events["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|event| event["involvedObject"]["name"].to_string())
            .collect();
        let events = pods.len();
        pods.sort();
        pods.dedup();
        ensure!(
            events == 4 * PODS && pods.len() == events,
            "{events} Events on {} pods",
            pods.len()
        );
        Ok(())
    })
}
