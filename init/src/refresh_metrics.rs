//! The metrics of `kees-init refresh`, in the text format of Prometheus.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use kees_common::RefreshPeriod;

/// The result of a refresh.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    Unchanged,
    Replaced,
    Failed,
}

/// Counts refreshes by their results.
#[derive(Debug)]
pub(crate) struct Metrics {
    period: RefreshPeriod,
    unchanged: AtomicU64,
    replaced: AtomicU64,
    failed: AtomicU64,
    untold: AtomicU64,
    /// Seconds since 1970; 0 before the first success.
    last_success: AtomicU64,
}

impl Metrics {
    pub(crate) fn new(period: RefreshPeriod) -> Self {
        Self {
            period,
            unchanged: AtomicU64::new(0),
            replaced: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            untold: AtomicU64::new(0),
            last_success: AtomicU64::new(0),
        }
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Unchanged => &self.unchanged,
            Outcome::Replaced => &self.replaced,
            Outcome::Failed => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if !matches!(outcome, Outcome::Failed) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let seconds = now.map_or(0, |now| now.as_secs());
            self.last_success.store(seconds, Ordering::Relaxed);
        }
    }

    /// The application was not told of its new files.
    pub(crate) fn count_untold(&self) {
        self.untold.fetch_add(1, Ordering::Relaxed);
    }

    /// All metrics.
    pub(crate) fn text(&self) -> String {
        let Self {
            period,
            unchanged,
            replaced,
            failed,
            untold,
            last_success,
        } = self;
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut text = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, lines: &[(&str, u64)]| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in lines {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        };
        metric(
            "kees_refresh_reads_total",
            "counter",
            "Reads of all values of the pod, by result.",
            &[
                ("{result=\"unchanged\"}", value(unchanged)),
                ("{result=\"replaced\"}", value(replaced)),
                ("{result=\"failed\"}", value(failed)),
            ],
        );
        metric(
            "kees_refresh_on_change_failures_total",
            "counter",
            "How often the application could not be told of its new files.",
            &[("", value(untold))],
        );
        metric(
            "kees_refresh_last_success_timestamp_seconds",
            "gauge",
            "When all values were read last, in seconds since 1970; 0 before the first time.",
            &[("", value(last_success))],
        );
        metric(
            "kees_refresh_period_seconds",
            "gauge",
            "The time between two reads.",
            &[("", period.get().as_secs())],
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_result_has_a_counter() {
        let metrics = Metrics::new("5m".parse().unwrap());
        metrics.count(Outcome::Failed);
        assert!(metrics.text().contains("timestamp_seconds 0\n"));
        metrics.count(Outcome::Unchanged);
        metrics.count(Outcome::Replaced);
        metrics.count(Outcome::Replaced);
        let text = metrics.text();
        for line in [
            "kees_refresh_reads_total{result=\"unchanged\"} 1\n",
            "kees_refresh_reads_total{result=\"replaced\"} 2\n",
            "kees_refresh_reads_total{result=\"failed\"} 1\n",
            "kees_refresh_period_seconds 300\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains("timestamp_seconds 0\n"), "{text}");
    }
}
