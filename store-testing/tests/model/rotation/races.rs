//! The runs that are visited, and the mutations that are found.

use rstest::rstest;
use stateright::{Checker, CheckerBuilder, HasDiscoveries, Model};

use super::{KEPT, LINKED, Mutation, ONCE, Rotation, STORED, Store, WHOLE};

/// Two rotators of one generation that somebody reads.
const BY_HAND: Rotation = Rotation {
    store: Store::DynamoDb,
    mutation: None,
    is_stored: true,
    is_due_once: false,
    begins: 2,
    reads: 1,
    retirements: 0,
    kills: 0,
    faults: 1,
};

#[expect(
    clippy::print_stderr,
    reason = "the numbers of states are for the documentation"
)]
fn explore(name: &str, rotation: Rotation) -> impl Checker<Rotation> {
    let checker = threads(rotation).spawn_bfs().join();
    eprintln!("model: {name}: {} states", checker.unique_state_count());
    checker
}

fn is_broken(rotation: Rotation, property: &'static str) -> bool {
    let found = HasDiscoveries::AnyOf([property].into());
    let checker = threads(rotation).finish_when(found).spawn_bfs().join();
    checker.discovery(property).is_some()
}

fn threads(rotation: Rotation) -> CheckerBuilder<Rotation> {
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    rotation.checker().threads(threads)
}

/// As for the other races, `KEES_MODEL_FAULTS=N` allows N times as many kills and faults.
fn with_faults_from_environment(rotation: Rotation) -> Rotation {
    let Ok(text) = std::env::var("KEES_MODEL_FAULTS") else {
        return rotation;
    };
    let factor: u8 = text
        .parse()
        .expect("KEES_MODEL_FAULTS is a small whole number");
    Rotation {
        kills: factor * rotation.kills,
        faults: factor * rotation.faults,
        ..rotation
    }
}

#[rstest]
#[case::by_hand("rotation, two rotators and a reader", BY_HAND)]
#[case::by_two_controllers(
    "rotation, two controllers at one date, a kill",
    Rotation { is_due_once: true, kills: 1, ..BY_HAND }
)]
#[case::three_rotations(
    "rotation, three rotations and a reader",
    Rotation { begins: 3, faults: 0, ..BY_HAND }
)]
#[case::beside_a_creator(
    "rotation beside a creator",
    Rotation { is_stored: false, ..BY_HAND }
)]
#[case::with_retirement(
    "rotation and retirement",
    Rotation { retirements: 1, ..BY_HAND }
)]
#[case::secrets_manager(
    "rotation, Secrets Manager",
    Rotation { store: Store::SecretsManager, retirements: 1, kills: 1, ..BY_HAND }
)]
fn no_reader_gets_two_generations(#[case] name: &str, #[case] rotation: Rotation) {
    let checker = explore(name, with_faults_from_environment(rotation));
    checker.assert_properties();
    assert!(
        checker.unique_state_count() > 300,
        "the race hardly happened"
    );
}

#[rstest]
#[case::without_the_condition(Mutation::NoCondition, ONCE)]
#[case::fields_apart(Mutation::FieldsApart, STORED)]
#[case::without_a_look(Mutation::NoLook, ONCE)]
#[case::without_marks(Mutation::NoMarks, WHOLE)]
#[case::without_the_link(Mutation::NoLink, LINKED)]
#[case::retiring_any(Mutation::RetiresAny, KEPT)]
fn a_broken_protocol_is_found(#[case] mutation: Mutation, #[case] property: &'static str) {
    let rotation = Rotation {
        mutation: Some(mutation),
        retirements: 1,
        ..BY_HAND
    };
    assert!(is_broken(rotation, property), "{mutation:?} is not found");
}
