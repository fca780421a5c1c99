//! One rule of the policy.

use kees_common::StoreName;
use serde::{Deserialize, Deserializer, de};

use crate::{
    pod::resources::Resources,
    policy::{
        patterns::Patterns,
        template::{PrefixTemplate, Subject},
    },
};

/// What the pods that match the rule may do.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    namespaces: Patterns,
    service_accounts: Option<Patterns>,
    /// The prefixes that the pods may use.
    pub(crate) prefix: AllowedPrefix,
    /// The stores that the pods may use. If absent, all stores of the operator.
    pub(crate) stores: Option<Vec<StoreName>>,
    /// Whether the pods may use `init.DOMAIN/local-mode`.
    pub(crate) local_mode: bool,
    /// Who creates absent secrets.
    pub(crate) create: Create,
    /// The ARNs that the pods may use in `storageKey=`.
    pub(crate) references: Patterns,
    /// Requests and limits of the init container. If absent, those of the operator's flags.
    pub(crate) resources: Option<Resources>,
    /// Whether the init container may use the node's AWS identity.
    pub(crate) instance_metadata: bool,
}

impl Rule {
    /// The rule without a policy file: it matches every pod and takes its prefix as it is.
    pub(crate) fn absent() -> Self {
        Self {
            namespaces: Patterns::any(),
            service_accounts: None,
            prefix: AllowedPrefix::Any,
            stores: None,
            local_mode: false,
            create: Create::Init,
            references: Patterns::default(),
            resources: None,
            instance_metadata: false,
        }
    }

    /// A rule that matches every pod and allows everything.
    pub(crate) fn permissive() -> Self {
        Self {
            local_mode: true,
            references: Patterns::any(),
            ..Self::absent()
        }
    }

    /// Whether the rule applies to the pods of `subject`.
    pub(crate) fn matches(&self, subject: Subject<'_>) -> bool {
        self.namespaces.matches(subject.namespace)
            && self
                .service_accounts
                .as_ref()
                .is_none_or(|accounts| accounts.matches(subject.service_account))
    }
}

/// The prefixes that a rule allows.
#[derive(Debug, Clone)]
pub(crate) enum AllowedPrefix {
    /// Every prefix: there is no policy file.
    Any,
    /// This prefix, and all below it.
    AtOrBelow(PrefixTemplate),
    /// No prefix: the rule allows local mode only.
    None,
}

/// `create:` of a rule, which becomes `CREATE` of the init container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Create {
    /// The init container creates absent secrets.
    #[default]
    Init,
    /// The init container waits until a creator has created them.
    Creator,
    /// An absent secret is an error.
    Never,
}

impl Create {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Creator => "creator",
            Self::Never => "never",
        }
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RuleFile::deserialize(deserializer).map(Self::from)
    }
}

/// A rule as it is written in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RuleFile {
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
    resources: Option<Resources>,
    #[serde(default)]
    instance_metadata: bool,
}

impl From<RuleFile> for Rule {
    fn from(file: RuleFile) -> Self {
        Self {
            namespaces: file.namespaces,
            service_accounts: file.service_accounts,
            prefix: file
                .storage_prefix
                .map_or(AllowedPrefix::None, AllowedPrefix::AtOrBelow),
            stores: file.stores,
            local_mode: file.local_mode,
            create: file.create,
            references: file.references,
            resources: file.resources,
            instance_metadata: file.instance_metadata,
        }
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
