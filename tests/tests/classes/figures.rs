//! How long pods with a class volume take to become Ready, beside pods with a memory volume alone. `make bench` puts the
//! lines into `docs/benchmarks.md`.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use kees_tests::Kubectl;
use serde_json::{Value, json};

use crate::{
    pods::{class, deployment, pod, secrets_named},
    world::{REGION, World},
};

/// The number of secrets of a pod.
const SECRETS: usize = 10;

/// The number of pods one after the other.
const PODS: usize = 7;

/// The number of pods at once.
const AT_ONCE: u32 = 50;

#[test]
fn starts_take_as_long_as_an_init_container_and_two_calls() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("figures")?;
    let names: Vec<_> = (0..SECRETS)
        .map(|index| format!("figure-{index}"))
        .collect();
    for name in &names {
        world.secret(REGION, name, "value")?;
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    namespace.apply(&class("figures", &secrets_named(&names)).to_string())?;

    let mut times = [const { Vec::new() }; 2];
    for number in 0..=PODS {
        // In turn, so that both kinds meet the same load of the machine.
        for (at, times) in times.iter_mut().enumerate() {
            let name = format!("pod-{at}-{number}");
            let pod = pod(&name, "figures");
            let pod = if at == 0 { memory_alone(pod) } else { pod };
            world.aws.take_calls();
            let begun = Instant::now();
            namespace.apply(&pod.to_string())?;
            namespace.wait_for(&format!("pod/{name}"), "condition=Ready")?;
            // The first pods warm up the node.
            if number > 0 {
                times.push(begun.elapsed().as_secs_f64());
            }
            if number == PODS && at == 1 {
                calls(&world.aws.take_calls());
            }
            namespace.run(&["delete", "pod", &name, "--wait=false"])?;
        }
    }
    for (kind, mut times) in KINDS.into_iter().zip(times) {
        times.sort_by(f64::total_cmp);
        one(kind, [PODS / 2, 0, PODS - 1].map(|index| times[index]));
    }
    for (at, kind) in KINDS.into_iter().enumerate() {
        let mut many = deployment(&format!("many-{at}"), AT_ONCE, "figures");
        if at == 0 {
            let template = memory_alone(many["spec"]["template"].take());
            many["spec"]["template"] = template;
        }
        let begun = Instant::now();
        namespace.apply(&many.to_string())?;
        let ready = all_ready(&namespace, &format!("many-{at}"), begun)?;
        namespace.run(&["delete", "deployment", &format!("many-{at}"), "--wait=true"])?;
        fifty(kind, ready[ready.len() / 2], ready[ready.len() - 1]);
    }
    Ok(())
}

const KINDS: [&str; 2] = ["memory volume alone", "class with ten secrets"];

/// The same pod with an empty volume in memory.
fn memory_alone(mut pod: Value) -> Value {
    pod["spec"]["volumes"] = json!([{"name": "secrets", "emptyDir": {"medium": "Memory"}}]);
    pod
}

/// The seconds after which each pod was seen Ready, sorted.
fn all_ready(kubectl: &Kubectl, app: &str, begun: Instant) -> anyhow::Result<Vec<f64>> {
    let mut seen: BTreeMap<String, f64> = BTreeMap::new();
    let label = format!("app={app}");
    while seen.len() < AT_ONCE as usize {
        ensure!(
            begun.elapsed() < Duration::from_mins(4),
            "{} are Ready",
            seen.len()
        );
        let list = kubectl.get(&["pods", "-l", &label])?;
        let now = begun.elapsed().as_secs_f64();
        for pod in list["items"].as_array().context("no list")? {
            let conditions = pod["status"]["conditions"].as_array();
            let is_ready = conditions
                .into_iter()
                .flatten()
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
            if let (true, Some(name)) = (is_ready, pod["metadata"]["name"].as_str()) {
                seen.entry(name.to_owned()).or_insert(now);
            }
        }
        // The figure has this resolution.
        thread::sleep(Duration::from_millis(100));
    }
    let mut times: Vec<_> = seen.into_values().collect();
    times.sort_by(f64::total_cmp);
    Ok(times)
}

#[expect(clippy::print_stdout, reason = "docs/benchmarks.md has these figures")]
fn one(kind: &str, [median, shortest, longest]: [f64; 3]) {
    println!("class: | {kind} | {median:.2} s | {shortest:.2} s | {longest:.2} s |");
}

#[expect(clippy::print_stdout, reason = "docs/benchmarks.md has these figures")]
fn fifty(kind: &str, median: f64, last: f64) {
    println!("classes: | {kind} | {median:.1} s | {last:.1} s |");
}

#[expect(clippy::print_stdout, reason = "docs/benchmarks.md has these figures")]
fn calls(calls: &BTreeMap<String, u64>) {
    println!("class calls: {calls:?}");
}
