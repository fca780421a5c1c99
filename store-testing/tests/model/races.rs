//! The races that are visited, and the mutations that are found.

use std::collections::HashSet;

use kees_store::protocol::WhenAbsent::{Create, CreateOrFail, Wait};
use rstest::rstest;
use stateright::{Checker, Model};

use crate::{
    mutations::Mutation,
    race::{Race, Store, WRITERS},
    state::{FIELDS, ORIGINAL, Request, State},
    writer::{Call, Writer},
};

const PUBLIC: &[usize] = &[0];
const PRIVATE: &[usize] = &[1];
const BOTH: &[usize] = &[0, 1];
const ALL: &[usize] = &[0, 1, 2];
const NO_FIELD: &[usize] = &[];

/// Three writers of one pair, and one kill and one fault in a run.
const PAIR: Race = Race {
    store: Store::DynamoDb,
    mutation: None,
    fields: [2, 0],
    named: [BOTH; WRITERS],
    when_absent: [Create; WRITERS],
    is_denied: [false; WRITERS],
    left_behind: None,
    has_original: false,
    kills: 1,
    faults: 1,
    deletions: 0,
};

/// Two writers of a pair and a password.
const TWO: Race = Race {
    fields: [2, 1],
    named: [BOTH, BOTH, NO_FIELD],
    ..PAIR
};

/// Visits every state and prints how many there are, for `docs/reliability.md`.
#[expect(
    clippy::print_stderr,
    reason = "the numbers of states are for the documentation"
)]
fn explore(name: &str, race: Race) -> impl Checker<Race> {
    let checker = race
        .checker()
        .threads(std::thread::available_parallelism().map_or(1, Into::into))
        .spawn_bfs()
        .join();
    eprintln!("model: {name}: {} states", checker.unique_state_count());
    checker
}

/// `KEES_MODEL_FAULTS=N` allows N times as many kills and faults in each run as the case says.
/// `make model` visits millions of states like this, `cargo test` some ten thousands.
fn with_faults_from_environment(race: Race) -> Race {
    let Ok(text) = std::env::var("KEES_MODEL_FAULTS") else {
        return race;
    };
    let factor: u8 = text
        .parse()
        .expect("KEES_MODEL_FAULTS is a small whole number");
    Race {
        kills: factor * race.kills,
        faults: factor * race.faults,
        ..race
    }
}

#[rstest]
#[case::every_writer_names_both_fields("a pair, both fields named", PAIR)]
#[case::some_writers_may_read_one_field_alone(
    "a pair, one writer names both fields, two name one",
    Race { named: [BOTH, PUBLIC, PRIVATE], ..PAIR }
)]
#[case::a_public_field_was_left_behind(
    "a pair, a public field left behind",
    Race { left_behind: Some(0), named: [BOTH, PUBLIC, PRIVATE], ..PAIR }
)]
#[case::a_private_field_was_left_behind(
    "a pair, a private field left behind",
    Race { left_behind: Some(1), named: [BOTH, PUBLIC, PRIVATE], ..PAIR }
)]
#[case::the_original_stores_a_pair_meanwhile(
    "a pair, beside the original's creator",
    Race { has_original: true, named: [BOTH, PUBLIC, NO_FIELD], ..PAIR }
)]
#[case::the_original_is_waited_for(
    "a pair, beside the original's creator, one writer waits for it",
    Race { has_original: true, when_absent: [Wait, Create, Create], named: [BOTH, BOTH, NO_FIELD], ..PAIR }
)]
#[case::a_writer_is_denied(
    "a pair, one writer is denied and waits",
    Race { is_denied: [true, false, false], ..PAIR }
)]
#[case::a_controller_creates(
    "a pair, a controller creates, another one is denied and fails, an init container waits",
    Race { when_absent: [CreateOrFail, CreateOrFail, Wait], is_denied: [false, true, false], ..PAIR }
)]
#[case::a_pair_is_deleted(
    "a pair that is deleted at any time",
    Race { deletions: 1, kills: 0, named: [BOTH, BOTH, NO_FIELD], ..PAIR }
)]
#[case::a_password_is_deleted_twice(
    "a password that is deleted twice at any time",
    Race { fields: [1, 0], named: [PUBLIC; WRITERS], deletions: 2, kills: 0, ..PAIR }
)]
#[case::three_fields(
    "three fields, two writers name all, one names two",
    Race { fields: [3, 0], named: [ALL, ALL, BOTH], kills: 0, ..PAIR }
)]
#[case::two_generations("a pair and a password in one transaction", TWO)]
#[case::two_generations_beside_the_original(
    "a pair and a password in one transaction, beside the original's creator",
    Race { named: [BOTH, PUBLIC, NO_FIELD], has_original: true, kills: 0, ..TWO }
)]
#[case::a_pair_is_deleted_beside_the_original(
    "a pair that is deleted at any time, beside the original's creator",
    Race { has_original: true, deletions: 1, kills: 0, named: [BOTH, PUBLIC, NO_FIELD], ..PAIR }
)]
#[case::one_of_two_generations_is_deleted(
    "a pair and a password in one transaction, one is deleted at any time",
    Race { deletions: 1, kills: 0, ..TWO }
)]
#[case::a_secret_is_deleted_where_reads_lag_behind(
    "Secrets Manager, deleted at any time",
    Race { store: Store::SecretsManager, deletions: 1, kills: 0, named: [BOTH, PUBLIC, NO_FIELD], ..PAIR }
)]
#[case::reads_lag_behind(
    "Secrets Manager",
    Race { store: Store::SecretsManager, named: [BOTH, PUBLIC, PRIVATE], ..PAIR }
)]
fn every_order_ends_with_one_generation_for_all(#[case] name: &str, #[case] race: Race) {
    let checker = explore(name, with_faults_from_environment(race));
    checker.assert_properties();
    assert!(
        checker.unique_state_count() > 300,
        "the race hardly happened"
    );
}

const AGREE: &str = "all who succeed agree";

#[rstest]
#[case::without_the_condition(Mutation::NoCondition, 0, AGREE)]
#[case::without_the_condition(Mutation::NoCondition, 0, "nothing is overwritten")]
#[case::with_the_fields_one_by_one(
    Mutation::FieldsApart,
    0,
    "no writer ends with fields of two generations"
)]
#[case::with_the_fields_one_by_one(
    Mutation::FieldsApart,
    0,
    "an incomplete generation is not completed by another one"
)]
#[case::without_a_second_look_at_a_batch(
    Mutation::NoSecondLook,
    0,
    "missing fields are reported only where somebody stores fields one by one"
)]
#[case::with_own_values_after_a_lost_race(Mutation::OwnKept, 0, AGREE)]
#[case::without_a_look_before_a_repeated_write(
    Mutation::NoLook,
    1,
    "no write is repeated without a look"
)]
#[case::without_reading_a_repeated_write_back(Mutation::NoReadBack, 1, AGREE)]
fn a_broken_protocol_is_found(
    #[case] mutation: Mutation,
    #[case] faults: u8,
    #[case] property: &'static str,
) {
    let race = Race {
        kills: 0,
        faults,
        deletions: faults,
        ..PAIR
    };
    let correct = explore("correct", race.clone());
    correct.assert_no_discovery(property);
    let broken = explore(
        "broken",
        Race {
            mutation: Some(mutation),
            ..race
        },
    );
    let path = broken.discovery(property);
    assert!(path.is_some(), "{mutation:?} is not found");
}

/// Whether a state of a run is one that the race is about.
type Reached = fn(&State) -> bool;

#[rstest]
#[case::some_fields_seen_by_a_batch(PAIR, |state: &State| {
    state.writers.iter().any(|writer| writer.calls.iter().any(|call| matches!(call, Call::ReadTogether(_))))
})]
#[case::a_pair_that_the_original_completes_while_a_writer_waits(
    Race { has_original: true, ..PAIR },
    |state: &State| {
        let waits = |writer: &Writer| writer.calls.contains(&Call::Incomplete(0));
        state.stored[0][..2] == [Some(ORIGINAL); 2] && state.writers.iter().any(waits)
    }
)]
#[case::two_generations_in_one_request(TWO, |state: &State| {
    state.requests.iter().any(|request| request.generations.len() == 2)
})]
#[case::one_of_two_generations_written_alone_after_a_failed_condition(
    Race { has_original: true, ..TWO },
    |state: &State| state.requests.iter().any(|request| request.generations == [1])
)]
#[case::two_of_three_fields_stored_by_the_original(
    Race { fields: [3, 0], named: [ALL, NO_FIELD, NO_FIELD], has_original: true, ..PAIR },
    |state: &State| {
        let waits = |writer: &Writer| writer.calls.contains(&Call::Incomplete(0));
        let stored = [Some(ORIGINAL), Some(ORIGINAL), None];
        state.stored[0] == stored && state.writers.iter().any(waits)
    }
)]
#[case::a_pair_created_again_after_its_deletion(
    Race { deletions: 1, ..PAIR },
    |state: &State| state.history.epochs[0] == 1 && state.stored[0][..2].iter().all(Option::is_some)
)]
#[case::a_copy_of_a_request_on_its_way_after_its_token_expired(
    Race { faults: 2, ..PAIR },
    |state: &State| {
        let is_stored = |request: &Request| state.stored[0][0] == Some(request.sender.value());
        state.tokens.is_empty() && state.requests.iter().any(is_stored)
    }
)]
#[case::a_request_on_its_way_again_after_its_values_were_deleted(
    Race { deletions: 1, ..PAIR },
    |state: &State| {
        let was_carried_out = |request: &Request| {
            state.tokens.contains(&(request.sender, request.number))
        };
        state.stored[0] == [None; FIELDS] && state.requests.iter().any(was_carried_out)
    }
)]
#[case::a_read_of_a_secret_before_every_replica_shows_it(
    Race { store: Store::SecretsManager, ..PAIR },
    |state: &State| {
        let reads = |call: &Call| matches!(call, Call::Read(_));
        !state.is_replicated[0] && state.writers.iter().any(|of| of.calls.iter().any(reads))
    }
)]
#[case::every_writer_ended_after_a_kill_and_a_fault(PAIR, |state: &State| {
    state.kills_left == 0 && state.faults_left == 0 && state.writers.iter().all(Writer::has_ended)
})]
fn the_race_can_go_like_this(#[case] race: Race, #[case] reached: Reached) {
    let mut seen = HashSet::new();
    let mut left = race.init_states();
    while let Some(state) = left.pop() {
        if reached(&state) {
            return;
        }
        if !seen.insert(state.clone()) {
            continue;
        }
        let mut actions = Vec::new();
        race.actions(&state, &mut actions);
        left.extend(
            actions
                .into_iter()
                .filter_map(|action| race.next_state(&state, action)),
        );
    }
    panic!("this never happens in the model");
}
