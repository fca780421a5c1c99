//! Claims and releases against the store in memory.

use std::{
    collections::HashSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use kees_common::Lease;

use super::{claim::End, *};
use crate::{RetryBudget, memory::Memory};

/// The uids of the pods that live.
#[derive(Default)]
struct Living(Mutex<HashSet<String>>, AtomicUsize);

impl Living {
    fn of<const N: usize>(pods: [&Pod; N]) -> Self {
        let uids = pods.iter().map(|pod| pod.identity.uid.clone());
        Self(Mutex::new(uids.collect()), AtomicUsize::default())
    }
}

impl LivingPods for Living {
    async fn lives(&self, name: &str, pod: Option<&PodIdentity>) -> Result<bool, String> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let uid = pod.map_or(name, |pod| &pod.uid);
        Ok(self.0.lock().unwrap().contains(uid))
    }
}

fn pod(name: &str, uid: &str) -> Pod {
    Pod {
        name: name.to_owned(),
        identity: PodIdentity {
            namespace: "shop".to_owned(),
            uid: uid.to_owned(),
        },
    }
}

fn range(start: i32, end: i32) -> LeaseRange {
    let lease = Lease {
        key_prefix: "worker".to_owned(),
        start,
        end,
    };
    LeaseRange::new(&"/dev".parse().unwrap(), &lease).unwrap()
}

async fn give(store: &Memory, living: &Living, range: &LeaseRange, pod: &Pod) -> End {
    let mut budget = RetryBudget::new(Duration::from_secs(5));
    claim(store, living, range.clone(), pod.clone(), &mut budget)
        .await
        .unwrap()
}

async fn free(store: &Memory, range: &LeaseRange, pod: &Pod) -> Option<i32> {
    let mut budget = RetryBudget::new(Duration::from_secs(5));
    release(store, range.clone(), pod, &mut budget)
        .await
        .unwrap()
}

async fn put(store: &Memory, path: StoragePath, record: Record) {
    let change = Change {
        path,
        expected: None,
        new: Some(record),
    };
    assert!(store.swap(&[change]).await.unwrap());
}

async fn at(store: &Memory, path: &StoragePath) -> Option<Record> {
    one(store.records(std::slice::from_ref(path)).await)
}

fn one(records: Vec<Result<Option<Record>, StoreError>>) -> Option<Record> {
    records.into_iter().next().unwrap().unwrap()
}

/// A record as the original writes it.
fn of_original(pod: &str) -> Record {
    Record {
        value: pod.to_owned(),
        pod: None,
    }
}

#[tokio::test]
async fn a_hundred_pods_get_a_hundred_numbers() {
    let (store, range) = (Memory::new(), range(0, 99));
    let pods: Vec<_> = (0..100)
        .map(|at| pod(&format!("web-{at}"), &at.to_string()))
        .collect();
    let living = Living::default();
    living
        .0
        .lock()
        .unwrap()
        .extend(pods.iter().map(|pod| pod.identity.uid.clone()));
    let given = join_all(pods.iter().map(|pod| give(&store, &living, &range, pod))).await;
    let numbers: HashSet<i32> = given
        .iter()
        .map(|end| match end {
            End::Held {
                number,
                is_new: true,
            } => *number,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(numbers, (0..100).collect());

    let late = pod("late", "late");
    living.0.lock().unwrap().insert("late".to_owned());
    assert_eq!(give(&store, &living, &range, &late).await, End::Exhausted);
    living.0.lock().unwrap().remove("7");
    assert!(matches!(
        give(&store, &living, &range, &late).await,
        End::Held { is_new: true, .. }
    ));
    let of_gone = at(&store, &pods[7].path(&range)).await;
    assert_eq!(of_gone, None, "the record of a pod that is gone stays");
}

#[tokio::test]
async fn a_pod_keeps_its_number() {
    let (store, range, web) = (Memory::new(), range(0, 99), pod("web-0", "1"));
    let living = Living::of([&web]);
    let End::Held { number, .. } = give(&store, &living, &range, &web).await else {
        panic!("no number");
    };
    let again = give(&store, &living, &range, &web).await;
    assert_eq!(
        again,
        End::Held {
            number,
            is_new: false
        }
    );
    assert_eq!(living.1.load(Ordering::Relaxed), 0, "nobody was asked");
}

#[tokio::test]
async fn the_next_pod_of_a_name_gets_its_number() {
    let (store, range) = (Memory::new(), range(3, 3));
    let (old, new) = (pod("web-0", "old"), pod("web-0", "new"));
    give(&store, &Living::of([&old]), &range, &old).await;
    let given = give(&store, &Living::of([&new]), &range, &new).await;
    assert_eq!(
        given,
        End::Held {
            number: 3,
            is_new: true
        }
    );
    assert_eq!(free(&store, &range, &old).await, None, "a late release");
    assert_eq!(
        at(&store, &range.number_path(3)).await,
        Some(new.as_holder())
    );
    let stale = give(&store, &Living::of([&new]), &range, &old).await;
    assert_eq!(stale, End::PodGone);
    assert_eq!(free(&store, &range, &new).await, Some(3));
    assert_eq!(at(&store, &range.number_path(3)).await, None);
    assert_eq!(at(&store, &new.path(&range)).await, None);
}

#[tokio::test]
async fn a_number_that_the_original_gave_stays_with_its_pod() {
    let (store, range, web) = (Memory::new(), range(0, 99), pod("web-0", "1"));
    put(&store, range.number_path(42), of_original("web-0")).await;
    put(&store, range.number_path(43), of_original("web-1")).await;
    let given = give(&store, &Living::of([&web]), &range, &web).await;
    assert_eq!(
        given,
        End::Held {
            number: 42,
            is_new: true
        }
    );
    let living = Living::of([&web]);
    let mut budget = RetryBudget::new(Duration::from_secs(5));
    let freed = free_abandoned(&store, &living, &range, &mut budget).await;
    assert!(matches!(freed, (1, None)), "web-1 is gone");
    assert_eq!(at(&store, &range.number_path(43)).await, None);
}

#[tokio::test]
async fn a_record_that_names_no_pod_is_left_alone() {
    let (store, range, web) = (Memory::new(), range(0, 0), pod("web-0", "1"));
    let text = of_original("Reserved, do not use");
    put(&store, range.number_path(0), text.clone()).await;
    let living = Living::of([&web]);
    assert_eq!(give(&store, &living, &range, &web).await, End::Exhausted);
    let mut budget = RetryBudget::new(Duration::from_secs(5));
    let freed = free_abandoned(&store, &living, &range, &mut budget).await;
    assert!(matches!(freed, (0, None)));
    assert_eq!(at(&store, &range.number_path(0)).await, Some(text));
}

#[tokio::test]
async fn the_record_of_a_pod_without_a_number_is_an_error() {
    let (store, range, web) = (Memory::new(), range(0, 9), pod("web-0", "1"));
    let record = Record {
        value: "ten".to_owned(),
        ..web.holding(0)
    };
    put(&store, web.path(&range), record).await;
    let mut budget = RetryBudget::new(Duration::from_secs(5));
    let living = Living::of([&web]);
    let error = claim(&store, &living, range, web, &mut budget)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("/dev/leases/worker/shop/web-0/0-9"),
        "{error}"
    );
}

#[tokio::test]
async fn a_number_whose_record_was_deleted_by_hand_is_restored() {
    let (store, range, web) = (Memory::new(), range(5, 5), pod("web-0", "1"));
    let living = Living::of([&web]);
    give(&store, &living, &range, &web).await;
    let deleted = Change {
        path: range.number_path(5),
        expected: Some(web.as_holder()),
        new: None,
    };
    assert!(store.swap(&[deleted]).await.unwrap());
    give(&store, &living, &range, &web).await;
    assert_eq!(
        at(&store, &range.number_path(5)).await,
        Some(web.as_holder())
    );
}

/// Two thousand million numbers are not read one by one.
#[tokio::test]
async fn a_large_range_is_searched_only_when_many_of_its_numbers_are_held() {
    let (store, range, web) = (Memory::new(), range(0, i32::MAX), pod("web-0", "1"));
    let given = give(&store, &Living::of([&web]), &range, &web).await;
    assert!(matches!(given, End::Held { is_new: true, .. }));
    let (store, range) = (Memory::new(), self::range(0, 1000));
    for number in 0..1000 {
        put(&store, range.number_path(number), web.as_holder()).await;
    }
    let other = pod("web-1", "2");
    let given = give(&store, &Living::of([&web, &other]), &range, &other).await;
    assert_eq!(
        given,
        End::Held {
            number: 1000,
            is_new: true
        }
    );
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_answer_is_an_error_at_the_deadline() {
    struct Silent;
    impl LivingPods for Silent {
        async fn lives(&self, _: &str, _: Option<&PodIdentity>) -> Result<bool, String> {
            Err("connection refused".to_owned())
        }
    }
    let (store, range) = (Memory::new(), range(0, 0));
    put(&store, range.number_path(0), of_original("web-1")).await;
    let mut budget = RetryBudget::new(Duration::from_secs(5));
    let error = claim(
        &store,
        &Silent,
        range.clone(),
        pod("web-0", "1"),
        &mut budget,
    )
    .await
    .unwrap_err();
    assert!(error.to_string().contains("connection refused"), "{error}");
    assert!(at(&store, &range.number_path(0)).await.is_some());
}
