//! The volume of a `SecretProviderClass`: reads what it asks for, in its Regions.
//!
//! What is read where, and what becomes of the values, is in `kees-secret-provider-class`. Here are the calls, their
//! retries and the deadline.

use std::{fmt, time::Duration};

use futures_util::future;
use kees_common::Locator;
use kees_secret_provider_class::{
    Cause, Fetch, FetchError, Mount, OutputFile, Read, Service, Site,
};
use kees_store::{Backoff, ErrorKind, Found, ReadStore, StoreError};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{Exit, store_exit, store_message};

/// An error of a store, which prints with its code and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeReadError(pub StoreError);

impl fmt::Display for VolumeReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&store_message(&self.0))
    }
}

/// Reads everything that a volume asks for, and makes its files. `store` gives the store of a service in a Region.
///
/// An error that may pass is tried again until `limit` is over. With a failover Region, the first Region has half of the
/// time.
///
/// # Errors
/// Each object that was not read, with the causes in all Regions that were asked. Then there are no files.
pub async fn read_volume<'s, S: ReadStore + 's>(
    mount: &Mount,
    store: impl Fn(Site, Service) -> Result<&'s S, StoreError>,
    limit: Duration,
) -> Result<Vec<OutputFile>, Vec<FetchError<VolumeReadError>>> {
    let begin = Instant::now();
    let mut fetch = Fetch::new(mount);
    loop {
        let reads = fetch.wanted();
        let Some(first) = reads.first() else {
            return fetch.finish();
        };
        let has_failover = first.site == Site::Primary && mount.failover_region.is_some();
        let end = begin + if has_failover { limit / 2 } else { limit };
        let results = reads.iter().map(|read| answer(read, &store, end));
        let results = future::join_all(results).await;
        for (read, results) in reads.iter().zip(results) {
            fetch.answer(read, results, |VolumeReadError(error)| is_final(error));
        }
    }
}

/// The exit status for an object that was not read, the same as for an annotation.
pub fn volume_exit(error: &FetchError<VolumeReadError>) -> Exit {
    let exits = error.causes.iter().map(|(_, _, cause)| match cause {
        Cause::Name(_) | Cause::Extract(_) => Exit::Data,
        Cause::Absent => Exit::Absent,
        Cause::Store(VolumeReadError(error)) => store_exit(error),
    });
    exits.min().unwrap_or(Exit::Unavailable)
}

/// Whether the provider does not look in another Region after this error: the service says that the object is not
/// as the class needs it. Such an object would differ between the Regions.
fn is_final(error: &StoreError) -> bool {
    matches!(
        error.kind,
        ErrorKind::NoValue | ErrorKind::ScheduledForDeletion { .. }
    )
}

type Results = Vec<Result<Option<kees_common::SecretValue>, VolumeReadError>>;

async fn answer<'s, S: ReadStore + 's>(
    read: &Read,
    store: impl Fn(Site, Service) -> Result<&'s S, StoreError>,
    end: Instant,
) -> Results {
    let results = match store(read.site, read.service) {
        Ok(store) => read_all(store, &read.locators, end).await,
        Err(error) => read.locators.iter().map(|_| Err(error.clone())).collect(),
    };
    let results = results.into_iter();
    results
        .map(|result| result.map_err(VolumeReadError))
        .collect()
}

/// Reads until every result is final, or the time is over. What has a result is not read again.
async fn read_all<S: ReadStore>(store: &S, locators: &[Locator], end: Instant) -> Vec<Found> {
    let mut results: Vec<Option<Found>> = locators.iter().map(|_| None).collect();
    let mut backoff = Backoff::default();
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
        let has_open = found.iter().any(|found| is_open(&Some(found.clone())));
        for (index, found) in open.into_iter().zip(found) {
            if let Some(result) = results.get_mut(index) {
                *result = Some(found);
            }
        }
        let pause = backoff.pause();
        if !has_open || Instant::now() + pause >= end {
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

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Mutex};

    use kees_common::{SecretValue, StoreName};
    use serde_json::json;

    use super::*;

    /// A store that gives an error so many times before the value of each name.
    struct Flaky {
        errors: Mutex<BTreeMap<&'static str, (usize, ErrorKind)>>,
        reads: Mutex<Vec<Vec<String>>>,
        hangs: bool,
    }

    impl Flaky {
        fn new(errors: impl IntoIterator<Item = (&'static str, usize, ErrorKind)>) -> Self {
            let errors = errors.into_iter();
            let errors = errors.map(|(name, count, kind)| (name, (count, kind)));
            Self {
                errors: Mutex::new(errors.collect()),
                reads: Mutex::default(),
                hangs: false,
            }
        }

        fn reads(&self) -> Vec<Vec<String>> {
            self.reads.lock().unwrap().clone()
        }
    }

    impl ReadStore for Flaky {
        fn name(&self) -> StoreName {
            StoreName::Memory
        }

        fn is_consistent(&self) -> bool {
            true
        }

        async fn read(&self, locators: &[Locator]) -> Vec<Found> {
            let names = locators.iter().map(|locator| locator.path.to_string());
            self.reads.lock().unwrap().push(names.collect());
            if self.hangs {
                future::pending::<()>().await;
            }
            let mut errors = self.errors.lock().unwrap();
            let found =
                locators
                    .iter()
                    .map(|locator| match errors.get_mut(locator.path.as_str()) {
                        Some((count, kind)) if *count > 0 => {
                            *count -= 1;
                            let error = StoreError::new(kind.clone(), self.name(), "no", "wait");
                            Err(error.at(&locator.path))
                        }
                        _ => Ok(Some(SecretValue::new(
                            locator.path.to_string().into_bytes(),
                        ))),
                    });
            found.collect()
        }

        async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
            self.read(locators).await
        }
    }

    fn mount(names: &[&str], failover: Option<&str>) -> Mount {
        let objects = names.iter().map(|name| {
            json!({
                "service": "secretsmanager",
                "name": name,
                "file": {"path": name, "mode": "0644"},
            })
        });
        let objects: Vec<_> = objects.collect();
        let identity = "serviceAccountRole";
        let mut mount = json!({"region": "eu-west-1", "identity": identity, "objects": objects});
        if let Some(failover) = failover {
            mount["failoverRegion"] = failover.into();
        }
        serde_json::from_value(mount).unwrap()
    }

    const LIMIT: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn only_what_failed_is_read_again() {
        let store = Flaky::new([("b", 2, ErrorKind::Throttled)]);
        let names = ["a", "b", "c"];
        let files = read_volume(&mount(&names, None), |_, _| Ok(&store), LIMIT).await;
        let paths: Vec<_> = files.unwrap().into_iter().map(|file| file.path).collect();
        assert_eq!(paths, names);
        assert_eq!(store.reads(), [vec!["a", "b", "c"], vec!["b"], vec!["b"]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_denied_object_is_not_read_again_and_names_its_region() {
        let kind = ErrorKind::Denied {
            action: "secretsmanager:GetSecretValue".to_owned(),
            resource: "b".to_owned(),
        };
        let store = Flaky::new([("b", usize::MAX, kind)]);
        let result = read_volume(&mount(&["a", "b"], None), |_, _| Ok(&store), LIMIT).await;
        let Err(errors) = result else {
            panic!("it was read");
        };
        assert_eq!(errors.len(), 1);
        assert_eq!(
            errors[0].to_string(),
            "secretsmanager b in eu-west-1: no; wait"
        );
        assert_eq!(volume_exit(&errors[0]), Exit::Denied);
        assert_eq!(store.reads().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_failover_region_has_half_of_the_time() {
        let mut down = Flaky::new([]);
        down.hangs = true;
        let up = Flaky::new([]);
        let begin = Instant::now();
        let mount = mount(&["a"], Some("eu-west-2"));
        let stores = |site, _| match site {
            Site::Primary => Ok(&down),
            Site::Failover => Ok(&up),
        };
        let files = read_volume(&mount, stores, LIMIT).await;
        assert_eq!(files.unwrap().len(), 1);
        assert_eq!(begin.elapsed(), LIMIT / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn both_regions_are_in_the_error_when_the_time_is_over() {
        let mut down = Flaky::new([]);
        down.hangs = true;
        let mount = mount(&["a"], Some("eu-west-2"));
        let result = read_volume(&mount, |_, _| Ok(&down), LIMIT).await;
        let Err(errors) = result else {
            panic!("it was read");
        };
        assert_eq!(
            errors[0].to_string(),
            "secretsmanager a in eu-west-1: there was no answer in time; check the network between \
             the pod and AWS; secretsmanager a in eu-west-2: there was no answer in time; check the \
             network between the pod and AWS"
        );
        assert_eq!(volume_exit(&errors[0]), Exit::Unavailable);
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_without_the_version_is_final() {
        let store = Flaky::new([("a", 1, ErrorKind::NoValue)]);
        let mount = mount(&["a"], Some("eu-west-2"));
        let result = read_volume(&mount, |_, _| Ok(&store), LIMIT).await;
        assert!(result.is_err());
        assert_eq!(store.reads().len(), 1);
    }
}
