//! What a decision may know of the cluster besides the pod.

use crate::{classes::ClassAccess, sharing::live_pods::OtherPods};

/// What a decision may know of the cluster besides the pod. Without anything, it depends on the pod and the settings alone.
#[derive(Clone, Copy, Default)]
pub struct ClusterView<'c> {
    /// The classes, if volumes of classes are replaced.
    pub classes: ClassAccess<'c>,
    /// The other live pods, if pods that ask for one Secret with different contents are denied.
    pub pods: Option<&'c dyn OtherPods>,
}

impl<'c> From<ClassAccess<'c>> for ClusterView<'c> {
    fn from(classes: ClassAccess<'c>) -> Self {
        Self {
            classes,
            pods: None,
        }
    }
}
