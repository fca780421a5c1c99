//! Errors that the protocol itself reports, with what to do about them.

use kees_common::{Field, Generation, StoragePath, StoreName};

use crate::{ErrorKind, StoreError};

/// The deadline passed before the store sent any response.
pub(super) fn no_answer(store: StoreName, path: Option<&StoragePath>) -> StoreError {
    StoreError {
        kind: ErrorKind::TimedOut,
        store,
        path: path.cloned(),
        code: None,
        message: "the store did not answer before the run's TIMEOUT was over".to_owned(),
        remedy: "check the store's endpoint and the network on the way to it, or give TIMEOUT \
                 more seconds"
            .to_owned(),
    }
}

/// Some fields of a generation are stored, and the others stayed missing.
pub(super) fn incomplete(generation: &Generation, missing: &[Field]) -> StoreError {
    let path_of = |field: &Field| generation.path_of(*field).unwrap_or(&generation.path);
    let paths: Vec<&str> = missing
        .iter()
        .map(|field| path_of(field).as_str())
        .collect();
    let verb = if paths.len() == 1 { "is" } else { "are" };
    let paths = paths.join(" and ");
    let path = &generation.path;
    StoreError {
        kind: ErrorKind::Malformed,
        store: generation.store,
        path: missing.first().map(path_of).cloned(),
        code: None,
        message: format!(
            "incomplete generation: {paths} {verb} missing while another field of {path} is \
             stored, and no writer has added it while this run waited"
        ),
        remedy: format!(
            "look for a writer of {path} that still runs before you delete anything; if there is \
             none, restore {paths} from where the rest was created, or delete every field of \
             {path} so that a new generation is created"
        ),
    }
}

/// A generation was stored, but the store does not return it.
pub(super) fn vanished(
    generation: &Generation,
    is_consistent: bool,
    is_created: bool,
) -> StoreError {
    let path = &generation.path;
    let writer = if is_created {
        "this run"
    } else {
        "another writer"
    };
    let (message, remedy) = if is_consistent {
        (
            format!("{path} was stored by {writer} and has been deleted since"),
            "find out who deletes it; the next run stores it again",
        )
    } else {
        (
            format!("{path} was stored by {writer}, and the store does not show it yet"),
            "start again: the store shows a new secret to all readers only after a while",
        )
    };
    StoreError {
        kind: ErrorKind::Absent,
        store: generation.store,
        path: Some(path.clone()),
        code: None,
        message,
        remedy: remedy.to_owned(),
    }
}

/// A write needs an idempotency token, but the operating system's random source failed.
pub(super) fn no_token(generation: &Generation) -> StoreError {
    StoreError {
        kind: ErrorKind::Other,
        store: generation.store,
        path: Some(generation.path.clone()),
        code: None,
        message: crate::RandomnessError.to_string(),
        remedy: "check the node's kernel: getrandom(2) must work".to_owned(),
    }
}
