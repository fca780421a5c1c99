//! A rule as it is written in the policy file.

use std::{num::NonZeroUsize, sync::Arc};

use kees_common::StoreName;
use serde::{Deserialize, Deserializer, de};

use crate::{
    pod::resources::Resources,
    policy::{
        limits::Limits,
        objects::ObjectPatterns,
        patterns::Patterns,
        rule::{AllowedPrefix, Create, Mode, Origin, Rule},
        template::PrefixTemplate,
    },
};

/// One element of `rules:`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RuleFile {
    #[serde(default, deserialize_with = "name")]
    pub(super) name: Option<String>,
    #[serde(deserialize_with = "not_empty")]
    namespaces: Patterns,
    #[serde(default, deserialize_with = "some_not_empty")]
    service_accounts: Option<Patterns>,
    #[serde(default, deserialize_with = "template")]
    storage_prefix: Option<PrefixTemplate>,
    #[serde(default, deserialize_with = "stores")]
    stores: Option<Vec<StoreName>>,
    #[serde(default)]
    local_mode: bool,
    #[serde(default)]
    create: Create,
    #[serde(default)]
    references: Patterns,
    #[serde(default)]
    class_objects: ObjectPatterns,
    #[serde(default)]
    resources: Option<Resources>,
    #[serde(default)]
    instance_metadata: bool,
    #[serde(default, deserialize_with = "limit")]
    max_entries: Option<NonZeroUsize>,
    #[serde(default)]
    max_keys: Option<usize>,
    #[serde(default = "allowed")]
    opt_out: bool,
    #[serde(default)]
    mode: Option<Mode>,
    #[serde(default)]
    strict: Option<bool>,
}

impl RuleFile {
    /// The rule. `number` is its place in the file, counted from 1; `mode` and `strict` are those of
    /// the file.
    pub(super) fn into_rule(self, number: usize, mode: Mode, strict: bool) -> Rule {
        let Self {
            name,
            namespaces,
            service_accounts,
            storage_prefix,
            stores,
            local_mode,
            create,
            references,
            class_objects,
            resources,
            instance_metadata,
            max_entries,
            max_keys,
            opt_out,
            mode: own_mode,
            strict: own_strict,
        } = self;
        Rule {
            origin: Origin::File(Arc::from(name.unwrap_or_else(|| number.to_string()))),
            namespaces,
            service_accounts,
            prefix: storage_prefix.map_or(AllowedPrefix::None, AllowedPrefix::AtOrBelow),
            stores,
            local_mode,
            create,
            references,
            class_objects,
            resources,
            instance_metadata,
            limits: Limits::new(max_entries, max_keys),
            opt_out,
            mode: own_mode.unwrap_or(mode),
            strict: own_strict.unwrap_or(strict),
        }
    }
}

fn allowed() -> bool {
    true
}

/// A name is a value of a label of the metrics, and it cannot be the number of another rule.
fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let is_valid = name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if is_valid {
        Ok(Some(name))
    } else {
        Err(de::Error::custom(
            "a name begins with a letter and has at most 63 letters, digits, '-', '_' and '.'",
        ))
    }
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Patterns, D::Error> {
    let patterns = Patterns::deserialize(deserializer)?;
    if patterns.is_empty() {
        return Err(de::Error::custom(
            "an empty list matches nothing; name at least one, or '*'",
        ));
    }
    Ok(patterns)
}

fn some_not_empty<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Patterns>, D::Error> {
    not_empty(d).map(Some)
}

fn limit<'de, D: Deserializer<'de>>(d: D) -> Result<Option<NonZeroUsize>, D::Error> {
    let limit = NonZeroUsize::new(usize::deserialize(d)?);
    let error = || de::Error::custom("0 allows nothing; use a number from 1");
    limit.map(Some).ok_or_else(error)
}

fn template<'de, D: Deserializer<'de>>(d: D) -> Result<Option<PrefixTemplate>, D::Error> {
    String::deserialize(d)?
        .parse()
        .map(Some)
        .map_err(de::Error::custom)
}

fn stores<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<StoreName>>, D::Error> {
    let stores = Vec::<String>::deserialize(deserializer)?
        .iter()
        .map(|name| name.parse().map_err(de::Error::custom))
        .collect::<Result<Vec<_>, _>>()?;
    if stores.is_empty() {
        return Err(de::Error::custom(
            "an empty list allows no store; name at least one",
        ));
    }
    Ok(Some(stores))
}
