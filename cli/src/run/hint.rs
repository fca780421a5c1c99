//! The `kees put` that stores a value which a run did not find.

use std::path::Path;

use kees_init::{EntryError, InitError, InitSettings, Request};

use crate::{
    args::values::DEFAULT_FILE,
    put_command::{PutCommand, PutFlags},
};

/// The command that stores the absent value of `error`, if it is one that is stored by hand.
pub(super) fn put(settings: &InitSettings, request: &Request, error: &InitError) -> Option<String> {
    let InitError::Entries {
        entries,
        source: EntryError::Absent { .. },
    } = error
    else {
        return None;
    };
    let [entry] = entries.as_slice() else {
        return None;
    };
    if !request.is_stored_by_hand(&entry.annotation) {
        return None;
    }
    let file = settings.storage.embedded_file.as_deref();
    let aws = &settings.aws.flags;
    let region = aws.aws_region.as_ref().map(ToString::to_string);
    let endpoint = aws.aws_endpoint.as_ref().map(ToString::to_string);
    let command = PutCommand {
        path: entry.path.as_str(),
        store: entry.store,
        embedded_file: file.filter(|file| *file != Path::new(DEFAULT_FILE)),
        to: PutFlags {
            env_label: settings.storage.flags.env_label.as_deref(),
            region: region.as_deref(),
            endpoint: endpoint.as_deref(),
        },
    };
    Some(command.to_string())
}
