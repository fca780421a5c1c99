//! The `kees put` that stores a value which a run did not find.

use std::path::{Path, PathBuf};

use kees_init::{EntryError, InitError, InitSettings, Request};

use super::summary::quoted;
use crate::args::values::DEFAULT_FILE;

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
    let store = entry.store;
    let mut words = vec![
        "kees put".to_owned(),
        quoted(Path::new(entry.path.as_str())),
    ];
    let mut flag = |name: &str, value: &str| {
        words.push(format!("--{name} {}", quoted(Path::new(value))));
    };
    if store.needs_embedded_file() {
        let file = settings.storage.embedded_file.as_ref();
        let other = file.filter(|file| *file != &PathBuf::from(DEFAULT_FILE));
        if let Some(file) = other {
            flag("embedded-file", &file.display().to_string());
        }
    } else {
        flag("store", store.as_str());
    }
    if let Some(label) = &settings.storage.flags.env_label
        && store.needs_env_label()
    {
        flag("env-label", label);
    }
    if store.is_in_aws() {
        let flags = &settings.aws.flags;
        if let Some(region) = &flags.aws_region {
            flag("aws-region", &region.to_string());
        }
        if let Some(endpoint) = &flags.aws_endpoint {
            flag("aws-endpoint", &endpoint.to_string());
        }
    }
    Some(words.join(" "))
}
