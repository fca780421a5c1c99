//! How long the API server waits for the webhook while pods are created at a steady rate. `make bench` writes
//! the figures of several rates into `docs/benchmarks.md`.

use std::collections::BTreeMap;

use anyhow::Context as _;
use kees_tests::Kubectl;

use crate::{load, world::World};

/// The rates in pods a second, by comma. `make bench` sets them.
const RATES: &str = "KEES_ADMISSION_RATES";

/// How many seconds each rate is kept up.
const SECONDS: u32 = 15;

/// The histogram of the API server, for the webhook of kees.
const METRIC: &str = "apiserver_admission_webhook_admission_duration_seconds";

#[test]
fn the_api_server_counts_each_admission_at_a_steady_rate() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let kubectl = world.cluster.kubectl();
    let rates = std::env::var(RATES).unwrap_or_else(|_| "10".to_owned());
    for rate in rates.split(',') {
        let rate = rate.parse().with_context(|| format!("{RATES}={rates}"))?;
        let before = Histogram::read(kubectl)?;
        load::at_rate(kubectl, rate, rate * SECONDS)?.assert_nothing_lost();
        let waited = Histogram::read(kubectl)?.since(&before);
        report(rate, &waited);
        assert!(waited.count >= f64::from(rate * SECONDS), "{waited:?}");
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "docs/benchmarks.md has these figures")]
fn report(rate: u32, waited: &Histogram) {
    let (p50, p99) = (
        waited.quantile(0.5) * 1000.0,
        waited.quantile(0.99) * 1000.0,
    );
    let (count, mean) = (waited.count, waited.sum / waited.count * 1000.0);
    println!(
        "admission: | {rate} | {count} | {mean:.2} ms | at most {p50} ms | at most {p99} ms |"
    );
}

/// The durations in seconds that the API server has counted.
#[derive(Debug, Default)]
struct Histogram {
    /// The number of requests that took at most so long, by the text of the bound.
    buckets: BTreeMap<String, f64>,
    count: f64,
    sum: f64,
}

impl Histogram {
    fn read(kubectl: &Kubectl) -> anyhow::Result<Self> {
        let text = kubectl.run(&["get", "--raw", "/metrics"])?;
        let mut read = Self::default();
        for line in text
            .lines()
            .filter(|line| line.contains("name=\"kees.bsycorp.com\""))
        {
            let Some(line) = line.strip_prefix(METRIC) else {
                continue;
            };
            let (labels, value) = line.rsplit_once(' ').context("a metric without a value")?;
            let value: f64 = value.parse()?;
            if labels.starts_with("_bucket") {
                let (_, bound) = labels
                    .split_once("le=\"")
                    .context("a bucket without a bound")?;
                let bound = bound.split('"').next().unwrap_or_default();
                *read.buckets.entry(bound.to_owned()).or_default() += value;
            } else if labels.starts_with("_count") {
                read.count += value;
            } else if labels.starts_with("_sum") {
                read.sum += value;
            }
        }
        Ok(read)
    }

    fn since(mut self, before: &Self) -> Self {
        for (bound, count) in &mut self.buckets {
            *count -= before.buckets.get(bound).copied().unwrap_or_default();
        }
        self.count -= before.count;
        self.sum -= before.sum;
        self
    }

    /// The bound in seconds of the bucket in which this share of the requests ends.
    fn quantile(&self, share: f64) -> f64 {
        let reached = self
            .buckets
            .iter()
            .filter(|(_, count)| **count >= self.count * share);
        let bounds = reached.filter_map(|(bound, _)| bound.parse().ok());
        bounds.fold(f64::INFINITY, f64::min)
    }
}
