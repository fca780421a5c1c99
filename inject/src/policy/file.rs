//! The operator's policy: which namespace may use which storage prefix, and what else a pod there
//! may ask for.

use std::{fmt, str::FromStr};

use globset::{GlobBuilder, GlobMatcher};
use kees_common::StoreName;
use serde::{Deserialize, Deserializer, de};

use crate::{PrefixTemplate, policy::template::Owner, settings::Resources};

/// Rules in order: the first that matches a pod holds for it, and a pod that none matches is
/// refused. Read from YAML with [`str::parse`].
#[derive(Debug, Clone)]
pub struct Policy {
    rules: Vec<Rule>,
}

impl Policy {
    /// What holds without a policy file: the pod's prefix is taken as it is, local mode is off,
    /// and there are no ARNs.
    pub fn absent() -> Self {
        Self {
            rules: vec![Rule::anywhere()],
        }
    }

    /// What holds on a laptop, where nobody is kept from anything: the pod's prefix is taken as
    /// it is, local mode is allowed, and so is every ARN.
    pub fn laptop() -> Self {
        let references = Patterns(Pattern::new("*").into_iter().collect());
        Self {
            rules: vec![Rule {
                local_mode: true,
                references,
                ..Rule::anywhere()
            }],
        }
    }

    /// The rule for pods of `owner`.
    pub(crate) fn rule(&self, owner: Owner<'_>) -> Option<&Rule> {
        self.rules.iter().find(|rule| {
            rule.namespaces.matches(owner.namespace)
                && rule
                    .service_accounts
                    .as_ref()
                    .is_none_or(|accounts| accounts.matches(owner.service_account))
        })
    }

    pub(crate) fn uses_cluster(&self) -> bool {
        self.rules.iter().any(
            |rule| matches!(&rule.storage, Storage::Prefix(template) if template.uses_cluster()),
        )
    }

    /// The amounts of every rule that has some.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &Resources> {
        self.rules.iter().filter_map(|rule| rule.resources.as_ref())
    }

    /// Every store that a rule names.
    pub(crate) fn stores(&self) -> impl Iterator<Item = StoreName> {
        self.rules
            .iter()
            .flat_map(|rule| rule.stores.iter().flatten().copied())
    }
}

impl FromStr for Policy {
    type Err = ParsePolicyError;

    fn from_str(yaml: &str) -> Result<Self, ParsePolicyError> {
        let file: PolicyFile = serde_saphyr::from_str(yaml)
            .map_err(|error| ParsePolicyError::Yaml(error.without_snippet().to_string()))?;
        if file.rules.is_empty() {
            return Err(ParsePolicyError::NoRules);
        }
        Ok(Self {
            rules: file.rules.into_iter().map(Rule::from).collect(),
        })
    }
}

/// A file that is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParsePolicyError {
    /// It is not YAML, or not of the policy's shape; the message has the line.
    #[error("the policy cannot be read: {0}")]
    Yaml(String),
    /// It would refuse every pod.
    #[error("the policy has no rules and would refuse every pod; add one under rules:")]
    NoRules,
}

/// What holds for the pods that it matches.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    namespaces: Patterns,
    service_accounts: Option<Patterns>,
    /// Where the pods' values may lie.
    pub(crate) storage: Storage,
    /// The stores that the pods may use; absent: all of the operator's.
    pub(crate) stores: Option<Vec<StoreName>>,
    /// Whether `init.DOMAIN/local-mode` is obeyed.
    pub(crate) local_mode: bool,
    /// Who creates what is absent.
    pub(crate) create: Create,
    /// The ARNs that may stand in `storageKey=`.
    pub(crate) references: Patterns,
    /// Requests and limits of the init container, instead of the operator's.
    pub(crate) resources: Option<Resources>,
    /// Whether the node's own identity may be used.
    pub(crate) instance_metadata: bool,
}

impl Rule {
    fn anywhere() -> Self {
        Self {
            namespaces: Patterns(Pattern::new("*").into_iter().collect()),
            service_accounts: None,
            storage: Storage::AsAnnotated,
            stores: None,
            local_mode: false,
            create: Create::Init,
            references: Patterns::default(),
            resources: None,
            instance_metadata: false,
        }
    }
}

impl From<RuleFile> for Rule {
    fn from(file: RuleFile) -> Self {
        Self {
            namespaces: file.namespaces,
            service_accounts: file.service_accounts,
            storage: file
                .storage_prefix
                .map_or(Storage::Nowhere, Storage::Prefix),
            stores: file.stores,
            local_mode: file.local_mode,
            create: file.create,
            references: file.references,
            resources: file.resources,
            instance_metadata: file.instance_metadata,
        }
    }
}

/// Where the values of a rule's pods may lie.
#[derive(Debug, Clone)]
pub(crate) enum Storage {
    /// Wherever the pod says: there is no policy.
    AsAnnotated,
    /// At this prefix or below it.
    Prefix(PrefixTemplate),
    /// In no store: the rule gives no prefix.
    Nowhere,
}

/// `create:` of a rule, which becomes `CREATE` of the init container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Create {
    /// The init container itself.
    #[default]
    Init,
    /// kees's creator, which the init container waits for.
    Creator,
    /// Nobody: what is absent is an error.
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

/// The file, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    rules: Vec<RuleFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RuleFile {
    #[serde(deserialize_with = "at_least_one")]
    namespaces: Patterns,
    #[serde(default, deserialize_with = "some_at_least_one")]
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

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Patterns, D::Error> {
    let patterns = Patterns::deserialize(deserializer)?;
    if patterns.0.is_empty() {
        return Err(de::Error::custom(
            "an empty list matches nothing; name at least one, or '*'",
        ));
    }
    Ok(patterns)
}

fn some_at_least_one<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Patterns>, D::Error> {
    at_least_one(d).map(Some)
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

/// Names or globs; `*` stands for any characters, `/` included.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Patterns(Vec<Pattern>);

impl Patterns {
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(text))
    }
}

#[derive(Clone)]
enum Pattern {
    Exact(String),
    Glob(GlobMatcher),
}

impl Pattern {
    fn new(text: &str) -> Result<Self, globset::Error> {
        if !text.contains(['*', '?', '[', '{', '\\']) {
            return Ok(Self::Exact(text.to_owned()));
        }
        let glob = GlobBuilder::new(text).literal_separator(false).build()?;
        Ok(Self::Glob(glob.compile_matcher()))
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == text,
            Self::Glob(glob) => glob.is_match(text),
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(exact) => exact.fmt(f),
            Self::Glob(glob) => glob.glob().glob().fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
