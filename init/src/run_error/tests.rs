//! Tests of the messages and exit statuses of a run that failed.

use std::{io, path::PathBuf, time::Duration};

use kees_common::StoreName;
use kees_store::{ErrorKind, StoreError};
use rstest::rstest;

use super::*;
use crate::error::{EntryError, FailedEntry};

fn setting(error: &str) -> InitError {
    InitError::Setting {
        variable: "ENV_LABEL",
        error: error.to_owned(),
    }
}

fn entry(source: EntryError) -> InitError {
    named("db", source)
}

fn named(name: &str, source: EntryError) -> InitError {
    let entry = FailedEntry {
        annotation: format!("secret.bsycorp.com/{name}"),
        store: StoreName::DynamoDb,
        path: format!("/dev/{name}").parse().unwrap(),
    };
    InitError::entry(entry, source)
}

fn denied() -> InitError {
    entry(EntryError::Store(denial()))
}

fn denial() -> StoreError {
    StoreError {
        kind: ErrorKind::Denied {
            action: "dynamodb:GetItem".to_owned(),
            resource: "arn:aws:dynamodb:x".to_owned(),
        },
        store: StoreName::DynamoDb,
        path: None,
        code: Some("AccessDeniedException".to_owned()),
        message: "not\nauthorized".to_owned(),
        remedy: "allow dynamodb:GetItem on arn:aws:dynamodb:x".to_owned(),
    }
}

fn no_credentials() -> StoreError {
    StoreError {
        kind: ErrorKind::Credentials,
        store: StoreName::DynamoDb,
        path: None,
        code: None,
        message: "there are no AWS credentials".to_owned(),
        remedy: "give the ServiceAccount a role".to_owned(),
    }
}

fn absent() -> InitError {
    entry(EntryError::Absent {
        waited: Duration::from_mins(1),
        remedy: "store it".to_owned(),
    })
}

fn full() -> InitError {
    InitError::Write(WriteError::File {
        path: PathBuf::from("/v/secrets.properties"),
        source: io::ErrorKind::StorageFull.into(),
    })
}

#[rstest]
#[case(vec![absent(), denied()], Exit::Denied, 77)]
#[case(vec![absent(), full()], Exit::CannotWrite, 73)]
#[case(vec![denied(), setting("is missing")], Exit::Usage, 64)]
#[case(vec![absent()], Exit::Absent, 75)]
fn the_first_status_of_the_order_is_that_of_the_run(
    #[case] errors: Vec<InitError>,
    #[case] exit: Exit,
    #[case] code: u8,
) {
    let error = RunError::new(errors);
    assert_eq!((error.exit(), error.exit().code()), (exit, code));
}

#[test]
fn a_termination_message_has_a_summary_and_a_line_for_each_entry() {
    insta::assert_snapshot!(RunError::new(vec![absent(), denied(), full()]).termination_message(), @r"
    nothing was written: 3 errors, exit 77, denied
    secret.bsycorp.com/db (dynamodb /dev/db): AccessDeniedException: not authorized; allow dynamodb:GetItem on arn:aws:dynamodb:x
    the file /v/secrets.properties cannot be written (old and new files must fit side by side: raise the sizeLimit of the volume): no storage space
    secret.bsycorp.com/db (dynamodb /dev/db): absent after 60 s; store it
    ");
}

#[test]
fn a_termination_message_says_how_much_it_leaves_out() {
    let absent = (0..500).map(|n| {
        let remedy = "store it".to_owned();
        let waited = Duration::from_mins(1);
        named(&format!("db-{n}"), EntryError::Absent { waited, remedy })
    });
    let message = RunError::new(absent.collect()).termination_message();
    assert!(message.len() <= TERMINATION_MESSAGE_BYTES);
    let lines = message.lines().count() - 2;
    assert!(message.ends_with(&format!(
        "\n… and {} more in the container's log",
        500 - lines
    )));
}

#[test]
fn a_long_line_is_cut_between_characters() {
    let error = RunError::new(vec![setting(&"ä".repeat(2000)), absent()]);
    let message = error.termination_message();
    assert!(message.len() <= TERMINATION_MESSAGE_BYTES);
    assert!(message.contains("ä…\nsecret.bsycorp.com/db"));
}

#[test]
fn entries_that_fail_for_one_reason_are_one_error() {
    let errors = ["a", "b", "c"].map(|name| {
        // The path of an error is that of its entry, and makes no other reason.
        let path = format!("/dev/{name}").parse().unwrap();
        let error = StoreError {
            path: Some(path),
            ..no_credentials()
        };
        named(name, EntryError::Store(error))
    });
    let mut errors = Vec::from(errors);
    errors.insert(1, denied());
    insta::assert_snapshot!(RunError::new(errors), @r"
    nothing was written: 2 errors, exit 77, denied
    3 entries in dynamodb: there are no AWS credentials; give the ServiceAccount a role; the entries are secret.bsycorp.com/a (/dev/a), secret.bsycorp.com/b (/dev/b), secret.bsycorp.com/c (/dev/c)
    secret.bsycorp.com/db (dynamodb /dev/db): AccessDeniedException: not authorized; allow dynamodb:GetItem on arn:aws:dynamodb:x
    ");
}

#[test]
fn one_reason_for_many_entries_fits_into_the_termination_message() {
    let name = "a-long-name-of-an-entry".repeat(4);
    let errors = (0..500).map(|n| {
        let source = EntryError::Store(no_credentials());
        named(&format!("{name}-{n}"), source)
    });
    let error = RunError::new(errors.collect());
    assert_eq!(error.errors().len(), 1);
    assert!(error.to_string().contains(&format!("{name}-499")));
    let message = error.termination_message();
    assert!(message.len() <= TERMINATION_MESSAGE_BYTES);
    assert!(message.contains("500 entries in dynamodb: there are no AWS credentials; give"));
}

#[test]
fn a_summary_says_nothing_was_written_only_if_no_file_was_changed() {
    let source = WriteError::IsFolder {
        path: PathBuf::from("/v/leases.properties"),
    };
    let error = WriteError::Partial {
        replaced: vec![PathBuf::from("/v/db"), PathBuf::from("/v/url")],
        removed: vec![PathBuf::from("/v/token")],
        source: Box::new(source),
    };
    insta::assert_snapshot!(RunError::from(InitError::Write(error)), @r"
    some files were changed: 1 error, exit 73, a file could not be written
    some files were changed before the error (replaced: /v/db, /v/url; removed: /v/token): /v/leases.properties is a directory; remove it, or name another file
    ");
}
