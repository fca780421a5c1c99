//! The metrics of the server.

use std::{
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tonic::Code;

use super::audit::outcome;

/// The upper bounds of the buckets for durations, in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0];

/// The counters, which all parts of the server share.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    calls: Family<CallLabels, Counter>,
    durations: Family<MethodLabels, Histogram>,
    key_age: Gauge<i64, AtomicI64>,
    watch: Gauge<i64, AtomicI64>,
    memory: Gauge<i64, AtomicI64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    method: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    method: &'static str,
}

/// Every method.
pub const METHODS: [&str; 9] = [
    "Ping",
    "ListSecrets",
    "CreateSecret",
    "UpdateSecret",
    "DeleteSecret",
    "CreateSecretIAMPolicy",
    "DeleteSecretIAMPolicy",
    "BindSecret",
    "UnbindSecret",
];

/// What methods that do not exist are counted as.
const UNKNOWN: &str = "unknown";

impl Metrics {
    /// Counters at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("kees_kiss");
        let calls = Family::<CallLabels, Counter>::default();
        let durations =
            Family::<MethodLabels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        let key_age = Gauge::default();
        let watch = Gauge::default();
        let memory = Gauge::default();
        registry.register("calls", "Calls by method and status code", calls.clone());
        registry.register(
            "call_duration_seconds",
            "Time from the request to the response",
            durations.clone(),
        );
        registry.register(
            "key_age_seconds",
            "Time since the provider's keys were read",
            key_age.clone(),
        );
        registry.register(
            "rolebindings_watched",
            "Whether RoleBindings are known from a watch (1), or read for each call (0)",
            watch.clone(),
        );
        registry.register(
            "process_resident_memory_bytes",
            "Resident memory of the process",
            memory.clone(),
        );
        for method in METHODS.into_iter().chain([UNKNOWN]) {
            drop(calls.get_or_create(&CallLabels { method, code: "OK" }));
            drop(durations.get_or_create(&MethodLabels { method }));
        }
        Self {
            registry: Arc::new(registry),
            calls,
            durations,
            key_age,
            watch,
            memory,
        }
    }

    /// Counts a call. All methods that do not exist are one, because callers choose their names.
    pub fn called(&self, method: &str, code: Code, took: Duration) {
        let known = METHODS.into_iter().find(|known| *known == method);
        let method = known.unwrap_or(UNKNOWN);
        let code = outcome(code);
        self.calls.get_or_create(&CallLabels { method, code }).inc();
        let durations = self.durations.get_or_create(&MethodLabels { method });
        durations.observe(took.as_secs_f64());
    }

    /// The metrics in the text format of OpenMetrics.
    ///
    /// # Errors
    /// Never; a String can always be written to.
    pub fn render(&self, key_age: Duration, is_watched: bool) -> Result<String, std::fmt::Error> {
        let seconds = i64::try_from(key_age.as_secs()).unwrap_or(i64::MAX);
        self.key_age.set(seconds);
        self.watch.set(is_watched.into());
        if let Some(bytes) = kees_server::resident_memory() {
            self.memory.set(bytes);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
