//! What an error of a store means for a run: its exit status, and its message.

use kees_store::{ErrorKind, StoreError};

use crate::exit::Exit;

/// The exit status for an error of a store.
pub fn store_exit(error: &StoreError) -> Exit {
    match error.kind {
        ErrorKind::Setting => Exit::Usage,
        ErrorKind::Denied { .. } | ErrorKind::Credentials | ErrorKind::TokenNotAccepted => {
            Exit::Denied
        }
        ErrorKind::Malformed | ErrorKind::NoValue => Exit::Data,
        ErrorKind::ScheduledForDeletion { .. } | ErrorKind::Absent => Exit::Absent,
        _ => Exit::Unavailable,
    }
}

/// The error of a store with its code and what to do.
pub fn store_message(error: &StoreError) -> String {
    let mut text = String::new();
    if let Some(code) = error
        .code
        .as_ref()
        .filter(|code| !error.message.contains(*code))
    {
        text.push_str(code);
        text.push_str(": ");
    }
    text.push_str(&error.message);
    if !error.remedy.is_empty() {
        text.push_str("; ");
        text.push_str(&error.remedy);
    }
    text
}
