//! The containers that other webhooks add, and that get no files.

use std::{fmt, str::FromStr};

use crate::policy::patterns::Patterns;

/// Names and globs of containers that read no files unless the pod names them in
/// `init.DOMAIN/containers`: proxies of meshes, and agents.
#[derive(Debug, Clone)]
pub struct SkipContainers {
    text: String,
    patterns: Patterns,
}

const NONE: &str = "none";

/// The containers that are skipped by default, by who adds them.
const DEFAULT: &str = "\
    istio-proxy,istio-init,istio-validation,enable-core-dump,\
    linkerd-proxy,linkerd-init,linkerd-network-validator,linkerd-debug,\
    vault-agent,vault-agent-init,\
    datadog-agent-injected,datadog-init-apm-inject,datadog-lib-*-init,\
    xray-daemon,aws-otel-collector,cloudwatch-agent,amazon-cloudwatch-agent,\
    otc-container,opentelemetry-auto-instrumentation,opentelemetry-auto-instrumentation-*,\
    otel-agent-attach-*,otel-agent-source-container-clone";

impl SkipContainers {
    /// Whether a container of that name gets no files.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.patterns.matches(name)
    }
}

impl Default for SkipContainers {
    fn default() -> Self {
        DEFAULT.parse().unwrap_or_else(|_| Self {
            text: NONE.to_owned(),
            patterns: Patterns::default(),
        })
    }
}

impl FromStr for SkipContainers {
    type Err = ParseSkipContainersError;

    fn from_str(text: &str) -> Result<Self, ParseSkipContainersError> {
        let patterns = if text == NONE {
            Patterns::default()
        } else {
            let globs = text.split(',').map(str::trim);
            if globs.clone().any(str::is_empty) {
                return Err(ParseSkipContainersError::Empty);
            }
            Patterns::new(globs)
                .map_err(|error| ParseSkipContainersError::Glob(error.to_string()))?
        };
        Ok(Self {
            text: text.to_owned(),
            patterns,
        })
    }
}

impl fmt::Display for SkipContainers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Text that is not a list of names and globs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseSkipContainersError {
    /// A name is empty.
    #[error("a name is empty; list names or globs by comma, or use none")]
    Empty,
    /// A glob is invalid.
    #[error("{0}; use names, or globs such as istio-*")]
    Glob(String),
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("istio-proxy", true)]
    #[case("datadog-lib-java-init", true)]
    #[case("opentelemetry-auto-instrumentation-python", true)]
    #[case("app", false)]
    #[case("my-istio-proxy", false)]
    #[case("none", false)]
    fn the_default_names_the_containers_of_meshes_and_agents(
        #[case] name: &str,
        #[case] skipped: bool,
    ) {
        assert_eq!(SkipContainers::default().matches(name), skipped);
    }

    #[rstest]
    #[case("", "a name is empty; list names or globs by comma, or use none")]
    #[case("a,,b", "a name is empty; list names or globs by comma, or use none")]
    #[case(
        "a[",
        "error parsing glob 'a[': unclosed character class; missing ']'; use names, or globs such as istio-*"
    )]
    fn an_invalid_list_is_an_error(#[case] text: &str, #[case] message: &str) {
        let error = text.parse::<SkipContainers>().unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn a_list_replaces_the_default() {
        let list: SkipContainers = "proxy, mesh-*".parse().unwrap();
        assert!(list.matches("proxy") && list.matches("mesh-a") && !list.matches("istio-proxy"));
        let none: SkipContainers = "none".parse().unwrap();
        assert!(!none.matches("none") && !none.matches("istio-proxy"));
    }
}
