//! The pairs of a value, each taken by the code that understands its key; what remains is unused.

use std::borrow::Cow;

use crate::{
    collector::Collector, entry::StorageKey, error::AnnotationErrorKind, excerpt::excerpt,
    names::keys, pairs::Pair, typo,
};

/// The most unknown keys of one entry that are compared with the known keys. The comparison is slow,
/// and an annotation may contain more than 100,000 keys.
const MAX_COMPARED: usize = 64;

/// The most unused keys of one entry that have a warning of their own.
const MAX_WARNINGS: usize = 16;

/// The pairs that are not taken yet.
pub(super) struct UnusedPairs<'a>(Vec<Pair<'a>>);

impl<'a> UnusedPairs<'a> {
    pub(super) fn new(pairs: Vec<Pair<'a>>, collect: &mut Collector<'_>) -> Self {
        let mut pairs = Self(pairs);
        pairs.correct(collect);
        pairs
    }

    /// Collects an error for each misspelled key, and corrects the key. Thus the rest of the parser
    /// checks its value, and does not report the known key as missing.
    fn correct(&mut self, collect: &mut Collector<'_>) {
        let is_known = |key: &str| keys::ALL.iter().any(|known| known.name == key);
        let unknown = self.0.iter_mut().filter(|(key, _)| !is_known(key));
        for (key, _) in unknown.take(MAX_COMPARED) {
            let known = typo::closest(key, keys::ALL.iter().map(|known| known.name));
            if let Some(known) = known {
                collect.error(AnnotationErrorKind::UnknownKey {
                    key: excerpt(key),
                    known,
                });
                *key = Cow::Borrowed(known);
            }
        }
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
