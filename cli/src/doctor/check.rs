//! The checks of `kees doctor`: their names, groups and results.

use std::fmt;

/// Where each check is explained.
const PAGE: &str = "https://github.com/kees-secrets/kees/blob/main/docs/troubleshooting.md";

/// One check. Its name is stable: it is a heading of docs/troubleshooting.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum CheckName {
    ApiServer,
    KubernetesVersion,
    AdmissionApis,
    Clock,
    InstallPermissions,
    NoOtherInstallation,
    Namespace,
    WebhookConfiguration,
    AdmissionPolicy,
    AdmissionPolicyBinding,
    NamespaceExclusions,
    Deployment,
    Endpoints,
    PolicyFile,
    Versions,
    ClassDefinition,
    ClassPermissions,
    SecretSync,
    WebhookReachable,
    CaBundleTrusted,
    PodInjected,
    WrongPodDenied,
}

impl CheckName {
    /// Every check, in the order of the report.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 22] = [
        Self::ApiServer,
        Self::KubernetesVersion,
        Self::AdmissionApis,
        Self::Clock,
        Self::InstallPermissions,
        Self::NoOtherInstallation,
        Self::Namespace,
        Self::WebhookConfiguration,
        Self::AdmissionPolicy,
        Self::AdmissionPolicyBinding,
        Self::NamespaceExclusions,
        Self::Deployment,
        Self::Endpoints,
        Self::PolicyFile,
        Self::Versions,
        Self::ClassDefinition,
        Self::ClassPermissions,
        Self::SecretSync,
        Self::WebhookReachable,
        Self::CaBundleTrusted,
        Self::PodInjected,
        Self::WrongPodDenied,
    ];

    /// The name in the report and in the page.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ApiServer => "api-server",
            Self::KubernetesVersion => "kubernetes-version",
            Self::AdmissionApis => "admission-apis",
            Self::Clock => "clock",
            Self::InstallPermissions => "install-permissions",
            Self::NoOtherInstallation => "no-other-installation",
            Self::Namespace => "namespace",
            Self::WebhookConfiguration => "webhook-configuration",
            Self::AdmissionPolicy => "admission-policy",
            Self::AdmissionPolicyBinding => "admission-policy-binding",
            Self::NamespaceExclusions => "namespace-exclusions",
            Self::Deployment => "deployment",
            Self::Endpoints => "endpoints",
            Self::PolicyFile => "policy-file",
            Self::Versions => "versions",
            Self::ClassDefinition => "class-definition",
            Self::ClassPermissions => "class-permissions",
            Self::SecretSync => "secret-sync",
            Self::WebhookReachable => "webhook-reachable",
            Self::CaBundleTrusted => "ca-bundle-trusted",
            Self::PodInjected => "pod-injected",
            Self::WrongPodDenied => "wrong-pod-denied",
        }
    }

    /// The heading under which the report lists the check.
    pub(crate) fn group(self) -> &'static str {
        match self {
            Self::ApiServer | Self::KubernetesVersion | Self::AdmissionApis | Self::Clock => {
                "Kubernetes"
            }
            Self::InstallPermissions | Self::NoOtherInstallation => "Before installing",
            Self::Namespace
            | Self::WebhookConfiguration
            | Self::AdmissionPolicy
            | Self::AdmissionPolicyBinding
            | Self::NamespaceExclusions => "Objects",
            Self::Deployment | Self::Endpoints | Self::PolicyFile | Self::Versions => "Webhook",
            Self::ClassDefinition | Self::ClassPermissions | Self::SecretSync => {
                "SecretProviderClass and Kubernetes Secrets"
            }
            Self::WebhookReachable
            | Self::CaBundleTrusted
            | Self::PodInjected
            | Self::WrongPodDenied => "Admission, with pods that are not created",
        }
    }

    /// The section that explains the check.
    pub(crate) fn link(self) -> String {
        format!("{PAGE}#{}", self.as_str())
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) name: CheckName,
    pub(crate) status: Status,
    /// What was found; for a failed check, also what to do.
    pub(crate) message: String,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// It is as it should be.
    Passed,
    /// It works, but is probably not meant so.
    Warning,
    /// It does not work.
    Failed,
    /// It could not be checked, because of another check or of a missing permission.
    Skipped,
}

impl Status {
    /// The word in the report.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl CheckName {
    pub(crate) fn passed(self, message: impl Into<String>) -> Check {
        self.with(Status::Passed, message)
    }

    pub(crate) fn warning(self, message: impl Into<String>) -> Check {
        self.with(Status::Warning, message)
    }

    pub(crate) fn failed(self, message: impl Into<String>) -> Check {
        self.with(Status::Failed, message)
    }

    pub(crate) fn skipped(self, message: impl Into<String>) -> Check {
        self.with(Status::Skipped, message)
    }

    /// The check could not ask the API server.
    pub(crate) fn error(self, error: &kube::Error) -> Check {
        if is_forbidden(error) {
            return self.skipped(format!("your user may not read it: {}", describe(error)));
        }
        self.failed(describe(error))
    }

    fn with(self, status: Status, message: impl Into<String>) -> Check {
        Check {
            name: self,
            status,
            message: message.into(),
        }
    }
}

/// Whether the API server denies the request for lack of permission.
pub(crate) fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

/// The API server's message, or what kept it from responding.
pub(crate) fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        error => kees_common::error_chain::describe(error),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;

    #[test]
    fn the_troubleshooting_page_has_a_section_for_each_check() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/troubleshooting.md");
        let page = fs::read_to_string(path).unwrap();
        let (_, checks) = page.split_once("\n## Checks\n").unwrap();
        let (checks, _) = checks.split_once("\n## ").unwrap();
        let sections: BTreeSet<_> = checks
            .lines()
            .filter_map(|line| line.strip_prefix("### "))
            .collect();
        let expected: BTreeSet<_> = CheckName::ALL.map(CheckName::as_str).into();
        assert_eq!(sections, expected);
    }
}
