//! How fast the controller serves many pods. `make bench` writes the figures into `docs/benchmarks.md`.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kees_tests::{Kubectl, eventually};
use kube::{Api, api::PostParams};
use serde_json::Value;

use crate::{
    metrics::{scrape, value},
    pods::{entry, never_scheduled, pod},
    world::World,
};

/// How many pods there are. `make bench` sets it.
const PODS: &str = "KEES_CONTROLLER_PODS";

/// One pod of so many has an RSA key pair, the others have a password.
const SHARE_OF_KEYS: usize = 50;

const DEADLINE: Duration = Duration::from_mins(5);

#[test]
fn many_pods_are_served_when_the_controller_starts() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let pods = std::env::var(PODS).unwrap_or_else(|_| "200".to_owned());
    let pods: usize = pods.parse().with_context(|| format!("{PODS}={pods}"))?;
    let keys = pods / SHARE_OF_KEYS;
    let namespace = world.namespace("many")?;

    let rsa = "kind=DYNAMIC,type=RSA,size=2048";
    let password = "kind=DYNAMIC,type=PASSWORD,size=256";
    world.stop_controller()?;
    create(&namespace, "key", keys, rsa)?;
    report("new RSA 2048", keys, &start(world, keys)?);
    world.stop_controller()?;
    create(&namespace, "password", pods - keys, password)?;
    report(
        "new passwords, and the keys that exist",
        pods,
        &start(world, pods)?,
    );
    world.stop_controller()?;
    let restarted = start(world, pods)?;
    report("existing secrets", pods, &restarted);

    assert_eq!(world.stored("many")?.len(), 2 * keys + pods - keys);
    // The target for 5,000 pods.
    assert!(restarted.memory < 60e6, "{} bytes", restarted.memory);
    Ok(())
}

/// What one start of the controller showed.
struct Served {
    /// From its first answer until every pod was served.
    took: Duration,
    /// The bounds of the histogram's buckets in which the attempts for half and for 99 of 100 pods are.
    p50: f64,
    p99: f64,
    /// The largest resident memory, in bytes.
    memory: f64,
}

/// Starts the controller, and waits until it has served this number of pods.
fn start(world: &World, pods: usize) -> anyhow::Result<Served> {
    world.scale_controller(1)?;
    let address = eventually("address", DEADLINE, || {
        let path = "jsonpath={.items[0].status.podIP}";
        let selector = "--selector=app.kubernetes.io/component=controller";
        let address = world.system().run(&["get", "pods", selector, "-o", path])?;
        ensure!(!address.is_empty(), "no address");
        scrape(&address)?;
        Ok(address)
    })?;
    let begun = Instant::now();
    let mut memory: f64 = 0.0;
    let text = eventually("end of the work", DEADLINE, || {
        let text = scrape(&address)?;
        memory = memory.max(value(&text, "kees_controller_resident_memory_bytes")?);
        let served = ["created", "found"].map(|outcome| {
            value(
                &text,
                &format!("kees_controller_attempts_total{{outcome=\"{outcome}\",reason=\"\"}}"),
            )
        });
        let [created, found] = served;
        let served = created? + found?;
        ensure!(served >= count(pods)?, "{served} pods were served");
        Ok(text)
    })?;
    let took = begun.elapsed();
    Ok(Served {
        took,
        p50: quantile(&text, 0.5)?,
        p99: quantile(&text, 0.99)?,
        memory,
    })
}

fn count(number: usize) -> anyhow::Result<f64> {
    Ok(f64::from(u32::try_from(number)?))
}

/// The bound in seconds of the bucket of `duration` in which this share of the attempts ends.
fn quantile(metrics: &str, share: f64) -> anyhow::Result<f64> {
    let count = value(metrics, "kees_controller_duration_seconds_count")?;
    let buckets = metrics.lines().filter_map(|line| {
        let (bound, attempts) = line
            .strip_prefix("kees_controller_duration_seconds_bucket{le=\"")?
            .split_once("\"} ")?;
        Some((bound.parse().ok()?, attempts.parse::<f64>().ok()?))
    });
    let reached = buckets.filter(|(_, attempts)| *attempts >= count * share);
    Ok(reached
        .map(|(bound, _)| bound)
        .fold(f64::INFINITY, f64::min))
}

#[expect(clippy::print_stdout, reason = "docs/benchmarks.md has these figures")]
fn report(what: &str, pods: usize, served: &Served) {
    let Served {
        took,
        p50,
        p99,
        memory,
    } = served;
    let seconds = took.as_secs_f64();
    let rate = count(pods).unwrap_or_default() / seconds;
    println!(
        "controller: | {what} | {pods} | {seconds:.1} s | {rate:.0} | at most {p50} s | at most {p99} s | {:.1} MB |",
        memory / 1e6
    );
}

/// Creates pods that are never scheduled, each with an entry of its own.
fn create(kubectl: &Kubectl, name: &str, number: usize, entries: &str) -> anyhow::Result<()> {
    let pods = (0..number).map(|index| {
        let name = format!("{name}-{index}");
        let keys: Vec<_> = if entries.contains("RSA") {
            ["public", "private"]
                .map(|field| (entry(&format!("{name}_{field}")), entries))
                .to_vec()
        } else {
            vec![(entry(&name), entries)]
        };
        never_scheduled(pod(&name, &keys))
    });
    let pods: Vec<Value> = pods.collect();
    kees_tests::wait(async {
        let api: Api<Pod> = Api::namespaced(kubectl.client().await?, kubectl.namespace());
        let created = stream::iter(pods).map(|pod| {
            let api = api.clone();
            async move {
                let pod: Pod = serde_json::from_value(pod)?;
                api.create(&PostParams::default(), &pod).await?;
                anyhow::Ok(())
            }
        });
        created.buffer_unordered(16).try_collect::<Vec<()>>().await
    })?;
    Ok(())
}
