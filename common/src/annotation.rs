//! From a pod's annotations to entries: every fault is found, none stops the search.

use std::{fmt, str::FromStr};

use crate::{
    Entry, EntryName, Field, Lease, Lookup, Options, Resource, Secret, SecretType, SecretValue,
    Source, Spec,
    fault::{Fault, Problem, Warning, fields_of},
    names::keys,
    pairs,
};

/// The domain of the annotations: a DNS name, lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Domain(String);

impl Domain {
    /// The domain as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of an `init.` annotation of this domain.
    pub fn init(&self, name: &str) -> String {
        format!("init.{}/{name}", self.0)
    }

    /// Splits a key of ours into its word (`secret`, `resource`, `lease` or `init`) and its name.
    pub fn split<'k>(&self, key: &'k str) -> Option<(Word, &'k str)> {
        let (prefix, name) = key.split_once('/')?;
        let (word, domain) = prefix.split_once('.')?;
        let word = match word {
            "secret" => Word::Secret,
            "resource" => Word::Resource,
            "lease" => Word::Lease,
            "init" => Word::Init,
            _ => return None,
        };
        (domain == self.0).then_some((word, name))
    }
}

impl Default for Domain {
    fn default() -> Self {
        Self("bsycorp.com".to_owned())
    }
}

impl FromStr for Domain {
    type Err = InvalidDomain;

    fn from_str(text: &str) -> Result<Self, InvalidDomain> {
        let label = |label: &str| {
            let edge =
                |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            edge(label.bytes().next())
                && edge(label.bytes().last())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        // `resource.` and the domain must fit into the 253 characters of an annotation's prefix.
        if text.len() > 253 - "resource.".len() || !text.split('.').all(label) {
            return Err(InvalidDomain(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A domain that no annotation can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a domain; use lower-case letters, digits, '-' and '.', such as example.com")]
pub struct InvalidDomain(String);

/// The word that an annotation of ours begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// `secret.DOMAIN/`
    Secret,
    /// `resource.DOMAIN/`
    Resource,
    /// `lease.DOMAIN/`
    Lease,
    /// `init.DOMAIN/`
    Init,
}

/// Everything that a pod's annotations say, with everything that is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    /// The entries that are sound, sorted by annotation.
    pub entries: Vec<Entry>,
    /// The pod's `init.` annotations.
    pub options: Options,
    /// What is wrong; an entry at fault is not among `entries`.
    pub faults: Vec<Fault>,
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

        let mut parsed = Self::default();
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
    faults: &'a mut Vec<Fault>,
    warnings: &'a mut Vec<Warning>,
}

impl Collector<'_> {
    pub(crate) fn fault(&mut self, problem: Problem) {
        self.faults.push(Fault {
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
            .map_err(|right| self.fault(Problem::invalid(key, value, right)))
            .ok()
    }
}

/// One entry; `None` where anything is wrong with it, which `collect` then holds.
fn entry(word: Word, name: &str, value: &str, collect: &mut Collector<'_>) -> Option<Entry> {
    let before = collect.faults.len();
    let name = name
        .parse::<EntryName>()
        .map_err(|e| collect.fault(Problem::Name(e)))
        .ok();
    let pairs = pairs::parse(value)
        .map_err(|e| collect.fault(Problem::Pairs(e)))
        .ok();
    let (name, mut pairs) = (name?, Pairs(pairs?));

    let local_value = pairs.take(keys::LOCAL_MODE_VALUE).and_then(|text| {
        SecretValue::from_base64(&text)
            .map_err(|_| collect.fault(Problem::LocalValue))
            .ok()
    });
    let store = pairs.take(keys::STORE).and_then(|text| {
        text.parse()
            .map_err(|e| collect.fault(Problem::UnknownStore(e)))
            .ok()
    });
    let source = match word {
        Word::Secret => secret(&name, &mut pairs, collect).map(Source::Secret),
        Word::Resource => {
            pairs.take(keys::KIND);
            pairs.take(keys::TYPE);
            Some(Source::Resource(Resource {
                lookup: lookup(&mut pairs),
            }))
        }
        Word::Lease => lease(&name, &mut pairs, collect).map(Source::Lease),
        Word::Init => None,
    };
    for (key, _) in pairs.0 {
        let known = keys::ALL.iter().any(|k| k.name == key);
        let what = if known {
            "has no effect here"
        } else {
            "is unknown"
        };
        let shown: String = key.chars().take(64).flat_map(char::escape_debug).collect();
        collect.warn(format!("the key '{shown}' {what}, ignored"));
    }
    if collect.faults.len() > before {
        return None;
    }
    Some(Entry {
        annotation: collect.annotation.to_owned(),
        name,
        source: source?,
        store,
        local_value,
    })
}

fn secret(name: &EntryName, pairs: &mut Pairs, collect: &mut Collector<'_>) -> Option<Secret> {
    let kind = pairs.take(keys::KIND);
    let secret_type = pairs.take(keys::TYPE);
    match kind.as_deref() {
        Some("DYNAMIC") => dynamic(name, secret_type.as_deref(), pairs, collect),
        Some("REFERENCE") => {
            let spec = reference_spec(name, secret_type.as_deref(), pairs);
            let member = secret_type
                .as_deref()
                .and_then(|text| text.parse().ok())
                .and_then(|t| field_of(t, name).ok().flatten().map(|field| (t, field)));
            Some(Secret::Reference {
                lookup: lookup(pairs),
                member,
                local_spec: spec,
            })
        }
        Some(other) => {
            collect.fault(Problem::invalid(
                keys::KIND,
                other,
                "use DYNAMIC or REFERENCE, in upper case",
            ));
            None
        }
        None => {
            collect.fault(Problem::Missing {
                key: keys::KIND,
                right: "use kind=DYNAMIC or kind=REFERENCE",
            });
            None
        }
    }
}

fn dynamic(
    name: &EntryName,
    secret_type: Option<&str>,
    pairs: &mut Pairs,
    collect: &mut Collector<'_>,
) -> Option<Secret> {
    let storage_key = pairs.storage_key();
    let size = pairs.take(keys::SIZE);
    let Some(text) = secret_type else {
        collect.fault(Problem::Missing {
            key: keys::TYPE,
            right: "use RSA, GPG, PASSWORD or RANDOM",
        });
        return None;
    };
    let Ok(secret_type) = text.parse::<SecretType>() else {
        collect.fault(Problem::invalid(
            keys::TYPE,
            text,
            "use RSA, GPG, PASSWORD or RANDOM, in upper case",
        ));
        return None;
    };
    let field = field_of(secret_type, name).map_err(|what| {
        collect.fault(Problem::Field {
            what,
            has: fields_of(secret_type),
        });
    });
    // A field of its own means that the generation has several values, each with its own path.
    let many = !matches!(field, Ok(None));
    if let Some(key) = &storage_key {
        if many {
            let what = if secret_type == SecretType::Random {
                "api-key"
            } else {
                secret_type.as_str()
            };
            collect.fault(Problem::DynamicStorageKey(what.to_owned()));
        } else if key.as_str().is_empty() {
            collect.fault(Problem::invalid(
                keys::STORAGE_KEY,
                "",
                "give the path below the prefix, or remove it",
            ));
        }
    }
    let bits = size_bits(secret_type, size.as_deref(), collect);
    let user_id = (secret_type == SecretType::Gpg)
        .then(|| pairs.take(keys::USER_ID))
        .flatten();
    let spec = match secret_type {
        SecretType::Gpg => match user_id.as_deref() {
            None => {
                collect.fault(Problem::Missing {
                    key: keys::USER_ID,
                    right: "GPG needs a user id such as userId=Team A <team-a@example.com>",
                });
                None
            }
            Some(text) => match text.parse() {
                Ok(user_id) => Some(Spec::Gpg {
                    bits: bits?,
                    user_id,
                }),
                Err(()) => {
                    collect.fault(Problem::invalid(
                        keys::USER_ID,
                        text,
                        "use a name and an address in angle brackets, such as Team A <team-a@example.com>",
                    ));
                    None
                }
            },
        },
        other => Some(plain_spec(other, bits?, many)),
    };
    Some(Secret::Dynamic {
        spec: spec?,
        field: field.ok()?.unwrap_or(Field::Whole),
        storage_key,
    })
}

/// A spec of anything but GPG.
fn plain_spec(secret_type: SecretType, bits: u16, many: bool) -> Spec {
    match secret_type {
        SecretType::Rsa => Spec::Rsa { bits },
        SecretType::Random if many => Spec::ApiKey { bits },
        SecretType::Random => Spec::Random { bits },
        SecretType::Password | SecretType::Gpg => Spec::Password { bits },
    }
}

/// What local mode may derive for a REFERENCE: the original derives a value from type and size
/// where they are given. Nothing here is a fault, since a REFERENCE needs neither.
fn reference_spec(name: &EntryName, secret_type: Option<&str>, pairs: &mut Pairs) -> Option<Spec> {
    let size = pairs.take(keys::SIZE);
    let user_id = pairs.take(keys::USER_ID);
    let secret_type = secret_type?.parse::<SecretType>().ok()?;
    let many = field_of(secret_type, name).ok()?.is_some();
    let bits = size?.parse().ok()?;
    check_bits(secret_type, bits).ok()?;
    Some(match secret_type {
        SecretType::Gpg => Spec::Gpg {
            bits,
            user_id: user_id?.parse().ok()?,
        },
        other => plain_spec(other, bits, many),
    })
}

/// The field of `name` where its type has fields: `Ok(None)` where the value is the only one, and
/// an error that names the type where it has fields and the name has none of them.
fn field_of(secret_type: SecretType, name: &EntryName) -> Result<Option<Field>, String> {
    let field = match (secret_type, name.field()) {
        (SecretType::Rsa | SecretType::Gpg, Some("public")) => Field::Public,
        (SecretType::Rsa | SecretType::Gpg, Some("private")) => Field::Private,
        (SecretType::Gpg, Some("password")) => Field::Password,
        (SecretType::Rsa | SecretType::Gpg, _) => return Err(secret_type.as_str().to_owned()),
        (SecretType::Random, field) if name.base().starts_with("api-key") => match field {
            Some("consumer") => Field::Consumer,
            Some("provider") => Field::Provider,
            _ => return Err("a RANDOM whose name begins with api-key".to_owned()),
        },
        (SecretType::Random | SecretType::Password, _) => return Ok(None),
    };
    Ok(Some(field))
}

fn size_bits(
    secret_type: SecretType,
    size: Option<&str>,
    collect: &mut Collector<'_>,
) -> Option<u16> {
    let Some(text) = size else {
        collect.fault(Problem::Missing {
            key: keys::SIZE,
            right: right_size(secret_type),
        });
        return None;
    };
    match text
        .parse()
        .map_err(|_| ())
        .and_then(|bits| check_bits(secret_type, bits).map(|()| bits))
    {
        Ok(bits) => Some(bits),
        Err(()) => {
            collect.fault(Problem::invalid(keys::SIZE, text, right_size(secret_type)));
            None
        }
    }
}

fn check_bits(secret_type: SecretType, bits: u16) -> Result<(), ()> {
    let sound = match secret_type {
        SecretType::Rsa => matches!(bits, 2048 | 4096),
        SecretType::Gpg => matches!(bits, 2048 | 3072 | 4096),
        SecretType::Password | SecretType::Random => (8..=8192).contains(&bits),
    };
    if sound { Ok(()) } else { Err(()) }
}

fn right_size(secret_type: SecretType) -> &'static str {
    match secret_type {
        SecretType::Rsa => "an RSA key has size=2048 or size=4096",
        SecretType::Gpg => "a GPG key has size=2048, size=3072 or size=4096",
        SecretType::Password => "a PASSWORD has a size of 8 to 8192 bits, a character for each 8",
        SecretType::Random => "a RANDOM has a size of 8 to 8192 bits, a byte for each 8",
    }
}

fn lookup(pairs: &mut Pairs) -> Lookup {
    Lookup {
        storage_key: pairs.storage_key(),
        property: pairs.take(keys::PROPERTY),
        version_stage: pairs.take(keys::VERSION_STAGE),
        version_id: pairs.take(keys::VERSION_ID),
    }
}

fn lease(name: &EntryName, pairs: &mut Pairs, collect: &mut Collector<'_>) -> Option<Lease> {
    match pairs.take(keys::KIND).as_deref() {
        Some("INDEX") => {}
        Some(other) => collect.fault(Problem::invalid(
            keys::KIND,
            other,
            "a lease has kind=INDEX",
        )),
        None => collect.fault(Problem::Missing {
            key: keys::KIND,
            right: "a lease has kind=INDEX",
        }),
    }
    let mut bound = |key: &'static str| -> Option<i32> {
        let Some(text) = pairs.take(key) else {
            collect.fault(Problem::Missing {
                key,
                right: "a lease has rangeStart= and rangeEnd=, whole numbers",
            });
            return None;
        };
        text.parse()
            .map_err(|_| {
                collect.fault(Problem::invalid(
                    key,
                    &text,
                    "use a whole number of 32 bits",
                ))
            })
            .ok()
    };
    let (start, end) = (bound(keys::RANGE_START), bound(keys::RANGE_END));
    let (start, end) = (start?, end?);
    if start > end {
        collect.fault(Problem::invalid(
            keys::RANGE_END,
            &end.to_string(),
            format!("it must not be below rangeStart={start}"),
        ));
    }
    let key_prefix = pairs
        .take(keys::STORAGE_KEY_PREFIX)
        .unwrap_or_else(|| name.base().to_owned());
    Some(Lease {
        key_prefix,
        start,
        end,
    })
}

/// The pairs of a value that nobody has asked for yet.
struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Takes every pair of that key; the last one counts, as in a Java properties file.
    fn take(&mut self, key: &str) -> Option<String> {
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

    fn storage_key(&mut self) -> Option<crate::StorageKey> {
        self.take(keys::STORAGE_KEY).map(|text| match text.parse() {
            Ok(key) => key,
            Err(never) => match never {},
        })
    }
}
