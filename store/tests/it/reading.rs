//! What reads show, and which reads are repeated.

use std::sync::Mutex;

use kees_common::{Field, Locator, StoreName};
use kees_store::{
    CreateRequest, CreateStore, Creation, ErrorKind, Found, ReadStore, StoreError,
    protocol::{Obtained, Wanted, WhenAbsent},
};
use kees_store_testing::{
    obtain_all,
    scripted::{Play, Scripted, error_of},
    wanted,
};
use rstest::rstest;

use crate::creating::{BOTH, minute, obtain, pair, texts};

#[tokio::test(start_paused = true)]
async fn a_generation_that_is_there_is_read_once() {
    let store = Scripted::new()
        .put("/dev/signing_public", "other-public")
        .put("/dev/signing_private", "other-private");
    let (values, is_created) = obtain(&store, &BOTH).await.unwrap();
    assert!(!is_created);
    assert_eq!(texts(&values), ["other-public", "other-private"]);
    assert_eq!(store.log(), ["read 2"]);
}

#[rstest]
#[case(Field::Public)]
#[case(Field::Private)]
#[tokio::test(start_paused = true)]
async fn some_fields_of_a_batch_are_read_again_in_one_snapshot(#[case] unseen: Field) {
    let store = Scripted::new()
        .put("/dev/signing_public", "other-public")
        .put("/dev/signing_private", "other-private")
        .reads([Play::SeeNot(unseen)]);
    let (values, _) = obtain(&store, &BOTH).await.unwrap();
    assert_eq!(texts(&values), ["other-public", "other-private"]);
    assert_eq!(store.log(), ["read 2", "read together 2"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_between_two_reads_is_absent() {
    let store = Scripted::new()
        .put("/dev/signing_public", "other-public")
        .reads_together([Play::SeeNothing]);
    let pair = pair();
    let wanted = [wanted(&pair, &BOTH, WhenAbsent::Report)];
    let obtained = obtain_all(&store, "we", &wanted, &(), &mut minute()).await;
    assert!(matches!(obtained[..], [Obtained::Absent(None)]));
}

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
                *found = Err(error_of(&ErrorKind::Throttled));
            }
        }
        found
    }

    async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
        self.0.read_together(locators).await
    }
}

impl CreateStore for Partly {
    async fn create(&self, request: &CreateRequest<'_>) -> Result<Creation, StoreError> {
        self.0.create(request).await
    }
}

/// A value that another writer stores.
fn reference(path: &str) -> Wanted<'static> {
    let locator = Locator {
        path: path.parse().unwrap(),
        ..pair().locator(Field::Whole)
    };
    Wanted {
        store: StoreName::Memory,
        fields: vec![(Field::Whole, locator)],
        previous: Vec::new(),
        generation: None,
        when_absent: WhenAbsent::Wait,
    }
}

#[tokio::test(start_paused = true)]
async fn entries_that_failed_are_read_again_without_the_others() {
    let paths = ["/dev/a", "/dev/b", "/dev/c"];
    let store = paths
        .iter()
        .fold(Scripted::new(), |store, path| store.put(path, path));
    let store = Partly(store, Mutex::new(2));
    let wanted = paths.map(reference);
    let obtained = obtain_all(&store, "we", &wanted, &(), &mut minute()).await;
    for (obtained, path) in obtained.iter().zip(paths) {
        let Obtained::Found(values) = obtained else {
            panic!("{obtained:?}")
        };
        assert_eq!(texts(&values.current), [path]);
    }
    assert_eq!(store.0.log(), ["read 3", "read 1", "read 1"]);
}

/// `/dev/b` is read at other moments than the others, so their pauses end at different times.
#[tokio::test(start_paused = true)]
async fn everything_that_stays_absent_until_the_deadline_is_reported() {
    let store = Partly(Scripted::new(), Mutex::new(2));
    let wanted = ["/dev/a", "/dev/b", "/dev/c"].map(reference);
    let obtained = obtain_all(&store, "we", &wanted, &(), &mut minute()).await;
    let is_absent = |obtained: &Obtained<_>| matches!(obtained, Obtained::Absent(None));
    assert!(obtained.iter().all(is_absent), "{obtained:?}");
}

#[tokio::test(start_paused = true)]
async fn wanting_nothing_asks_nothing() {
    let store = Scripted::new();
    let obtained = obtain_all(&store, "we", &[], &(), &mut minute()).await;
    assert!(obtained.is_empty());
    assert!(store.log().is_empty());
}
