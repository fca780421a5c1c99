//! The operator's policy: what each pod may do.

pub(crate) mod allowance;
pub(crate) mod apply;
pub(crate) mod effective;
pub(crate) mod evaluation;
pub(crate) mod file;
mod limits;
pub(crate) mod objects;
pub(crate) mod patterns;
pub(crate) mod result;
pub(crate) mod rule;
mod rule_file;
pub(crate) mod template;
