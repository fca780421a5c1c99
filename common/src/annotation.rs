//! From a pod's annotations to entries and options. Every error is collected; none ends the
//! parsing.

mod entry;
mod secret;
#[cfg(test)]
mod tests;
mod unused;

use crate::{
    collector::Collector,
    domain::{Domain, Word},
    entry::Entry,
    error::{AnnotationError, Warning},
    options::Options,
};

/// What a pod's annotations ask for, and what is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    /// The domain of kees's annotations.
    pub domain: Domain,
    /// The valid entries, sorted by annotation.
    pub entries: Vec<Entry>,
    /// The pod's `init.` annotations.
    pub options: Options,
    /// The errors. An entry with an error is not among `entries`.
    pub errors: Vec<AnnotationError>,
    /// What has no effect.
    pub warnings: Vec<Warning>,
}

impl Parsed {
    /// Parses `annotations`. Annotations of other domains are skipped.
    pub fn from_annotations<'a>(
        domain: &Domain,
        annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut annotations: Vec<_> = annotations
            .into_iter()
            .filter_map(|(key, value)| {
                domain
                    .split(key)
                    .map(|(word, name)| (key, word, name, value))
            })
            .collect();
        annotations.sort_unstable_by_key(|(key, ..)| *key);

        let mut parsed = Self {
            domain: domain.clone(),
            ..Self::default()
        };
        for (key, word, name, value) in annotations {
            let mut collect = Collector::new(key, &mut parsed.errors, &mut parsed.warnings);
            if word == Word::Init {
                parsed.options.read(name, value, &mut collect);
            } else if let Some(entry) = entry::parse(word, name, value, &mut collect) {
                parsed.entries.push(entry);
            }
        }
        parsed
    }
}
