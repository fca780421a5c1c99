//! Describes a call to AWS for error messages.

use std::borrow::Cow;

use kees_common::{StoragePath, StoreName};

/// A call to AWS.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The store.
    pub store: StoreName,
    /// The IAM action, `dynamodb:GetItem`.
    pub action: &'static str,
    /// The resource as IAM names it.
    pub resource: Cow<'a, str>,
    /// The path, if the call is about a single path.
    pub path: Option<&'a StoragePath>,
}
