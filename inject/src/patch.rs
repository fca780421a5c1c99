//! What is injected into a pod, and the JSON patch that does it.
//!
//! [`injection::Injection`] is the data: the init container, volumes, mounts and annotation.
//! [`write`](mod@write) makes a patch of it for a pod that is not injected yet, and [`reconcile`]
//! for a pod that is.

pub(crate) mod class_tokens;
pub(crate) mod container;
pub(crate) mod env;
pub(crate) mod exec;
pub(crate) mod field_ref;
pub(crate) mod identity;
pub(crate) mod injection;
pub(crate) mod mount_path;
pub(crate) mod mounts;
pub(crate) mod operations;
pub(crate) mod placement;
pub(crate) mod reconcile;
pub(crate) mod refresh;
pub(crate) mod reserved_names;
pub(crate) mod reserved_paths;
pub(crate) mod scope;
pub(crate) mod security_context;
pub(crate) mod volumes;
pub(crate) mod write;
