//! What every backend is held to: cases that each of them passes, in the tests of `kees-store` and,
//! against servers, in the end-to-end tests.
//!
//! ```ignore
//! kees_store_testing::conformance_tests!(block_on, fixture());
//! ```
//!
//! expands to a `#[test]` for each case: `fixture()` is evaluated for each of them, and `block_on`
//! runs its future. Each case uses its own names, so cases can share a store and run in parallel.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use kees_common::{Field, Generated, Generation, Locator, SecretValue, Spec, StoragePath};
use kees_store::{
    CreateRequest, CreateStore, Creation, ErrorKind, IdempotencyToken, NewGeneration, ReadStore,
    RetryBudget,
};

use crate::{generated_by, generation_at, obtain_one};

/// A `#[test]` for each case. See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! conformance_tests {
    ($block_on:expr, $fixture:expr) => {
        $crate::conformance_tests! {
            @ $block_on, $fixture,
            an_absent_value_is_none
            an_empty_list_has_no_answers
            a_created_generation_reads_back_equal
            a_reference_reads_what_lies_at_its_path
            names_are_told_apart_to_the_letter
            any_bytes_and_any_text_come_back
            the_largest_value_comes_back
            a_long_list_is_answered_in_order
            what_exists_is_not_overwritten
            a_repeated_request_is_one_write
            all_fields_are_written_or_none
            generations_of_one_request_are_all_written_or_none
            an_incomplete_generation_is_refused
            one_field_is_enough_to_create_all
            of_many_writers_one_wins_and_all_agree
        }
    };
    (@ $block_on:expr, $fixture:expr, $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                let fixture = $fixture;
                $block_on($crate::conformance::$case(&fixture));
            }
        )*
    };
}

/// The backend under test.
#[derive(Debug)]
pub struct Fixture<S> {
    /// Clients of the same data, at least one. Several clients make the races real.
    pub clients: Vec<S>,
    /// The most bytes that one value can have in this store.
    pub largest: usize,
    /// Whether each field has its own name, so that a generation can be incomplete.
    pub is_flat: bool,
}

impl<S: ReadStore + CreateStore> Fixture<S> {
    pub(crate) fn store(&self) -> &S {
        self.clients.first().expect("a fixture has a client")
    }

    /// A client other than the first one, if there are several.
    pub(crate) fn other(&self) -> &S {
        self.clients.last().expect("a fixture has a client")
    }
}

/// Enough for a store on the same machine under load.
fn budget() -> RetryBudget {
    RetryBudget::new(Duration::from_mins(1))
}

/// For a generation that stays incomplete, which is waited for until the budget is spent.
fn short_budget() -> RetryBudget {
    RetryBudget::new(Duration::from_secs(1))
}

/// A path that no other case and no other run has.
pub(crate) fn unique(name: &str) -> StoragePath {
    let run = IdempotencyToken::random().unwrap();
    format!("/conformance/{}/{name}", run.as_str())
        .parse()
        .unwrap()
}

fn generation<S: ReadStore>(store: &S, spec: Spec) -> Generation {
    at(store, unique("secret"), spec)
}

fn at<S: ReadStore>(store: &S, path: StoragePath, spec: Spec) -> Generation {
    generation_at(store.name(), path, spec)
}

fn locators(generation: &Generation) -> Vec<Locator> {
    let fields = generation.fields.iter();
    fields
        .map(|(field, _)| generation.locator(*field))
        .collect()
}

/// Stores one generation and says how it ended.
async fn create<S: CreateStore>(
    store: &S,
    generation: &Generation,
    values: &Generated,
) -> Creation {
    create_together(store, &[(generation, values)]).await
}

/// Stores several generations in one request.
async fn create_together<S: CreateStore>(
    store: &S,
    generations: &[(&Generation, &Generated)],
) -> Creation {
    let token = IdempotencyToken::random().unwrap();
    send(store, generations, &token).await
}

async fn send<S: CreateStore>(
    store: &S,
    generations: &[(&Generation, &Generated)],
    token: &IdempotencyToken,
) -> Creation {
    let generations: Vec<_> = generations
        .iter()
        .map(|(generation, values)| NewGeneration {
            generation,
            values,
            namespace: Some("team-a"),
        })
        .collect();
    let request = CreateRequest {
        generations: &generations,
        token,
    };
    store.create(&request).await.unwrap()
}

pub(crate) async fn read<S: ReadStore>(
    store: &S,
    locators: &[Locator],
) -> Vec<Option<SecretValue>> {
    let found = store.read(locators).await;
    found.into_iter().map(|found| found.unwrap()).collect()
}

/// Reads every field through `store`, in a batch and in a snapshot, and compares the values.
async fn assert_stored<S: ReadStore>(store: &S, generation: &Generation, values: &Generated) {
    let locators = locators(generation);
    let stored: Vec<_> = values
        .iter()
        .map(|(_, value)| Some(value.clone()))
        .collect();
    assert_eq!(read(store, &locators).await, stored, "{generation:?}");
    let together = store.read_together(&locators).await;
    let together: Vec<_> = together.into_iter().map(|found| found.unwrap()).collect();
    assert_eq!(together, stored, "{generation:?}");
}

const RSA: Spec = Spec::Rsa { bits: 2048 };
const PASSWORD: Spec = Spec::Password { bits: 256 };
const RANDOM: Spec = Spec::Random { bits: 256 };
const API_KEY: Spec = Spec::ApiKey { bits: 256 };

fn gpg() -> Spec {
    Spec::Gpg {
        bits: 2048,
        user_id: "Jörg <j@example.com>".parse().unwrap(),
    }
}

/// A value that was never stored is absent, in a batch and in a snapshot.
pub async fn an_absent_value_is_none<S: ReadStore + CreateStore>(fixture: &Fixture<S>) {
    let store = fixture.store();
    for spec in [RSA, PASSWORD] {
        let locators = locators(&generation(store, spec));
        let nothing = vec![None; locators.len()];
        assert_eq!(read(store, &locators).await, nothing);
        let together: Result<Vec<_>, _> =
            store.read_together(&locators).await.into_iter().collect();
        assert_eq!(together.unwrap(), nothing);
    }
}

/// A read without locators returns no results.
pub async fn an_empty_list_has_no_answers<S: ReadStore + CreateStore>(fixture: &Fixture<S>) {
    assert!(fixture.store().read(&[]).await.is_empty());
    assert!(fixture.store().read_together(&[]).await.is_empty());
}

/// Every type of generation can be read by a client that did not store it.
pub async fn a_created_generation_reads_back_equal<S: ReadStore + CreateStore>(
    fixture: &Fixture<S>,
) {
    for spec in [RSA, gpg(), PASSWORD, RANDOM, API_KEY] {
        let generation = generation(fixture.store(), spec);
        let values = generated_by("one", &generation.spec);
        assert_eq!(
            create(fixture.store(), &generation, &values).await,
            Creation::Created
        );
        assert_stored(fixture.other(), &generation, &values).await;
    }
}

/// A value can be read by its path alone, as a REFERENCE or a resource does.
pub async fn a_reference_reads_what_lies_at_its_path<S: ReadStore + CreateStore>(
    fixture: &Fixture<S>,
) {
    let generation = generation(fixture.store(), PASSWORD);
    let values = generated_by("one", &PASSWORD);
    create(fixture.store(), &generation, &values).await;
    let reference = Locator {
        path: generation.path.clone(),
        member: None,
        property: None,
        version_stage: None,
        version_id: None,
        is_previous: false,
    };
    let found = read(fixture.other(), &[reference]).await;
    assert_eq!(found, [values.get(Field::Whole).cloned()]);
}

/// Names that differ in one letter, in case or in length are different names.
pub async fn names_are_told_apart_to_the_letter<S: ReadStore + CreateStore>(fixture: &Fixture<S>) {
    let store = fixture.store();
    let first = at(store, unique("secret"), PASSWORD);
    create(store, &first, &generated_by("one", &PASSWORD)).await;
    for (from, to) in [
        ("/secret", "/Secret"),
        ("/secret", "/secret_"),
        ("/secret", "/secre"),
    ] {
        let path = first.path.as_str().replace(from, to).parse().unwrap();
        let second = at(store, path, PASSWORD);
        assert_eq!(
            read(store, &[second.locator(Field::Whole)]).await,
            [None],
            "{}",
            second.path
        );
        let values = generated_by("two", &PASSWORD);
        assert_eq!(create(store, &second, &values).await, Creation::Created);
        assert_stored(store, &second, &values).await;
    }
    assert_stored(store, &first, &generated_by("one", &PASSWORD)).await;
}

/// Values that are not text, and texts that need escapes in JSON, are stored unchanged.
pub async fn any_bytes_and_any_text_come_back<S: ReadStore + CreateStore>(fixture: &Fixture<S>) {
    let bytes = SecretValue::new((0..=255).collect());
    let text = "\"{}\\/\u{0}\n\r\t'$`%ü\u{1F511}\u{FEFF} ";
    let text = SecretValue::new(text.as_bytes().to_vec());
    let zero = SecretValue::new(vec![0]);
    let blank = SecretValue::new(b" ".to_vec());
    for (spec, values) in [
        (RANDOM, vec![(Field::Whole, bytes.clone())]),
        (RANDOM, vec![(Field::Whole, zero.clone())]),
        (PASSWORD, vec![(Field::Whole, text.clone())]),
        (PASSWORD, vec![(Field::Whole, blank.clone())]),
        (
            RSA,
            vec![(Field::Public, bytes.clone()), (Field::Private, zero)],
        ),
        (
            API_KEY,
            vec![(Field::Consumer, bytes.clone()), (Field::Provider, bytes)],
        ),
        (
            gpg(),
            vec![
                (Field::Public, text.clone()),
                (Field::Private, blank),
                (Field::Password, text),
            ],
        ),
    ] {
        let generation = generation(fixture.store(), spec);
        let values = Generated::new(values);
        assert_eq!(
            create(fixture.store(), &generation, &values).await,
            Creation::Created
        );
        assert_stored(fixture.other(), &generation, &values).await;
    }
}

/// A value of the largest size is stored unchanged.
pub async fn the_largest_value_comes_back<S: ReadStore + CreateStore>(fixture: &Fixture<S>) {
    let generation = generation(fixture.store(), RANDOM);
    let bytes = (0..=250).cycle().take(fixture.largest).collect();
    let values = Generated::new(vec![(Field::Whole, SecretValue::new(bytes))]);
    assert_eq!(
        create(fixture.store(), &generation, &values).await,
        Creation::Created
    );
    assert_stored(fixture.other(), &generation, &values).await;
}

/// A list that is longer than any batch, with existing, absent and repeated names.
pub async fn a_long_list_is_answered_in_order<S: ReadStore + CreateStore>(fixture: &Fixture<S>) {
    let store = fixture.store();
    let folder = unique("list");
    let mut locators = Vec::new();
    let mut expected = Vec::new();
    for nth in 0..250 {
        // Every fourth name is that of 50 places before.
        let nth = if nth % 4 == 3 && nth >= 50 {
            nth - 50
        } else {
            nth
        };
        let generation = at(store, format!("{folder}/{nth}").parse().unwrap(), PASSWORD);
        let values = generated_by(&nth.to_string(), &PASSWORD);
        if nth % 10 == 1 {
            // A repeated name is stored already, with the same value.
            create(store, &generation, &values).await;
            expected.push(values.get(Field::Whole).cloned());
        } else {
            expected.push(None);
        }
        locators.push(generation.locator(Field::Whole));
    }
    assert!(locators.iter().collect::<HashSet<_>>().len() < 250);
    assert_eq!(read(fixture.other(), &locators).await, expected);
}

/// A second generation with the same names is not stored.
pub async fn what_exists_is_not_overwritten<S: ReadStore + CreateStore>(fixture: &Fixture<S>) {
    for spec in [RSA, gpg(), PASSWORD, RANDOM, API_KEY] {
        let generation = generation(fixture.store(), spec);
        let first = generated_by("one", &generation.spec);
        assert_eq!(
            create(fixture.store(), &generation, &first).await,
            Creation::Created
        );
        let second = generated_by("two", &generation.spec);
        assert_eq!(
            create(fixture.other(), &generation, &second).await,
            Creation::Exists
        );
        assert_stored(fixture.store(), &generation, &first).await;
    }
}

/// The response was lost, and the request is sent again. The second response is equal to the first.
pub async fn a_repeated_request_is_one_write<S: ReadStore + CreateStore>(fixture: &Fixture<S>) {
    for spec in [RSA, PASSWORD, RANDOM] {
        let generation = generation(fixture.store(), spec);
        let values = generated_by("one", &generation.spec);
        let (request, token) = (
            [(&generation, &values)],
            IdempotencyToken::random().unwrap(),
        );
        for store in [fixture.store(), fixture.store(), fixture.other()] {
            assert_eq!(send(store, &request, &token).await, Creation::Created);
        }
        assert_stored(fixture.other(), &generation, &values).await;
    }
}

/// All generations of one request are written, or none of them if a name of one of them exists.
pub async fn generations_of_one_request_are_all_written_or_none<S: ReadStore + CreateStore>(
    fixture: &Fixture<S>,
) {
    let store = fixture.store();
    if store.write_limits().generations == 1 {
        return;
    }
    let [first, second, third] = [RSA, PASSWORD, gpg()].map(|spec| generation(store, spec));
    let values = |generation: &Generation| generated_by("one", &generation.spec);
    let two = [(&first, &values(&first)), (&second, &values(&second))];
    assert_eq!(create_together(store, &two).await, Creation::Created);
    for (generation, values) in two {
        assert_stored(fixture.other(), generation, values).await;
    }
    let others = generated_by("other", &second.spec);
    let two = [(&third, &values(&third)), (&second, &others)];
    assert_eq!(create_together(store, &two).await, Creation::Exists);
    assert_eq!(read(store, &locators(&third)).await, [None, None, None]);
    assert_stored(store, &second, &values(&second)).await;
}

/// If one of a generation's names exists, no field is written.
pub async fn all_fields_are_written_or_none<S: ReadStore + CreateStore>(fixture: &Fixture<S>) {
    let store = fixture.store();
    for occupied in [Field::Public, Field::Private, Field::Password] {
        let generation = generation(store, gpg());
        let name = if fixture.is_flat {
            generation.path_of(occupied).unwrap()
        } else {
            &generation.path
        };
        let before = at(store, name.clone(), PASSWORD);
        let existing = generated_by("other", &PASSWORD);
        create(store, &before, &existing).await;

        let values = generated_by("one", &generation.spec);
        assert_eq!(create(store, &generation, &values).await, Creation::Exists);
        assert_stored(fixture.other(), &before, &existing).await;
        let found = fixture.other().read(&locators(&generation)).await;
        let fields = generation.fields.iter().zip(locators(&generation));
        for (((field, _), locator), found) in fields.zip(found) {
            match found {
                Ok(None) => assert!(
                    fixture.is_flat && *field != occupied,
                    "{field} is not there"
                ),
                Ok(Some(_)) => assert_eq!(&locator.path, name, "{field} was written"),
                // All fields share one name, which has another value.
                Err(error) => {
                    assert!(!fixture.is_flat, "{error}");
                    assert_eq!(error.kind, ErrorKind::Malformed);
                }
            }
        }
    }
}

/// The original kees can leave one field of a pair: the generation is never completed, and never
/// handed out to a pod that names both fields or the missing one. Where a generation has one name,
/// the same case is a secret without the members that are read.
pub async fn an_incomplete_generation_is_refused<S: ReadStore + CreateStore>(fixture: &Fixture<S>) {
    let store = fixture.store();
    for (stored, missing) in [
        (Field::Public, Field::Private),
        (Field::Private, Field::Public),
    ] {
        let generation = generation(store, RSA);
        let before = if fixture.is_flat {
            at(store, generation.path_of(stored).unwrap().clone(), RANDOM)
        } else {
            at(store, generation.path.clone(), API_KEY)
        };
        let existing = generated_by("original", &before.spec);
        create(store, &before, &existing).await;

        for fields in [&[Field::Public, Field::Private][..], &[missing]] {
            let error = obtain_one(store, "one", &generation, fields, &mut short_budget())
                .await
                .unwrap_err();
            assert_eq!(error.kind, ErrorKind::Malformed);
            assert!(error.path.is_some());
            if fixture.is_flat {
                assert_eq!(error.path.as_ref(), generation.path_of(missing));
            }
        }
        assert_stored(fixture.other(), &before, &existing).await;
        let found = store.read(&[generation.locator(missing)]).await.remove(0);
        assert!(!matches!(found, Ok(Some(_))), "the missing field was added");
    }
}

/// A pod that names one field creates all fields and gets this one.
pub async fn one_field_is_enough_to_create_all<S: ReadStore + CreateStore>(fixture: &Fixture<S>) {
    let generation = generation(fixture.store(), RSA);
    let store = fixture.store();
    let (values, is_created) =
        obtain_one(store, "one", &generation, &[Field::Public], &mut budget())
            .await
            .unwrap();
    assert!(is_created);
    let expected = generated_by("one", &RSA);
    assert_eq!(
        values,
        [(Field::Public, expected.get(Field::Public).unwrap().clone())]
    );
    assert_stored(fixture.other(), &generation, &expected).await;
}

/// Every writer that loses the race gets the values of the winner, and so does every reader.
pub async fn of_many_writers_one_wins_and_all_agree<S: ReadStore + CreateStore>(
    fixture: &Fixture<S>,
) {
    const WRITERS: [&str; 16] = [
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p",
    ];
    for spec in [RSA, PASSWORD, gpg()] {
        let generation = generation(fixture.store(), spec);
        let fields: Vec<Field> = generation.fields.iter().map(|(field, _)| *field).collect();
        let race = fixture.clients.iter().cycle().zip(WRITERS);
        let race = race.map(|(store, writer)| {
            let (generation, fields) = (&generation, &fields);
            async move {
                obtain_one(store, writer, generation, fields, &mut budget())
                    .await
                    .unwrap()
            }
        });
        let outcomes = join_all(race).await;

        let winners: Vec<_> = (0..WRITERS.len()).filter(|nth| outcomes[*nth].1).collect();
        let [winner] = winners[..] else {
            panic!("{} writers won", winners.len())
        };
        for (values, _) in &outcomes {
            assert_eq!(*values, outcomes[winner].0);
        }
        let expected = generated_by(WRITERS[winner], &generation.spec);
        assert_stored(fixture.other(), &generation, &expected).await;
    }
}
