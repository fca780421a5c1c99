//! The grammar of `secret.DOMAIN/NAME`.

use super::{entry::lookup, unused::UnusedPairs};
use crate::{
    collector::Collector,
    entry::{Secret, StorageKey},
    error::AnnotationErrorKind,
    field::Field,
    name::EntryName,
    names::keys,
    secret_type::SecretType,
    spec::Spec,
    user_id::UserId,
};

pub(super) fn parse(
    name: &EntryName,
    pairs: &mut UnusedPairs<'_>,
    collect: &mut Collector<'_>,
) -> Option<Secret> {
    match pairs.take(keys::KIND).as_deref() {
        Some("DYNAMIC") => dynamic(name, pairs, collect),
        Some("REFERENCE") => reference(name, pairs, collect),
        Some(other) => {
            let right = "use DYNAMIC or REFERENCE, in upper case";
            collect.error(AnnotationErrorKind::invalid(keys::KIND, other, right));
            None
        }
        None => {
            let right = "use kind=DYNAMIC or kind=REFERENCE";
            collect.error(AnnotationErrorKind::missing(keys::KIND, right));
            None
        }
    }
}

fn dynamic(
    name: &EntryName,
    pairs: &mut UnusedPairs<'_>,
    collect: &mut Collector<'_>,
) -> Option<Secret> {
    let storage_key = pairs.storage_key();
    let size = pairs.take(keys::SIZE);
    let Some(text) = pairs.take(keys::TYPE) else {
        let right = format!("use {}", SecretType::list());
        collect.error(AnnotationErrorKind::missing(keys::TYPE, right));
        return None;
    };
    let secret_type = collect.parse::<SecretType>(keys::TYPE, &text)?;
    let field = collect.ok(field_of(secret_type, name));
    if let Some(key) = &storage_key {
        // A path for each field, or one path for the only value.
        let has_fields = field != Some(Field::Whole);
        check_storage_key(key, secret_type, has_fields, collect);
    }
    let bits = size_bits(secret_type, size.as_deref(), collect);
    let spec = match secret_type {
        SecretType::Gpg => {
            let user_id = user_id(pairs, collect);
            bits.zip(user_id)
                .map(|(bits, user_id)| Spec::Gpg { bits, user_id })
        }
        other => bits.map(|bits| spec(other, bits, field)),
    };
    Some(Secret::Dynamic {
        spec: spec?,
        field: field?,
        storage_key,
    })
}

fn reference(
    name: &EntryName,
    pairs: &mut UnusedPairs<'_>,
    collect: &mut Collector<'_>,
) -> Option<Secret> {
    let lookup = lookup(pairs);
    let size = pairs.take(keys::SIZE);
    let secret_type = match pairs.take(keys::TYPE) {
        Some(text) => Some(collect.parse::<SecretType>(keys::TYPE, &text)?),
        None => None,
    };
    let field = secret_type.and_then(|secret_type| field_of(secret_type, name).ok());
    let member = secret_type
        .zip(field)
        .filter(|(_, field)| *field != Field::Whole);
    let local_spec =
        secret_type.and_then(|secret_type| local_spec(secret_type, field, size.as_deref(), pairs));
    Some(Secret::Reference {
        lookup,
        member,
        local_spec,
    })
}

/// What local mode derives for a REFERENCE, as the original does where type and size are given.
/// Outside local mode a REFERENCE needs neither, so nothing here is an error.
fn local_spec(
    secret_type: SecretType,
    field: Option<Field>,
    size: Option<&str>,
    pairs: &mut UnusedPairs<'_>,
) -> Option<Spec> {
    let user_id = match secret_type {
        SecretType::Gpg => pairs.take(keys::USER_ID),
        _ => None,
    };
    let bits = size?
        .parse()
        .ok()
        .filter(|bits| secret_type.has_size(*bits))?;
    match secret_type {
        SecretType::Gpg => field.and(Some(Spec::Gpg {
            bits,
            user_id: user_id?.parse().ok()?,
        })),
        SecretType::Rsa => field.and(Some(Spec::Rsa { bits })),
        other => Some(spec(other, bits, field.or(Some(Field::Whole)))),
    }
}

fn check_storage_key(
    key: &StorageKey,
    secret_type: SecretType,
    has_fields: bool,
    collect: &mut Collector<'_>,
) {
    if has_fields {
        let what = match secret_type {
            SecretType::Random => "api-key",
            other => other.as_str(),
        };
        collect.error(AnnotationErrorKind::DynamicStorageKey(what.to_owned()));
    } else if key.as_str().is_empty() {
        let right = "give the path below the prefix, or remove it";
        collect.error(AnnotationErrorKind::invalid(keys::STORAGE_KEY, "", right));
    }
}

fn user_id(pairs: &mut UnusedPairs<'_>, collect: &mut Collector<'_>) -> Option<UserId> {
    let Some(text) = pairs.take(keys::USER_ID) else {
        let right = "GPG needs a user id such as userId=Team A <team-a@example.com>";
        collect.error(AnnotationErrorKind::missing(keys::USER_ID, right));
        return None;
    };
    collect.parse(keys::USER_ID, &text)
}

/// The spec of any type but GPG.
fn spec(secret_type: SecretType, bits: u16, field: Option<Field>) -> Spec {
    match secret_type {
        SecretType::Rsa => Spec::Rsa { bits },
        SecretType::Random if field != Some(Field::Whole) => Spec::ApiKey { bits },
        SecretType::Random => Spec::Random { bits },
        SecretType::Password | SecretType::Gpg => Spec::Password { bits },
    }
}

/// Which field of its type `name` is; an error if the type has fields and `name` is none of them.
fn field_of(secret_type: SecretType, name: &EntryName) -> Result<Field, AnnotationErrorKind> {
    let (what, fields) = match secret_type {
        SecretType::Random if name.is_api_key() => (
            "a RANDOM whose name begins with api-key",
            Spec::API_KEY_FIELDS,
        ),
        other => (other.as_str(), other.fields()),
    };
    if fields == [Field::Whole] {
        return Ok(Field::Whole);
    }
    let named = fields
        .iter()
        .find(|field| name.field() == Some(field.as_str()));
    named
        .copied()
        .ok_or_else(|| AnnotationErrorKind::field(what, fields))
}

fn size_bits(
    secret_type: SecretType,
    size: Option<&str>,
    collect: &mut Collector<'_>,
) -> Option<u16> {
    let right = secret_type.right_size();
    let Some(text) = size else {
        collect.error(AnnotationErrorKind::missing(keys::SIZE, right));
        return None;
    };
    let bits = text.parse().ok().filter(|bits| secret_type.has_size(*bits));
    if bits.is_none() {
        collect.error(AnnotationErrorKind::invalid(keys::SIZE, text, right));
    }
    bits
}
