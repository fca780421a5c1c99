//! What a pod asks for with one lease.

use kees_common::{LeaseRange, PlannedLease, StoreName};

/// A lease of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) store: StoreName,
    pub(super) range: LeaseRange,
}

impl From<&PlannedLease> for Wanted {
    fn from(planned: &PlannedLease) -> Self {
        Self {
            store: planned.store,
            range: planned.range.clone(),
        }
    }
}
