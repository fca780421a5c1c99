//! Counts the steps of the runs.

use kees_common::Spec;
use kees_init::Progress;
use kees_store::StoreError;

use crate::metrics::Metrics;

/// Counts what the runs generate, and logs stores that cannot be used.
pub(crate) struct Steps<'a> {
    pub(crate) metrics: &'a Metrics,
}

impl Progress for Steps<'_> {
    fn generated(&self, spec: &Spec) {
        self.metrics.generated(spec.secret_type());
    }

    fn store_unavailable(&self, error: &StoreError) {
        self.metrics.store_unavailable(error.store);
        tracing::debug!("the store {} cannot be used: {error}", error.store);
    }
}
