//! The result for one lease, and the place that errors and reports name.

use kees_common::{PlannedLease, StoragePath, StoreName};
use kees_store::{ErrorKind, StoreError};

use crate::{FailedEntry, InitError, Request};

/// The result for one lease.
#[derive(Debug)]
pub(crate) enum Number {
    /// The pod holds it.
    Held {
        /// The number.
        number: i32,
        /// Whether this run has given it to the pod.
        is_new: bool,
    },
    /// The store has none for this pod, and local mode derives one.
    Local,
    /// Unknown, and not waited for, because something else failed.
    Open,
    /// There is none.
    Failed(InitError),
}

/// Where the pod's number is looked for first: the record of the pod, or that of the first number if
/// the pod's namespace is unknown.
pub(crate) fn place(request: &Request, lease: &PlannedLease) -> (StoreName, StoragePath) {
    let path = match (request.namespace.as_deref(), request.pod_name.as_deref()) {
        (Some(namespace), Some(pod)) => lease.range.pod_path(namespace, pod),
        _ => lease.range.number_path(lease.range.start()),
    };
    (lease.store, path)
}

/// A lease and its place, for an error.
pub(super) fn failed(request: &Request, lease: &PlannedLease) -> FailedEntry {
    let (store, path) = place(request, lease);
    FailedEntry {
        annotation: request.annotation_of(lease).to_owned(),
        store,
        path,
    }
}

/// The store sent no response in time.
pub(super) fn silent(store: StoreName) -> StoreError {
    let message = "the store did not answer before the run's TIMEOUT was over";
    let remedy = "check the store's endpoint and the network on the way to it, or give TIMEOUT more \
                  seconds";
    StoreError::new(ErrorKind::TimedOut, store, message, remedy)
}
