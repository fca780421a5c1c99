//! The metrics for Prometheus. Every series exists from the start, with the value zero. The
//! reference `docs/metrics.md` is generated from what [`Metrics::render`] returns at that time.

mod classes;
mod labels;
mod pods;

use std::{fmt, sync::Arc, time::Duration};

use kees_inject::ReviewResponse;
use kees_server::resident_memory;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

pub use self::labels::Watched;
use self::{
    classes::ClassMetrics,
    labels::{
        DecisionLabels, FileLabels, HandshakeLabels, PolicyLabels, ReloadLabels, RequestLabels,
    },
    pods::PodMetrics,
};
pub(crate) use self::{classes::LookupResult, labels::ReloadResult};
use crate::{handshake::HandshakeError, health::now};

/// Seconds. A review of a common pod takes about 10 µs, a large one about 1 ms, and a body that
/// arrives slowly up to the body timeout. An API server waits `timeoutSeconds`.
const BUCKETS: [f64; 18] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

/// All metrics of the process. A clone is cheap and shares the values.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    duration: Histogram,
    /// Requests without a response yet.
    pub(crate) in_flight: Gauge,
    /// Connections to the webhook's port.
    pub(crate) connections: ConnectionMetrics,
    /// The end of the certificate's validity, in seconds since 1970.
    pub(crate) certificate_expiry: Gauge,
    reloads: Family<ReloadLabels, Counter>,
    loaded: Family<FileLabels, Gauge>,
    policy: Family<PolicyLabels, Gauge>,
    decisions: Family<DecisionLabels, Counter>,
    classes: ClassMetrics,
    pods: PodMetrics,
    ready: Gauge,
    resident_memory: Gauge,
    registry: Arc<Registry>,
}

/// The metrics of the connections to one port.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectionMetrics {
    /// Connections that are open, including those in the TLS handshake.
    pub(crate) open: Gauge,
    /// Idle connections that were closed for a new one.
    pub(crate) evicted: Counter,
    handshake_errors: Family<HandshakeLabels, Counter>,
}

impl ConnectionMetrics {
    /// Counts a TLS handshake that failed.
    pub(crate) fn handshake_failed(&self, reason: HandshakeError) {
        let labels = HandshakeLabels { reason };
        self.handshake_errors.get_or_create(&labels).inc();
    }
}

impl Metrics {
    /// Metrics with the value zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("kees_webhook");
        let requests = Family::default();
        registry.register(
            "requests",
            "Responses to reviews, by outcome",
            requests.clone(),
        );
        let duration = Histogram::new(BUCKETS);
        registry.register_with_unit(
            "request_duration",
            "Time from the headers of a request to its response",
            Unit::Seconds,
            duration.clone(),
        );
        let in_flight = Gauge::default();
        registry.register(
            "requests_in_flight",
            "Requests without a response yet",
            in_flight.clone(),
        );
        let connections = register_connections(&mut registry);
        let files = register_files(&mut registry);
        let classes = ClassMetrics::register(&mut registry);
        let pods = PodMetrics::register(&mut registry);
        let process = register_process(&mut registry);
        for labels in RequestLabels::all() {
            drop(requests.get_or_create(&labels));
        }
        Self {
            requests,
            duration,
            in_flight,
            connections,
            certificate_expiry: files.certificate_expiry,
            reloads: files.reloads,
            loaded: files.loaded,
            policy: files.policy,
            decisions: files.decisions,
            classes,
            pods,
            ready: process.ready,
            resident_memory: process.resident_memory,
            registry: Arc::new(registry),
        }
    }

    /// Counts a response to a review.
    pub(crate) fn answered(&self, response: &ReviewResponse, took: Duration) {
        let labels = RequestLabels {
            outcome: response.outcome.as_str(),
            reason: response.reason,
            dry_run: response.audit.dry_run,
        };
        self.requests.get_or_create(&labels).inc();
        self.duration.observe(took.as_secs_f64());
        if let Some(result) = &response.policy {
            self.decisions.get_or_create(&result.into()).inc();
        }
    }

    /// Counts an attempt to load changed files.
    pub(crate) fn reloaded(&self, file: Watched, result: ReloadResult) {
        self.reloads
            .get_or_create(&ReloadLabels { file, result })
            .inc();
        if result == ReloadResult::Success {
            self.loaded_now(file);
        }
    }

    /// Notes that the contents of `file` are in use from now on.
    pub(crate) fn loaded_now(&self, file: Watched) {
        self.loaded.get_or_create(&FileLabels { file }).set(now());
    }

    /// Notes the policy that is in use: the beginning of the SHA-256 of its file, and its rules.
    pub(crate) fn policy_replaced<'a>(
        &self,
        sha256: &str,
        rules: impl IntoIterator<Item = &'a str>,
    ) {
        for labels in rules.into_iter().flat_map(DecisionLabels::of_rule) {
            drop(self.decisions.get_or_create(&labels));
        }
        self.policy.clear();
        let sha256 = sha256.to_owned();
        self.policy.get_or_create(&PolicyLabels { sha256 }).set(1);
    }

    /// The metrics of the connections to the admin port. Only evictions are exported.
    pub(crate) fn admin_connections(&self) -> ConnectionMetrics {
        ConnectionMetrics {
            evicted: self.connections.evicted.clone(),
            ..ConnectionMetrics::default()
        }
    }

    /// Notes how many classes are known.
    pub(crate) fn secret_provider_classes(&self, count: usize) {
        self.classes
            .known
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts an object that was not known, and was asked for.
    pub(crate) fn class_looked_up(&self, result: LookupResult) {
        self.classes.looked_up(result);
    }

    /// Counts an error of a watch.
    pub(crate) fn class_watch_failed(&self) {
        self.classes.watch_errors.inc();
    }

    /// Notes how many pods with Kubernetes Secrets are known.
    pub(crate) fn live_pods(&self, count: usize) {
        self.pods
            .known
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts an error of the watch on pods.
    pub(crate) fn pod_watch_failed(&self) {
        self.pods.watch_errors.inc();
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

fn register_connections(registry: &mut Registry) -> ConnectionMetrics {
    let metrics = ConnectionMetrics::default();
    registry.register(
        "connections",
        "Open connections to the webhook's port",
        metrics.open.clone(),
    );
    registry.register(
        "connections_evicted",
        "Idle connections that were closed for a new one, on both ports",
        metrics.evicted.clone(),
    );
    registry.register(
        "tls_handshake_errors",
        "TLS handshakes that failed, by reason. unknown_ca, bad_certificate and certificate_expired: the \
         client does not trust the certificate",
        metrics.handshake_errors.clone(),
    );
    for reason in HandshakeError::ALL {
        let labels = HandshakeLabels { reason };
        drop(metrics.handshake_errors.get_or_create(&labels));
    }
    metrics
}

/// The metrics of the certificate and of the policy.
struct FileMetrics {
    certificate_expiry: Gauge,
    reloads: Family<ReloadLabels, Counter>,
    loaded: Family<FileLabels, Gauge>,
    policy: Family<PolicyLabels, Gauge>,
    decisions: Family<DecisionLabels, Counter>,
}

fn register_files(registry: &mut Registry) -> FileMetrics {
    let certificate_expiry = Gauge::default();
    registry.register_with_unit(
        "certificate_expiry_timestamp",
        "End of the validity of the certificate in use, since 1970",
        Unit::Seconds,
        certificate_expiry.clone(),
    );
    let reloads = Family::<ReloadLabels, Counter>::default();
    registry.register(
        "reloads",
        "Attempts to load changed files, by result. An error is counted again at each interval while \
         it lasts",
        reloads.clone(),
    );
    let loaded = Family::<FileLabels, Gauge>::default();
    registry.register_with_unit(
        "loaded_timestamp",
        "When the content in use was loaded, since 1970; 0 without a file",
        Unit::Seconds,
        loaded.clone(),
    );
    for file in Watched::ALL {
        for result in ReloadResult::ALL {
            drop(reloads.get_or_create(&ReloadLabels { file, result }));
        }
        drop(loaded.get_or_create(&FileLabels { file }));
    }
    let policy = Family::default();
    registry.register(
        "policy_info",
        "The policy in use: always 1, with the first 16 digits of the SHA-256 of the policy file. \
         Replicas with different values have different policies",
        policy.clone(),
    );
    let decisions = Family::default();
    registry.register(
        "policy_decisions",
        "Pods by the rule of the policy that applies to them, and by what the policy decided. The label \
         rule is the name of the rule, else its number, and empty if no rule matches. A denied pod may \
         have other errors too",
        decisions.clone(),
    );
    for labels in DecisionLabels::of_rule("") {
        drop(decisions.get_or_create(&labels));
    }
    let metrics = FileMetrics {
        certificate_expiry,
        reloads,
        loaded,
        policy,
        decisions,
    };
    let no_file = PolicyLabels {
        sha256: String::new(),
    };
    metrics.policy.get_or_create(&no_file).set(1);
    metrics
}

/// The metrics of the process itself.
struct ProcessMetrics {
    ready: Gauge,
    resident_memory: Gauge,
}

fn register_process(registry: &mut Registry) -> ProcessMetrics {
    let ready = Gauge::default();
    registry.register(
        "ready",
        "Whether /readyz answers 200: 1 or 0",
        ready.clone(),
    );
    let resident_memory = Gauge::default();
    registry.register_with_unit(
        "resident_memory",
        "Resident memory of the process",
        Unit::Bytes,
        resident_memory.clone(),
    );
    registry.register(
        "build",
        "The version of the program",
        Info::new([("version", env!("CARGO_PKG_VERSION"))]),
    );
    ProcessMetrics {
        ready,
        resident_memory,
    }
}
