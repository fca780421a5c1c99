//! The grammar of `secret.DOMAIN/NAME`.

use super::lookup::lookup;
use crate::{
    collector::Collector,
    entry::{Secret, StorageKey},
    error::AnnotationErrorKind,
    field::Field,
    name::EntryName,
    names::keys,
    password_rules::{Alphabet, Classes, PasswordRules},
    secret_type::SecretType,
    spec::Spec,
    unused::UnusedPairs,
    user_id::UserId,
};

const DYNAMIC: &str = "DYNAMIC";
const REFERENCE: &str = "REFERENCE";

/// The secret, or `None` where it has errors. `name` is `None` if it is invalid, which is then
/// already an error.
pub(super) fn parse(
    name: Option<&EntryName>,
    pairs: &mut UnusedPairs<'_>,
    collect: &mut Collector<'_>,
) -> Option<Secret> {
    let right = || format!("use kind={DYNAMIC} or kind={REFERENCE}");
    let kind = pairs.take_required(keys::KIND, right, collect);
    if let Some(kind) = &kind
        && !matches!(&**kind, DYNAMIC | REFERENCE)
    {
        let right = format!("use {DYNAMIC} or {REFERENCE}, in upper case");
        collect.error(AnnotationErrorKind::invalid(keys::KIND, kind, right));
        pairs.allow_missing();
    }
    // A kind in lower case is an error, but it says how to check the keys that are there.
    match kind.map(|kind| kind.to_ascii_uppercase()).as_deref() {
        Some(DYNAMIC) => dynamic(name, pairs, collect),
        Some(REFERENCE) => Some(reference(name, pairs, collect)),
        _ => {
            secret_type(pairs, collect);
            None
        }
    }
}

fn dynamic(
    name: Option<&EntryName>,
    pairs: &mut UnusedPairs<'_>,
    collect: &mut Collector<'_>,
) -> Option<Secret> {
    let storage_key = pairs.take_path(keys::STORAGE_KEY, collect);
    let storage_key = storage_key.map(StorageKey::from);
    let right = || format!("use {}", SecretType::list(SecretType::ALL));
    let Some(text) = pairs.take_required(keys::TYPE, right, collect) else {
        pairs.take(keys::SIZE);
        return None;
    };
    let secret_type = valid_type(&text, collect)?;
    let field = name.and_then(|name| {
        let field = dynamic_field(secret_type, name, storage_key.is_some());
        collect.ok(field)
    });
    if let Some(key) = &storage_key {
        check_storage_key(key, secret_type, collect);
    }
    let bits = size_bits(secret_type, pairs, collect);
    let spec = match secret_type {
        SecretType::Gpg => {
            let user_id = user_id(pairs, collect);
            bits.zip(user_id)
                .map(|(bits, user_id)| Spec::Gpg { bits, user_id })
        }
        SecretType::Password => {
            let rules = password_rules(bits, pairs, collect);
            bits.zip(rules).map(|(bits, rules)| password(bits, rules))
        }
        other => bits
            .zip(field)
            .map(|(bits, field)| spec(other, bits, field)),
    };
    Some(Secret::Dynamic {
        spec: spec?,
        field: field?,
        storage_key,
    })
}

fn reference(
    name: Option<&EntryName>,
    pairs: &mut UnusedPairs<'_>,
    collect: &mut Collector<'_>,
) -> Secret {
    let lookup = lookup(pairs, collect);
    if lookup.has_every_member() {
        // Each member is a value of its own, so the entry has no type.
        return Secret::Reference {
            lookup,
            member: None,
            local_spec: None,
        };
    }
    let size = pairs.take(keys::SIZE);
    let secret_type = secret_type(pairs, collect);
    let field = secret_type
        .zip(name)
        .and_then(|(secret_type, name)| field_of(secret_type, name).ok());
    let member = secret_type
        .zip(field)
        .filter(|(_, field)| *field != Field::Whole);
    let local_spec = secret_type
        .and_then(|secret_type| local_spec(secret_type, field, size.as_deref(), pairs, collect));
    Secret::Reference {
        lookup,
        member,
        local_spec,
    }
}

/// What local mode derives for a REFERENCE, as the original does where the type is given. Outside
/// local mode a REFERENCE needs neither type nor size, so nothing here is an error.
fn local_spec(
    secret_type: SecretType,
    field: Option<Field>,
    size: Option<&str>,
    pairs: &mut UnusedPairs<'_>,
    collect: &mut Collector<'_>,
) -> Option<Spec> {
    let user_id = match secret_type {
        SecretType::Gpg => pairs.take(keys::USER_ID),
        _ => None,
    };
    let parsed = size.map(|size| size.parse().ok());
    let bits = match parsed.map(|bits| bits.filter(|bits| secret_type.accepts_size(*bits))) {
        None => secret_type.local_bits(),
        Some(Some(bits)) => bits,
        Some(None) => {
            let bits = secret_type.local_bits();
            let right = secret_type.right_size();
            collect.warn(format!(
                "size= is ignored, local mode uses size={bits}; {right}"
            ));
            bits
        }
    };
    match secret_type {
        SecretType::Gpg => field.and(Some(Spec::Gpg {
            bits,
            user_id: user_id?.parse().ok()?,
        })),
        SecretType::Password => Some(password(bits, password_rules(Some(bits), pairs, collect)?)),
        SecretType::Random => Some(spec(secret_type, bits, field.unwrap_or(Field::Whole))),
        other => Some(spec(other, bits, field?)),
    }
}

/// `type=`, which may be missing.
fn secret_type(pairs: &mut UnusedPairs<'_>, collect: &mut Collector<'_>) -> Option<SecretType> {
    let text = pairs.take(keys::TYPE)?;
    valid_type(&text, collect)
}

/// The type of that name. One in lower case is an error, but it says which other keys to check.
fn valid_type(text: &str, collect: &mut Collector<'_>) -> Option<SecretType> {
    collect
        .parse(keys::TYPE, text)
        .or_else(|| text.to_ascii_uppercase().parse().ok())
}

fn check_storage_key(key: &StorageKey, secret_type: SecretType, collect: &mut Collector<'_>) {
    if secret_type.fields() != [Field::Whole] {
        let kind = AnnotationErrorKind::DynamicStorageKey(secret_type.to_string());
        collect.error(kind);
    } else if key.as_str().is_empty() {
        let right = "give the path below the prefix, or remove it";
        collect.error(AnnotationErrorKind::invalid(keys::STORAGE_KEY, "", right));
    }
}

fn user_id(pairs: &mut UnusedPairs<'_>, collect: &mut Collector<'_>) -> Option<UserId> {
    let right = "GPG needs a user id such as userId=Team A <team-a@example.com>";
    let text = pairs.take_required(keys::USER_ID, || right, collect)?;
    collect.parse(keys::USER_ID, &text)
}

/// `alphabet=` and `classes=`. `bits` is the size, if it is valid.
fn password_rules(
    bits: Option<u16>,
    pairs: &mut UnusedPairs<'_>,
    collect: &mut Collector<'_>,
) -> Option<PasswordRules> {
    let alphabet = match pairs.take(keys::ALPHABET) {
        Some(text) => collect.parse(keys::ALPHABET, &text),
        None => Some(Alphabet::default()),
    };
    let classes = match pairs.take(keys::CLASSES) {
        Some(text) => collect.parse(keys::CLASSES, &text),
        None => Some(Classes::default()),
    };
    let (alphabet, classes) = (alphabet?, classes?);
    let text = classes.to_string();
    if let Some(class) = classes.iter().find(|class| !alphabet.has_class(*class)) {
        let right = format!("alphabet={alphabet} has no character of the class {class}");
        collect.error(AnnotationErrorKind::invalid(keys::CLASSES, &text, right));
        return None;
    }
    if bits.is_some_and(|bits| usize::from(bits / 8) < classes.len()) {
        let right = "a PASSWORD has a size of at least 8 bits for each class";
        collect.error(AnnotationErrorKind::invalid(keys::CLASSES, &text, right));
        return None;
    }
    Some(PasswordRules { alphabet, classes })
}

fn password(bits: u16, rules: PasswordRules) -> Spec {
    if rules == PasswordRules::default() {
        Spec::Password { bits }
    } else {
        Spec::RuledPassword { bits, rules }
    }
}

/// The spec of any type but GPG, and of a PASSWORD without rules.
fn spec(secret_type: SecretType, bits: u16, field: Field) -> Spec {
    match secret_type {
        SecretType::Rsa => Spec::Rsa { bits },
        SecretType::Ec => Spec::Ec { bits },
        SecretType::Ed25519 => Spec::Ed25519,
        SecretType::Random if field != Field::Whole => Spec::ApiKey { bits },
        SecretType::Random => Spec::Random { bits },
        SecretType::Uuid => Spec::Uuid,
        SecretType::Password | SecretType::Gpg => Spec::Password { bits },
    }
}

/// The field of a DYNAMIC secret.
///
/// An `api-key` is one value under two names. With `storageKey=`, the original stores it once, under
/// that key, whatever field the name has. Without `storageKey=` and without one of the two fields,
/// the original's local mode derives the value; [`crate::Plan`] allows such an entry only there.
fn dynamic_field(
    secret_type: SecretType,
    name: &EntryName,
    has_storage_key: bool,
) -> Result<Field, AnnotationErrorKind> {
    let is_api_key = secret_type == SecretType::Random && name.is_api_key();
    match field_of(secret_type, name) {
        Ok(_) if is_api_key && has_storage_key => Ok(Field::Whole),
        Err(_) if is_api_key => Ok(Field::Whole),
        field => field,
    }
}

/// The field at the end of `name`; an error if the type has fields and the name has none of them.
fn field_of(secret_type: SecretType, name: &EntryName) -> Result<Field, AnnotationErrorKind> {
    let is_api_key = secret_type == SecretType::Random && name.is_api_key();
    let fields = if is_api_key {
        Spec::API_KEY_FIELDS
    } else {
        secret_type.fields()
    };
    let named = fields
        .iter()
        .find(|field| name.field() == Some(field.as_str()));
    match named {
        Some(field) => Ok(*field),
        None if fields == [Field::Whole] => Ok(Field::Whole),
        None if is_api_key => Err(AnnotationErrorKind::api_key_field()),
        None => Err(AnnotationErrorKind::field(secret_type.as_str(), fields)),
    }
}

fn size_bits(
    secret_type: SecretType,
    pairs: &mut UnusedPairs<'_>,
    collect: &mut Collector<'_>,
) -> Option<u16> {
    let right = secret_type.right_size();
    let text = match (pairs.take(keys::SIZE), secret_type.default_bits()) {
        (Some(text), _) => text,
        (None, Some(bits)) => return Some(bits),
        (None, None) => pairs.take_required(keys::SIZE, || right, collect)?,
    };
    let bits = text
        .parse()
        .ok()
        .filter(|bits| secret_type.accepts_size(*bits));
    match bits {
        None => collect.error(AnnotationErrorKind::invalid(keys::SIZE, &text, right)),
        Some(bits) if !secret_type.creates_size(bits) => collect.warn(format!(
            "a stored {secret_type} key of size={bits} is read, but none is created; {right}"
        )),
        Some(_) => {}
    }
    bits
}
