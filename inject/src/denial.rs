//! The reason of a denial, for metrics and logs: one of a few words, because a message may contain
//! values of the pod.

use crate::{
    class::error::ClassVolumeError,
    error::{PodError, PodErrorKind},
};

/// What kind of error a pod is denied for. If it has errors of several kinds, the first of this list
/// is the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DenialReason {
    /// The pod is larger than Kubernetes allows.
    Size,
    /// The policy does not allow what the pod asks for.
    Policy,
    /// An annotation is invalid.
    Annotation,
    /// A volume of a `SecretProviderClass`, or the class, is missing or wrong.
    Class,
    /// The injection does not fit the pod: a reserved name, or a mount path that is in use.
    Pod,
    /// The pod has only warnings, and the policy is strict.
    Strict,
}

impl DenialReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Size,
        Self::Policy,
        Self::Annotation,
        Self::Class,
        Self::Pod,
        Self::Strict,
    ];

    /// The reason in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Policy => "policy",
            Self::Annotation => "annotation",
            Self::Class => "class",
            Self::Pod => "pod",
            Self::Strict => "strict",
        }
    }

    /// The reason of a denial with these errors; `None` if there are none.
    pub fn of(errors: &[PodError]) -> Option<Self> {
        errors.iter().map(Self::of_error).min()
    }

    /// The reason of one error.
    pub fn of_error(error: &PodError) -> Self {
        if error.is_of_policy() {
            return Self::Policy;
        }
        let PodError::Pod { kind, .. } = error else {
            return Self::Annotation;
        };
        match kind {
            PodErrorKind::AnnotationsTooLarge { .. }
            | PodErrorKind::ListTooLong { .. }
            | PodErrorKind::TooManyMounts { .. }
            | PodErrorKind::NameTooLong { .. } => Self::Size,
            PodErrorKind::Class(error) if is_size(error) => Self::Size,
            PodErrorKind::Class(_) => Self::Class,
            PodErrorKind::DeniedWarning(_) => Self::Strict,
            _ => Self::Pod,
        }
    }
}

fn is_size(error: &ClassVolumeError) -> bool {
    matches!(
        error,
        ClassVolumeError::TooLarge { .. } | ClassVolumeError::AttributesTooLarge { .. }
    )
}
