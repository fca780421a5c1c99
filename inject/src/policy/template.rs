//! The template of a storage prefix: `/{cluster}/{namespace}/{serviceAccount}`.

use std::{fmt, str::FromStr};

use kees_common::{ParsePathError, StoragePrefix};

/// A storage prefix with placeholders for the cluster, the pod's namespace and its ServiceAccount.
/// The inserted text never adds a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Placeholder(Placeholder),
}

/// A name that a template stands for: `{cluster}`, `{namespace}` or `{serviceAccount}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placeholder {
    Cluster,
    Namespace,
    ServiceAccount,
}

/// The pods that a rule is looked up for, and the text for the placeholders.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// The operator's name for the cluster.
    pub(crate) cluster: Option<&'a str>,
    /// The pod's namespace.
    pub(crate) namespace: &'a str,
    /// The pod's ServiceAccount.
    pub(crate) service_account: &'a str,
}

impl PrefixTemplate {
    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn uses_cluster(&self) -> bool {
        self.parts
            .contains(&Part::Placeholder(Placeholder::Cluster))
    }

    pub(crate) fn uses_service_account(&self) -> bool {
        self.parts
            .contains(&Part::Placeholder(Placeholder::ServiceAccount))
    }

    /// The prefix of the pods of `subject`.
    pub(crate) fn fill(&self, subject: Subject<'_>) -> Result<StoragePrefix, FillTemplateError> {
        let mut text = String::with_capacity(self.text.len() + 32);
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Placeholder(placeholder) => text.push_str(placeholder.value(subject)?),
            }
        }
        Ok(text.parse()?)
    }
}

impl Placeholder {
    /// The placeholder of that name, which is written in braces.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "cluster" => Some(Self::Cluster),
            "namespace" => Some(Self::Namespace),
            "serviceAccount" => Some(Self::ServiceAccount),
            _ => None,
        }
    }

    /// The name of the pod that it stands for.
    pub(super) fn value(self, subject: Subject<'_>) -> Result<&str, FillTemplateError> {
        let value = match self {
            Self::Cluster => subject.cluster.ok_or(FillTemplateError::NoCluster)?,
            Self::Namespace => subject.namespace,
            Self::ServiceAccount => subject.service_account,
        };
        // The API server checks names only after the webhook, and a slash would add a segment.
        if is_subdomain(value) {
            Ok(value)
        } else {
            Err(FillTemplateError::Name(value.to_owned()))
        }
    }
}

/// Whether a name is a DNS subdomain (RFC 1123), as names of namespaces and ServiceAccounts are.
pub(crate) fn is_subdomain(name: &str) -> bool {
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

/// An error of filling in a template for a pod.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FillTemplateError {
    /// The operator has not named the cluster.
    #[error("the policy uses {{cluster}}, and the operator has not named the cluster")]
    NoCluster,
    /// The name could add segments.
    #[error("'{}' is not a DNS name in lower case, so it cannot be part of a storage prefix", .0.escape_debug())]
    Name(String),
    /// The result is not a prefix.
    #[error(transparent)]
    Path(#[from] ParsePathError),
}

impl FromStr for PrefixTemplate {
    type Err = ParseTemplateError;

    fn from_str(text: &str) -> Result<Self, ParseTemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(ParseTemplateError::Open)?;
            let unknown = || ParseTemplateError::Unknown(name.escape_debug().to_string());
            let placeholder = Placeholder::named(name).ok_or_else(unknown)?;
            parts.extend([
                Part::Text(before.to_owned()),
                Part::Placeholder(placeholder),
            ]);
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
                return Err(ParseTemplateError::SharedSegment);
            }
        }
        let template = Self {
            text: text.to_owned(),
            parts,
        };
        let example = Subject {
            cluster: Some("cluster"),
            namespace: "namespace",
            service_account: "account",
        };
        match template.fill(example) {
            Err(FillTemplateError::Path(error)) => Err(error.into()),
            _ => Ok(template),
        }
    }
}

impl fmt::Display for PrefixTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Text that is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseTemplateError {
    /// `{` without `}`.
    #[error("a '{{' has no '}}'")]
    Open,
    /// An unknown placeholder.
    #[error("{{{0}}} is unknown; use {{cluster}}, {{namespace}} or {{serviceAccount}}")]
    Unknown(String),
    /// `dev` is another prefix than `/dev`.
    #[error("'{0}' does not begin with '/', so it is another prefix than '/{0}'; write '/{0}'")]
    Relative(String),
    /// `{namespace}-{serviceAccount}`: `a-b` with `c` would get the same prefix as `a` with `b-c`.
    #[error(
        "{{namespace}} and {{serviceAccount}} in one segment can give two pods the same prefix; \
         separate them with '/'"
    )]
    SharedSegment,
    /// It is never a prefix.
    #[error(transparent)]
    Path(#[from] ParsePathError),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn subject<'a>(namespace: &'a str, service_account: &'a str) -> Subject<'a> {
        Subject {
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
            template.fill(subject("team-a", "web")).unwrap().as_str(),
            prefix
        );
    }

    #[rstest]
    #[case("/{cluster", ParseTemplateError::Open)]
    #[case("/{pod}", ParseTemplateError::Unknown("pod".to_owned()))]
    #[case("/{namespace}-{serviceAccount}", ParseTemplateError::SharedSegment)]
    #[case("dev", ParseTemplateError::Relative("dev".to_owned()))]
    #[case("{namespace}/x", ParseTemplateError::Relative("{namespace}/x".to_owned()))]
    #[case("", ParseTemplateError::Relative(String::new()))]
    #[case("//x", ParseTemplateError::Path(ParsePathError::Empty))]
    #[case("/../{namespace}", ParseTemplateError::Path(ParsePathError::Dots))]
    fn a_template_that_cannot_work_is_invalid(
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
    fn a_name_that_could_add_a_segment_is_denied(#[case] name: &str) {
        let template: PrefixTemplate = "/dev/{serviceAccount}".parse().unwrap();
        assert_eq!(
            template.fill(subject("team-a", name)),
            Err(FillTemplateError::Name(name.to_owned()))
        );
    }

    proptest! {
        #[test]
        fn filling_in_never_changes_the_number_of_segments(name in any::<String>()) {
            let template: PrefixTemplate = "/dev/{namespace}/x-{serviceAccount}".parse().unwrap();
            if let Ok(prefix) = template.fill(subject(&name, &name)) {
                prop_assert_eq!(prefix.as_str().split('/').count(), 4);
            }
        }

        #[test]
        fn any_text_is_parsed_or_invalid(text in any::<String>()) {
            let _ = text.parse::<PrefixTemplate>();
        }
    }
}
