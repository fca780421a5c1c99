//! What is counted, for Prometheus. Every label is one of a closed set.

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

/// All metrics of the process. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    duration: Histogram,
    /// Requests that are being answered now.
    pub(crate) in_flight: Gauge,
    /// Connections that are open now, their TLS handshake included.
    pub(crate) connections: Gauge,
    /// Idle connections that gave way to new ones.
    pub(crate) connections_evicted: Counter,
    /// TLS handshakes that failed.
    pub(crate) handshake_failures: Counter,
    /// The end of the certificate's validity, in seconds since 1970.
    pub(crate) certificate_expiry: Gauge,
    reloads: Family<ReloadLabels, Counter>,
    resident_memory: Gauge,
    registry: Arc<Registry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    outcome: OutcomeLabel,
    reason: ReasonLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    file: Watched,
    result: ReloadResult,
}

/// A thing made of files that are read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Watched {
    /// The certificate and its key.
    Certificate,
    /// The policy file.
    Policy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ReloadResult {
    Taken,
    Refused,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("kees_webhook");
        let requests = Family::default();
        registry.register(
            "requests",
            "Reviews answered, by what became of the pod",
            requests.clone(),
        );
        // 10 µs to 160 ms: a review of a common pod takes some 10 µs, the longest about 1 ms.
        let duration = Histogram::new(exponential_buckets(1e-5, 2.0, 15));
        registry.register_with_unit(
            "request_duration",
            "From the request's headers to its answer",
            Unit::Seconds,
            duration.clone(),
        );
        let in_flight = Gauge::default();
        registry.register(
            "requests_in_flight",
            "Requests being answered now",
            in_flight.clone(),
        );
        let connections = Gauge::default();
        registry.register("connections", "Connections open now", connections.clone());
        let connections_evicted = Counter::default();
        registry.register(
            "connections_evicted",
            "Idle connections that were closed to make room for a new one, of both ports",
            connections_evicted.clone(),
        );
        let handshake_failures = Counter::default();
        registry.register(
            "tls_handshake_failures",
            "TLS handshakes that failed or took too long",
            handshake_failures.clone(),
        );
        let certificate_expiry = Gauge::default();
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "End of the served certificate's validity, since 1970",
            Unit::Seconds,
            certificate_expiry.clone(),
        );
        let reloads = Family::default();
        registry.register(
            "reloads",
            "Changed files that were taken or refused, one for each look at them",
            reloads.clone(),
        );
        let resident_memory = Gauge::default();
        registry.register_with_unit(
            "resident_memory",
            "Memory of the process, as the kernel counts it",
            Unit::Bytes,
            resident_memory.clone(),
        );
        registry.register(
            "build",
            "The program",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        Self {
            requests,
            duration,
            in_flight,
            connections,
            connections_evicted,
            handshake_failures,
            certificate_expiry,
            reloads,
            resident_memory,
            registry: Arc::new(registry),
        }
    }

    /// A review has been answered.
    pub(crate) fn answered(&self, reply: &ReviewResponse, took: Duration) {
        let labels = RequestLabels {
            outcome: OutcomeLabel(reply.outcome),
            reason: ReasonLabel(reply.outcome),
        };
        self.requests.get_or_create(&labels).inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// Changed files were taken or refused.
    pub(crate) fn reloaded(&self, file: Watched, taken: bool) {
        let result = if taken {
            ReloadResult::Taken
        } else {
            ReloadResult::Refused
        };
        self.reloads
            .get_or_create(&ReloadLabels { file, result })
            .inc();
    }

    /// The text that Prometheus reads (`OpenMetrics` 1.0).
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

/// Bytes of memory that are resident, as `/proc/self/status` says; see proc(5).
fn resident_memory() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct OutcomeLabel(Outcome);

impl EncodeLabelValue for OutcomeLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.0.as_str().encode(encoder)
    }
}

/// Why a pod was left as it is; empty for the other outcomes.
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

impl Watched {
    /// Its name in labels and log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Policy => "policy",
        }
    }
}

impl EncodeLabelValue for Watched {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.as_str().encode(encoder)
    }
}

impl EncodeLabelValue for ReloadResult {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        match self {
            Self::Taken => "taken",
            Self::Refused => "refused",
        }
        .encode(encoder)
    }
}
