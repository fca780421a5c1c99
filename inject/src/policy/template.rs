//! A storage prefix with holes: `/{cluster}/{namespace}/{serviceAccount}`.

use std::{fmt, str::FromStr};

use kees_common::{ParsePathError, StoragePrefix};

/// A storage prefix in which the cluster, the pod's namespace and its service account are filled
/// in. What is filled in never adds a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Hole(Hole),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    Cluster,
    Namespace,
    ServiceAccount,
}

/// What the holes of a template are filled with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    /// The operator's name for the cluster.
    pub(crate) cluster: Option<&'a str>,
    /// The pod's namespace.
    pub(crate) namespace: &'a str,
    /// The pod's service account.
    pub(crate) service_account: &'a str,
}

impl PrefixTemplate {
    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn uses_cluster(&self) -> bool {
        self.parts.contains(&Part::Hole(Hole::Cluster))
    }

    /// The prefix of `owner`.
    pub(crate) fn fill(&self, owner: Owner<'_>) -> Result<StoragePrefix, Unfilled> {
        let mut text = String::with_capacity(self.text.len() + 32);
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Hole(hole) => text.push_str(hole.value(owner)?),
            }
        }
        text.parse().map_err(Unfilled::Path)
    }
}

impl Hole {
    fn value(self, owner: Owner<'_>) -> Result<&str, Unfilled> {
        let value = match self {
            Self::Cluster => owner.cluster.ok_or(Unfilled::NoCluster)?,
            Self::Namespace => owner.namespace,
            Self::ServiceAccount => owner.service_account,
        };
        // The API server checks names after the webhook; a slash or dots must not pass here.
        if is_subdomain(value) {
            Ok(value)
        } else {
            Err(Unfilled::NotAName(value.to_owned()))
        }
    }
}

/// A DNS subdomain (RFC 1123), which namespaces and service accounts are named by.
fn is_subdomain(name: &str) -> bool {
    let label = |label: &str| {
        let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        edge(label.bytes().next())
            && edge(label.bytes().last())
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Why a template cannot be filled in for a pod.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfilled {
    /// `{cluster}` without a name for the cluster.
    #[error("the policy uses {{cluster}}, and the operator has not named the cluster")]
    NoCluster,
    /// What should be filled in could add segments.
    #[error("'{}' is not a DNS name in lower case, so it cannot stand in a storage prefix", .0.escape_debug())]
    NotAName(String),
    /// The whole is no prefix.
    #[error("{0}")]
    Path(ParsePathError),
}

impl FromStr for PrefixTemplate {
    type Err = ParseTemplateError;

    fn from_str(text: &str) -> Result<Self, ParseTemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(ParseTemplateError::Open)?;
            let hole = match name {
                "cluster" => Hole::Cluster,
                "namespace" => Hole::Namespace,
                "serviceAccount" => Hole::ServiceAccount,
                other => {
                    return Err(ParseTemplateError::Unknown(
                        other.escape_debug().to_string(),
                    ));
                }
            };
            parts.extend([Part::Text(before.to_owned()), Part::Hole(hole)]);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));

        if !text.starts_with('/') {
            return Err(ParseTemplateError::Relative(
                text.escape_debug().to_string(),
            ));
        }
        for segment in text.split('/') {
            if segment.contains("{namespace}") && segment.contains("{serviceAccount}") {
                return Err(ParseTemplateError::Shared);
            }
        }
        let template = Self {
            text: text.to_owned(),
            parts,
        };
        let example = Owner {
            cluster: Some("cluster"),
            namespace: "namespace",
            service_account: "account",
        };
        match template.fill(example) {
            Err(Unfilled::Path(problem)) => Err(ParseTemplateError::Path(problem)),
            _ => Ok(template),
        }
    }
}

impl fmt::Display for PrefixTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A text that is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseTemplateError {
    /// `{` without `}`.
    #[error("a '{{' has no '}}'")]
    Open,
    /// A hole that does not exist.
    #[error("{{{0}}} is unknown; use {{cluster}}, {{namespace}} or {{serviceAccount}}")]
    Unknown(String),
    /// `dev`, below which is not what is below `/dev`.
    #[error("'{0}' does not begin with '/', and so is another prefix than '/{0}'; write '/{0}'")]
    Relative(String),
    /// `{namespace}-{serviceAccount}`: `a-b` and `c` would share with `a` and `b-c`.
    #[error(
        "{{namespace}} and {{serviceAccount}} in one segment can make the same prefix for two \
         pods; separate them with '/'"
    )]
    Shared,
    /// It can never be a prefix.
    #[error("{0}")]
    Path(ParsePathError),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn owner<'a>(namespace: &'a str, service_account: &'a str) -> Owner<'a> {
        Owner {
            cluster: Some("dev"),
            namespace,
            service_account,
        }
    }

    #[rstest]
    #[case("/{cluster}/{namespace}/{serviceAccount}", "/dev/team-a/web")]
    #[case("/{cluster}-{namespace}", "/dev-team-a")]
    #[case("/shared", "/shared")]
    #[case("/", "/")]
    fn a_template_is_filled_in(#[case] template: &str, #[case] prefix: &str) {
        let template: PrefixTemplate = template.parse().unwrap();
        assert_eq!(
            template.fill(owner("team-a", "web")).unwrap().as_str(),
            prefix
        );
    }

    #[rstest]
    #[case("/{cluster", ParseTemplateError::Open)]
    #[case("/{pod}", ParseTemplateError::Unknown("pod".to_owned()))]
    #[case("/{namespace}-{serviceAccount}", ParseTemplateError::Shared)]
    #[case("dev", ParseTemplateError::Relative("dev".to_owned()))]
    #[case("{namespace}/x", ParseTemplateError::Relative("{namespace}/x".to_owned()))]
    #[case("", ParseTemplateError::Relative(String::new()))]
    #[case("//x", ParseTemplateError::Path(ParsePathError::Empty))]
    #[case("/../{namespace}", ParseTemplateError::Path(ParsePathError::Dots))]
    fn a_template_that_cannot_work_is_refused(
        #[case] template: &str,
        #[case] error: ParseTemplateError,
    ) {
        assert_eq!(template.parse::<PrefixTemplate>(), Err(error));
    }

    #[rstest]
    #[case("../prod")]
    #[case("a/b")]
    #[case("..")]
    #[case("")]
    #[case("A")]
    #[case("a..b")]
    #[case("{cluster}")]
    fn a_name_that_could_add_a_segment_is_refused(#[case] name: &str) {
        let template: PrefixTemplate = "/dev/{serviceAccount}".parse().unwrap();
        assert_eq!(
            template.fill(owner("team-a", name)),
            Err(Unfilled::NotAName(name.to_owned()))
        );
    }

    proptest! {
        #[test]
        fn filling_in_never_changes_the_number_of_segments(name in any::<String>()) {
            let template: PrefixTemplate = "/dev/{namespace}/x-{serviceAccount}".parse().unwrap();
            if let Ok(prefix) = template.fill(owner(&name, &name)) {
                prop_assert_eq!(prefix.as_str().split('/').count(), 4);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = text.parse::<PrefixTemplate>();
        }
    }
}
