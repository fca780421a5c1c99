//! Fields that this program does not write and that the API server fills in with a default.
//!
//! Such a field has the type `()`. Decoding it fails if its value is not the default, because this
//! program then did not write the object.

use serde::{Deserialize, Deserializer, de};

/// Decodes a field that must be absent, `null` or the default.
pub(crate) fn server_default<'de, D, T>(deserializer: D, default: &T) -> Result<(), D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + PartialEq,
{
    match Option::<T>::deserialize(deserializer)? {
        Some(value) if value != *default => Err(de::Error::custom("not the default")),
        _ => Ok(()),
    }
}
