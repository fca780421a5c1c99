//! What is copied together: one value, or the fields of one generation.
//!
//! A store says nothing about types, or not enough. So the fields of a generation are recognised by
//! their paths or members together with their content: a key pair whose halves are of one algorithm, an
//! OpenPGP key with its passphrase, the two equal values of an api-key.

use std::collections::{BTreeMap, HashMap};

use kees_common::{
    Field, Generated, Generation, Locator, SecretType, SecretValue, Spec, StoragePath, StoreName,
};
use kees_store::{ReadStore as _, Store};
use zeroize::Zeroizing;

use crate::values::store::whole;

/// The sets of fields of generations with several fields, the largest first.
const FIELD_SETS: [&[Field]; 3] = [
    &[Field::Public, Field::Private, Field::Password],
    &[Field::Public, Field::Private],
    &[Field::Consumer, Field::Provider],
];

/// Names that are read together, because they can be the fields of one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Group {
    /// The whole content of one name.
    One(StoragePath),
    /// The path without a field, and each field with its path.
    Fields(StoragePath, Vec<(Field, StoragePath)>),
}

impl Group {
    /// How many names it has.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Fields(_, fields) => fields.len(),
        }
    }

    /// Where its values are.
    pub(super) fn locators(&self) -> Vec<Locator> {
        match self {
            Self::One(path) => vec![whole(path)],
            Self::Fields(_, fields) => fields.iter().map(|(_, path)| whole(path)).collect(),
        }
    }
}

/// Groups the names of `store`.
pub(super) fn group(store: &Store, paths: Vec<StoragePath>) -> Vec<Group> {
    if store.name().has_members() {
        paths.into_iter().map(Group::One).collect()
    } else {
        group_flat(paths)
    }
}

fn group_flat(paths: Vec<StoragePath>) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut by_base: BTreeMap<StoragePath, BTreeMap<Field, StoragePath>> = BTreeMap::new();
    for path in paths {
        match split(&path) {
            Some((base, field)) => {
                by_base.entry(base).or_default().insert(field, path);
            }
            None => groups.push(Group::One(path)),
        }
    }
    for (base, mut fields) in by_base {
        for set in FIELD_SETS {
            if set.iter().all(|field| fields.contains_key(field)) {
                let take = |field: &Field| Some((*field, fields.remove(field)?));
                let taken = set.iter().filter_map(take).collect();
                groups.push(Group::Fields(base.clone(), taken));
            }
        }
        groups.extend(fields.into_values().map(Group::One));
    }
    groups
}

/// A path that ends as that of a field does: the path without it, and the field.
fn split(path: &StoragePath) -> Option<(StoragePath, Field)> {
    let (base, word) = path.as_str().rsplit_once('_')?;
    let mut fields = FIELD_SETS.iter().copied().flatten();
    let field = fields.find(|field| field.as_str() == word)?;
    Some((base.parse().ok()?, *field))
}

/// What is copied together.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Value(StoragePath, SecretValue),
    Generation(StoragePath, Spec, Generated),
}

/// The units of a group with these values, one for each name.
pub(super) fn units(group: &Group, values: Vec<SecretValue>) -> Vec<Unit> {
    match group {
        Group::One(path) => values
            .into_iter()
            .map(|value| Unit::Value(path.clone(), value))
            .collect(),
        Group::Fields(base, fields) => {
            let named = fields.iter().map(|(field, _)| *field).zip(values).collect();
            match recognise(base, named) {
                Ok((spec, values)) => vec![Unit::Generation(base.clone(), spec, values)],
                Err(named) => {
                    let paths = fields.iter().map(|(_, path)| path.clone());
                    let values = named.into_iter().map(|(_, value)| value);
                    paths
                        .zip(values)
                        .map(|(path, value)| Unit::Value(path, value))
                        .collect()
                }
            }
        }
    }
}

/// A value of a store with members: the members of a generation, or the value itself. `is_encoded`
/// says that the text is the base64 of a RANDOM.
pub(super) fn from_members(path: StoragePath, value: SecretValue, is_encoded: bool) -> Unit {
    if is_encoded && let Some(bytes) = value.expose_text().and_then(decode) {
        return Unit::Value(path, bytes);
    }
    let members = value.expose_text().and_then(members);
    match members.and_then(|members| recognise(&path, members).ok()) {
        Some((spec, values)) => Unit::Generation(path, spec, values),
        None => Unit::Value(path, value),
    }
}

/// The members of a JSON object that has those of a generation and no others.
fn members(text: &str) -> Option<Vec<(Field, SecretValue)>> {
    let mut object: HashMap<String, String> = serde_json::from_str(text).ok()?;
    let is_of = |set: &&&[Field]| {
        set.len() == object.len() && set.iter().all(|field| object.contains_key(field.as_str()))
    };
    let set = FIELD_SETS.iter().find(is_of)?;
    let is_text = set.contains(&Field::Password);
    let members = set.iter().map(|field| {
        let text = Zeroizing::new(object.remove(field.as_str())?);
        let value = if is_text {
            SecretValue::new(text.as_bytes().to_vec())
        } else {
            decode(&text)?
        };
        Some((*field, value))
    });
    members.collect()
}

/// The bytes of a canonical base64.
fn decode(text: &str) -> Option<SecretValue> {
    let value = SecretValue::from_stored_text(Zeroizing::new(text.to_owned()));
    (!value.is_verbatim()).then_some(value)
}

type Named = Vec<(Field, SecretValue)>;

/// The generation that has these values, or the values if they are of none.
fn recognise(path: &StoragePath, values: Named) -> Result<(Spec, Generated), Named> {
    let bytes: Vec<&[u8]> = values.iter().map(|(_, value)| value.expose()).collect();
    let spec = match bytes[..] {
        _ if values.iter().any(|(_, value)| value.is_verbatim()) => None,
        [public, private, password] => gpg(public, private, password),
        [first, second] if values.iter().all(|(field, _)| is_key(*field)) => {
            key_pair(first, second)
        }
        [consumer, provider] => api_key(path, consumer, provider),
        _ => None,
    };
    match spec {
        Some(spec) => Ok((spec, Generated::new(values))),
        None => Err(values),
    }
}

fn is_key(field: Field) -> bool {
    SecretType::Rsa.fields().contains(&field)
}

/// The object identifiers of the algorithms in DER (RFC 3279, RFC 5480, RFC 8410). A store keeps no
/// size, so any size of the algorithm will do.
const ALGORITHMS: [(&[u8], Spec); 3] = [
    (
        &[
            0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
        ],
        Spec::Rsa { bits: 2048 },
    ),
    (
        &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01],
        Spec::Ec { bits: 256 },
    ),
    (&[0x06, 0x03, 0x2b, 0x65, 0x70], Spec::Ed25519),
];

/// A `SubjectPublicKeyInfo` and a PKCS#8 of one algorithm, whose identifier is near the beginning.
fn key_pair(public: &[u8], private: &[u8]) -> Option<Spec> {
    const SEQUENCE: u8 = 0x30;
    let has = |der: &[u8], identifier: &[u8]| {
        let head = der.get(..40).unwrap_or(der);
        head.first() == Some(&SEQUENCE)
            && head
                .windows(identifier.len())
                .any(|window| window == identifier)
    };
    let mut algorithms = ALGORITHMS.into_iter();
    let (_, spec) = algorithms.find(|(id, _)| has(public, id) && has(private, id))?;
    Some(spec)
}

fn gpg(public: &[u8], private: &[u8], password: &[u8]) -> Option<Spec> {
    let is_armor = public.starts_with(b"-----BEGIN PGP PUBLIC KEY BLOCK-----")
        && private.starts_with(b"-----BEGIN PGP PRIVATE KEY BLOCK-----");
    let are_texts = [public, private, password]
        .iter()
        .all(|bytes| std::str::from_utf8(bytes).is_ok());
    // A store keeps no user id outside the key.
    let user_id = "kees <kees@localhost>".parse().ok()?;
    let bits = 2048;
    (is_armor && are_texts).then_some(Spec::Gpg { bits, user_id })
}

fn api_key(path: &StoragePath, consumer: &[u8], provider: &[u8]) -> Option<Spec> {
    let name = path.as_str().rsplit('/').next().unwrap_or_default();
    (consumer == provider && name.starts_with("api-key")).then_some(Spec::ApiKey { bits: 8 })
}

impl Unit {
    pub(super) fn path(&self) -> &StoragePath {
        match self {
            Self::Value(path, _) | Self::Generation(path, ..) => path,
        }
    }

    /// The words of its fields, if it has several.
    pub(super) fn fields(&self) -> Vec<&'static str> {
        match self {
            Self::Value(..) => Vec::new(),
            Self::Generation(_, _, values) => {
                values.iter().map(|(field, _)| field.as_str()).collect()
            }
        }
    }

    /// The unit as `store` holds it: a generation, unless it is a value that the store can hold as it
    /// is.
    pub(super) fn generation_in(&self, store: StoreName) -> Option<(Generation, Generated)> {
        let (path, spec, values) = match self {
            Self::Generation(path, spec, values) => (path, spec.clone(), values.clone()),
            Self::Value(path, value) if !store.holds_bytes() && value.expose_text().is_none() => {
                let values = Generated::new(vec![(Field::Whole, value.clone())]);
                (path, Spec::Random { bits: 8 }, values)
            }
            Self::Value(..) => return None,
        };
        let path_of = |(field, _)| match field {
            Field::Whole => Some((field, path.clone())),
            named => Some((named, format!("{path}_{named}").parse().ok()?)),
        };
        let generation = Generation {
            store,
            path: path.clone(),
            fields: values.iter().map(path_of).collect::<Option<_>>()?,
            spec,
            entries: Vec::new(),
        };
        Some((generation, values))
    }
}

#[cfg(test)]
mod tests;
