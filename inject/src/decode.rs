//! Strict decoding of JSON: an object is never read from an array, and no error repeats a value.

pub(crate) mod error;
pub(crate) mod object;
pub(crate) mod server_default;
