//! Strict decoding of JSON: an object is never read from an array, no error repeats a value, and
//! lists and errors are bounded, because any client can send the JSON.

pub(crate) mod error;
pub(crate) mod list;
pub(crate) mod object;
pub(crate) mod scalar;
pub(crate) mod server_default;
