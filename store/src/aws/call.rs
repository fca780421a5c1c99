//! A call to AWS, as errors name it.

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
    /// The path, where the call is about one.
    pub path: Option<&'a StoragePath>,
}
