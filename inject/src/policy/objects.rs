//! The names and ARNs that classes may use: `classObjects` of a rule. They are globs, in which `{cluster}`, `{namespace}` and
//! `{serviceAccount}` stand for those of the pod.

use serde::{Deserialize, Deserializer, de};

use crate::policy::{
    patterns::Patterns,
    template::{FillTemplateError, Placeholder, Subject},
};

/// A list of names and globs, some of them with placeholders.
#[derive(Debug, Clone, Default)]
pub(crate) struct ObjectPatterns {
    /// Those without a placeholder.
    fixed: Patterns,
    templates: Vec<Template>,
}

impl ObjectPatterns {
    /// Matches every name.
    pub(crate) fn any() -> Self {
        Self {
            fixed: Patterns::any(),
            templates: Vec::new(),
        }
    }

    /// Whether a pattern contains `{cluster}`.
    pub(crate) fn uses_cluster(&self) -> bool {
        let mut parts = self.templates.iter().flat_map(|template| &template.0);
        parts.any(|part| matches!(part, Part::Placeholder(Placeholder::Cluster)))
    }

    /// Whether a pattern contains `{serviceAccount}`.
    pub(crate) fn uses_service_account(&self) -> bool {
        let mut parts = self.templates.iter().flat_map(|template| &template.0);
        parts.any(|part| matches!(part, Part::Placeholder(Placeholder::ServiceAccount)))
    }

    /// The names and globs for the pods of `subject`.
    pub(crate) fn texts(&self, subject: Subject<'_>) -> Result<Vec<String>, FillTemplateError> {
        let fixed = self.fixed.texts().map(str::to_owned).map(Ok);
        let filled = self.templates.iter().map(|template| template.fill(subject));
        fixed.chain(filled).collect()
    }

    /// The patterns for the pods of `subject`. A template that cannot be filled in matches nothing.
    pub(crate) fn of(&self, subject: Subject<'_>) -> impl Fn(&str) -> bool {
        let templates = self.templates.iter();
        let filled: Vec<_> = templates
            .filter_map(|template| template.fill(subject).ok())
            .collect();
        let filled = Patterns::new(filled.iter().map(String::as_str)).unwrap_or_default();
        move |name: &str| self.fixed.matches_object(name) || filled.matches_object(name)
    }
}

/// A glob with placeholders.
#[derive(Debug, Clone)]
struct Template(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Glob(String),
    Placeholder(Placeholder),
}

impl Template {
    /// Braces with one word are a placeholder; those with a comma are a choice of the glob.
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut glob = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            glob.push_str(before);
            match after.split_once('}') {
                Some((name, after)) if !name.contains([',', '{']) => {
                    let placeholder = Placeholder::named(name).ok_or_else(|| {
                        let name = name.escape_debug();
                        format!(
                            "{{{name}}} is unknown; use {{cluster}}, {{namespace}} or {{serviceAccount}}"
                        )
                    })?;
                    parts.push(Part::Glob(std::mem::take(&mut glob)));
                    parts.push(Part::Placeholder(placeholder));
                    rest = after;
                }
                _ => {
                    glob.push('{');
                    rest = after;
                }
            }
        }
        glob.push_str(rest);
        parts.push(Part::Glob(glob));
        Ok(Self(parts))
    }

    fn has_placeholder(&self) -> bool {
        let mut parts = self.0.iter();
        parts.any(|part| matches!(part, Part::Placeholder(_)))
    }

    /// The glob for the pods of `subject`. Names of Kubernetes have no characters that a glob reads in another way.
    fn fill(&self, subject: Subject<'_>) -> Result<String, FillTemplateError> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Glob(glob) => text.push_str(glob),
                Part::Placeholder(placeholder) => text.push_str(placeholder.value(subject)?),
            }
        }
        Ok(text)
    }
}

impl<'de> Deserialize<'de> for ObjectPatterns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let example = Subject {
            cluster: Some("cluster"),
            namespace: "namespace",
            service_account: "account",
        };
        let mut fixed = Vec::new();
        let mut templates = Vec::new();
        for text in &texts {
            let template = Template::parse(text).map_err(de::Error::custom)?;
            if template.has_placeholder() {
                let filled = template.fill(example).map_err(de::Error::custom)?;
                Patterns::new([filled.as_str()]).map_err(de::Error::custom)?;
                templates.push(template);
            } else {
                fixed.push(text.as_str());
            }
        }
        let fixed = Patterns::new(fixed).map_err(de::Error::custom)?;
        Ok(Self { fixed, templates })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn matches(pattern: &str, namespace: &str, name: &str) -> bool {
        let patterns: ObjectPatterns =
            serde_json::from_value(serde_json::json!([pattern])).unwrap();
        let subject = Subject {
            cluster: Some("dev"),
            namespace,
            service_account: "web",
        };
        let is_allowed = patterns.of(subject);
        is_allowed(name)
    }

    #[rstest]
    #[case("team-a/*", "team-a", "team-a/db", true)]
    #[case("{namespace}/*", "team-a", "team-a/db", true)]
    #[case("{namespace}/*", "team-b", "team-a/db", false)]
    #[case(
        "/{cluster}/{namespace}/{serviceAccount}/*",
        "team-a",
        "/dev/team-a/web/x",
        true
    )]
    #[case("{dev,test}/{namespace}/*", "team-a", "test/team-a/x", true)]
    #[case(
        "arn:aws:secretsmanager:*:*:secret:{namespace}/*",
        "a",
        "arn:aws:secretsmanager:eu-west-1:1:secret:a/x-AbCdEf",
        true
    )]
    #[case("{namespace}/*", "*", "team-a/db", false)]
    #[case(
        "arn:aws:secretsmanager:*:1:secret:{namespace}/*",
        "a",
        "arn:aws:secretsmanager:eu-west-1:2:secret:b:1:secret:a/x",
        false
    )]
    #[case(
        "arn:aws:secretsmanager:*:1:secret:shared/*",
        "a",
        "arn:aws:secretsmanager:eu-west-1:2:secret:b:1:secret:shared/x",
        false
    )]
    #[case(
        "*",
        "a",
        "arn:aws:secretsmanager:eu-west-1:2:secret:b:1:secret:a/x",
        true
    )]
    fn placeholders_are_the_names_of_the_pod(
        #[case] pattern: &str,
        #[case] namespace: &str,
        #[case] name: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(matches(pattern, namespace, name), expected);
    }

    #[rstest]
    #[case(
        "{team}/*",
        "{team} is unknown; use {cluster}, {namespace} or {serviceAccount}"
    )]
    #[case("{a,b/*", "unclosed")]
    #[case("{namespace}/[", "unclosed")]
    fn a_pattern_that_cannot_be_read_is_an_error(#[case] pattern: &str, #[case] expected: &str) {
        let error = serde_json::from_value::<ObjectPatterns>(serde_json::json!([pattern]));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
