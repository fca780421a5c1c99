//! The metrics for Prometheus. Every series exists from the start, with the value zero. The reference
//! in `docs/controller.md` is generated from what [`Metrics::render`] returns at that time.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use kees_common::{SecretType, StoreName};
use kees_inject::NoCreation;
use kees_server::resident_memory;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Metric, Registry, Unit},
};

/// Seconds. A password takes the time of two calls of its store, and an RSA key of 4,096 bits takes
/// seconds.
const BUCKETS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
];

/// How an attempt for a pod ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// At least one value was created, or one number given.
    Created,
    /// All values were in the store.
    Found,
    /// Every secret is stored, but no number of a lease is free.
    Waiting,
    /// The annotations are invalid, or the policy denies them.
    Denied,
    /// A store denied or failed. It is tried again.
    Failed,
    /// Nothing is created for such a pod.
    Skipped(NoCreation),
}

impl Outcome {
    fn all() -> impl Iterator<Item = Self> {
        let skipped = NoCreation::ALL.into_iter().map(Self::Skipped);
        [
            Self::Created,
            Self::Found,
            Self::Waiting,
            Self::Denied,
            Self::Failed,
        ]
        .into_iter()
        .chain(skipped)
    }

    fn labels(self) -> OutcomeLabels {
        let (outcome, reason) = match self {
            Self::Created => ("created", ""),
            Self::Found => ("found", ""),
            Self::Waiting => ("waiting", ""),
            Self::Denied => ("denied", ""),
            Self::Failed => ("failed", ""),
            Self::Skipped(reason) => ("skipped", reason.as_str()),
        };
        OutcomeLabels { outcome, reason }
    }
}

/// What happened to a Kubernetes Secret that a pod asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SecretResult {
    /// It was created.
    Created,
    /// Its content was changed.
    Updated,
    /// A value of it does not exist yet.
    Waiting,
    /// The annotations or the class are invalid, or the policy denies them.
    Denied,
    /// Something else has it, or asks for another content.
    Conflict,
    /// A store or the API server denied or failed, or the values do not fit.
    Error,
}

impl SecretResult {
    const ALL: [Self; 6] = [
        Self::Created,
        Self::Updated,
        Self::Waiting,
        Self::Denied,
        Self::Conflict,
        Self::Error,
    ];

    fn labels(self) -> ResultLabels {
        let result = match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Waiting => "waiting",
            Self::Denied => "denied",
            Self::Conflict => "conflict",
            Self::Error => "error",
        };
        ResultLabels { result }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
    /// Why a pod is skipped; empty for the other outcomes.
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TypeLabels {
    r#type: Label<SecretType>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StoreLabels {
    store: Label<StoreName>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

/// A label that is written as its `Display`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Label<T>(T);

impl<T: fmt::Display> EncodeLabelValue for Label<T> {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        write!(encoder, "{}", self.0)
    }
}

/// All metrics of the process. A clone is cheap and shares the values.
#[derive(Debug, Clone)]
pub struct Metrics {
    attempts: Family<OutcomeLabels, Counter>,
    created: Counter,
    generated: Family<TypeLabels, Counter>,
    store_errors: Family<StoreLabels, Counter>,
    /// Seconds from the beginning of an attempt until everything is stored.
    pub(crate) duration: Histogram,
    /// Pods that ask for secrets, leases or restarts.
    pub(crate) pods: Gauge,
    failing: Gauge,
    /// Numbers that were given to pods.
    pub(crate) leases_given: Counter,
    leases_freed: Counter,
    /// Attempts to free numbers that failed.
    pub(crate) lease_errors: Counter,
    leases_waiting: Gauge,
    rotations: Family<ResultLabels, Counter>,
    retired: Counter,
    rotating: Gauge,
    restarts: Family<ResultLabels, Counter>,
    /// Rollouts that made no progress.
    pub(crate) restarts_stalled: Counter,
    restarts_waiting: Gauge,
    secrets: Family<ResultLabels, Counter>,
    secrets_wanted: Gauge,
    secrets_failing: Gauge,
    /// Lists of all pods.
    pub(crate) lists: Counter,
    /// Errors of the watch on pods.
    pub(crate) watch_errors: Counter,
    /// Events that could not be written.
    pub(crate) event_errors: Counter,
    /// Attempts to write a condition that failed.
    pub(crate) condition_errors: Counter,
    reloads: Family<ResultLabels, Counter>,
    /// Whether this replica creates.
    pub(crate) leader: Gauge,
    ready: Gauge,
    resident_memory: Gauge,
    registry: Arc<Registry>,
}

impl Metrics {
    /// Metrics with the value zero.
    #[expect(clippy::too_many_lines, reason = "a metric takes some lines each")]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("kees_controller");
        let of = &mut registry;
        let attempts = register(
            of,
            "attempts",
            "Attempts to create what a pod asks for, by outcome. A pod that did not change is not \
             attempted again",
        );
        let created = register(of, "created", "Values that were created");
        let generated = register(
            of,
            "generated",
            "Generations that were generated, by type. If another writer is first, a generation is \
             not stored",
        );
        let store_errors = register(
            of,
            "store_unavailable",
            "Attempts in which a call of a store failed and was tried again",
        );
        let duration = Histogram::new(BUCKETS);
        let help = "Time of an attempt after which everything is stored";
        of.register_with_unit("duration", help, Unit::Seconds, duration.clone());
        let pods = register(
            of,
            "pods",
            "Live pods that ask for secrets, leases, restarts or Kubernetes Secrets",
        );
        let failing = register(
            of,
            "pods_failing",
            "Pods whose last attempt failed, or that wait for a number. They are attempted again",
        );
        let leases_given = register(of, "leases_given", "Numbers that were given to pods");
        let leases_freed = register(
            of,
            "leases_freed",
            "Numbers that were freed because their pods were gone",
        );
        let lease_errors = register(
            of,
            "lease_errors",
            "Failed attempts to free the numbers of pods that are gone. They are made again",
        );
        let leases_waiting = register(
            of,
            "leases_waiting",
            "Leases of pods that wait because each number of the range is held",
        );
        let rotations = register(
            of,
            "rotations",
            "Secrets that were replaced by a new generation, and failed attempts, by result",
        );
        let retired = register(
            of,
            "retired",
            "Previous generations that were removed after their time",
        );
        let rotating = register(of, "rotating", "Secrets that pods want rotated");
        let restarts = register(
            of,
            "restarts",
            "Workloads that were restarted because the files of their pods were replaced, and failed \
             attempts, by result",
        );
        let restarts_stalled = register(
            of,
            "restarts_stalled",
            "Restarted workloads whose rollout made no progress for --restart-deadline",
        );
        let restarts_waiting = register(
            of,
            "restarts_waiting",
            "Workloads, by the template of their pods, that wait for a restart",
        );
        let secrets = register(
            of,
            "secrets",
            "Kubernetes Secrets that were written, and attempts without success, by result. denied is counted again at \
             each look at the pods",
        );
        let secrets_wanted = register(of, "secrets_wanted", "Kubernetes Secrets that pods ask for");
        let secrets_failing = register(
            of,
            "secrets_failing",
            "Kubernetes Secrets that are not written, because something failed, does not exist, or is in the way",
        );
        let lists = register(of, "lists", "Complete lists of pods from the API server");
        let watch_errors = register(
            of,
            "watch_errors",
            "Errors of the watch on pods, which is opened again",
        );
        let event_errors = register(of, "event_errors", "Events that could not be written");
        let condition_errors = register(
            of,
            "condition_errors",
            "Attempts to write the condition of a pod that failed or were denied",
        );
        let reloads = register(
            of,
            "policy_reloads",
            "Attempts to load a changed policy file, by result. An error is counted again at each \
             interval while it lasts",
        );
        let leader = register(
            of,
            "leader",
            "Whether this replica creates: 1 or 0. The sum of all replicas is 1, or more for a moment, or \
             if they cannot use the Lease",
        );
        let ready = register(of, "ready", "Whether /readyz answers 200: 1 or 0");
        let resident_memory = register_process(of);
        let metrics = Self {
            attempts,
            created,
            generated,
            store_errors,
            duration,
            pods,
            failing,
            leases_given,
            leases_freed,
            lease_errors,
            leases_waiting,
            rotations,
            retired,
            rotating,
            restarts,
            restarts_stalled,
            restarts_waiting,
            secrets,
            secrets_wanted,
            secrets_failing,
            lists,
            watch_errors,
            event_errors,
            condition_errors,
            reloads,
            leader,
            ready,
            resident_memory,
            registry: Arc::new(registry),
        };
        metrics.create_series();
        metrics
    }

    /// Creates every series with a label.
    fn create_series(&self) {
        for outcome in Outcome::all() {
            drop(self.attempts.get_or_create(&outcome.labels()));
        }
        for secret_type in SecretType::ALL {
            let labels = TypeLabels {
                r#type: Label(secret_type),
            };
            drop(self.generated.get_or_create(&labels));
        }
        for store in StoreName::ALL
            .into_iter()
            .filter(|store| store.is_persistent())
        {
            let labels = StoreLabels {
                store: Label(store),
            };
            drop(self.store_errors.get_or_create(&labels));
        }
        for result in SecretResult::ALL {
            drop(self.secrets.get_or_create(&result.labels()));
        }
        for result in ["success", "error"] {
            drop(self.reloads.get_or_create(&ResultLabels { result }));
            drop(self.rotations.get_or_create(&ResultLabels { result }));
            drop(self.restarts.get_or_create(&ResultLabels { result }));
        }
    }

    /// Counts an attempt.
    pub(crate) fn finished(&self, outcome: Outcome) {
        self.attempts.get_or_create(&outcome.labels()).inc();
    }

    /// Counts created values.
    pub(crate) fn created(&self, count: usize) {
        self.created
            .inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Counts a generation.
    pub(crate) fn generated(&self, secret_type: SecretType) {
        let labels = TypeLabels {
            r#type: Label(secret_type),
        };
        self.generated.get_or_create(&labels).inc();
    }

    /// Counts an attempt in which `store` could not be used at first.
    pub(crate) fn store_unavailable(&self, store: StoreName) {
        let labels = StoreLabels {
            store: Label(store),
        };
        self.store_errors.get_or_create(&labels).inc();
    }

    /// Notes how many pods wait for their next attempt.
    pub(crate) fn failing(&self, count: usize) {
        self.failing.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts freed numbers.
    pub(crate) fn leases_freed(&self, count: usize) {
        self.leases_freed
            .inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Notes how many leases pods wait for.
    pub(crate) fn leases_waiting(&self, count: usize) {
        self.leases_waiting
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts a rotation.
    pub(crate) fn rotated(&self) {
        let result = "success";
        self.rotations.get_or_create(&ResultLabels { result }).inc();
    }

    /// Counts an attempt to rotate that failed.
    pub(crate) fn rotation_failed(&self) {
        let result = "error";
        self.rotations.get_or_create(&ResultLabels { result }).inc();
    }

    /// Counts a previous generation that was removed.
    pub(crate) fn retired(&self) {
        self.retired.inc();
    }

    /// Notes how many secrets pods want rotated.
    pub(crate) fn rotating(&self, count: usize) {
        self.rotating.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts a restart, or an attempt that failed.
    pub(crate) fn restarted(&self, is_restarted: bool) {
        let result = if is_restarted { "success" } else { "error" };
        self.restarts.get_or_create(&ResultLabels { result }).inc();
    }

    /// Notes how many workloads wait for a restart.
    pub(crate) fn restarts_waiting(&self, count: usize) {
        self.restarts_waiting
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts what happened to a Kubernetes Secret.
    pub(crate) fn secret(&self, result: SecretResult) {
        self.secrets.get_or_create(&result.labels()).inc();
    }

    /// Notes how many Kubernetes Secrets pods ask for, and how many of them are not written.
    pub(crate) fn secrets(&self, wanted: usize, failing: usize) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.secrets_wanted.set(number(wanted));
        self.secrets_failing.set(number(failing));
    }

    /// Counts an attempt to load a changed policy.
    pub(crate) fn reloaded(&self, is_loaded: bool) {
        let result = if is_loaded { "success" } else { "error" };
        self.reloads.get_or_create(&ResultLabels { result }).inc();
    }

    /// Notes whether `/readyz` answers 200.
    pub(crate) fn ready(&self, ready: bool) {
        self.ready.set(i64::from(ready));
    }

    /// The metrics in the text format of `OpenMetrics` 1.0.
    pub fn render(&self) -> Result<String, fmt::Error> {
        if let Some(bytes) = resident_memory() {
            self.resident_memory.set(bytes);
        }
        let mut out = String::with_capacity(8192);
        prometheus_client::encoding::text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Adds the metrics of the process, and returns that of its resident memory.
fn register_process(registry: &mut Registry) -> Gauge {
    let memory = Gauge::default();
    let help = "Resident memory of the process";
    registry.register_with_unit("resident_memory", help, Unit::Bytes, memory.clone());
    let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The version of the program", build);
    memory
}

/// Adds a metric with the value zero to `registry`.
fn register<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}
