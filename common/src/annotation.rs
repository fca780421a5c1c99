//! From a pod's annotations to entries: every fault is found, none stops the search.

mod secret;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, str::FromStr};

use crate::{
    Domain, Entry, EntryName, Lease, Lookup, Options, Resource, SecretValue, Source, StorageKey,
    domain::Word,
    fault::{AnnotationError, AnnotationErrorKind, Warning, shown},
    names::keys,
    pairs::{self, Pair},
};

/// Everything that a pod's annotations say, with everything that is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    /// The domain that makes an annotation ours.
    pub domain: Domain,
    /// The entries that are sound, sorted by annotation.
    pub entries: Vec<Entry>,
    /// The pod's `init.` annotations.
    pub options: Options,
    /// What is wrong; an entry at fault is not among `entries`.
    pub faults: Vec<AnnotationError>,
    /// What has no effect.
    pub warnings: Vec<Warning>,
}

impl Parsed {
    /// Parses `annotations`; those of other domains are passed over.
    pub fn from_annotations<'a>(
        domain: &Domain,
        annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut ours: Vec<_> = annotations
            .into_iter()
            .filter_map(|(key, value)| {
                domain
                    .split(key)
                    .map(|(word, name)| (key, word, name, value))
            })
            .collect();
        ours.sort_unstable_by_key(|(key, ..)| *key);

        let mut parsed = Self {
            domain: domain.clone(),
            ..Self::default()
        };
        for (key, word, name, value) in ours {
            let mut collect = Collector {
                annotation: key,
                faults: &mut parsed.faults,
                warnings: &mut parsed.warnings,
            };
            if word == Word::Init {
                parsed.options.read(name, value, &mut collect);
            } else if let Some(entry) = entry(word, name, value, &mut collect) {
                parsed.entries.push(entry);
            }
        }
        parsed
    }
}

/// Gathers what is wrong with one annotation.
pub(crate) struct Collector<'a> {
    annotation: &'a str,
    faults: &'a mut Vec<AnnotationError>,
    warnings: &'a mut Vec<Warning>,
}

impl Collector<'_> {
    pub(crate) fn fault(&mut self, problem: AnnotationErrorKind) {
        self.faults.push(AnnotationError {
            annotation: self.annotation.to_owned(),
            problem,
        });
    }

    pub(crate) fn warn(&mut self, message: String) {
        self.warnings.push(Warning {
            annotation: self.annotation.to_owned(),
            message,
        });
    }

    /// A value whose parse error says what would be right.
    pub(crate) fn parsed<T: FromStr<Err = String>>(
        &mut self,
        key: &'static str,
        value: &str,
    ) -> Option<T> {
        value
            .parse()
            .map_err(|right| self.fault(AnnotationErrorKind::invalid(key, value, right)))
            .ok()
    }
}

/// One entry; `None` where anything is wrong with it, which `collect` then holds.
fn entry(word: Word, name: &str, value: &str, collect: &mut Collector<'_>) -> Option<Entry> {
    let before = collect.faults.len();
    let name = name
        .parse::<EntryName>()
        .map_err(|e| collect.fault(AnnotationErrorKind::Name(e)))
        .ok();
    let pairs = pairs::parse(value)
        .map_err(|e| collect.fault(AnnotationErrorKind::Pairs(e)))
        .ok();
    let (name, mut pairs) = (name?, Pairs(pairs?));

    let source = match word {
        Word::Secret => secret::secret(&name, &mut pairs, collect).map(Source::Secret),
        Word::Resource => Some(Source::Resource(resource(&mut pairs))),
        Word::Lease => lease(&name, &mut pairs, collect).map(Source::Lease),
        Word::Init => None,
    };
    let stored = word != Word::Lease;
    let (local_value, store) = if stored {
        (local_value(&mut pairs, collect), store(&mut pairs, collect))
    } else {
        (None, None)
    };
    let sound = collect.faults.len() == before;
    warn_of_rest(pairs, sound, collect);
    if !sound {
        return None;
    }
    let annotation = collect.annotation.to_owned();
    Some(Entry {
        annotation,
        name,
        source: source?,
        store,
        local_value,
    })
}

/// Warns of what nobody has asked for, and of many such keys once.
fn warn_of_rest(pairs: Pairs<'_>, sound: bool, collect: &mut Collector<'_>) {
    const MOST: usize = 16;
    let more = pairs.0.len().saturating_sub(MOST);
    for (key, _) in pairs.0.into_iter().take(MOST) {
        let known = keys::ALL.iter().any(|k| k.name == key);
        // An entry at fault was not read to its end, so a known key may well have an effect.
        if sound || !known {
            let what = if known {
                "has no effect here"
            } else {
                "is unknown"
            };
            collect.warn(format!("the key '{}' {what}, ignored", shown(&key)));
        }
    }
    if more > 0 {
        collect.warn(format!(
            "{more} more keys are unknown or have no effect, ignored"
        ));
    }
}

fn local_value(pairs: &mut Pairs<'_>, collect: &mut Collector<'_>) -> Option<SecretValue> {
    let text = pairs.take(keys::LOCAL_MODE_VALUE)?;
    SecretValue::from_base64(&text)
        .map_err(|_| collect.fault(AnnotationErrorKind::LocalValue))
        .ok()
}

fn store(pairs: &mut Pairs<'_>, collect: &mut Collector<'_>) -> Option<crate::StoreName> {
    let text = pairs.take(keys::STORE)?;
    text.parse()
        .map_err(|e| collect.fault(AnnotationErrorKind::ParseStoreNameError(e)))
        .ok()
}

fn resource(pairs: &mut Pairs<'_>) -> Resource {
    // The original's examples give a resource both, and they mean nothing.
    pairs.take(keys::KIND);
    pairs.take(keys::TYPE);
    Resource {
        lookup: lookup(pairs),
    }
}

fn lookup(pairs: &mut Pairs<'_>) -> Lookup {
    Lookup {
        storage_key: pairs.storage_key(),
        property: pairs.take(keys::PROPERTY).map(Cow::into_owned),
        version_stage: pairs.take(keys::VERSION_STAGE).map(Cow::into_owned),
        version_id: pairs.take(keys::VERSION_ID).map(Cow::into_owned),
    }
}

fn lease(name: &EntryName, pairs: &mut Pairs<'_>, collect: &mut Collector<'_>) -> Option<Lease> {
    let right = "a lease has kind=INDEX";
    match pairs.take(keys::KIND).as_deref() {
        Some("INDEX") => {}
        Some(other) => collect.fault(AnnotationErrorKind::invalid(keys::KIND, other, right)),
        None => collect.fault(AnnotationErrorKind::Missing {
            key: keys::KIND,
            right,
        }),
    }
    let key_prefix = pairs.take(keys::STORAGE_KEY_PREFIX);
    let start = bound(keys::RANGE_START, pairs, collect);
    let end = bound(keys::RANGE_END, pairs, collect);
    let (start, end) = (start?, end?);
    if start > end {
        let right = format!("it must not be below rangeStart={start}");
        collect.fault(AnnotationErrorKind::invalid(
            keys::RANGE_END,
            &end.to_string(),
            right,
        ));
    }
    let key_prefix = key_prefix.map_or_else(|| name.base().to_owned(), Cow::into_owned);
    Some(Lease {
        key_prefix,
        start,
        end,
    })
}

fn bound(key: &'static str, pairs: &mut Pairs<'_>, collect: &mut Collector<'_>) -> Option<i32> {
    let Some(text) = pairs.take(key) else {
        let right = "a lease has rangeStart= and rangeEnd=, whole numbers";
        collect.fault(AnnotationErrorKind::Missing { key, right });
        return None;
    };
    let right = "use a whole number of 32 bits";
    text.parse()
        .map_err(|_| collect.fault(AnnotationErrorKind::invalid(key, &text, right)))
        .ok()
}

/// The pairs of a value that nobody has asked for yet.
struct Pairs<'a>(Vec<Pair<'a>>);

impl<'a> Pairs<'a> {
    /// Takes every pair of that key; the last one counts, as in a Java properties file.
    fn take(&mut self, key: &str) -> Option<Cow<'a, str>> {
        let mut found = None;
        self.0.retain_mut(|(k, v)| {
            let ours = k == key;
            if ours {
                found = Some(std::mem::take(v));
            }
            !ours
        });
        found
    }

    fn storage_key(&mut self) -> Option<StorageKey> {
        let text = self.take(keys::STORAGE_KEY)?;
        Some(StorageKey::from(text.into_owned()))
    }
}
