//! Leases: numbers that one live pod holds at a time.
//!
//! A store keeps [`Record`]s: one for each number that is held, and one for each pod that holds a
//! number ([`LeaseRange`](kees_common::LeaseRange) has their paths). All changes are made by
//! [`LeaseStore::swap`], which changes several records in one atomic step on the condition that each
//! of them is what the caller has read.

pub mod claim;
mod driver;
mod release;
#[cfg(test)]
mod tests;

use std::future::Future;

use kees_common::{LeaseRange, StoragePath};

pub use claim::Claim;
pub use driver::{LivingPods, claim, free_abandoned, release};
pub use release::{Release, ReleaseEffect, ReleaseEvent};

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

impl Record {
    /// The path of the record of the pod that holds the number of this record, where that is known.
    fn path_of_pod(&self, range: &LeaseRange) -> Option<StoragePath> {
        let pod = self.pod.as_ref()?;
        Some(range.pod_path(&pod.namespace, &self.value))
    }
}

/// A pod that holds a number, or wants one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pod {
    /// `metadata.name`
    pub name: String,
    /// Its namespace and uid.
    pub identity: PodIdentity,
}

impl Pod {
    /// The record of a number that this pod holds.
    pub fn as_holder(&self) -> Record {
        Record {
            value: self.name.clone(),
            pod: Some(self.identity.clone()),
        }
    }

    /// The record of this pod, when it holds `number`.
    pub fn holding(&self, number: i32) -> Record {
        Record {
            value: number.to_string(),
            pod: Some(self.identity.clone()),
        }
    }

    /// The path of the record of this pod.
    pub fn path(&self, range: &LeaseRange) -> StoragePath {
        range.pod_path(&self.identity.namespace, &self.name)
    }
}

/// Why a number is neither given nor freed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LeaseError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The API server failed.
    #[error("cannot ask the API server whether a pod lives: {0}")]
    Kubernetes(String),
    /// The record of a pod has no number of its range.
    #[error(
        "the record {0} of a pod has no number of its range; delete it, and the pod gets a number again"
    )]
    NoNumber(StoragePath),
    /// There was no result in time.
    #[error("no result in time; it is tried again")]
    TimedOut,
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
