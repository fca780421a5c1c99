//! The grammar of `secret.DOMAIN/NAME`.

use super::{Collector, Pairs, lookup};
use crate::{
    EntryName, Field, Secret, SecretType, Spec, StorageKey,
    fault::{AnnotationErrorKind, fields_of},
    names::keys,
};

pub(super) fn secret(
    name: &EntryName,
    pairs: &mut Pairs<'_>,
    collect: &mut Collector<'_>,
) -> Option<Secret> {
    match pairs.take(keys::KIND).as_deref() {
        Some("DYNAMIC") => dynamic(name, pairs, collect),
        Some("REFERENCE") => reference(name, pairs, collect),
        Some(other) => {
            let right = "use DYNAMIC or REFERENCE, in upper case";
            collect.fault(AnnotationErrorKind::invalid(keys::KIND, other, right));
            None
        }
        None => {
            let right = "use kind=DYNAMIC or kind=REFERENCE";
            collect.fault(AnnotationErrorKind::Missing {
                key: keys::KIND,
                right,
            });
            None
        }
    }
}

fn dynamic(name: &EntryName, pairs: &mut Pairs<'_>, collect: &mut Collector<'_>) -> Option<Secret> {
    let storage_key = pairs.storage_key();
    let size = pairs.take(keys::SIZE);
    let Some(text) = pairs.take(keys::TYPE) else {
        let right = "use RSA, GPG, PASSWORD or RANDOM";
        collect.fault(AnnotationErrorKind::Missing {
            key: keys::TYPE,
            right,
        });
        return None;
    };
    let secret_type = secret_type(&text, collect)?;
    let field = field_of(secret_type, name).map_err(|what| {
        collect.fault(AnnotationErrorKind::Field {
            what: what.to_owned(),
            has: fields_of(secret_type),
        });
    });
    // A field of its own means that the generation has several values, each with its own path.
    let many = !matches!(field, Ok(None));
    if let Some(key) = &storage_key {
        check_storage_key(key, secret_type, many, collect);
    }
    let bits = size_bits(secret_type, size.as_deref(), collect);
    let spec = match secret_type {
        SecretType::Gpg => gpg_spec(bits, pairs, collect),
        other => bits.map(|bits| plain_spec(other, bits, many)),
    };
    Some(Secret::Dynamic {
        spec: spec?,
        field: field.ok()?.unwrap_or(Field::Whole),
        storage_key,
    })
}

fn reference(
    name: &EntryName,
    pairs: &mut Pairs<'_>,
    collect: &mut Collector<'_>,
) -> Option<Secret> {
    let lookup = lookup(pairs);
    let size = pairs.take(keys::SIZE);
    let secret_type = match pairs.take(keys::TYPE) {
        Some(text) => Some(secret_type(&text, collect)?),
        None => None,
    };
    let field = secret_type.and_then(|t| field_of(t, name).ok().flatten());
    let member = secret_type.zip(field);
    let local_spec = secret_type.and_then(|t| local_spec(t, field, size.as_deref(), pairs));
    Some(Secret::Reference {
        lookup,
        member,
        local_spec,
    })
}

/// What local mode may derive for a REFERENCE: the original derives a value from type and size
/// where they are given. Nothing here is a fault, since a REFERENCE needs neither.
fn local_spec(
    secret_type: SecretType,
    field: Option<Field>,
    size: Option<&str>,
    pairs: &mut Pairs<'_>,
) -> Option<Spec> {
    let user_id = match secret_type {
        SecretType::Gpg => pairs.take(keys::USER_ID),
        _ => None,
    };
    let bits = size?
        .parse()
        .ok()
        .filter(|bits| is_sound(secret_type, *bits))?;
    match secret_type {
        SecretType::Gpg => field.and(Some(Spec::Gpg {
            bits,
            user_id: user_id?.parse().ok()?,
        })),
        SecretType::Rsa => field.and(Some(Spec::Rsa { bits })),
        other => Some(plain_spec(other, bits, field.is_some())),
    }
}

fn secret_type(text: &str, collect: &mut Collector<'_>) -> Option<SecretType> {
    let right = "use RSA, GPG, PASSWORD or RANDOM, in upper case";
    text.parse()
        .map_err(|()| collect.fault(AnnotationErrorKind::invalid(keys::TYPE, text, right)))
        .ok()
}

fn check_storage_key(
    key: &StorageKey,
    secret_type: SecretType,
    many: bool,
    collect: &mut Collector<'_>,
) {
    if many {
        let what = match secret_type {
            SecretType::Random => "api-key",
            other => other.as_str(),
        };
        collect.fault(AnnotationErrorKind::DynamicStorageKey(what.to_owned()));
    } else if key.as_str().is_empty() {
        let right = "give the path below the prefix, or remove it";
        collect.fault(AnnotationErrorKind::invalid(keys::STORAGE_KEY, "", right));
    }
}

fn gpg_spec(bits: Option<u16>, pairs: &mut Pairs<'_>, collect: &mut Collector<'_>) -> Option<Spec> {
    let Some(text) = pairs.take(keys::USER_ID) else {
        let right = "GPG needs a user id such as userId=Team A <team-a@example.com>";
        collect.fault(AnnotationErrorKind::Missing {
            key: keys::USER_ID,
            right,
        });
        return None;
    };
    let right = "use a name and an address in angle brackets, such as Team A <team-a@example.com>";
    let user_id = text
        .parse()
        .map_err(|()| collect.fault(AnnotationErrorKind::invalid(keys::USER_ID, &text, right)));
    Some(Spec::Gpg {
        bits: bits?,
        user_id: user_id.ok()?,
    })
}

/// A spec of anything but GPG. `many`: the generation has several values.
fn plain_spec(secret_type: SecretType, bits: u16, many: bool) -> Spec {
    match secret_type {
        SecretType::Rsa => Spec::Rsa { bits },
        SecretType::Random if many => Spec::ApiKey { bits },
        SecretType::Random => Spec::Random { bits },
        SecretType::Password | SecretType::Gpg => Spec::Password { bits },
    }
}

/// The field of `name` where its type has fields: `Ok(None)` where the value is the only one, and
/// an error that says what has fields where the name has none of them.
fn field_of(secret_type: SecretType, name: &EntryName) -> Result<Option<Field>, &'static str> {
    let field = match (secret_type, name.field()) {
        (SecretType::Rsa | SecretType::Gpg, Some("public")) => Field::Public,
        (SecretType::Rsa | SecretType::Gpg, Some("private")) => Field::Private,
        (SecretType::Gpg, Some("password")) => Field::Password,
        (SecretType::Rsa | SecretType::Gpg, _) => return Err(secret_type.as_str()),
        (SecretType::Random, field) if name.base().starts_with("api-key") => match field {
            Some("consumer") => Field::Consumer,
            Some("provider") => Field::Provider,
            _ => return Err("a RANDOM whose name begins with api-key"),
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
    let right = right_size(secret_type);
    let Some(text) = size else {
        collect.fault(AnnotationErrorKind::Missing {
            key: keys::SIZE,
            right,
        });
        return None;
    };
    let bits = text
        .parse()
        .ok()
        .filter(|bits| is_sound(secret_type, *bits));
    if bits.is_none() {
        collect.fault(AnnotationErrorKind::invalid(keys::SIZE, text, right));
    }
    bits
}

fn is_sound(secret_type: SecretType, bits: u16) -> bool {
    match secret_type {
        SecretType::Rsa => matches!(bits, 2048 | 4096),
        SecretType::Gpg => matches!(bits, 2048 | 3072 | 4096),
        SecretType::Password | SecretType::Random => (8..=8192).contains(&bits),
    }
}

fn right_size(secret_type: SecretType) -> &'static str {
    match secret_type {
        SecretType::Rsa => "an RSA key has size=2048 or size=4096",
        SecretType::Gpg => "a GPG key has size=2048, size=3072 or size=4096",
        SecretType::Password => "a PASSWORD has a size of 8 to 8192 bits, a character for each 8",
        SecretType::Random => "a RANDOM has a size of 8 to 8192 bits, a byte for each 8",
    }
}
