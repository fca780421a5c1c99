//! Leases: no number is held twice, whatever ends or restarts meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kees_tests::{Namespace, eventually, node};
use serde_json::{Value, json};

use crate::{
    pods::{list, never_scheduled, pod},
    world::World,
};

const LEASE: &str = "kind=INDEX,storageKeyPrefix=worker,rangeStart=0,rangeEnd=99";

/// One pod of so many is started; the others are only created, because a node has place for 110 pods.
/// The controller treats both alike.
const STARTED: usize = 10;

const DEADLINE: Duration = Duration::from_mins(2);

#[test]
fn no_number_is_held_twice_while_pods_controllers_and_the_api_server_come_and_go()
-> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("leases")?;

    create(&namespace, 0..100)?;
    let first = held(world, 0..100)?;
    started_pods_read(&namespace, &first, 0..100)?;

    // Half of the pods go, and the API server restarts, while no controller runs.
    world.stop_controller()?;
    delete(&namespace, 0..50)?;
    node::restart_api_server(world.cluster.kubectl())?;
    create(&namespace, 100..150)?;
    world.scale_controller(2)?;
    let second = held(world, 50..150)?;
    for number in 50..100 {
        let name = name(number);
        assert_eq!(second[&name], first[&name], "{name} has another number");
    }
    started_pods_read(&namespace, &second, 50..150)?;

    // The controller hears of nothing for a while. Its watch then begins at a version that etcd has
    // deleted.
    let controllers = node::processes("kees-controller")?;
    ensure!(!controllers.is_empty(), "no controller runs");
    for pid in &controllers {
        node::pause(*pid)?;
    }
    let paused = (|| {
        delete(&namespace, 50..75)?;
        create(&namespace, 0..25)?;
        node::restart_api_server(world.cluster.kubectl())?;
        node::compact_etcd()
    })();
    for pid in &controllers {
        node::go_on(*pid)?;
    }
    paused?;
    let third = held(world, (75..150).chain(0..25))?;
    for number in 75..150 {
        let name = name(number);
        assert_eq!(third[&name], second[&name], "{name} has another number");
    }
    started_pods_read(&namespace, &third, (75..150).chain(0..25))?;

    // The next pod of a name. The range is full, so it gets the number of the pod that it replaces.
    delete(&namespace, 80..81)?;
    create(&namespace, 80..81)?;
    let fourth = held(world, (75..150).chain(0..25))?;
    assert_eq!(fourth[&name(80)], third[&name(80)]);
    started_pods_read(&namespace, &fourth, 80..81)
}

#[test]
fn a_pod_waits_with_an_event_and_starts_with_the_first_number_that_is_free() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("exhausted")?;
    let only = "kind=INDEX,storageKeyPrefix=only,rangeStart=7,rangeEnd=7";
    namespace.apply(&lease_pod("first", only).to_string())?;
    namespace.wait_for("pod/first", "condition=Ready")?;
    namespace.apply(&lease_pod("second", only).to_string())?;
    eventually("Event", DEADLINE, || {
        let events = namespace.get(&["events", "--field-selector=reason=KeesWaiting"])?;
        let event = &events["items"][0];
        ensure!(event["involvedObject"]["name"] == "second", "{events}");
        Ok(())
    })?;
    namespace.run(&["delete", "pod", "first"])?;
    namespace.wait_for("pod/second", "condition=Ready")?;
    assert_eq!(number_in(&namespace, "second")?, "7");
    Ok(())
}

fn name(number: usize) -> String {
    format!("web-{number}")
}

fn lease_pod(name: &str, lease: &str) -> Value {
    let mut pod = pod(name, &[("lease.bsycorp.com/worker".to_owned(), lease)]);
    pod["spec"]["containers"][0]["command"] = json!(["sleep", "86400"]);
    pod
}

fn create(namespace: &Namespace, numbers: impl IntoIterator<Item = usize>) -> anyhow::Result<()> {
    let pods: Vec<_> = numbers
        .into_iter()
        .map(|number| {
            let pod = lease_pod(&name(number), LEASE);
            if number % STARTED == 0 {
                pod
            } else {
                never_scheduled(pod)
            }
        })
        .collect();
    // Shortly after the start of an API server, it does not know yet where the webhook runs.
    eventually("pods", DEADLINE, || namespace.apply(&list(&pods)))?;
    Ok(())
}

fn delete(namespace: &Namespace, numbers: impl IntoIterator<Item = usize>) -> anyhow::Result<()> {
    let names: Vec<_> = numbers.into_iter().map(name).collect();
    let mut arguments = vec!["delete", "pod", "--ignore-not-found"];
    arguments.extend(names.iter().map(String::as_str));
    namespace.run(&arguments)?;
    Ok(())
}

/// Waits until exactly these pods hold numbers, each another one, and returns them.
fn held(
    world: &World,
    numbers: impl IntoIterator<Item = usize>,
) -> anyhow::Result<BTreeMap<String, i32>> {
    let expected: BTreeSet<String> = numbers.into_iter().map(name).collect();
    eventually("number for each pod", DEADLINE, || {
        let stored = world.stored("leases")?;
        let mut held = BTreeMap::new();
        for (path, value) in &stored {
            if let Some(number) = path.strip_prefix("leases/worker.") {
                let other = held.insert(value.clone(), number.parse()?);
                ensure!(other.is_none(), "{value} holds two numbers");
            } else {
                let holder = path.strip_prefix("leases/worker/leases/");
                let holder = holder.and_then(|path| path.strip_suffix("/0-99"));
                let holder = holder.with_context(|| format!("{path} is stored"))?;
                let holder =
                    stored.get(&format!("leases/worker.{value}")) == Some(&holder.to_owned());
                ensure!(
                    holder,
                    "{path} has the number {value}, which is not its own"
                );
            }
        }
        ensure!(stored.len() == 2 * held.len(), "{} records", stored.len());
        let pods: BTreeSet<_> = held.keys().cloned().collect();
        let missing: Vec<_> = expected.symmetric_difference(&pods).collect();
        ensure!(missing.is_empty(), "{missing:?}");
        Ok(held)
    })
}

/// The pods that are started are ready, and their applications have read the numbers that they hold.
fn started_pods_read(
    namespace: &Namespace,
    held: &BTreeMap<String, i32>,
    numbers: impl IntoIterator<Item = usize>,
) -> anyhow::Result<()> {
    for number in numbers {
        if number % STARTED == 0 {
            let name = name(number);
            namespace.wait_for(&format!("pod/{name}"), "condition=Ready")?;
            assert_eq!(
                number_in(namespace, &name)?,
                held[&name].to_string(),
                "{name}"
            );
        }
    }
    Ok(())
}

/// The number that the application sees.
fn number_in(namespace: &Namespace, pod: &str) -> anyhow::Result<String> {
    namespace.exec(pod, "app", &["cat", "/bsycorp-init/worker"])
}
