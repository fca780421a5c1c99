//! Tests of the reads of a volume.

use std::{collections::BTreeMap, sync::Mutex};

use kees_common::{SecretValue, StoreName};
use serde_json::json;

use super::*;
use crate::Exit;

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
        let found = locators
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
    let files = read_volume(&mount(&names, None), |_, _| Ok(&store), LIMIT, &()).await;
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
    let result = read_volume(&mount(&["a", "b"], None), |_, _| Ok(&store), LIMIT, &()).await;
    let Err(errors) = result else {
        panic!("it was read");
    };
    assert_eq!(errors.len(), 1);
    assert_eq!(
        errors[0].to_string(),
        "secretsmanager b in eu-west-1: no; wait"
    );
    assert_eq!(errors[0].exit(), Exit::Denied);
    assert_eq!(store.reads().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_failover_region_is_asked_after_a_quarter_of_the_time() {
    let mut down = Flaky::new([]);
    down.hangs = true;
    let up = Flaky::new([]);
    let begin = Instant::now();
    let mount = mount(&["a"], Some("eu-west-2"));
    let stores = |site, _| match site {
        Site::Primary => Ok(&down),
        Site::Failover => Ok(&up),
    };
    let files = read_volume(&mount, stores, LIMIT, &()).await;
    assert_eq!(files.unwrap().len(), 1);
    assert_eq!(begin.elapsed(), LIMIT / 4);
}

#[tokio::test(start_paused = true)]
async fn both_regions_are_in_the_error_when_the_time_is_over() {
    let mut down = Flaky::new([]);
    down.hangs = true;
    let mount = mount(&["a"], Some("eu-west-2"));
    let result = read_volume(&mount, |_, _| Ok(&down), LIMIT, &()).await;
    let Err(errors) = result else {
        panic!("it was read");
    };
    assert_eq!(
        errors[0].to_string(),
        "secretsmanager a in eu-west-1: there was no answer in time; check the network between \
         the pod and AWS; secretsmanager a in eu-west-2: there was no answer in time; check the \
         network between the pod and AWS"
    );
    assert_eq!(errors[0].exit(), Exit::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn an_object_without_the_version_is_final() {
    let store = Flaky::new([("a", 1, ErrorKind::NoValue)]);
    let mount = mount(&["a"], Some("eu-west-2"));
    let result = read_volume(&mount, |_, _| Ok(&store), LIMIT, &()).await;
    assert!(result.is_err());
    assert_eq!(store.reads().len(), 1);
}
