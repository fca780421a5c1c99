//! The operator's policy: what a pod may ask for.

pub(crate) mod effective;
pub(crate) mod file;
pub(crate) mod template;
