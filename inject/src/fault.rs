//! What is wrong with a pod, beside what is wrong with one annotation.

/// One reason why a pod is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An annotation is wrong.
    #[error("{0}")]
    Annotation(#[from] kees_common::Fault),
}
