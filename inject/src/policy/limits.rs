//! How much one pod may ask for.

use std::{collections::BTreeSet, num::NonZeroUsize};

use kees_common::{Entry, LocalMode, Parsed, Secret, SecretType, Source, Spec};

use crate::error::PodErrorKind;

/// `maxEntries` and `maxKeys` of a rule. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    entries: Option<usize>,
    keys: Option<usize>,
}

impl Default for Limits {
    /// 256 entries, and 64 RSA and GPG keys.
    fn default() -> Self {
        Self {
            entries: Some(256),
            keys: Some(64),
        }
    }
}

impl Limits {
    /// The limits of a rule. The default takes the place of an absent limit.
    pub(crate) fn new(entries: Option<NonZeroUsize>, keys: Option<usize>) -> Self {
        let default = Self::default();
        Self {
            entries: entries.map(NonZeroUsize::get).or(default.entries),
            keys: keys.or(default.keys),
        }
    }

    /// No limits.
    pub(crate) fn none() -> Self {
        Self {
            entries: None,
            keys: None,
        }
    }

    /// The errors of a pod with `entries` entries, those with errors included.
    pub(crate) fn errors(self, entries: usize, parsed: &Parsed) -> Vec<PodErrorKind> {
        let mut errors = Vec::new();
        if let Some(limit) = above(entries, self.entries) {
            let count = entries;
            errors.push(PodErrorKind::TooManyEntries { count, limit });
        }
        let count = keys(parsed);
        if let Some(limit) = above(count, self.keys) {
            errors.push(PodErrorKind::TooManyKeys { count, limit });
        }
        errors
    }
}

/// The limit, if the count is above it.
fn above(count: usize, limit: Option<usize>) -> Option<usize> {
    limit.filter(|limit| count > *limit)
}

/// How many RSA and GPG keys the init container may have to generate or to derive. Both fields of a
/// key have the same base name. EC and ED25519 keys are not counted, because they take no time.
fn keys(parsed: &Parsed) -> usize {
    let derives = parsed.options.local_mode != LocalMode::Off;
    let secret_type = |entry: &Entry| match &entry.source {
        Source::Secret(Secret::Dynamic { spec, .. }) => Some(spec.secret_type()),
        Source::Secret(Secret::Reference { local_spec, .. }) if derives => {
            local_spec.as_ref().map(Spec::secret_type)
        }
        _ => None,
    };
    let is_slow =
        |entry: &&Entry| matches!(secret_type(entry), Some(SecretType::Rsa | SecretType::Gpg));
    let keys = parsed.entries.iter().filter(is_slow);
    let names: BTreeSet<&str> = keys.map(|entry| entry.name.base()).collect();
    names.len()
}
