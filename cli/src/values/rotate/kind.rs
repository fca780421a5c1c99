//! What is generated for a secret that exists: what the user says, or what its values look like.

use kees_common::{
    Domain, Field, Generation, Parsed, Secret, SecretType, SecretValue, Source, Spec, StoragePath,
};
use kees_store::{
    ErrorKind, ReadStore as _, RetryBudget, Store, StoreError,
    values::{ListStore as _, retrying},
};

use super::{absent, generation};
use crate::values::error::ValueError;

/// The tag of a secret that kees created.
const TYPE_TAG: &str = "kees/type";

/// The spec of `text`, the keys of a DYNAMIC entry: `type=RSA,size=2048`.
pub(super) fn parse(path: &StoragePath, text: &str) -> Result<Spec, ValueError> {
    let domain = Domain::default();
    let last = path.as_str().rsplit('/').next().unwrap_or_default();
    let base = if last.starts_with("api-key") {
        "api-key"
    } else {
        "secret"
    };
    let value = format!("kind=DYNAMIC,{text}");
    // The name of an entry decides its field. The first name that fits is as good as any other.
    let mut errors = Vec::new();
    for field in ["_public", "_consumer", ""] {
        let key = format!("secret.{domain}/{base}{field}");
        let mut parsed = Parsed::from_annotations(&domain, [(key.as_str(), value.as_str())]);
        if let Some(Source::Secret(Secret::Dynamic { spec, .. })) =
            parsed.entries.pop().map(|entry| entry.source)
        {
            return Ok(spec);
        }
        errors = parsed.errors;
    }
    let reasons = errors.iter().map(|error| error.kind.to_string());
    let reasons: Vec<_> = reasons.collect();
    Err(ValueError::Entry(reasons.join("; ")))
}

/// The generation at `path`, by the values that are stored there.
pub(super) async fn find(
    store: &Store,
    path: &StoragePath,
    budget: &RetryBudget,
) -> Result<Generation, ValueError> {
    for (secret_type, text) in [
        (SecretType::Rsa, "type=RSA,size=2048"),
        (SecretType::Ec, "type=EC,size=256"),
        (SecretType::Ed25519, "type=ED25519"),
        (
            SecretType::Gpg,
            "type=GPG,size=2048,userId=kees <kees@localhost>",
        ),
    ] {
        let pair = generation(store.name(), path, parse(path, text)?);
        let Some(values) = read(store, &pair, budget).await? else {
            continue;
        };
        let values: Vec<_> = values
            .iter()
            .map(|(field, value)| (*field, value))
            .collect();
        let Ok(bits) = kees_generate::verify(secret_type, &values) else {
            continue;
        };
        let text = match (secret_type, bits) {
            (SecretType::Ed25519, _) => "type=ED25519".to_owned(),
            (SecretType::Gpg, _) | (_, None) => return Err(ValueError::UnknownKind(path.clone())),
            (other, Some(bits)) => format!("type={other},size={bits}"),
        };
        return Ok(generation(store.name(), path, parse(path, &text)?));
    }
    let api_key = generation(store.name(), path, Spec::ApiKey { bits: 256 });
    if let Some(values) = read(store, &api_key, budget).await?
        && let Some((_, value)) = values.first()
    {
        let bits = u16::try_from(value.len() * 8).ok();
        let bits = bits.ok_or_else(|| ValueError::UnknownKind(path.clone()))?;
        return Ok(generation(store.name(), path, Spec::ApiKey { bits }));
    }
    let text = one_value(store, path, budget).await?;
    Ok(generation(store.name(), path, parse(path, &text)?))
}

/// The keys of an entry for the one value at `path`.
async fn one_value(
    store: &Store,
    path: &StoragePath,
    budget: &RetryBudget,
) -> Result<String, ValueError> {
    let mut budget_of_call = RetryBudget::new(budget.left());
    let described = retrying(store.name(), &mut budget_of_call, || store.describe(path)).await?;
    let described = described.ok_or_else(|| absent(store, path))?;
    let tag = described.tags.iter().find(|(key, _)| key == TYPE_TAG);
    let is_random = tag.is_some_and(|(_, value)| value == SecretType::Random.as_str());
    let spec = if is_random {
        Spec::Random { bits: 8 }
    } else {
        Spec::Password { bits: 8 }
    };
    let whole = generation(store.name(), path, spec);
    let values = read(store, &whole, budget).await?;
    let (_, value) = values
        .and_then(|values| values.into_iter().next())
        .ok_or_else(|| absent(store, path))?;
    let is_uuid = kees_generate::verify(SecretType::Uuid, &[(Field::Whole, &value)]).is_ok();
    let size = value.len() * 8;
    Ok(match value.expose_text() {
        _ if is_random => format!("type=RANDOM,size={size}"),
        _ if is_uuid => "type=UUID".to_owned(),
        Some(text) if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            format!("type=PASSWORD,size={size}")
        }
        Some(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            format!("type=PASSWORD,size={size},alphabet=ascii")
        }
        _ => format!("type=RANDOM,size={size}"),
    })
}

/// Every value of `generation`; `None` if one is absent or is something else.
async fn read(
    store: &Store,
    generation: &Generation,
    budget: &RetryBudget,
) -> Result<Option<Vec<(Field, SecretValue)>>, ValueError> {
    let fields = generation.fields.iter().map(|(field, _)| *field);
    let locators: Vec<_> = fields
        .clone()
        .map(|field| generation.locator(field))
        .collect();
    let read = || async {
        let found = store.read_together(&locators).await.into_iter();
        found.collect::<Result<Option<Vec<_>>, StoreError>>()
    };
    let mut budget = RetryBudget::new(budget.left());
    match retrying(store.name(), &mut budget, read).await {
        Ok(values) => Ok(values.map(|values| fields.zip(values).collect())),
        // It has not the members of this type.
        Err(error) if error.kind == ErrorKind::Malformed => Ok(None),
        Err(error) => Err(error.into()),
    }
}
