//! What a store says about a value, as JSON and as cells of a table.

use std::collections::BTreeMap;

use kees_store::values::Metadata;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct ValueJson<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kms_key: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<&'a str, &'a str>,
}

impl<'a> From<&'a Metadata> for ValueJson<'a> {
    fn from(metadata: &'a Metadata) -> Self {
        let Metadata {
            name,
            size,
            created,
            changed,
            version,
            kms_key,
            tags,
        } = metadata;
        let tags = tags.iter();
        Self {
            path: name,
            size: *size,
            created: created.as_deref(),
            changed: changed.as_deref(),
            version: version.as_deref(),
            kms_key: kms_key.as_deref(),
            tags: tags
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect(),
        }
    }
}

/// The number of bytes, for a person.
pub(super) fn size(size: Option<usize>) -> String {
    size.map_or_else(|| "-".to_owned(), |size| format!("{size} B"))
}

/// A text of a store without characters that would change the terminal.
pub(super) fn printable(text: &str) -> String {
    let printable = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(printable).collect()
}
