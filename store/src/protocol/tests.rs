use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use kees_common::{Generated, Spec, StoragePath, StoreName};
use rstest::rstest;
use tokio::time::Instant;

use super::*;
use crate::{IdempotencyToken, memory::Memory};

/// What a call meets before, or instead of, the store behind it.
#[derive(Debug, Clone)]
enum Play {
    /// Nothing: the store answers.
    Answer,
    /// The call fails, and the store does not learn of it.
    Fail(ErrorKind),
    /// The store carries the call out, and its answer is lost.
    LoseAnswer,
    /// The store does not answer at all.
    Silence,
    /// Another writer stores its generation just before.
    OtherWriterFirst,
    /// One half is not seen: a batch beside a transaction.
    SeeNot(Field),
    /// Nothing is seen: a replica that lags.
    SeeNothing,
    /// All is deleted, and the call answers as if it were not.
    DeletedSince,
}

/// A store whose calls go as a test says, call by call; after that it is sound.
struct Scripted {
    behind: Mutex<Memory>,
    consistent: bool,
    reads: Mutex<VecDeque<Play>>,
    snapshots: Mutex<VecDeque<Play>>,
    creates: Mutex<VecDeque<Play>>,
    log: Mutex<Vec<String>>,
}

impl Scripted {
    fn new() -> Self {
        Self {
            behind: Mutex::default(),
            consistent: true,
            reads: Mutex::default(),
            snapshots: Mutex::default(),
            creates: Mutex::default(),
            log: Mutex::default(),
        }
    }

    fn lagging() -> Self {
        Self {
            consistent: false,
            ..Self::new()
        }
    }

    fn reads(self, plays: impl IntoIterator<Item = Play>) -> Self {
        self.reads.lock().unwrap().extend(plays);
        self
    }

    fn snapshots(self, plays: impl IntoIterator<Item = Play>) -> Self {
        self.snapshots.lock().unwrap().extend(plays);
        self
    }

    fn creates(self, plays: impl IntoIterator<Item = Play>) -> Self {
        self.creates.lock().unwrap().extend(plays);
        self
    }

    fn put(self, path: &str, value: &str) -> Self {
        self.store().put(
            path.parse().unwrap(),
            SecretValue::new(value.as_bytes().to_vec()),
        );
        self
    }

    fn store(&self) -> MutexGuard<'_, Memory> {
        self.behind.lock().unwrap()
    }

    /// The calls so far.
    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    fn next(&self, plays: &Mutex<VecDeque<Play>>, call: String) -> Play {
        self.log.lock().unwrap().push(call);
        plays.lock().unwrap().pop_front().unwrap_or(Play::Answer)
    }

    fn found(&self, locators: &[Locator]) -> Vec<Found> {
        let store = self.store();
        locators.iter().map(|at| Ok(store.get(&at.path))).collect()
    }

    async fn play_read(&self, play: Play, locators: &[Locator]) -> Vec<Found> {
        match play {
            Play::Fail(kind) => locators.iter().map(|_| Err(failure(&kind))).collect(),
            Play::LoseAnswer | Play::Silence => std::future::pending().await,
            Play::SeeNothing => locators.iter().map(|_| Ok(None)).collect(),
            Play::SeeNot(field) => locators
                .iter()
                .zip(self.found(locators))
                .map(|(at, found)| {
                    if at.path.as_str().ends_with(field.as_str()) {
                        Ok(None)
                    } else {
                        found
                    }
                })
                .collect(),
            Play::Answer | Play::OtherWriterFirst | Play::DeletedSince => self.found(locators),
        }
    }
}

impl ReadStore for Scripted {
    fn name(&self) -> StoreName {
        StoreName::Memory
    }

    fn is_consistent(&self) -> bool {
        self.consistent
    }

    async fn read(&self, locators: &[Locator]) -> Vec<Found> {
        let play = self.next(&self.reads, format!("read {}", locators.len()));
        self.play_read(play, locators).await
    }

    async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
        let play = self.next(&self.snapshots, format!("read together {}", locators.len()));
        self.play_read(play, locators).await
    }
}

impl CreateStore for Scripted {
    async fn create(&self, new: &NewGeneration<'_>) -> Result<Creation, StoreError> {
        let play = self.next(&self.creates, "create".to_owned());
        match play {
            Play::Fail(kind) => return Err(failure(&kind)),
            Play::Silence => std::future::pending().await,
            Play::LoseAnswer => {
                self.store().insert(new)?;
                return Err(failure(&ErrorKind::Unreachable));
            }
            Play::OtherWriterFirst => {
                let other = made_by("other", new.generation);
                let token = IdempotencyToken::random().unwrap();
                self.store().insert(&NewGeneration {
                    values: &other,
                    token,
                    ..*new
                })?;
            }
            Play::DeletedSince => return Ok(Creation::Created),
            Play::Answer | Play::SeeNot(_) | Play::SeeNothing => {}
        }
        self.store().insert(new)
    }
}

fn failure(kind: &ErrorKind) -> StoreError {
    StoreError {
        kind: kind.clone(),
        store: StoreName::Memory,
        path: None,
        code: None,
        message: "as the test says".to_owned(),
        remedy: String::new(),
    }
}

fn generation(spec: Spec) -> Generation {
    let path: StoragePath = "/dev/signing".parse().unwrap();
    let path_of = |field: &Field| match field {
        Field::Whole => path.clone(),
        named => format!("{path}_{named}").parse().unwrap(),
    };
    Generation {
        store: StoreName::Memory,
        fields: spec
            .fields()
            .iter()
            .map(|field| (*field, path_of(field)))
            .collect(),
        spec,
        entries: vec![0],
        path,
    }
}

fn pair() -> Generation {
    generation(Spec::Rsa { bits: 2048 })
}

fn made_by(writer: &str, generation: &Generation) -> Generated {
    let value = |field: &Field| SecretValue::new(format!("{writer} {field}").into_bytes());
    Generated::new(
        generation
            .fields
            .iter()
            .map(|(field, _)| (*field, value(field)))
            .collect(),
    )
}

fn named(generation: &Generation, fields: &[Field]) -> Vec<(Field, Locator)> {
    fields
        .iter()
        .map(|field| (*field, generation.locator(*field)))
        .collect()
}

const BOTH: [Field; 2] = [Field::Public, Field::Private];
/// A minute, and a minute less the longest pause, which is not slept where nothing could follow it.
const MINUTE: Duration = Duration::from_mins(1);
const NEARLY: Duration = Duration::from_secs(55);

fn minute() -> RetryBudget {
    RetryBudget::new(MINUTE)
}

/// Creates as this writer, naming `fields`.
async fn create_as_us(store: &Scripted, fields: &[Field]) -> Result<Outcome, StoreError> {
    let generation = pair();
    let values = made_by("we", &generation);
    let token = IdempotencyToken::random().unwrap();
    let new = NewGeneration {
        generation: &generation,
        values: &values,
        token,
        namespace: None,
    };
    create_once(store, &new, &named(&generation, fields), &mut minute()).await
}

fn texts(values: &Values) -> Vec<&str> {
    values
        .iter()
        .map(|(_, value)| value.expose_text().unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_created_is_read_back() {
    let store = Scripted::new();
    let outcome = create_as_us(&store, &BOTH).await.unwrap();
    assert!(outcome.created);
    assert_eq!(texts(&outcome.values), ["we public", "we private"]);
    assert_eq!(store.log(), ["create", "read together 2"]);
}

#[tokio::test(start_paused = true)]
async fn who_loses_the_race_has_the_winners() {
    let store = Scripted::new().creates([Play::OtherWriterFirst]);
    let outcome = create_as_us(&store, &BOTH).await.unwrap();
    assert!(!outcome.created);
    assert_eq!(texts(&outcome.values), ["other public", "other private"]);
}

#[tokio::test(start_paused = true)]
async fn only_what_the_pod_names_is_read() {
    let store = Scripted::new();
    let outcome = create_as_us(&store, &[Field::Private]).await.unwrap();
    assert_eq!(texts(&outcome.values), ["we private"]);
    assert_eq!(store.log(), ["create", "read together 1"]);
    assert!(
        store
            .store()
            .get(&"/dev/signing_public".parse().unwrap())
            .is_some()
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_not_another_writer() {
    let store = Scripted::new().creates([Play::Fail(ErrorKind::Server), Play::LoseAnswer]);
    let outcome = create_as_us(&store, &BOTH).await.unwrap();
    assert!(outcome.created);
    assert_eq!(texts(&outcome.values), ["we public", "we private"]);
    assert_eq!(
        store.log(),
        ["create", "read together 2", "create", "read together 2"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_repetition_that_a_lagging_store_calls_for_has_the_same_token() {
    let store = Scripted::lagging()
        .creates([Play::LoseAnswer])
        .snapshots([Play::SeeNothing]);
    let outcome = create_as_us(&store, &BOTH).await.unwrap();
    assert!(outcome.created);
    assert_eq!(
        store.log(),
        ["create", "read together 2", "create", "read together 2"]
    );
}

#[tokio::test(start_paused = true)]
async fn who_was_throttled_does_not_write_what_another_has_written() {
    let store = Scripted::new()
        .put("/dev/signing_public", "other public")
        .put("/dev/signing_private", "other private")
        .creates([Play::Fail(ErrorKind::Throttled)]);
    let outcome = create_as_us(&store, &BOTH).await.unwrap();
    assert!(!outcome.created);
    assert_eq!(texts(&outcome.values), ["other public", "other private"]);
    assert_eq!(store.log(), ["create", "read together 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_look_between_two_writes_that_fails_does_not_hide_why() {
    let store = Scripted::new()
        .creates([Play::Fail(ErrorKind::Throttled)])
        .snapshots([Play::Silence]);
    let error = create_as_us(&store, &BOTH).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Throttled);

    let denied = ErrorKind::Denied {
        action: "a".to_owned(),
        resource: "r".to_owned(),
    };
    let store = Scripted::new()
        .creates([Play::Fail(ErrorKind::Throttled)])
        .snapshots([Play::Fail(denied.clone())]);
    let error = create_as_us(&store, &BOTH).await.unwrap_err();
    assert_eq!(error.kind, denied);
}

#[rstest]
#[case::throttled(ErrorKind::Throttled)]
#[case::unreachable(ErrorKind::Unreachable)]
#[case::timed_out(ErrorKind::TimedOut)]
#[case::server(ErrorKind::Server)]
#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_at_every_step(#[case] kind: ErrorKind) {
    let failing = || vec![Play::Fail(kind.clone()); 3];
    let store = Scripted::new().creates(failing()).snapshots(failing());
    assert!(create_as_us(&store, &BOTH).await.unwrap().created);
    // Four writes, a look after each, and three looks more.
    assert_eq!(store.log().len(), 11);
}

#[rstest]
#[case::denied(ErrorKind::Denied { action: "a".to_owned(), resource: "r".to_owned() })]
#[case::no_identity(ErrorKind::Credentials)]
#[case::setup(ErrorKind::Setup)]
#[case::malformed(ErrorKind::Malformed)]
#[case::deletion(ErrorKind::ScheduledForDeletion { date: None })]
#[case::unknown(ErrorKind::Other)]
#[tokio::test(start_paused = true)]
async fn what_cannot_pass_is_not_tried_again_at_any_step(#[case] kind: ErrorKind) {
    let store = Scripted::new().creates([Play::Fail(kind.clone())]);
    assert_eq!(create_as_us(&store, &BOTH).await.unwrap_err().kind, kind);
    assert_eq!(store.log(), ["create"]);

    let store = Scripted::new().snapshots([Play::Fail(kind.clone())]);
    assert_eq!(create_as_us(&store, &BOTH).await.unwrap_err().kind, kind);
    assert_eq!(store.log(), ["create", "read together 2"]);

    let store = Scripted::new().reads([Play::Fail(kind.clone())]);
    let generation = pair();
    let locators = [generation.locator(Field::Public)];
    let found = read_all(&store, &locators, &mut minute()).await.remove(0);
    assert_eq!(found.unwrap_err().kind, kind);
    assert_eq!(store.log(), ["read 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_keeps_failing_has_its_own_error_after_the_deadline() {
    let begun = Instant::now();
    let store = Scripted::new().creates(vec![Play::Fail(ErrorKind::Throttled); 1000]);
    assert_eq!(
        create_as_us(&store, &BOTH).await.unwrap_err(),
        failure(&ErrorKind::Throttled)
    );
    assert!((NEARLY..=MINUTE).contains(&begun.elapsed()));
    let attempts = store.log().len();
    assert!(
        (15..100).contains(&attempts),
        "{attempts} attempts in a minute"
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_silent_has_timed_out_at_the_deadline() {
    for store in [
        Scripted::new().creates([Play::Silence]),
        Scripted::new().snapshots([Play::Silence]),
    ] {
        let begun = Instant::now();
        let error = create_as_us(&store, &BOTH).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::TimedOut);
        assert!(error.path.is_some());
        assert_eq!(begun.elapsed(), MINUTE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_the_silence_is_the_one_that_is_told() {
    let store = Scripted::new().creates([Play::Fail(ErrorKind::Throttled), Play::Silence]);
    assert_eq!(
        create_as_us(&store, &BOTH).await.unwrap_err().kind,
        ErrorKind::Throttled
    );
}

#[rstest]
#[case::the_missing_one("/dev/signing_private", &[Field::Public], "/dev/signing_public")]
#[case::both("/dev/signing_private", &BOTH, "/dev/signing_public")]
#[case::the_other_half("/dev/signing_public", &BOTH, "/dev/signing_private")]
#[tokio::test(start_paused = true)]
async fn half_a_pair_is_refused_and_not_completed(
    #[case] left_behind: &str,
    #[case] fields: &[Field],
    #[case] missing: &str,
) {
    let begun = Instant::now();
    let store = Scripted::new().put(left_behind, "original");
    let error = create_as_us(&store, fields).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert_eq!(error.path.unwrap().as_str(), missing);
    assert!(error.message.contains(missing), "{}", error.message);
    assert_eq!(begun.elapsed(), Duration::ZERO, "nothing is waited for");
    assert_eq!(store.store().get(&missing.parse().unwrap()), None);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lags_is_waited_for() {
    for creates in [vec![], vec![Play::OtherWriterFirst]] {
        let store = Scripted::lagging()
            .creates(creates)
            .snapshots(vec![Play::SeeNothing; 5]);
        let outcome = create_as_us(&store, &BOTH).await.unwrap();
        assert_eq!(outcome.values.len(), 2);
        assert_eq!(store.log().len(), 7);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lags_for_too_long_is_said_to() {
    let begun = Instant::now();
    let store = Scripted::lagging()
        .creates([Play::OtherWriterFirst])
        .snapshots(vec![Play::SeeNothing; 1000]);
    let error = create_as_us(&store, &[Field::Public]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Absent);
    assert!(begun.elapsed() >= NEARLY);
}

#[tokio::test(start_paused = true)]
async fn success_is_not_believed_where_nothing_is_there() {
    let begun = Instant::now();
    for fields in [&BOTH[..], &[Field::Public]] {
        let store = Scripted::new().creates([Play::DeletedSince]);
        let error = create_as_us(&store, fields).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Absent);
        assert!(error.message.contains("deleted since"), "{}", error.message);
    }
    assert_eq!(
        begun.elapsed(),
        Duration::ZERO,
        "consistent reads are believed"
    );
}

#[tokio::test(start_paused = true)]
async fn success_of_a_token_whose_item_another_replaced_has_the_others() {
    let store = Scripted::new()
        .put("/dev/signing_public", "other public")
        .put("/dev/signing_private", "other private")
        .creates([Play::DeletedSince]);
    let outcome = create_as_us(&store, &BOTH).await.unwrap();
    assert!(!outcome.created);
    assert_eq!(texts(&outcome.values), ["other public", "other private"]);
}

/// What a batch that `play` spoils, and a second look, make of what is stored.
async fn look(store: &Scripted) -> Result<Option<Values>, StoreError> {
    let generation = pair();
    let named = named(&generation, &BOTH);
    let locators: Vec<_> = named.iter().map(|(_, at)| at.clone()).collect();
    let found = read_all(store, &locators, &mut minute()).await;
    let found = found.into_iter().map(Result::unwrap).collect();
    settle(store, &generation, &named, found, &mut minute()).await
}

#[tokio::test(start_paused = true)]
async fn all_or_nothing_needs_no_second_look() {
    let store = Scripted::new();
    assert!(look(&store).await.unwrap().is_none());
    create_as_us(&store, &BOTH).await.unwrap();
    assert_eq!(
        texts(&look(&store).await.unwrap().unwrap()),
        ["we public", "we private"]
    );
    assert_eq!(
        store.log(),
        ["read 2", "create", "read together 2", "read 2"]
    );
}

#[rstest]
#[case(Field::Public)]
#[case(Field::Private)]
#[tokio::test(start_paused = true)]
async fn half_of_a_transaction_is_looked_at_again(#[case] unseen: Field) {
    let store = Scripted::new()
        .put("/dev/signing_public", "we public")
        .put("/dev/signing_private", "we private")
        .reads([Play::SeeNot(unseen)]);
    assert_eq!(
        texts(&look(&store).await.unwrap().unwrap()),
        ["we public", "we private"]
    );
    assert_eq!(store.log(), ["read 2", "read together 2"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_between_the_looks_is_absent() {
    let store = Scripted::new()
        .put("/dev/signing_public", "we public")
        .snapshots([Play::SeeNothing]);
    assert!(look(&store).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_is_still_half_is_an_error_that_names_the_missing_half() {
    let store = Scripted::new().put("/dev/signing_public", "original");
    let error = look(&store).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert_eq!(error.path.unwrap().as_str(), "/dev/signing_private");
    assert!(
        error.message.contains("/dev/signing_private is missing"),
        "{}",
        error.message
    );
    assert!(error.remedy.contains("/dev/signing"), "{}", error.remedy);
}

#[tokio::test(start_paused = true)]
async fn items_that_failed_are_read_again_without_the_others() {
    /// Fails for one path, twice.
    struct Partly(Scripted, Mutex<u8>);
    impl ReadStore for Partly {
        fn name(&self) -> StoreName {
            self.0.name()
        }
        fn is_consistent(&self) -> bool {
            true
        }
        async fn read(&self, locators: &[Locator]) -> Vec<Found> {
            let mut found = self.0.read(locators).await;
            let mut left = self.1.lock().unwrap();
            for (at, found) in locators.iter().zip(&mut found) {
                if *left > 0 && at.path.as_str() == "/dev/b" {
                    *left -= 1;
                    *found = Err(failure(&ErrorKind::Throttled));
                }
            }
            found
        }
        async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
            self.0.read_together(locators).await
        }
    }
    let paths = ["/dev/a", "/dev/b", "/dev/c"];
    let store = paths
        .iter()
        .fold(Scripted::new(), |store, path| store.put(path, path));
    let store = Partly(store, Mutex::new(2));
    let locators: Vec<_> = paths
        .iter()
        .map(|path| Locator {
            path: path.parse().unwrap(),
            ..pair().locator(Field::Public)
        })
        .collect();
    let found = read_all(&store, &locators, &mut minute()).await;
    let found: Vec<_> = found
        .into_iter()
        .map(|found| found.unwrap().unwrap())
        .collect();
    assert!(
        found
            .iter()
            .zip(paths)
            .all(|(value, path)| value.expose() == path.as_bytes())
    );
    assert_eq!(store.0.log(), ["read 3", "read 1", "read 1"]);
}

#[tokio::test(start_paused = true)]
async fn reading_nothing_asks_nothing() {
    let store = Scripted::new();
    assert!(read_all(&store, &[], &mut minute()).await.is_empty());
    assert!(store.log().is_empty());
}
