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

/// The fields whose paths begin with that of their secret.
const FIELDS: [Field; 5] = [
    Field::Public,
    Field::Private,
    Field::Password,
    Field::Consumer,
    Field::Provider,
];

/// The keys of an entry that do not say what is generated.
const OTHER_KEYS: [&str; 8] = [
    "kind",
    "storageKey",
    "store",
    "property",
    "encoding",
    "rotate",
    "retain",
    "previous",
];

/// The spec of `text`, the keys of a DYNAMIC entry: `type=RSA,size=2048`.
pub(super) fn parse(path: &StoragePath, text: &str) -> Result<Spec, ValueError> {
    let mut keys = text.split(',').filter_map(|pair| pair.split_once('='));
    let other = keys.find_map(|(key, _)| OTHER_KEYS.into_iter().find(|other| *other == key.trim()));
    if let Some(key) = other {
        return Err(ValueError::OtherKey(key));
    }
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
            // An unknown key.
            if let Some(warning) = parsed.warnings.first() {
                return Err(ValueError::Entry(warning.to_string()));
            }
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
    let spec = match several_fields(store, path, budget).await? {
        Some(Several { spec, .. }) => spec.ok_or_else(|| ValueError::UnknownKind(path.clone()))?,
        None => parse(path, &one_value(store, path, budget).await?)?,
    };
    Ok(generation(store.name(), path, spec))
}

/// The fields of the generation at `path`, for a command that generates nothing.
pub(super) async fn find_fields(
    store: &Store,
    path: &StoragePath,
    budget: &RetryBudget,
) -> Result<Generation, ValueError> {
    let several = several_fields(store, path, budget).await?;
    let spec = several.map_or(Spec::Random { bits: 8 }, |several| several.example);
    Ok(generation(store.name(), path, spec))
}

/// Refuses a path whose rotation would break another secret, and a spec of another type than what is stored.
pub(super) async fn check(
    store: &Store,
    path: &StoragePath,
    given: Option<&Spec>,
    budget: &RetryBudget,
) -> Result<(), ValueError> {
    let whole = |suffix: &str| path.as_str().strip_suffix(suffix)?.parse().ok();
    if let Some(of) = [StoragePath::PREVIOUS, StoragePath::ROTATING]
        .into_iter()
        .find_map(whole)
    {
        let path = path.clone();
        return Err(ValueError::KeptByRotation { path, of });
    }
    for field in FIELDS {
        if let Some(whole) = whole(&format!("_{field}"))
            && several_fields(store, &whole, budget).await?.is_some()
        {
            let path = path.clone();
            return Err(ValueError::OneField { path, whole });
        }
    }
    let Some(given) = given else {
        return Ok(());
    };
    match several_fields(store, path, budget).await? {
        Some(Several { stored, .. }) if stored != given.secret_type() => {
            let path = path.clone();
            Err(ValueError::OtherType { path, stored })
        }
        None if given.fields().len() > 1 => {
            let mut budget = RetryBudget::new(budget.left());
            let described = retrying(store.name(), &mut budget, || store.describe(path)).await?;
            let given = given.secret_type();
            described.map_or(Ok(()), |_| {
                let path = path.clone();
                Err(ValueError::OneValue { path, given })
            })
        }
        _ => Ok(()),
    }
}

/// A secret whose generations have several fields.
struct Several {
    stored: SecretType,
    /// A spec with the same fields.
    example: Spec,
    /// `None` if its values do not say what was asked for.
    spec: Option<Spec>,
}

/// What the fields below `path` are, if all of them are stored and belong together.
async fn several_fields(
    store: &Store,
    path: &StoragePath,
    budget: &RetryBudget,
) -> Result<Option<Several>, ValueError> {
    for (stored, text) in [
        (SecretType::Rsa, "type=RSA,size=2048"),
        (SecretType::Ec, "type=EC,size=256"),
        (SecretType::Ed25519, "type=ED25519"),
        (
            SecretType::Gpg,
            "type=GPG,size=2048,userId=kees <kees@localhost>",
        ),
    ] {
        let example = parse(path, text)?;
        let pair = generation(store.name(), path, example.clone());
        let Some(values) = read(store, &pair, budget).await? else {
            continue;
        };
        let values: Vec<_> = values
            .iter()
            .map(|(field, value)| (*field, value))
            .collect();
        let Ok(bits) = kees_generate::verify(stored, &values) else {
            continue;
        };
        let text = match (stored, bits) {
            (SecretType::Ed25519, _) => Some("type=ED25519".to_owned()),
            (SecretType::Gpg, _) | (_, None) => None,
            (other, Some(bits)) => Some(format!("type={other},size={bits}")),
        };
        let spec = text.map(|text| parse(path, &text)).transpose()?;
        return Ok(Some(Several {
            stored,
            example,
            spec,
        }));
    }
    let api_key = generation(store.name(), path, Spec::ApiKey { bits: 256 });
    let values = read(store, &api_key, budget).await?;
    let value = values.as_ref().and_then(|values| values.first());
    Ok(value.map(|(_, value)| Several {
        stored: SecretType::Random,
        example: Spec::ApiKey { bits: 256 },
        spec: u16::try_from(value.len() * 8)
            .ok()
            .map(|bits| Spec::ApiKey { bits }),
    }))
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
    let has_type = |of: SecretType| tag.is_some_and(|(_, value)| value == of.as_str());
    let is_random = has_type(SecretType::Random);
    let is_password = has_type(SecretType::Password);
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
    // Without a tag, only what looks generated is taken for it: somebody may have stored this value.
    let is_usual = size >= 64 && size.is_multiple_of(64);
    let is_all = |text: &str, of: fn(&u8) -> bool| text.as_bytes().iter().all(of);
    Ok(match value.expose_text() {
        _ if is_random => format!("type=RANDOM,size={size}"),
        _ if is_uuid => "type=UUID".to_owned(),
        Some(text) if (is_password || is_usual) && is_all(text, u8::is_ascii_alphanumeric) => {
            format!("type=PASSWORD,size={size}")
        }
        Some(text) if is_password && is_all(text, u8::is_ascii_graphic) => {
            format!("type=PASSWORD,size={size},alphabet=ascii")
        }
        None if is_usual => format!("type=RANDOM,size={size}"),
        _ => return Err(ValueError::UnknownKind(path.clone())),
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
