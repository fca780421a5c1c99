//! The runs that are visited, and the mutations that are found.

use std::collections::HashSet;

use rstest::rstest;
use stateright::{Checker, CheckerBuilder, HasDiscoveries, Model};

use super::{
    AGREE, Leases, Mutation, UNIQUE,
    state::{Life, Request, State, range},
};

/// Enough for the first pod, the pod that replaces it, and another one.
const ONE_NUMBER: Leases = Leases {
    mutation: None,
    numbers: 1,
    begins: 4,
    kills: 0,
    faults: 0,
};

/// Visits every state and prints how many there are, for `docs/reliability.md`.
#[expect(
    clippy::print_stderr,
    reason = "the numbers of states are for the documentation"
)]
fn explore(name: &str, leases: Leases) -> impl Checker<Leases> {
    let checker = threads(leases).spawn_bfs().join();
    eprintln!("model: {name}: {} states", checker.unique_state_count());
    checker
}

/// Visits states until a run breaks `property`.
fn is_broken(leases: Leases, property: &'static str) -> bool {
    let found = HasDiscoveries::AnyOf([property].into());
    let checker = threads(leases).finish_when(found).spawn_bfs().join();
    checker.discovery(property).is_some()
}

fn threads(leases: Leases) -> CheckerBuilder<Leases> {
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    leases.checker().threads(threads)
}

/// As for the races of writers, `KEES_MODEL_FAULTS=N` allows N times as many kills and faults, and here
/// N - 1 more claims and releases.
fn with_faults_from_environment(leases: Leases) -> Leases {
    let Ok(text) = std::env::var("KEES_MODEL_FAULTS") else {
        return leases;
    };
    let factor: u8 = text
        .parse()
        .expect("KEES_MODEL_FAULTS is a small whole number");
    Leases {
        kills: factor * leases.kills,
        faults: factor * leases.faults,
        begins: leases.begins + factor - 1,
        ..leases
    }
}

#[rstest]
#[case::one_number("leases, three pods and one number", ONE_NUMBER)]
#[case::a_kill_and_a_fault(
    "leases, three pods and one number, kills and faults",
    Leases { begins: 2, kills: 1, faults: 1, ..ONE_NUMBER }
)]
#[case::two_numbers(
    "leases, three pods and two numbers",
    Leases { numbers: 2, begins: 3, ..ONE_NUMBER }
)]
fn no_number_is_held_twice(#[case] name: &str, #[case] leases: Leases) {
    let checker = explore(name, with_faults_from_environment(leases));
    checker.assert_properties();
    assert!(
        checker.unique_state_count() > 1000,
        "the race hardly happened"
    );
}

#[rstest]
#[case::without_the_condition(Mutation::NoCondition, UNIQUE)]
#[case::with_a_comparison_of_names(Mutation::NameOnly, UNIQUE)]
#[case::without_asking_whether_the_pod_lives(Mutation::NotAsked, UNIQUE)]
#[case::with_the_number_of_a_living_pod(Mutation::NotGone, UNIQUE)]
#[case::with_the_record_of_an_earlier_pod(Mutation::InitIgnoresUid, UNIQUE)]
#[case::without_the_condition(Mutation::NoCondition, AGREE)]
fn a_broken_protocol_is_found(#[case] mutation: Mutation, #[case] property: &'static str) {
    let leases = Leases {
        mutation: Some(mutation),
        ..ONE_NUMBER
    };
    assert!(is_broken(leases, property), "{mutation:?} is not found");
}

/// Whether a state of a run is one that the race is about.
type Reached = fn(&State) -> bool;

fn number_of(state: &State, pod: usize) -> Option<i32> {
    match state.pods[pod] {
        Life::Lives { number } => number,
        _ => None,
    }
}

#[rstest]
#[case::the_next_pod_of_a_name_gets_the_number(|state: &State| {
    state.pods[0] == Life::Gone && number_of(state, 1) == Some(0)
})]
#[case::another_pod_gets_the_number_of_a_pod_that_is_gone(|state: &State| {
    state.pods[0] == Life::Gone && number_of(state, 2) == Some(0)
})]
#[case::a_swap_of_an_old_pod_is_on_its_way_when_the_next_one_has_the_number(|state: &State| {
    let is_of_first = |request: &Request| {
        let expected = request.changes.iter().filter_map(|change| change.expected.as_ref());
        expected.filter_map(|record| record.pod.as_ref()).any(|pod| pod.uid == "0")
    };
    number_of(state, 1) == Some(0) && state.requests.iter().any(is_of_first)
})]
#[case::everything_is_free_again(|state: &State| {
    state.begins_left == 0 && state.pods[0] == Life::Gone && state.records.is_empty()
})]
fn the_race_can_go_like_this(#[case] reached: Reached) {
    let leases = ONE_NUMBER;
    assert_eq!(range(&leases).size(), 1);
    let mut seen = HashSet::new();
    let mut left = leases.init_states();
    while let Some(state) = left.pop() {
        if reached(&state) {
            return;
        }
        if !seen.insert(state.clone()) {
            continue;
        }
        let mut actions = Vec::new();
        leases.actions(&state, &mut actions);
        left.extend(
            actions
                .into_iter()
                .filter_map(|action| leases.next_state(&state, action)),
        );
    }
    panic!("this never happens in the model");
}
