//! The records of leases among the values: which paths they have, and what they say.

use kees_common::StoragePath;
use kees_store::{
    ErrorKind, ReadStore as _, RetryBudget, Store, StoreError,
    leases::{LeaseStore as _, Record},
    values::retrying,
};
use serde::Serialize;

/// The path of a record of a lease. `KEYPREFIX` can have several segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeasePath<'a> {
    /// `PREFIX/leases/KEYPREFIX.NUMBER`: who holds this number.
    Number(&'a str),
    /// `PREFIX/leases/KEYPREFIX/NAMESPACE/POD/START-END`: which number this pod holds.
    Pod { namespace: &'a str, pod: &'a str },
}

impl<'a> LeasePath<'a> {
    /// The kind of record at `path`. `None`: it is the path of a secret or resource.
    pub(super) fn of(path: &'a StoragePath) -> Option<Self> {
        let segments: Vec<&str> = path.as_str().split('/').collect();
        let leases = segments.iter().position(|segment| *segment == "leases")?;
        let below = segments.get(leases + 1..)?;
        let last = below.last()?;
        if let Some((name, number)) = last.rsplit_once('.') {
            return (!name.is_empty() && is_number(number)).then_some(Self::Number(number));
        }
        let (start, end) = last.split_once('-')?;
        match below {
            [_, .., namespace, pod, _] if is_number(start) && is_number(end) => {
                Some(Self::Pod { namespace, pod })
            }
            _ => None,
        }
    }

    /// What somebody has to know who deletes the record.
    pub(super) fn note_on_delete(self) -> &'static str {
        match self {
            Self::Number(_) => {
                "it is a number of a lease: a living pod may hold it, and another pod could then get the \
                 same number; kees-controller frees it when the pod is gone"
            }
            Self::Pod { .. } => {
                "it says which number of a lease a pod holds; kees-controller deletes it when the pod is \
                 gone"
            }
        }
    }
}

/// What a record says. What it does not say is absent.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct LeaseReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) number: Option<String>,
    /// The name of the pod that holds the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pod: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uid: Option<String>,
    /// Why something is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<&'static str>,
}

impl LeaseReport {
    /// The record at `path`. `None` if it is no record of a lease, or if there is none.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn read(
        store: &Store,
        path: &StoragePath,
        budget: &mut RetryBudget,
    ) -> Result<Option<Self>, StoreError> {
        let Some(kind) = LeasePath::of(path).filter(|_| store.name().keeps_leases()) else {
            return Ok(None);
        };
        let read = async || {
            let records = store.records(std::slice::from_ref(path)).await;
            records.into_iter().next().unwrap_or(Ok(None))
        };
        match retrying(store.name(), budget, read).await {
            Ok(record) => Ok(record.map(|record| Self::new(kind, record))),
            Err(error) if error.kind == ErrorKind::Malformed => Ok(Some(Self {
                note: Some("it is no record of a lease"),
                ..Self::default()
            })),
            Err(error) => Err(error),
        }
    }

    fn new(kind: LeasePath<'_>, record: Record) -> Self {
        let Record { value, pod } = record;
        let (namespace, uid) = pod.map(|pod| (pod.namespace, pod.uid)).unzip();
        match kind {
            // A value that is no name is not shown: it could be a secret that is stored here.
            LeasePath::Number(number) => Self {
                number: Some(number.to_owned()),
                note: match uid {
                    _ if !is_pod_name(&value) => Some("its value is no name of a pod"),
                    None => Some("the original kees wrote it, without namespace and uid"),
                    Some(_) => None,
                },
                pod: Some(value).filter(|name| is_pod_name(name)),
                namespace,
                uid,
            },
            LeasePath::Pod { namespace, pod } => Self {
                note: (!is_number(&value)).then_some("its value is no number"),
                number: Some(value).filter(|number| is_number(number)),
                pod: Some(pod.to_owned()),
                namespace: Some(namespace.to_owned()),
                uid,
            },
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether Kubernetes accepts `text` as the name of a pod, as far as its characters and length go.
fn is_pod_name(text: &str) -> bool {
    let is_inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    (1..=253).contains(&text.len()) && text.bytes().all(is_inside)
}

#[cfg(test)]
mod tests {
    use kees_store::leases::PodIdentity;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/dev/a/leases/port.7", Some(LeasePath::Number("7")))]
    #[case("/leases/port.v1.07", Some(LeasePath::Number("07")))]
    #[case("/dev/a/leases/deep/port.7", Some(LeasePath::Number("7")))]
    #[case("/dev/leases/port/shop/web-0/0-99", Some(LeasePath::Pod { namespace: "shop", pod: "web-0" }))]
    #[case("/dev/leases/a/b/shop/web.0/5-5", Some(LeasePath::Pod { namespace: "shop", pod: "web.0" }))]
    #[case("/dev/a/leases/port", None)]
    #[case("/dev/a/leases/port.", None)]
    #[case("/dev/a/leases/.7", None)]
    #[case("/dev/a/port.7", None)]
    #[case("/dev/a/leasesx/port.7", None)]
    #[case("/dev/leases/shop/web-0/0-99", None)]
    #[case("/dev/leases/port/shop/web-0/0-", None)]
    #[case("/dev/leases/port/shop/web-0/db", None)]
    fn a_lease_is_known_by_its_path(#[case] path: &str, #[case] expected: Option<LeasePath<'_>>) {
        assert_eq!(LeasePath::of(&path.parse().unwrap()), expected);
    }

    fn record(value: &str, has_pod: bool) -> Record {
        let pod = has_pod.then(|| PodIdentity {
            namespace: "shop".to_owned(),
            uid: "u-1".to_owned(),
        });
        Record {
            value: value.to_owned(),
            pod,
        }
    }

    #[test]
    fn a_value_that_is_no_name_of_a_pod_is_not_shown() {
        for value in ["Y2FuYXJ5", "canary=", "", &"x".repeat(254)] {
            let report = LeaseReport::new(LeasePath::Number("7"), record(value, false));
            assert_eq!(report.pod, None, "{value}");
            assert_eq!(report.note, Some("its value is no name of a pod"));
        }
        let pod = LeasePath::Pod {
            namespace: "shop",
            pod: "web-0",
        };
        let report = LeaseReport::new(pod, record("canary", true));
        assert_eq!(report.number, None);
        assert_eq!(report.note, Some("its value is no number"));
    }

    #[test]
    fn a_record_of_the_original_has_no_namespace() {
        let report = LeaseReport::new(LeasePath::Number("7"), record("web-0", false));
        let expected = LeaseReport {
            number: Some("7".to_owned()),
            pod: Some("web-0".to_owned()),
            note: Some("the original kees wrote it, without namespace and uid"),
            ..LeaseReport::default()
        };
        assert_eq!(report, expected);
    }
}
