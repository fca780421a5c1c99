//! The pairs of a value, each taken by the code that understands its key; what remains is unused.

use std::borrow::Cow;

use crate::{collector::Collector, entry::StorageKey, excerpt::excerpt, names::keys, pairs::Pair};

/// The most unused keys of one entry that have a warning of their own.
const MAX_WARNINGS: usize = 16;

/// The pairs that are not taken yet.
pub(super) struct UnusedPairs<'a>(Vec<Pair<'a>>);

impl<'a> UnusedPairs<'a> {
    pub(super) fn new(pairs: Vec<Pair<'a>>) -> Self {
        Self(pairs)
    }

    /// Takes every pair with that key; the last one counts, as in a Java properties file.
    pub(super) fn take(&mut self, key: &str) -> Option<Cow<'a, str>> {
        let mut found = None;
        self.0.retain_mut(|(k, v)| {
            let matches = k == key;
            if matches {
                found = Some(std::mem::take(v));
            }
            !matches
        });
        found
    }

    /// Takes `storageKey=`.
    pub(super) fn storage_key(&mut self) -> Option<StorageKey> {
        let text = self.take(keys::STORAGE_KEY)?;
        Some(StorageKey::from(text.into_owned()))
    }

    /// Warns of the pairs that nothing has taken. `is_valid`: whether the entry has no errors, so
    /// that all of its keys were looked for.
    pub(super) fn warn(self, is_valid: bool, collect: &mut Collector<'_>) {
        let more = self.0.len().saturating_sub(MAX_WARNINGS);
        for (key, _) in self.0.into_iter().take(MAX_WARNINGS) {
            let is_known = keys::ALL.iter().any(|known| known.name == key);
            if is_valid || !is_known {
                let what = if is_known {
                    "has no effect here"
                } else {
                    "is unknown"
                };
                collect.warn(format!("the key '{}' {what}, ignored", excerpt(&key)));
            }
        }
        if more > 0 {
            collect.warn(format!(
                "{more} more keys are unknown or have no effect, ignored"
            ));
        }
    }
}
