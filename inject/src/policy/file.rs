//! The policy file: rules in order, and the defaults of all rules.

use std::{collections::BTreeSet, str::FromStr};

use kees_common::{StoreName, closest};
use serde::Deserialize;

use crate::{
    pod::resources::Resources,
    policy::{
        rule::{AllowedPrefix, Mode, Origin, Rule},
        rule_file::RuleFile,
        template::Subject,
    },
};

/// The operator's policy. The first rule that matches a pod applies to it, and a pod that matches
/// no rule is denied. It is read from YAML with [`str::parse`].
#[derive(Debug, Clone)]
pub struct Policy {
    rules: Vec<Rule>,
    /// For the pods that no rule matches.
    no_match: Rule,
}

impl Policy {
    /// The policy without a file: the pod's prefix is used as it is, local mode is off, and no ARN
    /// is allowed.
    pub fn absent() -> Self {
        Self::of(vec![Rule::absent()], Mode::Enforce, false)
    }

    /// A policy that allows everything, for programs that run on the pod author's own machine: the
    /// pod's prefix is used as it is, and local mode and every ARN are allowed.
    pub fn permissive() -> Self {
        Self::of(vec![Rule::permissive()], Mode::Enforce, false)
    }

    fn of(rules: Vec<Rule>, mode: Mode, strict: bool) -> Self {
        Self {
            rules,
            no_match: Rule::no_match(mode, strict),
        }
    }

    /// The rules of the file as [`PolicyResult::rule`](crate::PolicyResult::rule) names them; none
    /// without a file.
    pub fn rule_names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter_map(|rule| match &rule.origin {
            Origin::File(name) => Some(&**name),
            Origin::NoFile | Origin::NoMatch => None,
        })
    }

    /// Whether a rule does not allow pods to opt out. The API server must then send pods that do.
    pub fn denies_opt_out(&self) -> bool {
        self.rules.iter().any(|rule| !rule.opt_out)
    }

    /// The rule that applies to the pods of `subject`.
    pub(crate) fn rule(&self, subject: Subject<'_>) -> &Rule {
        let rule = self.rules.iter().find(|rule| rule.matches(subject));
        rule.unwrap_or(&self.no_match)
    }

    /// The rules that may apply to pods of `namespace`, whatever their ServiceAccounts are.
    pub(crate) fn rules_of(&self, namespace: &str) -> impl Iterator<Item = &Rule> {
        let rules = self.rules.iter();
        rules.filter(|rule| rule.namespaces.matches(namespace))
    }

    /// Whether a template contains `{cluster}`.
    pub(crate) fn uses_cluster(&self) -> bool {
        self.rules.iter().any(|rule| {
            rule.class_objects.uses_cluster()
                || matches!(&rule.prefix, AllowedPrefix::AtOrBelow(template) if template.uses_cluster())
        })
    }

    /// The requests and limits of all rules that set them.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &Resources> {
        self.rules.iter().filter_map(|rule| rule.resources.as_ref())
    }

    /// Every store that a rule names, once.
    pub(crate) fn stores(&self) -> BTreeSet<StoreName> {
        let stores = self.rules.iter().flat_map(|rule| &rule.stores);
        stores.flatten().copied().collect()
    }
}

impl FromStr for Policy {
    type Err = ParsePolicyError;

    fn from_str(yaml: &str) -> Result<Self, ParsePolicyError> {
        let PolicyFile {
            rules,
            strict,
            mode,
        } = serde_saphyr::from_str(yaml).map_err(|error| ParsePolicyError::yaml(&error))?;
        if rules.is_empty() {
            return Err(ParsePolicyError::NoRules);
        }
        let mut names = rules.iter().filter_map(|rule| rule.name.as_ref());
        let mut seen = BTreeSet::new();
        if let Some(name) = names.find(|name| !seen.insert(*name)) {
            return Err(ParsePolicyError::SameName(name.clone()));
        }
        let rules = rules.into_iter().zip(1..);
        let rules = rules.map(|(rule, number)| rule.into_rule(number, mode, strict));
        Ok(Self::of(rules.collect(), mode, strict))
    }
}

/// Text that is not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParsePolicyError {
    /// It is not YAML, or a key or value is invalid. The message contains the line.
    #[error("the policy cannot be read: {0}")]
    Yaml(String),
    /// Every pod would be denied.
    #[error("the policy has no rules and would deny every pod; add one under rules:")]
    NoRules,
    /// Metrics and messages could not tell the rules apart.
    #[error("the policy has two rules with the name {0}; rename one of them")]
    SameName(String),
}

impl ParsePolicyError {
    /// The error with the line. If a key is unknown and close to a known one, it says which.
    fn yaml(error: &serde_saphyr::Error) -> Self {
        let error = error.without_snippet();
        if let serde_saphyr::Error::SerdeUnknownField {
            field, expected, ..
        } = error
            && let Some(known) = closest(field, expected.iter().copied())
            && let Some(at) = error.location()
        {
            return Self::Yaml(format!(
                "the key '{}' is unknown; did you mean {known} at line {}, column {}",
                field.escape_debug(),
                at.line(),
                at.column()
            ));
        }
        Self::Yaml(error.to_string())
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    rules: Vec<RuleFile>,
    /// The default of `strict` of every rule.
    #[serde(default)]
    strict: bool,
    /// The default of `mode` of every rule.
    #[serde(default)]
    mode: Mode,
}
