//! The names that the cases have for errors.

use kees_secret_provider_class::{ClassErrorKind, ParseClassError};

/// The class of an error; none for an error that the original lacks.
pub(crate) fn error_class(error: &ParseClassError) -> Option<&'static str> {
    Some(match &error.kind {
        ClassErrorKind::NoRegion => "region-unknown",
        ClassErrorKind::SameRegion(_) => "failover-region-same",
        ClassErrorKind::PodIdentity(_) => "pod-identity-flag",
        ClassErrorKind::NoRole => "role-missing",
        ClassErrorKind::Translation(_) => "translation",
        ClassErrorKind::Yaml(_)
        | ClassErrorKind::AliasOfItself
        | ClassErrorKind::Tag(_)
        | ClassErrorKind::NotText(_)
        | ClassErrorKind::NotList(_)
        | ClassErrorKind::NotMap(_)
        | ClassErrorKind::NotKey
        | ClassErrorKind::Merge => "yaml",
        ClassErrorKind::EmptyEntry => "entry-empty",
        ClassErrorKind::NoName => "name-missing",
        ClassErrorKind::Arn(_) => "arn-malformed",
        ClassErrorKind::ArnRegion { .. } => "arn-region",
        ClassErrorKind::NoType(_) => "type-missing",
        ClassErrorKind::ArnService(_) => "arn-service",
        ClassErrorKind::Type(_) => "type-unknown",
        ClassErrorKind::TypeOfArn(_) => "type-arn-mismatch",
        ClassErrorKind::VersionAndLabel(_) => "ssm-version-and-label",
        ClassErrorKind::DotDot(_) => "path-dotdot",
        ClassErrorKind::Mode(_) => "mode",
        ClassErrorKind::NoPath => "jmes-path-missing",
        ClassErrorKind::NoPathAlias => "jmes-alias-missing",
        ClassErrorKind::FailoverAlias(_) => "failover-needs-alias",
        ClassErrorKind::FailoverRegion(_) => "failover-needs-region",
        ClassErrorKind::FailoverVersion(_) => "failover-version-differs",
        ClassErrorKind::SameName(_) => "dup-name",
        ClassErrorKind::SameNameAndAlias { .. } => "dup-name-alias",
        ClassErrorKind::SameNameAndLabel { .. } => "dup-name-label",
        ClassErrorKind::SameObject { .. } => "dup-name-alias-label",
        ClassErrorKind::SameAlias(_) => "dup-alias",
        ClassErrorKind::SamePathAlias(_) => "dup-jmes-alias",
        _ => return None,
    })
}
