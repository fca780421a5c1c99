//! The name of the STS session, which identifies the pod in `CloudTrail`.

use super::environment::Environment;
use crate::aws::settings::AwsSettings;

/// The name of the session if the pod is not known.
const UNKNOWN_POD: &str = "kees";
/// The shortest and the longest name that STS accepts (STS API Reference,
/// `AssumeRoleWithWebIdentity`,
/// `RoleSessionName`).
const LENGTHS: std::ops::RangeInclusive<usize> = 2..=64;

/// `AWS_ROLE_SESSION_NAME` if it is set, else the part of `NAMESPACE.POD` that STS accepts, else `kees`.
pub(super) fn name(environment: &Environment, settings: &AwsSettings) -> String {
    if let Some(name) = &environment.session {
        return name.clone();
    }
    let parts = [&settings.pod_namespace, &settings.pod_name];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    let name: String = parts
        .join(".")
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(*c))
        .take(*LENGTHS.end())
        .collect();
    if LENGTHS.contains(&name.len()) {
        name
    } else {
        UNKNOWN_POD.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(None, Some("team-a"), Some("web-0"), "team-a.web-0")]
    #[case(None, None, Some("web-0"), "web-0")]
    #[case(None, Some("team a/é"), Some("web:0"), "teama.web0")]
    #[case(None, None, None, "kees")]
    #[case(None, None, Some("x"), "kees")]
    #[case(Some("own"), Some("team-a"), Some("web-0"), "own")]
    fn the_session_is_named_after_the_pod(
        #[case] variable: Option<&str>,
        #[case] namespace: Option<&str>,
        #[case] pod: Option<&str>,
        #[case] expected: &str,
    ) {
        let environment = Environment {
            session: variable.map(str::to_owned),
            ..Environment::default()
        };
        let settings = AwsSettings {
            pod_namespace: namespace.map(str::to_owned),
            pod_name: pod.map(str::to_owned),
            ..AwsSettings::default()
        };
        assert_eq!(name(&environment, &settings), expected);
    }

    #[test]
    fn a_long_name_is_cut_to_what_sts_takes() {
        let settings = AwsSettings {
            pod_namespace: Some("n".repeat(40)),
            pod_name: Some("p".repeat(40)),
            ..AwsSettings::default()
        };
        let name = name(&Environment::default(), &settings);
        assert_eq!(name, format!("{}.{}", "n".repeat(40), "p".repeat(23)));
    }
}
