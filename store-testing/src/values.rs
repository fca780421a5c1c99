//! What every backend is held to whose values are listed, put and deleted one by one.
//!
//! ```ignore
//! kees_store_testing::values_tests!(block_on, fixture());
//! ```
//!
//! expands to a `#[test]` for each case, as [`conformance_tests`](crate::conformance_tests) does.

use std::time::Duration;

use kees_common::{Field, Generated, Locator, SecretValue, Spec, StoragePath, StoragePrefix};
use kees_store::{
    CreateRequest, CreateStore, Creation, IdempotencyToken, NewGeneration, ReadStore, RetryBudget,
    StoreError,
    values::{DeleteStore, ListStore, PutRequest, PutStore, Recovery, list_all, retrying},
};

use crate::{
    conformance::{Fixture, read, unique},
    generation_at,
};

/// A `#[test]` for each case. See [`values`](crate::values).
#[macro_export]
macro_rules! values_tests {
    ($block_on:expr, $fixture:expr) => {
        $crate::values_tests! {
            @ $block_on, $fixture,
            a_put_value_is_read_as_a_whole
            a_put_replaces_nothing_unless_it_is_told_to
            a_repeated_put_is_one_write
            a_put_value_is_not_created_again
            a_list_has_every_page_and_whole_segments
            a_deleted_value_is_absent
        }
    };
    (@ $block_on:expr, $fixture:expr, $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                let fixture = $fixture;
                $block_on($crate::values::$case(&fixture));
            }
        )*
    };
}

/// All that a store of values does.
pub trait ValueStore: ReadStore + CreateStore + ListStore + PutStore + DeleteStore {}

impl<S: ReadStore + CreateStore + ListStore + PutStore + DeleteStore> ValueStore for S {}

fn whole(path: &StoragePath) -> Locator {
    Locator {
        path: path.clone(),
        member: None,
        property: None,
        version_stage: None,
        version_id: None,
        is_previous: false,
    }
}

fn value(text: &str) -> SecretValue {
    SecretValue::new(text.as_bytes().to_vec())
}

/// Enough for a server under load.
fn budget() -> RetryBudget {
    RetryBudget::new(Duration::from_mins(1))
}

/// The answer of a call, which is tried again after an error that may pass, as `kees` does.
async fn tried<S: ReadStore, T, F>(store: &S, call: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, StoreError>>,
{
    retrying(store.name(), &mut budget(), call).await.unwrap()
}

async fn put<S: ReadStore + PutStore>(
    store: &S,
    path: &StoragePath,
    value: &SecretValue,
    overwrite: bool,
) -> Creation {
    let token = IdempotencyToken::random().unwrap();
    send(store, path, value, overwrite, &token).await
}

async fn send<S: ReadStore + PutStore>(
    store: &S,
    path: &StoragePath,
    value: &SecretValue,
    overwrite: bool,
    token: &IdempotencyToken,
) -> Creation {
    let request = PutRequest {
        path,
        value,
        overwrite,
        token,
    };
    tried(store, || store.put(&request)).await
}

async fn stored<S: ReadStore>(store: &S, path: &StoragePath) -> Option<SecretValue> {
    read(store, &[whole(path)]).await.remove(0)
}

async fn names<S: ReadStore + ListStore>(store: &S, prefix: &StoragePath) -> Vec<String> {
    let prefix: StoragePrefix = prefix.as_str().parse().unwrap();
    let listed = list_all(store, &prefix, budget, |_| ()).await.unwrap();
    listed.into_iter().map(|listed| listed.name).collect()
}

/// Text and, where the store holds them, bytes are read by another client, as a REFERENCE reads them.
pub async fn a_put_value_is_read_as_a_whole<S: ValueStore>(fixture: &Fixture<S>) {
    let bytes = SecretValue::new((0..=255).collect());
    let texts = ["text", "{\"user\": \"ü\"}\n", " ", "=="].map(value);
    let bytes = fixture.store().name().holds_bytes().then_some(bytes);
    for value in texts.into_iter().chain(bytes) {
        let path = unique("put");
        assert_eq!(
            put(fixture.store(), &path, &value, false).await,
            Creation::Created
        );
        assert_eq!(stored(fixture.other(), &path).await, Some(value));
        let other = fixture.other();
        let described = tried(other, || other.describe(&path)).await.unwrap();
        assert_eq!(described.name, path.as_str());
    }
}

/// A put is create-only, unless it overwrites. One that overwrites needs no existing value.
pub async fn a_put_replaces_nothing_unless_it_is_told_to<S: ValueStore>(fixture: &Fixture<S>) {
    let path = unique("put");
    let (one, two) = (value("one"), value("two"));
    assert_eq!(
        put(fixture.store(), &path, &one, true).await,
        Creation::Created
    );
    assert_eq!(
        put(fixture.other(), &path, &two, false).await,
        Creation::Exists
    );
    assert_eq!(stored(fixture.store(), &path).await, Some(one));
    assert_eq!(
        put(fixture.other(), &path, &two, true).await,
        Creation::Created
    );
    assert_eq!(stored(fixture.store(), &path).await, Some(two));
}

/// The response was lost, and the request is sent again.
pub async fn a_repeated_put_is_one_write<S: ValueStore>(fixture: &Fixture<S>) {
    for overwrite in [false, true] {
        let path = unique("put");
        let token = IdempotencyToken::random().unwrap();
        for store in [fixture.store(), fixture.store(), fixture.other()] {
            let creation = send(store, &path, &value("one"), overwrite, &token).await;
            assert_eq!(creation, Creation::Created);
        }
        assert_eq!(stored(fixture.other(), &path).await, Some(value("one")));
    }
}

/// The protocol finds a value that was put, and does not replace it.
pub async fn a_put_value_is_not_created_again<S: ValueStore>(fixture: &Fixture<S>) {
    let store = fixture.store();
    let path = unique("put");
    put(store, &path, &value("by hand"), false).await;
    let generation = generation_at(store.name(), path.clone(), Spec::Password { bits: 64 });
    let generated = Generated::new(vec![(Field::Whole, value("created"))]);
    let request = CreateRequest {
        generations: &[NewGeneration {
            generation: &generation,
            values: &generated,
            namespace: None,
        }],
        token: &IdempotencyToken::random().unwrap(),
    };
    let other = fixture.other();
    let creation = tried(other, || other.create(&request)).await;
    assert_eq!(creation, Creation::Exists);
    assert_eq!(stored(store, &path).await, Some(value("by hand")));
}

/// More names than one page has, and a neighbour whose name begins with the same letters.
pub async fn a_list_has_every_page_and_whole_segments<S: ValueStore>(fixture: &Fixture<S>) {
    let store = fixture.store();
    let prefix = unique("team-a");
    let mut expected = vec![prefix.to_string()];
    expected.extend((0..120).map(|nth| format!("{prefix}/{nth:03}")));
    expected.push(format!("{prefix}/deep/x"));
    let neighbours = [format!("{prefix}b"), format!("{prefix}b/x")];
    for name in expected.iter().chain(&neighbours) {
        put(store, &name.parse().unwrap(), &value("x"), false).await;
    }
    assert_eq!(names(fixture.other(), &prefix).await, expected);
    let below = format!("{prefix}/deep").parse().unwrap();
    assert_eq!(
        names(fixture.other(), &below).await,
        [format!("{prefix}/deep/x")]
    );
    assert!(names(fixture.other(), &unique("none")).await.is_empty());
}

/// A deleted value can be stored again.
pub async fn a_deleted_value_is_absent<S: ValueStore>(fixture: &Fixture<S>) {
    let store = fixture.store();
    let (path, other) = (unique("put"), unique("put"));
    put(store, &path, &value("one"), false).await;
    put(store, &other, &value("other"), false).await;
    assert!(tried(store, || store.delete(&path, Recovery::None)).await);
    assert_eq!(stored(fixture.other(), &path).await, None);
    let client = fixture.other();
    assert_eq!(tried(client, || client.describe(&path)).await, None);
    assert!(names(fixture.other(), &path).await.is_empty());
    assert_eq!(stored(fixture.other(), &other).await, Some(value("other")));
    assert_eq!(
        put(store, &path, &value("two"), false).await,
        Creation::Created
    );
    assert_eq!(stored(fixture.other(), &path).await, Some(value("two")));
}
