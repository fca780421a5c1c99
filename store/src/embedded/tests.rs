//! Tests of the embedded store and its file.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, thread};

use kees_common::{Field, Generated, Generation, Spec};
use rstest::rstest;

use super::*;
use crate::{IdempotencyToken, NewGeneration};

/// Runs what waits for nothing but other threads.
fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Runtime::new().unwrap().block_on(future)
}

/// Stores one generation.
async fn create(
    store: &Embedded,
    generation: &Generation,
    values: &Generated,
    token: &IdempotencyToken,
) -> Result<Creation, StoreError> {
    let new = NewGeneration {
        generation,
        values,
        namespace: None,
    };
    let request = CreateRequest {
        generations: &[new],
        token,
    };
    store.create(&request).await
}

fn password() -> (Generation, Generated) {
    let path: StoragePath = "/dev/db".parse().unwrap();
    let generation = Generation {
        store: StoreName::Embedded,
        path: path.clone(),
        spec: Spec::Password { bits: 256 },
        fields: vec![(Field::Whole, path)],
        entries: vec![0],
    };
    let value = SecretValue::new(b"canary".to_vec());
    (generation, Generated::new(vec![(Field::Whole, value)]))
}

/// Reads and writes one password.
fn use_it(store: &Embedded) -> (Found, Result<Creation, StoreError>) {
    let (generation, values) = password();
    let token = IdempotencyToken::random().unwrap();
    block_on(async {
        let created = create(store, &generation, &values, &token).await;
        (
            store
                .read(&[generation.locator(Field::Whole)])
                .await
                .remove(0),
            created,
        )
    })
}

fn connect(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

#[test]
fn no_other_user_may_read_the_file_and_no_other_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kees.sqlite");
    use_it(&Embedded::new(file.clone())).1.unwrap();
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_one_process_stored_is_there_for_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kees.sqlite");
    use_it(&Embedded::new(file.clone())).1.unwrap();
    let (found, created) = use_it(&Embedded::new(file));
    assert_eq!(found.unwrap().unwrap().expose(), b"canary");
    assert_eq!(
        created.unwrap(),
        Creation::Created,
        "the same values are the same write"
    );
}

#[rstest]
#[case::not_a_database(
    "not a database at all, but text that is longer than a header is: 100 bytes and some more of them"
)]
fn another_kind_of_file_is_named_and_left_alone(#[case] content: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    fs::write(&file, content).unwrap();
    let (found, created) = use_it(&Embedded::new(file.clone()));
    for error in [found.unwrap_err(), created.unwrap_err()] {
        assert_eq!(error.kind, ErrorKind::Setup);
        assert_eq!(error.code.as_deref(), Some("NotADatabase"));
        assert!(error.message.contains("notes.txt"), "{error}");
        assert!(error.path.is_some());
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), content);
}

#[test]
fn a_database_of_something_else_is_told_from_ours() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.sqlite");
    connect(&file)
        .execute_batch("CREATE TABLE kees_secret (id INTEGER)")
        .unwrap();
    let error = use_it(&Embedded::new(file)).0.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Setup);
    assert!(error.message.contains("no such column"), "{error}");
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = use_it(&Embedded::new(folder.path().join("missing/kees.sqlite")))
        .0
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Setup);
    assert!(error.message.contains("missing/kees.sqlite"), "{error}");
    assert!(error.remedy.contains("folder that exists"), "{error:?}");
}

#[test]
fn a_folder_in_the_place_of_the_file_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let error = use_it(&Embedded::new(folder.path().to_owned()))
        .0
        .unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (ErrorKind::Setup, Some("CannotOpen"))
    );
}

#[test]
fn a_full_disk_stores_nothing_of_a_generation() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::new(folder.path().join("kees.sqlite"));
    use_it(&store).1.unwrap();
    // A file that may not grow, as on a disk that is full.
    let pages: u32 = {
        let held = store.0.connection.lock().unwrap();
        let connection = held.as_ref().unwrap();
        let pages = connection
            .query_row("PRAGMA page_count", [], |row| row.get(0))
            .unwrap();
        connection
            .pragma_update(None, "max_page_count", pages)
            .unwrap();
        pages
    };
    let (mut generation, _) = password();
    generation.fields = ["/dev/small", "/dev/large"]
        .into_iter()
        .zip([Field::Consumer, Field::Provider])
        .map(|(path, field)| (field, path.parse().unwrap()))
        .collect();
    let values = Generated::new(vec![
        (Field::Consumer, SecretValue::new(b"canary".to_vec())),
        (Field::Provider, SecretValue::new(vec![7; 100_000])),
    ]);
    let token = IdempotencyToken::random().unwrap();
    let error = block_on(create(&store, &generation, &values, &token)).unwrap_err();
    assert_eq!(
        (&error.kind, error.code.as_deref()),
        (&ErrorKind::Setup, Some("DiskFull"))
    );
    let small = block_on(store.read(&[generation.locator(Field::Consumer)])).remove(0);
    assert_eq!(small.unwrap(), None, "{pages} pages");
}

#[test]
fn a_file_that_may_not_be_written_is_denied_and_can_still_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::new(folder.path().join("kees.sqlite"));
    use_it(&store).1.unwrap();
    {
        // Root may write any file; this says no to root, too.
        let held = store.0.connection.lock().unwrap();
        held.as_ref()
            .unwrap()
            .pragma_update(None, "query_only", true)
            .unwrap();
        held.as_ref()
            .unwrap()
            .execute_batch("DELETE FROM kees_secret")
            .unwrap_err();
    }
    let (mut generation, values) = password();
    generation.fields = vec![(Field::Whole, "/dev/other".parse().unwrap())];
    let token = IdempotencyToken::random().unwrap();
    let error = block_on(create(&store, &generation, &values, &token)).unwrap_err();
    assert!(
        matches!(&error.kind, ErrorKind::Denied { action, .. } if action == "write"),
        "{error:?}"
    );
    assert_eq!(use_it(&store).0.unwrap().unwrap().expose(), b"canary");
}

#[test]
fn a_lock_that_stays_is_something_to_try_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::new(folder.path().join("kees.sqlite"));
    use_it(&store).1.unwrap();
    {
        let held = store.0.connection.lock().unwrap();
        held.as_ref().unwrap().busy_timeout(Duration::ZERO).unwrap();
    }
    let mut other = connect(&store.0.path);
    let exclusive = other
        .transaction_with_behavior(TransactionBehavior::Exclusive)
        .unwrap();
    let (found, created) = use_it(&store);
    assert!(found.unwrap_err().is_transient());
    assert!(created.unwrap_err().is_transient());
    drop(exclusive);
    assert!(use_it(&store).0.is_ok());
}

#[test]
fn an_empty_value_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kees.sqlite");
    let insert = format!("{SCHEMA}; INSERT INTO kees_secret VALUES ('/dev/db', x'')");
    connect(&file).execute_batch(&insert).unwrap();
    let found = use_it(&Embedded::new(file)).0.unwrap();
    assert!(found.unwrap().is_empty());
}

#[rstest]
#[case::text("'canary'", "is of type Text")]
#[case::a_number("7", "is of type Integer")]
fn what_kees_did_not_store_is_malformed_and_not_shown(#[case] value: &str, #[case] problem: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kees.sqlite");
    let insert = format!("{SCHEMA}; INSERT INTO kees_secret VALUES ('/dev/db', {value})");
    connect(&file).execute_batch(&insert).unwrap();
    let error = use_it(&Embedded::new(file)).0.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert!(
        error
            .message
            .contains(&format!("the value of /dev/db {problem}")),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("canary"));
}

#[test]
fn many_that_open_a_new_file_at_once_all_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kees.sqlite");
    let outcomes: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| use_it(&Embedded::new(file.clone()))))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for (found, created) in outcomes {
        assert_eq!(found.unwrap().unwrap().expose(), b"canary");
        created.unwrap();
    }
}

#[test]
fn writers_side_by_side_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kees.sqlite");
    thread::scope(|scope| {
        for writer in 0..8 {
            let store = Embedded::new(file.clone());
            scope.spawn(move || {
                for nth in 0..20 {
                    let (mut generation, values) = password();
                    let path = format!("/dev/{writer}/{nth}").parse().unwrap();
                    generation.fields = vec![(Field::Whole, path)];
                    let token = IdempotencyToken::random().unwrap();
                    // At the first attempt: nothing above the store tries again here.
                    let created = block_on(create(&store, &generation, &values, &token));
                    assert_eq!(created, Ok(Creation::Created));
                }
            });
        }
    });
}
