//! The statements of a policy, and the place of the stores in their ARNs.

use std::collections::BTreeSet;

use super::pattern::Pattern;

/// One statement that allows something.
#[derive(Debug)]
pub struct Statement {
    /// Its name in the policy.
    pub sid: &'static str,
    /// What is allowed.
    pub actions: Vec<&'static str>,
    /// On which resources: ARNs.
    pub resources: Vec<Pattern>,
    /// Under which conditions, all of them.
    pub conditions: Vec<Condition>,
}

/// The resources of a statement, each once: a prefix and the objects of classes may allow the same.
pub(super) fn distinct(resources: impl Iterator<Item = Pattern>) -> Vec<Pattern> {
    let mut seen = BTreeSet::new();
    // The texts are compared, because one text can be put together in several ways. No other text has this sign.
    let text = |resource: &Pattern| {
        resource.render(|variable| format!("\0{}\0", variable.0), str::to_owned)
    };
    resources
        .filter(|resource| seen.insert(text(resource)))
        .collect()
}

/// One condition of a statement.
#[derive(Debug)]
pub struct Condition {
    /// For example `StringEquals`.
    pub operator: &'static str,
    /// The condition key.
    pub key: &'static str,
    /// One of these must match.
    pub values: Vec<Pattern>,
}

/// Where the stores are.
#[derive(Debug)]
pub struct Place {
    /// The partition of the Region.
    pub partition: Pattern,
    /// The Region; a wildcard if it is not known.
    pub region: Pattern,
    /// The account; a wildcard if it is not known.
    pub account: Pattern,
    /// `ENV_LABEL`, which names the table.
    pub label: Pattern,
    /// The KMS key of the stores, if it is not that of AWS.
    pub kms_key: Option<String>,
    /// Whether a condition denies requests without keys, which `ForAllValues` allows.
    pub denies_empty_keys: bool,
}

impl Place {
    pub(super) fn arn(&self, service: &str, resource: impl Into<Pattern>) -> Pattern {
        self.arn_in(self.region.clone(), service, resource)
    }

    /// The ARN of a resource in another Region.
    pub(super) fn arn_in(
        &self,
        region: Pattern,
        service: &str,
        resource: impl Into<Pattern>,
    ) -> Pattern {
        let colon = || Pattern::from(":");
        Pattern::from("arn:")
            .then(self.partition.clone())
            .then(colon())
            .then(service)
            .then(colon())
            .then(region)
            .then(colon())
            .then(self.account.clone())
            .then(colon())
            .then(resource)
    }
}
