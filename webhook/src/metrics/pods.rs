//! The metrics of the pods with Kubernetes Secrets.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

/// The metrics of the pods whose Secrets are compared with those of new pods.
#[derive(Debug, Clone, Default)]
pub(super) struct PodMetrics {
    /// The pods that are known.
    pub(super) known: Gauge,
    /// The errors of the watch.
    pub(super) watch_errors: Counter,
}

impl PodMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "synced_pods",
            "Live pods in memory that ask for Kubernetes Secrets, for the comparison with new pods; 0 without --secret-sync",
            metrics.known.clone(),
        );
        registry.register(
            "pod_watch_errors",
            "Errors of the watch on pods that ask for Kubernetes Secrets",
            metrics.watch_errors.clone(),
        );
        metrics
    }
}
