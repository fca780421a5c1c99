//! Tests of the rows of leases.

use kees_common::{SecretValue, StoragePrefix};
use rstest::rstest;
use tempfile::TempDir;

use super::*;
use crate::{
    IdempotencyToken,
    values::{DeleteStore as _, ListStore as _, PutRequest, PutStore as _, Recovery},
};

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Runtime::new().unwrap().block_on(future)
}

fn path() -> StoragePath {
    "/dev/leases/worker.7".parse().unwrap()
}

fn store() -> (Embedded, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Embedded::new(folder.path().join("kees.sqlite")), folder)
}

fn web() -> Record {
    let pod = PodIdentity {
        namespace: "shop".to_owned(),
        uid: "u-1".to_owned(),
    };
    Record {
        value: "web-0".to_owned(),
        pod: Some(pod),
    }
}

fn claim() -> Change {
    Change {
        path: path(),
        expected: None,
        new: Some(web()),
    }
}

#[test]
fn people_list_and_delete_a_record_as_a_value() {
    let (store, _folder) = store();
    let prefix: StoragePrefix = "/dev/leases".parse().unwrap();
    block_on(async {
        assert!(store.swap(&[claim()]).await.unwrap());
        let listed = store.list(&prefix, None).await.unwrap().values;
        let names: Vec<_> = listed.into_iter().map(|listed| listed.name).collect();
        assert_eq!(names, [path().as_str()]);
        assert!(store.delete(&path(), Recovery::None).await.unwrap());
        assert_eq!(store.records(&[path()]).await, [Ok(None)]);
    });
}

#[rstest]
#[case::text("web-0")]
#[case::no_value(r#"{"podNamespace":"shop","podUid":"u-1"}"#)]
#[case::no_uid(r#"{"value":"web-0","podNamespace":"shop"}"#)]
#[case::no_namespace(r#"{"value":"web-0","podUid":"u-1"}"#)]
#[case::uid_no_text(r#"{"value":"web-0","podNamespace":"shop","podUid":1}"#)]
fn a_row_that_is_no_record_is_an_error_and_is_not_replaced(#[case] row: &str) {
    let (store, _folder) = store();
    let request = PutRequest {
        path: &path(),
        value: &SecretValue::new(row.as_bytes().to_vec()),
        overwrite: false,
        token: &IdempotencyToken::random().unwrap(),
    };
    block_on(async {
        store.put(&request).await.unwrap();
        let read = store.records(&[path()]).await.remove(0).unwrap_err();
        let page = store.records_below("/dev/leases/worker.", None).await;
        let (name, listed) = page.unwrap().records.remove(0);
        assert_eq!(name, path().as_str());
        for error in [read, listed.unwrap_err()] {
            let is_of_path = error.path == Some(path());
            assert!(error.kind == ErrorKind::Malformed && is_of_path, "{error}");
            assert!(error.message.contains(path().as_str()), "{error}");
        }
        let original = Record {
            value: "web-0".to_owned(),
            pod: None,
        };
        for expected in [None, Some(web()), Some(original)] {
            let claim = Change {
                expected,
                ..claim()
            };
            assert!(!store.swap(&[claim]).await.unwrap());
        }
    });
}

#[test]
fn an_error_of_the_file_names_the_record() {
    let (store, folder) = store();
    std::fs::write(folder.path().join("kees.sqlite"), "no database".repeat(100)).unwrap();
    block_on(async {
        let read = store.records(&[path()]).await.remove(0).unwrap_err();
        let swap = store.swap(&[claim()]).await.unwrap_err();
        for error in [read, swap] {
            assert_eq!((error.kind, error.path), (ErrorKind::Setup, Some(path())));
        }
    });
}
