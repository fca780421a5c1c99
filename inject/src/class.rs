//! The volumes of `SecretProviderClass` objects: which ones a pod has, and what is written into them.

pub(crate) mod error;
pub(crate) mod found;
pub(crate) mod permission;
pub(crate) mod plan;
pub(crate) mod readable;
mod secrets;
