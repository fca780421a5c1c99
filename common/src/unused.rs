//! The pairs of a value, each taken by the code that understands its key; what remains is unused.

use std::borrow::Cow;

use crate::{
    collector::Collector,
    error::AnnotationErrorKind,
    excerpt::excerpt,
    names::Documented,
    pairs::{self, Pair, PairValue},
    typo,
};

/// The most unknown keys of one entry that are compared with the known keys. The comparison is slow,
/// and an annotation may contain more than 100,000 keys.
const MAX_COMPARED: usize = 64;

/// The most unused keys of one entry that have a warning of their own.
const MAX_WARNINGS: usize = 16;

/// The pairs that are not taken yet.
pub(crate) struct UnusedPairs<'a> {
    pairs: Vec<(Cow<'a, str>, PairValue<'a>)>,
    /// Every key that has a meaning in such a value.
    known: &'static [Documented],
    /// The keys whose value has an error. They are not missing.
    invalid: Vec<Cow<'a, str>>,
    /// Whether a missing key is no error.
    allows_missing: bool,
}

impl<'a> UnusedPairs<'a> {
    /// Parses a value with the keys `known`. Each kind of error is collected once, however often the
    /// value has it.
    pub(crate) fn parse(
        value: &'a str,
        known: &'static [Documented],
        collect: &mut Collector<'_>,
    ) -> Self {
        let mut unused = Self {
            pairs: Vec::new(),
            known,
            invalid: Vec::new(),
            allows_missing: false,
        };
        let mut errors = Vec::new();
        for pair in pairs::parse(value) {
            let error = match pair {
                Ok(Pair {
                    key,
                    value: Ok(value),
                }) => {
                    unused.pairs.push((key, value));
                    continue;
                }
                Ok(Pair {
                    key,
                    value: Err(error),
                }) => {
                    unused.invalid.push(key);
                    error
                }
                Err(error) => error,
            };
            if !errors.contains(&error) {
                errors.push(error);
                collect.error(error);
            }
        }
        unused.correct(collect);
        unused
    }

    /// Collects an error for each misspelled key, and corrects the key. Thus the rest of the parser
    /// checks its value, and does not report the known key as missing.
    fn correct(&mut self, collect: &mut Collector<'_>) {
        let list = self.known;
        let is_known = |key: &str| list.iter().any(|known| known.name == key);
        let unknown = self.pairs.iter_mut().filter(|(key, _)| !is_known(key));
        for (key, _) in unknown.take(MAX_COMPARED) {
            let known = typo::closest(key, list.iter().map(|known| known.name));
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
    pub(crate) fn take(&mut self, key: &str) -> Option<Cow<'a, str>> {
        self.take_value(key).map(|value| value.text)
    }

    fn take_value(&mut self, key: &str) -> Option<PairValue<'a>> {
        let mut found = None;
        self.pairs.retain_mut(|(k, v)| {
            let matches = k == key;
            if matches {
                found = Some(std::mem::take(v));
            }
            !matches
        });
        found
    }

    /// Reports no missing keys from now on, because it is not sure which keys are required.
    pub(crate) fn allow_missing(&mut self) {
        self.allows_missing = true;
    }

    /// Takes a key that is required. `right` describes what would be right, if it is missing.
    pub(crate) fn take_required<R: Into<String>>(
        &mut self,
        key: &'static str,
        right: impl FnOnce() -> R,
        collect: &mut Collector<'_>,
    ) -> Option<Cow<'a, str>> {
        let value = self.take(key);
        let is_invalid = || self.invalid.iter().any(|invalid| invalid == key);
        if value.is_none() && !self.allows_missing && !is_invalid() {
            collect.error(AnnotationErrorKind::missing(key, right()));
        }
        value
    }

    /// Takes `storageKey=` or `storageKeyPrefix=`, which become part of a path.
    pub(crate) fn take_path(
        &mut self,
        key: &'static str,
        collect: &mut Collector<'_>,
    ) -> Option<String> {
        let value = self.take_value(key)?;
        if value.is_trimmed || value.text.ends_with(char::is_whitespace) {
            collect.error(AnnotationErrorKind::BlankAtEnd { key });
        }
        Some(value.text.into_owned())
    }

    /// Warns of the pairs that nothing has taken. `is_valid`: whether the entry has no errors, so
    /// that all of its keys were looked for.
    pub(crate) fn warn(self, is_valid: bool, collect: &mut Collector<'_>) {
        let more = self.pairs.len().saturating_sub(MAX_WARNINGS);
        for (key, _) in self.pairs.into_iter().take(MAX_WARNINGS) {
            let is_known = self.known.iter().any(|known| known.name == key);
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
