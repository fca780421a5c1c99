//! One look for the numbers of a pod.
//!
//! A pod has a record of its own that holds its number. The original kees writes none: there a pod
//! looks for its name among the records of the numbers.

use std::collections::BTreeSet;

use kees_common::{LeaseRange, PlannedLease, StoragePath, StoreName};
use kees_store::{
    ErrorKind, StoreError,
    leases::{LeaseStore, PodIdentity, Record},
};

use crate::Request;

/// The most numbers whose records are read by their paths. Those of a larger range are read page by
/// page.
const MOST_BY_PATH: u64 = 1000;

/// What the last look found for one lease.
#[derive(Debug)]
pub(super) enum Looked {
    /// Nothing is known: no look has ended yet.
    Unread,
    /// The number of the pod.
    Held(i32),
    /// No number.
    Absent,
    /// The number of an earlier pod of the same name.
    OfEarlierPod,
    /// The store's answer was an error, or its record is wrong.
    Failed(StoreError),
}

/// Looks for the numbers of one pod.
pub(super) struct Lookup<'a, S> {
    store: &'a S,
    name: &'a str,
    namespace: Option<&'a str>,
    uid: Option<&'a str>,
}

impl<'a, S: LeaseStore> Lookup<'a, S> {
    pub(super) fn new(request: &'a Request, store: &'a S) -> Self {
        Self {
            store,
            name: request.pod_name.as_deref().unwrap_or_default(),
            namespace: request.namespace.as_deref(),
            uid: request.pod_uid.as_deref(),
        }
    }

    /// What is there for each of `leases`. It is one read if the pod's uid and namespace are known.
    pub(super) async fn all(&self, leases: &[&PlannedLease]) -> Vec<Looked> {
        let mut looked = self.own_records(leases).await;
        if self.uid.is_some() && self.namespace.is_some() {
            return looked;
        }
        for (lease, looked) in leases.iter().zip(&mut looked) {
            if matches!(looked, Looked::Absent) {
                *looked = match self.by_name(lease.store, &lease.range).await {
                    Ok(Some(number)) => Looked::Held(number),
                    Ok(None) => Looked::Absent,
                    Err(error) => Looked::Failed(error),
                };
            }
        }
        looked
    }

    /// Reads the record that the pod has for each of `leases`.
    async fn own_records(&self, leases: &[&PlannedLease]) -> Vec<Looked> {
        let Some(namespace) = self.namespace else {
            return leases.iter().map(|_| Looked::Absent).collect();
        };
        let path = |lease: &&PlannedLease| lease.range.pod_path(namespace, self.name);
        let paths: Vec<_> = leases.iter().map(path).collect();
        let records = self.store.records(&paths).await;
        let looked = leases.iter().zip(&paths).zip(records);
        looked
            .map(|((lease, path), record)| match record {
                Ok(Some(record)) => self.own_number(lease, path, &record),
                Ok(None) => Looked::Absent,
                Err(error) => Looked::Failed(error),
            })
            .collect()
    }

    /// The number in the record of this pod, or of an earlier pod of the same name.
    fn own_number(&self, lease: &PlannedLease, path: &StoragePath, record: &Record) -> Looked {
        let is_of = |uid| matches!(&record.pod, Some(pod) if pod.uid == uid);
        if !self.uid.is_none_or(is_of) {
            return Looked::OfEarlierPod;
        }
        let number = record.value.parse().ok();
        match number.filter(|number| lease.range.contains(*number)) {
            Some(number) => Looked::Held(number),
            None => Looked::Failed(no_number(lease, path)),
        }
    }

    /// The number whose record has the pod's name.
    async fn by_name(
        &self,
        store: StoreName,
        range: &LeaseRange,
    ) -> Result<Option<i32>, StoreError> {
        let held = if range.size() <= MOST_BY_PATH {
            self.by_path(range).await?
        } else {
            self.by_page(range).await?
        };
        let namespaces = held.iter().filter_map(|(_, pod)| pod.as_ref());
        let namespaces: BTreeSet<_> = namespaces.map(|pod| &pod.namespace).collect();
        if namespaces.len() > 1 {
            let message = format!(
                "pods named {} of several namespaces hold a number of {range}",
                self.name
            );
            let remedy = "set POD_NAMESPACE and POD_UID to the pod's own (metadata.namespace and \
                          metadata.uid)";
            return Err(StoreError::new(ErrorKind::Setting, store, message, remedy));
        }
        Ok(held.iter().map(|(number, _)| *number).min())
    }

    async fn by_path(&self, range: &LeaseRange) -> Result<Vec<Held>, StoreError> {
        let numbers = || range.start()..=range.end();
        let paths: Vec<_> = numbers().map(|number| range.number_path(number)).collect();
        let records = self.store.records(&paths).await;
        let mut held = Vec::new();
        for (number, record) in numbers().zip(records) {
            let record = readable(record)?.flatten();
            held.extend(record.and_then(|record| self.held(number, record)));
        }
        Ok(held)
    }

    async fn by_page(&self, range: &LeaseRange) -> Result<Vec<Held>, StoreError> {
        let prefix = range.number_prefix();
        let mut held = Vec::new();
        let mut start = None;
        loop {
            let page = self.store.records_below(&prefix, start.as_deref()).await?;
            for (path, record) in page.records {
                if let Some(number) = range.number_at(&path)
                    && let Some(record) = readable(record)?
                {
                    held.extend(self.held(number, record));
                }
            }
            match page.next {
                Some(next) => start = Some(next),
                None => return Ok(held),
            }
        }
    }

    /// The number and its pod, if the record is this pod's as far as is known.
    fn held(&self, number: i32, record: Record) -> Option<Held> {
        let is_own = |pod: &PodIdentity| match (self.uid, self.namespace) {
            (Some(uid), _) => pod.uid == uid,
            (None, Some(namespace)) => pod.namespace == namespace,
            (None, None) => true,
        };
        let is_held = record.value == self.name && record.pod.as_ref().is_none_or(is_own);
        is_held.then_some((number, record.pod))
    }
}

/// A number, and the pod that holds it if the store knows it.
type Held = (i32, Option<PodIdentity>);

/// A record that cannot be decoded is no record of this pod.
fn readable<T>(record: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match record {
        Ok(record) => Ok(Some(record)),
        Err(error) if error.kind == ErrorKind::Malformed => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn no_number(lease: &PlannedLease, path: &StoragePath) -> StoreError {
    let (start, end) = (lease.range.start(), lease.range.end());
    let message = format!("the stored value is no number from {start} to {end}");
    let remedy = "delete this record, and the pod gets a number again";
    StoreError::new(ErrorKind::Malformed, lease.store, message, remedy).at(path)
}
