//! What is injected into a pod, and the JSON patch that does it.

pub(crate) mod container;
pub(crate) mod env;
pub(crate) mod identity;
pub(crate) mod injection;
pub(crate) mod json;
pub(crate) mod operations;
pub(crate) mod placement;
pub(crate) mod reconcile;
pub(crate) mod reserved_paths;
pub(crate) mod security_context;
