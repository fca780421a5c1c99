//! Leases: numbers that one live pod holds at a time.
//!
//! A store keeps [`Record`]s: one for each number that is held, and one for each pod that holds a
//! number ([`LeaseRange`](kees_common::LeaseRange) has their paths). All changes are made by
//! [`LeaseStore::swap`], which changes several records in one atomic step on the condition that each
//! of them is what the caller has read.

use std::future::Future;

use kees_common::StoragePath;

use crate::StoreError;

/// The most records in one call of [`LeaseStore::swap`].
pub const MOST_CHANGES: usize = 4;

/// What a store keeps at one path of a lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// For a number: the name of the pod that holds it. For a pod: its number in decimal digits. It is
    /// stored as plain text, as in the original.
    pub value: String,
    /// The pod. `None` where the original kees wrote the record, which stores the pod's name only.
    pub pod: Option<PodIdentity>,
}

/// What distinguishes a pod from every other pod that ever lived in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PodIdentity {
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.uid`
    pub uid: String,
}

/// The change of one record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Change {
    /// Its path.
    pub path: StoragePath,
    /// The record that must be there; `None`: there must be none.
    pub expected: Option<Record>,
    /// The record that is written; `None`: the record is deleted.
    pub new: Option<Record>,
}

/// A page of [`LeaseStore::records_below`].
#[derive(Debug, Clone, Default)]
pub struct RecordPage {
    /// Each record with its path. A record that cannot be decoded is an error.
    pub records: Vec<(String, Result<Record, StoreError>)>,
    /// Where the next page begins. `None`: this page is the last one.
    pub next: Option<String>,
}

/// Keeps the records of leases.
pub trait LeaseStore {
    /// The records at `paths`, in their order, each read consistently; `None` where there is none.
    /// They may be read at different moments. This method does not retry.
    fn records(
        &self,
        paths: &[StoragePath],
    ) -> impl Future<Output = Vec<Result<Option<Record>, StoreError>>> + Send;

    /// A page of the records whose paths begin with `prefix`. DynamoDB has no index of paths, so this
    /// reads the whole table, page by page. `start` is [`RecordPage::next`] of the page before.
    fn records_below(
        &self,
        prefix: &str,
        start: Option<&str>,
    ) -> impl Future<Output = Result<RecordPage, StoreError>> + Send;

    /// Makes all of `changes` in one atomic step if each record is the expected one, and returns
    /// whether it did. After an error it is not known whether the step was made. The same step twice
    /// is refused the second time, because the records are not the expected ones any more.
    fn swap(&self, changes: &[Change]) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
