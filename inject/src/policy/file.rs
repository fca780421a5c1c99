//! The policy file: rules in order, and whether warnings are errors.

use std::str::FromStr;

use kees_common::StoreName;
use serde::Deserialize;

use crate::{
    pod::resources::Resources,
    policy::{
        rule::{AllowedPrefix, Rule},
        template::Subject,
    },
};

/// The operator's policy. The first rule that matches a pod applies to it, and a pod that matches
/// no rule is denied. It is read from YAML with [`str::parse`].
#[derive(Debug, Clone)]
pub struct Policy {
    rules: Vec<Rule>,
    /// Whether every warning is an error.
    pub(crate) strict: bool,
}

impl Policy {
    /// The policy without a file: the pod's prefix is used as it is, local mode is off, and no ARN
    /// is allowed.
    pub fn absent() -> Self {
        Self {
            rules: vec![Rule::absent()],
            strict: false,
        }
    }

    /// A policy that allows everything, for programs that run on the pod author's own machine: the
    /// pod's prefix is used as it is, and local mode and every ARN are allowed.
    pub fn permissive() -> Self {
        Self {
            rules: vec![Rule::permissive()],
            strict: false,
        }
    }

    /// The rule that applies to the pods of `subject`.
    pub(crate) fn rule(&self, subject: Subject<'_>) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.matches(subject))
    }

    /// Whether a template contains `{cluster}`.
    pub(crate) fn uses_cluster(&self) -> bool {
        self.rules.iter().any(|rule| {
            matches!(&rule.prefix, AllowedPrefix::AtOrBelow(template) if template.uses_cluster())
        })
    }

    /// The requests and limits of all rules that set them.
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
        let PolicyFile { rules, strict } = serde_saphyr::from_str(yaml)
            .map_err(|error| ParsePolicyError::Yaml(error.without_snippet().to_string()))?;
        if rules.is_empty() {
            return Err(ParsePolicyError::NoRules);
        }
        Ok(Self { rules, strict })
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
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    rules: Vec<Rule>,
    #[serde(default)]
    strict: bool,
}
