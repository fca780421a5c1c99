//! One writer creates a pair, and a store, a network or another writer gets in its way.

use std::time::Duration;

use kees_common::{Field, Generation, SecretValue, Spec, StoreName};
use kees_store::{ErrorKind, RetryBudget, StoreError, protocol::Values};
use kees_store_testing::{
    generation_at, obtain_one,
    scripted::{Play, Scripted, error_of},
};
use rstest::rstest;
use tokio::time::Instant;

pub(crate) const BOTH: [Field; 2] = [Field::Public, Field::Private];
/// A minute, and a minute less the longest pause, which is not slept where nothing could follow it.
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const NEARLY: Duration = Duration::from_secs(55);

pub(crate) fn minute() -> RetryBudget {
    RetryBudget::new(MINUTE)
}

pub(crate) fn pair() -> Generation {
    let path = "/dev/signing".parse().unwrap();
    generation_at(StoreName::Memory, path, Spec::Rsa { bits: 2048 })
}

/// Obtains `fields` of the pair as the writer called `we`.
pub(crate) async fn obtain(
    store: &Scripted,
    fields: &[Field],
) -> Result<(Values, bool), StoreError> {
    obtain_one(store, "we", &pair(), fields, &mut minute()).await
}

pub(crate) fn texts(values: &Values) -> Vec<String> {
    let text = |(_, value): &(Field, SecretValue)| value.expose_text().unwrap().to_owned();
    values.iter().map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_unambiguous_success_of_a_write_is_not_read_back() {
    let store = Scripted::new();
    let (values, is_created) = obtain(&store, &BOTH).await.unwrap();
    assert!(is_created);
    assert_eq!(texts(&values), ["we-public", "we-private"]);
    assert_eq!(store.log(), ["read 2", "create 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_loses_the_race_has_the_winners() {
    let store = Scripted::new().creates([Play::OtherWriterFirst]);
    let (values, is_created) = obtain(&store, &BOTH).await.unwrap();
    assert!(!is_created);
    assert_eq!(texts(&values), ["other-public", "other-private"]);
    assert_eq!(store.log(), ["read 2", "create 2", "read 2"]);
}

#[tokio::test(start_paused = true)]
async fn only_what_the_pod_names_is_read() {
    let store = Scripted::new().creates([Play::LoseAnswer]);
    let (values, _) = obtain(&store, &[Field::Private]).await.unwrap();
    assert_eq!(texts(&values), ["we-private"]);
    assert_eq!(store.log(), ["read 1", "create 2", "read 1"]);
    let public = store.memory.get(&"/dev/signing_public".parse().unwrap());
    assert!(public.is_some(), "the other field is stored as well");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_not_another_writer() {
    let store = Scripted::new().creates([Play::Fail(ErrorKind::Server), Play::LoseAnswer]);
    let (values, is_created) = obtain(&store, &BOTH).await.unwrap();
    assert!(is_created);
    assert_eq!(texts(&values), ["we-public", "we-private"]);
    let expected = ["read 2", "create 2", "read 2", "create 2", "read 2"];
    assert_eq!(store.log(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_success_is_read_back() {
    // The store lags behind, so the read before the repetition does not show the first write.
    let store = Scripted::lagging()
        .creates([Play::LoseAnswer])
        .reads([Play::Answer, Play::SeeNothing]);
    let (_, is_created) = obtain(&store, &BOTH).await.unwrap();
    assert!(is_created);
    let expected = ["read 2", "create 2", "read 2", "create 2", "read 2"];
    assert_eq!(store.log(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_writer_does_not_write_what_another_has_written() {
    let store = Scripted::new()
        .put("/dev/signing_public", "other-public")
        .put("/dev/signing_private", "other-private")
        .reads([Play::SeeNothing])
        .creates([Play::Fail(ErrorKind::Throttled)]);
    let (values, is_created) = obtain(&store, &BOTH).await.unwrap();
    assert!(!is_created);
    assert_eq!(texts(&values), ["other-public", "other-private"]);
    assert_eq!(store.log(), ["read 2", "create 2", "read 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_read_between_two_writes_does_not_hide_the_write_error() {
    let store = Scripted::new()
        .creates([Play::Fail(ErrorKind::Throttled)])
        .reads([Play::Answer, Play::Silence]);
    let error = obtain(&store, &BOTH).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Throttled);

    let store = Scripted::new()
        .creates([Play::Fail(ErrorKind::Throttled)])
        .reads([Play::Answer, Play::Fail(denied())]);
    let error = obtain(&store, &BOTH).await.unwrap_err();
    assert_eq!(error.kind, denied());
}

pub(crate) fn denied() -> ErrorKind {
    ErrorKind::Denied {
        action: "a".to_owned(),
        resource: "r".to_owned(),
    }
}

#[rstest]
#[case::throttled(ErrorKind::Throttled)]
#[case::unreachable(ErrorKind::Unreachable)]
#[case::timed_out(ErrorKind::TimedOut)]
#[case::server(ErrorKind::Server)]
#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_at_every_step(#[case] kind: ErrorKind) {
    let failing = || vec![Play::Fail(kind.clone()); 3];
    let mut reads = failing();
    reads.push(Play::Answer);
    reads.extend(failing());
    let store = Scripted::new().creates(failing()).reads(reads);
    assert!(obtain(&store, &BOTH).await.unwrap().1);
    // Four first reads, four writes, and between them three reads that answer and three that fail;
    // the success of a repeated write is read back.
    assert_eq!(store.log().len(), 4 + 4 + 3 + 3 + 1);
}

#[rstest]
#[case::no_identity(ErrorKind::Credentials)]
#[case::setup(ErrorKind::Setup)]
#[case::malformed(ErrorKind::Malformed)]
#[case::deletion(ErrorKind::ScheduledForDeletion { date: None })]
#[case::unknown(ErrorKind::Other)]
#[tokio::test(start_paused = true)]
async fn what_cannot_pass_is_not_tried_again_at_any_step(#[case] kind: ErrorKind) {
    let store = Scripted::new().reads([Play::Fail(kind.clone())]);
    assert_eq!(obtain(&store, &BOTH).await.unwrap_err().kind, kind);
    assert_eq!(store.log(), ["read 2"]);

    let store = Scripted::new().creates([Play::Fail(kind.clone())]);
    assert_eq!(obtain(&store, &BOTH).await.unwrap_err().kind, kind);
    assert_eq!(store.log(), ["read 2", "create 2"]);

    let store = Scripted::new()
        .creates([Play::Exists])
        .reads([Play::Answer, Play::Fail(kind.clone())]);
    assert_eq!(obtain(&store, &BOTH).await.unwrap_err().kind, kind);
    assert_eq!(store.log(), ["read 2", "create 2", "read 2"]);
}

#[tokio::test(start_paused = true)]
async fn where_creating_is_denied_another_writer_is_waited_for() {
    let begun = Instant::now();
    let store = Scripted::new().creates([Play::Fail(denied())]);
    assert_eq!(obtain(&store, &BOTH).await.unwrap_err().kind, denied());
    assert!((NEARLY..=MINUTE).contains(&begun.elapsed()));

    let store = Scripted::new().creates([Play::Fail(denied())]);
    let (obtained, ()) = tokio::join!(obtain(&store, &BOTH), async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        store.store("/dev/signing_public", "other-public");
        store.store("/dev/signing_private", "other-private");
    });
    assert_eq!(
        texts(&obtained.unwrap().0),
        ["other-public", "other-private"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_keeps_failing_has_its_own_error_after_the_deadline() {
    let begun = Instant::now();
    let store = Scripted::new().creates(vec![Play::Fail(ErrorKind::Throttled); 1000]);
    assert_eq!(
        obtain(&store, &BOTH).await.unwrap_err(),
        error_of(&ErrorKind::Throttled)
    );
    assert!((NEARLY..=MINUTE).contains(&begun.elapsed()));
    let attempts = store.log().len();
    assert!(
        (15..100).contains(&attempts),
        "{attempts} attempts in a minute"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_store_has_timed_out_at_the_deadline() {
    for store in [
        Scripted::new().reads([Play::Silence]),
        Scripted::new().creates([Play::Silence]),
        Scripted::new()
            .creates([Play::Exists])
            .reads([Play::Answer, Play::Silence]),
    ] {
        let begun = Instant::now();
        let error = obtain(&store, &BOTH).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::TimedOut);
        assert!(error.path.is_some());
        assert_eq!(begun.elapsed(), MINUTE);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_before_the_silence_is_the_one_that_is_reported() {
    let store = Scripted::new().creates([Play::Fail(ErrorKind::Throttled), Play::Silence]);
    assert_eq!(
        obtain(&store, &BOTH).await.unwrap_err().kind,
        ErrorKind::Throttled
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lags_behind_is_waited_for() {
    for play in [Play::LoseAnswer, Play::OtherWriterFirst] {
        let mut reads = vec![Play::SeeNothing; 6];
        reads.insert(0, Play::Answer);
        let store = Scripted::lagging().creates([play]).reads(reads);
        let (values, _) = obtain(&store, &BOTH).await.unwrap();
        assert_eq!(values.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lags_behind_for_too_long_is_reported() {
    let begun = Instant::now();
    let store = Scripted::lagging()
        .creates([Play::OtherWriterFirst])
        .reads(vec![Play::SeeNothing; 1000]);
    let error = obtain(&store, &[Field::Public]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Absent);
    assert!(begun.elapsed() >= NEARLY);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_success_is_not_believed_where_nothing_is_there() {
    let begun = Instant::now();
    for fields in [&BOTH[..], &[Field::Public]] {
        let store =
            Scripted::new().creates([Play::Fail(ErrorKind::Unreachable), Play::DeletedSince]);
        let error = obtain(&store, fields).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Absent);
        assert!(error.message.contains("deleted since"), "{}", error.message);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "consistent reads are believed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_repeated_success_of_what_another_writer_replaced_has_the_others_values() {
    let store = Scripted::new()
        .put("/dev/signing_public", "other-public")
        .put("/dev/signing_private", "other-private")
        .reads([Play::SeeNothing, Play::SeeNothing])
        .creates([Play::Fail(ErrorKind::Unreachable), Play::DeletedSince]);
    let (values, is_created) = obtain(&store, &BOTH).await.unwrap();
    assert!(!is_created);
    assert_eq!(texts(&values), ["other-public", "other-private"]);
}
