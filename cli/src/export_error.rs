//! Why something cannot be exported.

use kees_common::{ParsePathError, StoreName};
use kees_init::Exit;
use kees_inject::AllowanceError;
use kees_store::permissions::PermissionsError;

/// What is wrong and what would be right.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error("the ARNs of a policy name a Region; set --aws-region")]
    NoRegion,
    #[error("nothing says what to export; name manifests, --prefix, or --namespace with --policy")]
    NoSource,
    #[error("{0}")]
    NotAnnotated(String),
    #[error("the namespace {0} has a prefix only in a policy file; set --policy, or use --prefix")]
    NoPolicy(String),
    #[error("the policy does not say what the namespace {namespace} needs")]
    Allowance {
        namespace: String,
        source: AllowanceError,
    },
    #[error("the prefix '{prefix}' is invalid")]
    Prefix {
        prefix: String,
        source: ParsePathError,
    },
    #[error("{store} does not accept the prefix '{prefix}'; {right}")]
    PrefixNotAccepted {
        prefix: String,
        store: StoreName,
        right: &'static str,
    },
    #[error(transparent)]
    Permissions(#[from] PermissionsError),
    #[error("the policy has {length} characters, and IAM accepts {limit} in {what}; {remedy}")]
    TooLong {
        length: usize,
        limit: usize,
        what: &'static str,
        remedy: &'static str,
    },
    #[error("a trust policy for irsa needs {0}")]
    TrustNeeds(&'static str),
    #[error("'{0}' is not the URL of an OIDC issuer; `aws eks describe-cluster` prints it")]
    Issuer(String),
    #[error("--trust prints the role of a ServiceAccount; name it with --service-account")]
    NoRole,
    #[error("'{0}' in --bind is not the name of a secret of kiss, which has a-z, 0-9 and dashes")]
    BoundSecret(String),
    #[error(
        "'{name}' cannot be the name of a {what}: IAM accepts 1 to {longest} letters, digits and \
         characters of _+=,.@-; use {remedy}"
    )]
    IamName {
        what: &'static str,
        name: String,
        longest: usize,
        remedy: &'static str,
    },
    #[error(
        "a trust policy for irsa names the ServiceAccounts that may use the role; name --namespace \
         and --service-account, or manifests"
    )]
    NoSubject,
}

impl ExportError {
    /// The exit status for this error.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Permissions(PermissionsError::Nothing)
            | Self::NotAnnotated(_)
            | Self::TooLong { .. } => Exit::Data,
            _ => Exit::Usage,
        }
    }
}
