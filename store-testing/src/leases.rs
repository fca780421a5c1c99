//! What every backend is held to that keeps leases.
//!
//! ```ignore
//! kees_store_testing::lease_tests!(block_on, fixture());
//! ```
//!
//! expands to a `#[test]` for each case, as [`conformance_tests`](crate::conformance_tests) does.
//! `fixture()` has the field `clients`: several clients of the same data make the races real.

use futures_util::future::join_all;
use kees_common::StoragePath;
use kees_store::{
    Backoff, ErrorKind,
    leases::{Change, LeaseStore, MOST_CHANGES, PodIdentity, Record},
};

use crate::conformance::unique;

/// A `#[test]` for each case. See [`leases`](crate::leases).
#[macro_export]
macro_rules! lease_tests {
    ($block_on:expr, $fixture:expr) => {
        $crate::lease_tests! {
            @ $block_on, $fixture,
            an_absent_record_is_none
            a_record_reads_back_equal
            a_long_list_of_records_is_answered_in_order
            the_expected_record_is_compared_exactly
            all_changes_are_made_or_none
            a_check_changes_nothing
            the_same_step_twice_is_refused_the_second_time
            a_deleted_record_can_be_written_again
            a_record_of_the_original_gets_its_pod
            a_step_that_is_too_long_or_names_a_record_twice_is_an_error
            of_many_claims_of_a_record_one_wins
            no_step_of_many_is_lost
            records_below_has_every_page_and_no_neighbour
        }
    };
    (@ $block_on:expr, $fixture:expr, $($case:ident)*) => {
        mod leases {
            use super::*;

            $(
                #[test]
                fn $case() {
                    let fixture = $fixture;
                    $block_on($crate::leases::$case(&fixture.clients));
                }
            )*
        }
    };
}

/// A client.
fn one<S>(clients: &[S]) -> &S {
    clients.first().expect("a fixture has a client")
}

/// A client other than the first one, if there are several.
fn other<S>(clients: &[S]) -> &S {
    clients.last().expect("a fixture has a client")
}

/// A record of the original, which has no pod.
fn original(value: &str) -> Record {
    Record {
        value: value.to_owned(),
        pod: None,
    }
}

fn record(value: &str, namespace: &str, uid: &str) -> Record {
    Record {
        value: value.to_owned(),
        pod: Some(PodIdentity {
            namespace: namespace.to_owned(),
            uid: uid.to_owned(),
        }),
    }
}

fn web() -> Record {
    record("web-0", "shop", "5d0c0e2c-0001")
}

fn change(path: &StoragePath, expected: Option<&Record>, new: Option<&Record>) -> Change {
    Change {
        path: path.clone(),
        expected: expected.cloned(),
        new: new.cloned(),
    }
}

fn paths<const N: usize>() -> [StoragePath; N] {
    std::array::from_fn(|nth| unique(&format!("leases/worker.{nth}")))
}

async fn stored<S: LeaseStore>(store: &S, paths: &[StoragePath]) -> Vec<Option<Record>> {
    let records = store.records(paths).await;
    records.into_iter().map(|record| record.unwrap()).collect()
}

/// Makes `changes`. What a store answers while another transaction is under way is tried again: it
/// has made no change then.
async fn swap<S: LeaseStore>(store: &S, changes: &[Change]) -> bool {
    let mut backoff = Backoff::default();
    loop {
        match store.swap(changes).await {
            Err(error) if error.kind == ErrorKind::Throttled => {
                tokio::time::sleep(backoff.pause()).await;
            }
            swapped => return swapped.unwrap(),
        }
    }
}

/// Writes `record` where there is none.
async fn write<S: LeaseStore>(store: &S, path: &StoragePath, record: &Record) {
    assert!(swap(store, &[change(path, None, Some(record))]).await);
}

/// A record that was never written is absent, alone and beside others.
pub async fn an_absent_record_is_none<S: LeaseStore>(clients: &[S]) {
    let paths: [_; 3] = paths();
    assert_eq!(stored(one(clients), &paths).await, [None, None, None]);
    assert_eq!(stored(one(clients), &paths[..1]).await, [None]);
    assert!(one(clients).records(&[]).await.is_empty());
}

/// Another client reads what was written, whatever the texts are.
pub async fn a_record_reads_back_equal<S: LeaseStore>(clients: &[S]) {
    let records = [
        web(),
        original("web-0"),
        // This text is base64 as well.
        original("worker12"),
        original("7"),
        record("{\"value\":\"web-0\"}", "ü \" \\", "\n"),
    ];
    for record in &records {
        let [path] = paths();
        write(one(clients), &path, record).await;
        assert_eq!(
            stored(other(clients), &[path]).await,
            [Some(record.clone())]
        );
    }
}

/// More records than one call returns, some of them absent and some twice.
pub async fn a_long_list_of_records_is_answered_in_order<S: LeaseStore>(clients: &[S]) {
    let mut paths: Vec<_> = (0..230)
        .map(|nth| unique(&format!("worker.{nth}")))
        .collect();
    let mut expected = vec![None; paths.len()];
    for nth in [0, 99, 100, 101, 229] {
        let record = record(&format!("web-{nth}"), "shop", "u-1");
        write(one(clients), &paths[nth], &record).await;
        expected[nth] = Some(record);
    }
    for nth in [100, 7] {
        paths.push(paths[nth].clone());
        expected.push(expected[nth].clone());
    }
    assert_eq!(stored(other(clients), &paths).await, expected);
}

/// A change is made only if the record is equal in its value, its namespace and its uid, or if both
/// are absent. Otherwise nothing is written, deleted or agreed to.
pub async fn the_expected_record_is_compared_exactly<S: LeaseStore>(clients: &[S]) {
    let store = one(clients);
    let records = [
        None,
        Some(web()),
        Some(record("web-1", "shop", "5d0c0e2c-0001")),
        Some(record("web-0", "shop2", "5d0c0e2c-0001")),
        Some(record("web-0", "shop", "5d0c0e2c-0002")),
        Some(record("Web-0", "shop", "5d0c0e2c-0001")),
        Some(original("web-0")),
        Some(original("web-00")),
    ];
    let new = record("new", "new", "new");
    for present in &records {
        let [path] = paths();
        if let Some(record) = present {
            write(store, &path, record).await;
        }
        for expected in records.iter().filter(|expected| *expected != present) {
            for new in [Some(&new), None, expected.as_ref()] {
                let step = [change(&path, expected.as_ref(), new)];
                assert!(
                    !swap(other(clients), &step).await,
                    "{step:?} was made on {present:?}"
                );
            }
        }
        assert_eq!(
            stored(store, std::slice::from_ref(&path)).await[0],
            *present
        );
        let step = [change(&path, present.as_ref(), Some(&new))];
        assert!(swap(other(clients), &step).await, "{step:?} was refused");
        assert_eq!(stored(store, &[path]).await, [Some(new.clone())]);
    }
}

/// Four changes of different kinds, of which each in turn does not meet its condition.
pub async fn all_changes_are_made_or_none<S: LeaseStore>(clients: &[S]) {
    let store = one(clients);
    let (held, next, wrong) = (web(), record("web-1", "shop", "u-2"), original("wrong"));
    let paths: [_; MOST_CHANGES] = paths();
    for path in &paths[1..] {
        write(store, path, &held).await;
    }
    let step = [
        change(&paths[0], None, Some(&next)),
        change(&paths[1], Some(&held), Some(&next)),
        change(&paths[2], Some(&held), None),
        change(&paths[3], Some(&held), Some(&held)),
    ];
    let before = stored(store, &paths).await;
    for nth in 0..step.len() {
        let mut step = step.clone();
        step[nth].expected = Some(wrong.clone());
        assert!(!swap(store, &step).await, "{step:?}");
        assert_eq!(stored(other(clients), &paths).await, before, "{step:?}");
    }
    assert!(swap(store, &step).await);
    let after = [Some(next.clone()), Some(next), None, Some(held)];
    assert_eq!(stored(other(clients), &paths).await, after);
}

/// A change to the same record, or from none to none, is a check.
pub async fn a_check_changes_nothing<S: LeaseStore>(clients: &[S]) {
    let store = one(clients);
    let [there, absent] = paths();
    write(store, &there, &web()).await;
    let both = [
        change(&there, Some(&web()), Some(&web())),
        change(&absent, None, None),
    ];
    for step in [&both[..1], &both[1..], &both] {
        assert!(swap(store, step).await, "{step:?}");
    }
    let is_there = change(&absent, Some(&web()), Some(&web()));
    let is_absent = change(&there, None, None);
    for step in [is_there, is_absent] {
        assert!(!swap(store, std::slice::from_ref(&step)).await, "{step:?}");
    }
    assert_eq!(
        stored(other(clients), &[there, absent]).await,
        [Some(web()), None]
    );
}

/// A lost response is no reason to make a step twice.
pub async fn the_same_step_twice_is_refused_the_second_time<S: LeaseStore>(clients: &[S]) {
    let [path] = paths();
    let next = record("web-1", "shop", "u-2");
    for step in [
        change(&path, None, Some(&web())),
        change(&path, Some(&web()), Some(&next)),
        change(&path, Some(&next), None),
    ] {
        let step = [step];
        assert!(swap(one(clients), &step).await, "{step:?}");
        for client in [one(clients), other(clients)] {
            assert!(!swap(client, &step).await, "{step:?}");
        }
        let now = stored(other(clients), std::slice::from_ref(&path)).await;
        assert_eq!(now, [step[0].new.clone()]);
    }
}

/// Two records are deleted in one step, and can be written again.
pub async fn a_deleted_record_can_be_written_again<S: LeaseStore>(clients: &[S]) {
    let store = one(clients);
    let paths: [_; 2] = paths();
    for record in [web(), original("web-0")] {
        for path in &paths {
            write(store, path, &record).await;
        }
        let step = paths
            .each_ref()
            .map(|path| change(path, Some(&record), None));
        assert!(swap(other(clients), &step).await);
        assert_eq!(stored(store, &paths).await, [None, None]);
    }
    write(store, &paths[0], &web()).await;
    assert_eq!(stored(other(clients), &paths).await, [Some(web()), None]);
}

/// A record without a pod is replaced on the condition that it still has none.
pub async fn a_record_of_the_original_gets_its_pod<S: LeaseStore>(clients: &[S]) {
    let store = one(clients);
    let [path] = paths();
    let old = original("web-0");
    write(store, &path, &old).await;
    let adopt = [change(&path, Some(&old), Some(&web()))];
    assert!(swap(other(clients), &adopt).await);
    let late = [change(&path, Some(&old), None)];
    assert!(!swap(store, &late).await, "a late delete of the old holder");
    let back = [change(&path, Some(&web()), Some(&old))];
    assert!(swap(store, &back).await);
    assert_eq!(stored(other(clients), &[path]).await, [Some(old)]);
}

/// A defect of the caller is no refusal.
pub async fn a_step_that_is_too_long_or_names_a_record_twice_is_an_error<S: LeaseStore>(
    clients: &[S],
) {
    let paths: [_; MOST_CHANGES + 1] = paths();
    let step = paths
        .each_ref()
        .map(|path| change(path, None, Some(&web())));
    let twice = [step[0].clone(), step[1].clone(), step[0].clone()];
    for step in [&step[..], &twice, &[]] {
        let error = one(clients).swap(step).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Other);
    }
    assert_eq!(
        stored(one(clients), &paths).await,
        [None, None, None, None, None]
    );
}

/// Each claims the number and its own record in one step.
pub async fn of_many_claims_of_a_record_one_wins<S: LeaseStore>(clients: &[S]) {
    const PODS: usize = 16;
    let [number] = paths();
    let pods: [_; PODS] = paths();
    let claims = clients.iter().cycle().zip(&pods).enumerate();
    let claims = claims.map(|(nth, (client, pod))| {
        let holder = record(&format!("web-{nth}"), "shop", &format!("u-{nth}"));
        let marker = record("0", "shop", &format!("u-{nth}"));
        let step = [
            change(&number, None, Some(&holder)),
            change(pod, None, Some(&marker)),
        ];
        async move { swap(client, &step).await }
    });
    let won = join_all(claims).await;
    let winners: Vec<_> = (0..PODS).filter(|nth| won[*nth]).collect();
    let [winner] = winners[..] else {
        panic!("{winners:?} won")
    };
    let holder = stored(other(clients), &[number]).await.remove(0).unwrap();
    assert_eq!(holder.value, format!("web-{winner}"));
    let markers = stored(other(clients), &pods).await;
    let marked: Vec<_> = (0..PODS).filter(|nth| markers[*nth].is_some()).collect();
    assert_eq!(marked, [winner]);
}

/// Each adds one to a number until its step is made. So the steps that are made follow one another.
pub async fn no_step_of_many_is_lost<S: LeaseStore>(clients: &[S]) {
    const PODS: usize = 12;
    let [path] = paths();
    write(one(clients), &path, &original("0")).await;
    let counting = clients.iter().cycle().take(PODS).map(|client| {
        let at = [path.clone()];
        async move {
            loop {
                let seen = stored(client, &at).await.remove(0).unwrap();
                let count: usize = seen.value.parse().unwrap();
                let next = original(&(count + 1).to_string());
                if swap(client, &[change(&at[0], Some(&seen), Some(&next))]).await {
                    break;
                }
            }
        }
    });
    join_all(counting).await;
    let count = stored(other(clients), &[path]).await;
    assert_eq!(count, [Some(original(&PODS.to_string()))]);
}

/// More than one page of numbers, beside the record of a pod and the numbers of key prefixes that
/// begin with the same letters.
pub async fn records_below_has_every_page_and_no_neighbour<S: LeaseStore>(clients: &[S]) {
    let store = one(clients);
    let base = unique("leases/worker");
    let at = |end: &str| -> StoragePath { format!("{base}{end}").parse().unwrap() };
    // 2,000 bytes each, so that DynamoDB has more than one page of 1 MB.
    let long = "x".repeat(2000);
    let mut expected = Vec::new();
    for nth in 0..600 {
        let record = record(&format!("web-{nth}-{long}"), "shop", "u-1");
        expected.push((at(&format!(".{nth}")), record));
    }
    expected.push((at(".0.5"), original("web-0")));
    let neighbours = ["2.0", "/shop/web-0/0-99", "-a.1", "", "A"];
    let neighbours = neighbours.map(|end| (at(end), web()));
    for few in expected.chunks(MOST_CHANGES).chain(neighbours.chunks(1)) {
        let step = few.iter().map(|(path, new)| change(path, None, Some(new)));
        assert!(swap(store, &step.collect::<Vec<_>>()).await);
    }

    let (mut found, mut pages, mut start) = (Vec::new(), 0, None);
    loop {
        let prefix = format!("{base}.");
        let page = other(clients)
            .records_below(&prefix, start.as_deref())
            .await;
        let page = page.unwrap();
        let records = page.records.into_iter();
        found.extend(records.map(|(path, record)| (path.parse().unwrap(), record.unwrap())));
        pages += 1;
        start = page.next;
        if start.is_none() {
            break;
        }
    }
    found.sort_by(|(one, _), (two, _)| StoragePath::cmp(one, two));
    expected.sort_by(|(one, _), (two, _)| one.cmp(two));
    assert_eq!(found.len(), expected.len());
    assert!(found == expected, "not the records that were written");
    assert!(pages > 1, "a test of one page");

    let none = other(clients)
        .records_below(&format!("{base}.7x"), None)
        .await;
    assert!(none.unwrap().records.is_empty());
}
