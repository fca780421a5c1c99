//! What a store says about a value.

/// A value without the value itself. What a store does not say is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// The name in the store. It may be one that is no path of kees.
    pub name: String,
    /// The number of bytes.
    pub size: Option<usize>,
    /// When it was created, in the form of RFC 3339.
    pub created: Option<String>,
    /// When it was changed, in the form of RFC 3339.
    pub changed: Option<String>,
    /// The number of its version.
    pub version: Option<String>,
    /// The KMS key that encrypts it; absent for the AWS managed key of Secrets Manager.
    pub kms_key: Option<String>,
    /// Its tags, where the store gives them.
    pub tags: Vec<(String, String)>,
}

impl Metadata {
    /// A value of which only the name is known.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// The value of the tag `key`.
    pub fn tag(&self, key: &str) -> Option<&str> {
        let tag = self.tags.iter().find(|(name, _)| name == key);
        tag.map(|(_, value)| value.as_str())
    }
}
