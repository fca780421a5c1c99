//! JSON read strictly: objects are never arrays, and an error never repeats a value.

pub(crate) mod error;
pub(crate) mod object;
