//! The operator's policy: what each pod may do.

pub(crate) mod effective;
pub(crate) mod file;
pub(crate) mod patterns;
pub(crate) mod rule;
pub(crate) mod template;
