//! What the cluster has for the volumes of `SecretProviderClass` objects: an input of the decision.

use std::sync::Arc;

use kees_secret_provider_class::ClassSpec;

/// Finds what the volumes of classes need. The decision calls it, so an implementation answers at once, from a cache.
pub trait Classes {
    /// The `spec` of a class.
    fn class(&self, namespace: &str, name: &str) -> Lookup<Arc<ClassSpec>>;

    /// The role of a ServiceAccount: the value of its annotation [`ROLE_ANNOTATION`].
    fn role(&self, namespace: &str, service_account: &str) -> Lookup<Arc<str>>;
}

/// The annotation of a ServiceAccount that names its role, in EKS.
pub const ROLE_ANNOTATION: &str = "eks.amazonaws.com/role-arn";

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<T> {
    /// This.
    Found(T),
    /// The cluster has none.
    Missing,
    /// It is not known, for this reason.
    Unknown(String),
}

/// Whether volumes of classes are replaced.
#[derive(Clone, Copy, Default)]
pub enum ClassAccess<'c> {
    /// No: they are left to the CSI driver.
    #[default]
    Off,
    /// Nobody asks: the program decides about annotations alone.
    Ignored,
    /// Those of pods that ask for it.
    On {
        /// What the cluster has.
        classes: &'c dyn Classes,
        /// Whether the pod's namespace asks for it. The label of the pod wins.
        requested: bool,
    },
}
