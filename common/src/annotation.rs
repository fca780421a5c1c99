//! From a pod's annotations to entries and options. Every error is collected; none ends the
//! parsing.

mod entry;
mod lookup;
mod prefix;
mod rotation;
mod secret;
#[cfg(test)]
mod tests;

pub use prefix::misspelled_prefix;

use crate::{
    collector::Collector,
    domain::{Domain, Word},
    entry::Entry,
    error::{AnnotationError, AnnotationErrorKind, Warning},
    names::keys,
    options::{Options, switch},
};

/// What a pod's annotations ask for, and what is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    /// The domain of kees's annotations.
    pub domain: Domain,
    /// The valid entries, sorted by annotation. One with `previous=true` is followed by the entry of its
    /// previous value, which has the same annotation.
    pub entries: Vec<Entry>,
    /// The pod's `init.` annotations.
    pub options: Options,
    /// The errors. An entry with an error is not among `entries`, unless a warning became its error
    /// ([`Parsed::deny_warnings`]).
    pub errors: Vec<AnnotationError>,
    /// Values that `kees-init` ignores, as the original does, and that the webhook denies, because
    /// they probably mean something else.
    pub ignored: Vec<AnnotationError>,
    /// What has no effect.
    pub warnings: Vec<Warning>,
}

impl Parsed {
    /// Parses `annotations`. Annotations of other domains are skipped.
    pub fn from_annotations<'a>(
        domain: &Domain,
        annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut parsed = Self {
            domain: domain.clone(),
            ..Self::default()
        };
        let mut ours = Vec::new();
        for (key, value) in annotations {
            match domain.split(key) {
                Some((word, name)) => ours.push((key, word, name, value)),
                None => parsed.warnings.extend(misspelled_prefix(domain, key)),
            }
        }
        ours.sort_unstable_by_key(|(key, ..)| *key);
        for (key, word, name, value) in ours {
            let mut collect = Collector::new(key, &mut parsed.errors, &mut parsed.warnings);
            if word == Word::Init {
                let ignored = switch::unknown_value(name, value);
                parsed.ignored.extend(ignored.map(|kind| kind.at(key)));
                parsed.options.read(name, value, &mut collect);
            } else if let Some(entry) = entry::parse(word, name, value, &mut collect) {
                let previous = entry.previous();
                parsed.entries.push(entry);
                parsed.entries.extend(previous);
            }
        }
        parsed.errors.extend(parsed.same_names());
        parsed.warnings.extend(rotation::warnings(&parsed));
        parsed
            .warnings
            .sort_by(|a, b| a.annotation.cmp(&b.annotation));
        parsed
    }

    /// Whether no entry is missing among `entries` because of an error.
    pub fn has_all_entries(&self) -> bool {
        let is_entry = |error: &AnnotationError| {
            let split = self.domain.split(&error.annotation);
            split.is_some_and(|(word, _)| word != Word::Init)
        };
        !self.errors.iter().any(is_entry)
    }

    /// The errors of previous values that have the name of another entry.
    fn same_names(&self) -> Vec<AnnotationError> {
        let is_same = |previous: &Entry, other: &Entry| {
            !other.is_previous && other.name == previous.name && other.word() == previous.word()
        };
        let previous = self.entries.iter().filter(|entry| entry.is_previous);
        let error = |entry: &Entry| {
            let other = self.entries.iter().find(|other| is_same(entry, other))?;
            let right = format!(
                "its previous value would have the name of {}: rename one of them",
                other.annotation
            );
            let kind = AnnotationErrorKind::invalid(keys::PREVIOUS, "true", right);
            Some(kind.at(&entry.annotation))
        };
        previous.filter_map(error).collect()
    }

    /// Makes each warning an error, for the switch `strict` of the operator's policy and of
    /// `kees lint`.
    pub fn deny_warnings(&mut self) {
        let warnings = self.warnings.drain(..);
        self.errors.extend(warnings.map(AnnotationError::from));
        self.errors.sort_by(|a, b| a.annotation.cmp(&b.annotation));
    }
}
