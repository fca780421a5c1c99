//! The metrics for Prometheus. Every label has a closed set of values.

use std::{fmt, sync::Arc, time::Duration};

use kees_inject::{Outcome, ReviewResponse};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

use crate::handshake::HandshakeError;

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
    /// TLS handshakes that failed.
    handshake_errors: Family<HandshakeLabels, Counter>,
}

impl ConnectionMetrics {
    /// Counts a TLS handshake that failed.
    pub(crate) fn handshake_failed(&self, error: HandshakeError) {
        self.handshake_errors
            .get_or_create(&HandshakeLabels { reason: error })
            .inc();
    }
}

/// What is loaded from files and loaded again when they change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Watched {
    /// The certificate and its key.
    Certificate,
    /// The policy file.
    Policy,
    /// The CAs of clients.
    ClientCa,
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
        // 10 µs to 160 ms. A review of a common pod takes about 10 µs, a large one about 1 ms.
        let duration = Histogram::new(exponential_buckets(1e-5, 2.0, 15));
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
        let certificate_expiry = Gauge::default();
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "End of the validity of the certificate in use, since 1970",
            Unit::Seconds,
            certificate_expiry.clone(),
        );
        let reloads = Family::default();
        registry.register(
            "reloads",
            "Attempts to load changed files, by result",
            reloads.clone(),
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
        Self {
            requests,
            duration,
            in_flight,
            connections,
            certificate_expiry,
            reloads,
            resident_memory,
            registry: Arc::new(registry),
        }
    }

    /// Counts a response to a review.
    pub(crate) fn answered(&self, response: &ReviewResponse, took: Duration) {
        let labels = RequestLabels {
            outcome: OutcomeLabel(response.outcome),
            reason: ReasonLabel(response.outcome),
        };
        self.requests.get_or_create(&labels).inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// Counts an attempt to load changed files.
    pub(crate) fn reloaded(&self, file: Watched, result: ReloadResult) {
        self.reloads
            .get_or_create(&ReloadLabels { file, result })
            .inc();
    }

    /// The metrics of the connections to the admin port. Only evictions are exported.
    pub(crate) fn admin_connections(&self) -> ConnectionMetrics {
        ConnectionMetrics {
            evicted: self.connections.evicted.clone(),
            ..ConnectionMetrics::default()
        }
    }

    /// The metrics in the text format of `OpenMetrics` 1.0.
    pub fn render(&self) -> Result<String, fmt::Error> {
        if let Some(bytes) = resident_memory() {
            self.resident_memory.set(bytes);
        }
        let mut out = String::with_capacity(4096);
        text::encode(&mut out, &self.registry)?;
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
        "TLS handshakes that failed, by reason",
        metrics.handshake_errors.clone(),
    );
    // An alert on the first error needs the zero before it.
    for reason in HandshakeError::ALL {
        drop(
            metrics
                .handshake_errors
                .get_or_create(&HandshakeLabels { reason }),
        );
    }
    metrics
}

/// The resident memory in bytes, from `/proc/self/status`; see proc(5).
fn resident_memory() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    outcome: OutcomeLabel,
    reason: ReasonLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct OutcomeLabel(Outcome);

impl EncodeLabelValue for OutcomeLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.0.as_str().encode(encoder)
    }
}

/// Why a pod was skipped; empty for the other outcomes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ReasonLabel(Outcome);

impl EncodeLabelValue for ReasonLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        match self.0 {
            Outcome::Skipped(reason) => reason.as_str(),
            _ => "",
        }
        .encode(encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    file: Watched,
    result: ReloadResult,
}

impl Watched {
    /// The name in labels and log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Policy => "policy",
            Self::ClientCa => "client_ca",
        }
    }
}

impl EncodeLabelValue for Watched {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.as_str().encode(encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandshakeLabels {
    reason: HandshakeError,
}

impl EncodeLabelValue for HandshakeError {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.as_str().encode(encoder)
    }
}

/// What became of changed files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ReloadResult {
    /// They are in use.
    Success,
    /// They are invalid, and the previous ones stay in use.
    Error,
}

impl EncodeLabelValue for ReloadResult {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        match self {
            Self::Success => "success",
            Self::Error => "error",
        }
        .encode(encoder)
    }
}
