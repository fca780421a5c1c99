//! What every backend is held to that rotates generations.
//!
//! ```ignore
//! kees_store_testing::rotation_tests!(block_on, fixture());
//! ```
//!
//! expands to a `#[test]` for each case, as [`conformance_tests`](crate::conformance_tests) does.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
};

use futures_util::future::join_all;
use kees_common::{Field, Generated, Generation, Locator, SecretValue, Spec};
use kees_store::{
    Backoff, CreateRequest, CreateStore, IdempotencyToken, NewGeneration, ReadStore, RetryBudget,
    StoreError,
    rotation::{Current, RotateRequest, RotateStore, Rotated, Rotation, retire, rotate},
};

use crate::{
    conformance::{Fixture, unique},
    generated_by, generation_at,
    generations::Given,
};

/// A `#[test]` for each case. See [`rotation`](crate::rotation).
#[macro_export]
macro_rules! rotation_tests {
    ($block_on:expr, $fixture:expr) => {
        $crate::rotation_tests! {
            @ $block_on, $fixture,
            an_absent_generation_is_not_rotated
            a_rotation_keeps_the_generation_before_it
            the_second_rotation_drops_the_oldest_generation
            a_generation_that_was_never_rotated_has_no_previous_one
            a_retired_generation_is_gone
            what_was_replaced_meanwhile_is_not_replaced
            a_repeated_request_is_one_rotation
            a_generation_that_is_not_due_stays
            the_time_of_a_rotation_is_remembered
            of_many_rotators_of_a_generation_one_wins
            no_reader_sees_two_generations
            a_previous_generation_that_was_replaced_is_not_retired
        }
    };
    (@ $block_on:expr, $fixture:expr, $($case:ident)*) => {
        mod rotation {
            use super::*;

            $(
                #[test]
                fn $case() {
                    let fixture = $fixture;
                    $block_on($crate::rotation::$case(&fixture));
                }
            )*
        }
    };
}

/// Enough for a store on the same machine under load.
fn budget() -> RetryBudget {
    RetryBudget::new(std::time::Duration::from_mins(1))
}

/// Two fields, so that a reader can see one of each generation.
fn pair<S: ReadStore>(store: &S) -> Generation {
    generation_at(store.name(), unique("signing"), Spec::Rsa { bits: 2048 })
}

fn fields(generation: &Generation) -> Vec<Field> {
    generation.fields.iter().map(|(field, _)| *field).collect()
}

/// Each field, and then each field of the generation before.
fn with_previous(generation: &Generation) -> Vec<Locator> {
    let current = fields(generation)
        .into_iter()
        .map(|of| generation.locator(of));
    let current: Vec<_> = current.collect();
    let previous: Vec<_> = current.iter().map(Locator::previous).collect();
    current.into_iter().chain(previous).collect()
}

/// What a store answers while another transaction is under way is tried again.
async fn persistently<T, F: Future<Output = Result<T, StoreError>>>(call: impl Fn() -> F) -> T {
    let mut backoff = Backoff::default();
    loop {
        match call().await {
            Err(error) if error.is_transient() => tokio::time::sleep(backoff.pause()).await,
            answer => return answer.unwrap(),
        }
    }
}

/// Stores the generation of `writer`.
async fn create<S: CreateStore>(store: &S, generation: &Generation, writer: &str) {
    let values = generated_by(writer, &generation.spec);
    let token = IdempotencyToken::random().unwrap();
    let new = NewGeneration {
        generation,
        values: &values,
        namespace: None,
    };
    let request = CreateRequest {
        generations: &[new],
        token: &token,
    };
    persistently(|| store.create(&request)).await;
}

/// Replaces the generation by that of `writer`.
async fn replace<S: RotateStore>(store: &S, generation: &Generation, writer: &'static str) {
    let rotated = rotate(store, generation, &Given(writer), |_| true, &mut budget()).await;
    assert_eq!(rotated.unwrap(), Rotated::Rotated);
}

async fn current<S: RotateStore>(store: &S, generation: &Generation) -> Option<Current> {
    persistently(|| store.current(generation)).await
}

/// The values that a reader gets: the writer of each field and of each field before, `None` for an
/// absent one.
async fn read<S: ReadStore>(store: &S, generation: &Generation) -> Vec<Option<String>> {
    let locators = with_previous(generation);
    let all = || async {
        let found = store.read(&locators).await;
        found.into_iter().collect::<Result<Vec<_>, _>>()
    };
    let found = persistently(all).await;
    found
        .into_iter()
        .map(|value| value.as_ref().map(writer))
        .collect()
}

/// Who generated a value.
fn writer(value: &SecretValue) -> String {
    let text = value.expose_text().unwrap();
    text.rsplit_once('-').unwrap().0.to_owned()
}

fn of(writers: [Option<&str>; 2]) -> Vec<Option<String>> {
    let [current, previous] = writers.map(|writer| writer.map(str::to_owned));
    vec![current.clone(), current, previous.clone(), previous]
}

async fn rotate_once<S: RotateStore>(
    store: &S,
    generation: &Generation,
    current: &Current,
    values: &Generated,
    token: &IdempotencyToken,
) -> Rotation {
    let request = RotateRequest {
        generation,
        current,
        values,
        token,
        now: 1_700_000_000,
    };
    persistently(|| store.rotate(&request)).await
}

/// Rotation creates nothing.
pub async fn an_absent_generation_is_not_rotated<S>(fixture: &Fixture<S>)
where
    S: ReadStore + CreateStore + RotateStore,
{
    let store = fixture.store();
    let generation = pair(store);
    let rotated = rotate(store, &generation, &Given("new"), |_| true, &mut budget()).await;
    assert_eq!(rotated.unwrap(), Rotated::Absent);
    assert_eq!(read(store, &generation).await, of([None, None]));
}

/// Every field of both generations is read.
pub async fn a_rotation_keeps_the_generation_before_it<S>(fixture: &Fixture<S>)
where
    S: ReadStore + CreateStore + RotateStore,
{
    let store = fixture.store();
    let generation = pair(store);
    create(store, &generation, "first").await;
    replace(store, &generation, "second").await;
    assert_eq!(
        read(fixture.other(), &generation).await,
        of([Some("second"), Some("first")])
    );
    // Who asks for the current values alone gets them too.
    let locators = with_previous(&generation);
    let found = store.read_together(&locators[..2]).await;
    let found = found
        .into_iter()
        .map(|value| writer(&value.unwrap().unwrap()));
    assert_eq!(found.collect::<Vec<_>>(), ["second", "second"]);
}

/// One generation is kept, the last one.
pub async fn the_second_rotation_drops_the_oldest_generation<S>(fixture: &Fixture<S>)
where
    S: ReadStore + CreateStore + RotateStore,
{
    let store = fixture.store();
    let generation = pair(store);
    create(store, &generation, "first").await;
    replace(store, &generation, "second").await;
    replace(fixture.other(), &generation, "third").await;
    assert_eq!(
        read(store, &generation).await,
        of([Some("third"), Some("second")])
    );
}

/// Its previous values are absent.
pub async fn a_generation_that_was_never_rotated_has_no_previous_one<S>(fixture: &Fixture<S>)
where
    S: ReadStore + CreateStore + RotateStore,
{
    let store = fixture.store();
    let generation = pair(store);
    create(store, &generation, "first").await;
    assert_eq!(read(store, &generation).await, of([Some("first"), None]));
    let current = current(store, &generation).await.unwrap();
    assert_eq!(current.previous, None);
    let retired = retire(store, &generation, |_| true, &mut budget()).await;
    assert!(!retired.unwrap());
}

/// The current generation stays, and can be rotated again.
pub async fn a_retired_generation_is_gone<S>(fixture: &Fixture<S>)
where
    S: ReadStore + CreateStore + RotateStore,
{
    let store = fixture.store();
    let generation = pair(store);
    create(store, &generation, "first").await;
    replace(store, &generation, "second").await;
    let retired = retire(store, &generation, |_| false, &mut budget()).await;
    assert!(!retired.unwrap(), "not due");
    let retired = retire(store, &generation, |_| true, &mut budget()).await;
    assert!(retired.unwrap());
    assert_eq!(read(store, &generation).await, of([Some("second"), None]));
    let retired = retire(store, &generation, |_| true, &mut budget()).await;
    assert!(!retired.unwrap(), "a second time");
    replace(store, &generation, "third").await;
    assert_eq!(
        read(store, &generation).await,
        of([Some("third"), Some("second")])
    );
}

/// The condition is the generation that was read.
pub async fn what_was_replaced_meanwhile_is_not_replaced<S>(fixture: &Fixture<S>)
where
    S: ReadStore + CreateStore + RotateStore,
{
    let store = fixture.store();
    let generation = pair(store);
    create(store, &generation, "first").await;
    let seen = current(store, &generation).await.unwrap();
    replace(fixture.other(), &generation, "second").await;
    let values = generated_by("late", &generation.spec);
    let token = IdempotencyToken::random().unwrap();
    let late = rotate_once(store, &generation, &seen, &values, &token).await;
    assert_eq!(late, Rotation::Changed);
    assert_eq!(
        read(store, &generation).await,
        of([Some("second"), Some("first")])
    );
}

/// With the same token it does not replace its own generation.
pub async fn a_repeated_request_is_one_rotation<S>(fixture: &Fixture<S>)
where
    S: ReadStore + CreateStore + RotateStore,
{
    let store = fixture.store();
    let generation = pair(store);
    create(store, &generation, "first").await;
    let seen = current(store, &generation).await.unwrap();
    let values = generated_by("second", &generation.spec);
    let token = IdempotencyToken::random().unwrap();
    let rotated = rotate_once(store, &generation, &seen, &values, &token).await;
    assert_eq!(rotated, Rotation::Rotated);
    rotate_once(fixture.other(), &generation, &seen, &values, &token).await;
    assert_eq!(
        read(store, &generation).await,
        of([Some("second"), Some("first")])
    );
}

/// Nothing is generated or written.
pub async fn a_generation_that_is_not_due_stays<S>(fixture: &Fixture<S>)
where
    S: ReadStore + CreateStore + RotateStore,
{
    let store = fixture.store();
    let generation = pair(store);
    create(store, &generation, "first").await;
    let rotated = rotate(store, &generation, &Given("new"), |_| false, &mut budget()).await;
    assert_eq!(rotated.unwrap(), Rotated::NotDue);
    assert_eq!(read(store, &generation).await, of([Some("first"), None]));
}

/// By the store itself, or because the rotator wrote it.
pub async fn the_time_of_a_rotation_is_remembered<S>(fixture: &Fixture<S>)
where
    S: ReadStore + CreateStore + RotateStore,
{
    let store = fixture.store();
    let generation = pair(store);
    create(store, &generation, "first").await;
    let seen = current(store, &generation).await.unwrap();
    let now = 1_700_000_000;
    assert!(persistently(|| store.remember_since(&generation, &seen, now)).await);
    let seen = current(store, &generation).await.unwrap();
    assert!(
        seen.since.is_some_and(|since| since >= now),
        "{:?}",
        seen.since
    );
    replace(store, &generation, "second").await;
    let seen = current(store, &generation).await.unwrap();
    assert!(
        seen.since.is_some_and(|since| since > now),
        "{:?}",
        seen.since
    );
    assert!(seen.previous.is_some());
    assert_eq!(
        read(store, &generation).await,
        of([Some("second"), Some("first")])
    );
}

/// Of those that have read the same generation, one replaces it.
pub async fn of_many_rotators_of_a_generation_one_wins<S>(fixture: &Fixture<S>)
where
    S: ReadStore + CreateStore + RotateStore,
{
    const WRITERS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    let store = fixture.store();
    let generation = pair(store);
    create(store, &generation, "first").await;
    let seen = current(store, &generation).await.unwrap();
    let rotators = WRITERS.iter().enumerate().map(|(nth, name)| {
        let (generation, seen) = (&generation, &seen);
        let store = &fixture.clients[nth % fixture.clients.len()];
        async move {
            let values = generated_by(name, &generation.spec);
            let token = IdempotencyToken::random().unwrap();
            rotate_once(store, generation, seen, &values, &token).await
        }
    });
    let rotated = join_all(rotators).await;
    let won = rotated.iter().filter(|of| **of == Rotation::Rotated);
    assert_eq!(won.count(), 1, "{rotated:?}");
    let found = read(store, &generation).await;
    let winner = found[0].clone().unwrap();
    assert!(WRITERS.contains(&winner.as_str()));
    assert_eq!(found, of([Some(&winner), Some("first")]));
}

/// Neither of two fields, nor of a current and a previous one that do not follow each other.
pub async fn no_reader_sees_two_generations<S>(fixture: &Fixture<S>)
where
    S: ReadStore + CreateStore + RotateStore,
{
    const WRITERS: [&str; 12] = ["b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"];
    let store = fixture.store();
    let generation = pair(store);
    create(store, &generation, "a").await;
    let has_ended = AtomicBool::new(false);
    let rotations = async {
        for name in WRITERS {
            replace(fixture.other(), &generation, name).await;
        }
        has_ended.store(true, Ordering::Relaxed);
    };
    let reads = async {
        let mut seen = HashSet::new();
        while !has_ended.load(Ordering::Relaxed) {
            seen.insert(read(store, &generation).await);
            tokio::task::yield_now().await;
        }
        seen
    };
    let ((), seen) = futures_util::future::join(rotations, reads).await;
    for found in seen {
        let [public, private, public_before, private_before] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(
            (public, public_before),
            (private, private_before),
            "{found:?}"
        );
        // A reader may see no previous generation, but no wrong one.
        if let Some(before) = public_before {
            let current = public.as_ref().unwrap();
            assert_eq!(before.as_bytes()[0] + 1, current.as_bytes()[0], "{found:?}");
        }
    }
}

/// The condition is the previous generation that was read.
pub async fn a_previous_generation_that_was_replaced_is_not_retired<S>(fixture: &Fixture<S>)
where
    S: ReadStore + CreateStore + RotateStore,
{
    let store = fixture.store();
    let generation = pair(store);
    create(store, &generation, "first").await;
    replace(store, &generation, "second").await;
    let seen = current(store, &generation).await.unwrap();
    replace(fixture.other(), &generation, "third").await;
    assert!(!persistently(|| store.retire(&generation, &seen)).await);
    assert_eq!(
        read(store, &generation).await,
        of([Some("third"), Some("second")])
    );
}
