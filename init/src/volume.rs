//! The volume of a `SecretProviderClass`: reads what it asks for, in its Regions.
//!
//! What is read where, and what becomes of the values, is in `kees-secret-provider-class`. Here are the calls, their
//! retries and the deadline.

mod objects_error;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use futures_util::future;
use kees_common::Locator;
use kees_secret_provider_class::{Fetch, Mount, OutputFile, Read, Service, Site};
use kees_store::{Backoff, ErrorKind, Found, ReadStore, StoreError};
use tokio::time::{Instant, sleep, timeout_at};

pub use objects_error::{ObjectsError, VolumeReadError};

use crate::progress::Progress;

/// Reads everything that a volume asks for, and makes its files. `store` gives the store of a service in a Region.
///
/// An error that may pass is tried again until `limit` is over. With a failover Region, the first Region has a quarter
/// of the time. `progress` is told of the first such error.
///
/// # Errors
/// Each object that was not read, with the causes in all Regions that were asked. Objects that failed for the same
/// reason are together. Then there are no files.
pub async fn read_volume<'s, S: ReadStore + 's>(
    mount: &Mount,
    store: impl Fn(Site, Service) -> Result<&'s S, StoreError>,
    limit: Duration,
    progress: &dyn Progress,
) -> Result<Vec<OutputFile>, Vec<ObjectsError>> {
    let begin = Instant::now();
    let mut fetch = Fetch::new(mount);
    loop {
        let reads = fetch.wanted();
        let Some(first) = reads.first() else {
            return fetch.finish().map_err(ObjectsError::grouped);
        };
        for read in reads.iter().filter(|read| read.site == Site::Failover) {
            report(&fetch, read, mount, progress);
        }
        let has_failover = first.site == Site::Primary && mount.failover_region.is_some();
        let end = begin + if has_failover { limit / 4 } else { limit };
        let results = reads.iter().map(|read| answer(read, &store, end, progress));
        let results = future::join_all(results).await;
        for (read, results) in reads.iter().zip(results) {
            fetch.answer(read, results, |VolumeReadError(error)| is_final(error));
        }
    }
}

/// Codes of errors that the services name in the description of `GetSecretValue` and `GetParameters` and that are no
/// failures of the service. Others, such as denials and throttling, may be absent in another Region.
const FINAL: [&str; 4] = [
    "DecryptionFailure",
    "InvalidKeyId",
    "InvalidParameterException",
    "InvalidRequestException",
];

/// Whether the provider does not look in another Region after this error: the service says that the object is not
/// as the class needs it. Such an object would differ between the Regions.
fn is_final(error: &StoreError) -> bool {
    let is_of_object = matches!(
        error.kind,
        ErrorKind::NoValue | ErrorKind::ScheduledForDeletion { .. }
    );
    is_of_object
        || error
            .code
            .as_deref()
            .is_some_and(|code| FINAL.contains(&code))
}

/// Reports why the failover Region is asked, each reason once.
fn report(fetch: &Fetch<'_, VolumeReadError>, read: &Read, mount: &Mount, progress: &dyn Progress) {
    let region = mount.region.as_deref().unwrap_or("the default Region");
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, cause) in fetch.first_causes(read) {
        let reason = format!("in {region}: {cause}");
        reasons.entry(reason).or_default().push(name);
    }
    for (reason, names) in reasons {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        progress.failing_over(&names, &reason);
    }
}

type Results = Vec<Result<Option<kees_common::SecretValue>, VolumeReadError>>;

async fn answer<'s, S: ReadStore + 's>(
    read: &Read,
    store: impl Fn(Site, Service) -> Result<&'s S, StoreError>,
    end: Instant,
    progress: &dyn Progress,
) -> Results {
    let results = match store(read.site, read.service) {
        Ok(store) => read_all(store, &read.locators, end, progress).await,
        Err(error) => read.locators.iter().map(|_| Err(error.clone())).collect(),
    };
    let results = results.into_iter();
    results
        .map(|result| result.map_err(VolumeReadError))
        .collect()
}

/// Reads until every result is final, or the time is over. What has a result is not read again.
async fn read_all<S: ReadStore>(
    store: &S,
    locators: &[Locator],
    end: Instant,
    progress: &dyn Progress,
) -> Vec<Found> {
    let mut results: Vec<Option<Found>> = locators.iter().map(|_| None).collect();
    let mut backoff = Backoff::default();
    let mut is_first = true;
    loop {
        let is_open = |result: &Option<Found>| match result {
            None => true,
            Some(Ok(_)) => false,
            Some(Err(error)) => error.is_transient(),
        };
        let open: Vec<usize> = (0..results.len())
            .filter(|index| results.get(*index).is_some_and(is_open))
            .collect();
        if open.is_empty() {
            break;
        }
        let wanted = open.iter().filter_map(|index| locators.get(*index));
        let wanted: Vec<_> = wanted.cloned().collect();
        let Ok(found) = timeout_at(end, store.read(&wanted)).await else {
            break;
        };
        let transient = |found: &Found| found.as_ref().err().filter(|e| e.is_transient()).cloned();
        let transient = found.iter().find_map(transient);
        if let Some(error) = transient.as_ref().filter(|_| is_first) {
            progress.store_unavailable(error);
            is_first = false;
        }
        for (index, found) in open.into_iter().zip(found) {
            if let Some(result) = results.get_mut(index) {
                *result = Some(found);
            }
        }
        let pause = backoff.pause();
        if transient.is_none() || Instant::now() + pause >= end {
            break;
        }
        sleep(pause).await;
    }
    let results = results.into_iter().zip(locators);
    results
        .map(|(result, locator)| result.unwrap_or_else(|| Err(no_answer(store, locator))))
        .collect()
}

fn no_answer(store: &impl ReadStore, locator: &Locator) -> StoreError {
    let error = StoreError::new(
        ErrorKind::TimedOut,
        store.name(),
        "there was no answer in time",
        "check the network between the pod and AWS",
    );
    error.at(&locator.path)
}
