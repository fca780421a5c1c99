//! The metrics of the `SecretProviderClass` objects.

use std::fmt;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The metrics of the classes and of what is asked for besides.
#[derive(Debug, Clone, Default)]
pub(super) struct ClassMetrics {
    /// The classes that are known.
    pub(super) known: Gauge,
    /// The errors of the watches.
    pub(super) watch_errors: Counter,
    lookups: Family<LookupLabels, Counter>,
}

impl ClassMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "secret_provider_classes",
            "SecretProviderClass objects in memory; 0 without --secret-provider-classes",
            metrics.known.clone(),
        );
        registry.register(
            "class_watch_errors",
            "Errors of the watches on SecretProviderClass objects and ServiceAccounts",
            metrics.watch_errors.clone(),
        );
        registry.register(
            "class_lookups",
            "Classes and ServiceAccounts that were not in memory, and for which the API server was asked before a decision",
            metrics.lookups.clone(),
        );
        for result in LookupResult::ALL {
            drop(metrics.lookups.get_or_create(&LookupLabels { result }));
        }
        metrics
    }

    pub(super) fn looked_up(&self, result: LookupResult) {
        self.lookups.get_or_create(&LookupLabels { result }).inc();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookupLabels {
    result: LookupResult,
}

/// What the API server said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LookupResult {
    /// The object.
    Found,
    /// There is none.
    Missing,
    /// It did not answer, or denied the request.
    Error,
}

impl LookupResult {
    const ALL: [Self; 3] = [Self::Found, Self::Missing, Self::Error];
}

impl EncodeLabelValue for LookupResult {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        match self {
            Self::Found => "found",
            Self::Missing => "missing",
            Self::Error => "error",
        }
        .encode(encoder)
    }
}
