//! The effective policy of one pod: what the rule that matches it allows, with the pod's own
//! choices.

use kees_common::{References, StoragePrefix, StoreName};

use crate::{pod::resources::Resources, policy::rule::Create};

/// The policy for one pod.
#[derive(Debug)]
pub(crate) struct EffectivePolicy<'s> {
    /// `STORAGE_PREFIX`; absent in a pod that uses no store and names no prefix.
    pub(crate) prefix: Option<StoragePrefix>,
    /// `STORE`
    pub(crate) store: StoreName,
    /// `STORES`; begins with [`EffectivePolicy::store`].
    pub(crate) stores: Vec<StoreName>,
    /// `REFERENCES`: the ARNs that the pod names and may use.
    pub(crate) references: References,
    /// `LOCAL_MODE`
    pub(crate) local_mode: bool,
    /// `CREATE`
    pub(crate) create: Create,
    /// Requests and limits of the init container.
    pub(crate) resources: &'s Resources,
    /// Whether the init container may use the node's AWS identity.
    pub(crate) instance_metadata: bool,
}
