//! A JSON patch (RFC 6902).

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::{
    patch::{container::InitContainer, mounts::VolumeMount, volumes::Volume},
    pod::text::Text,
};

/// A JSON patch for a pod. Its `Debug` prints only the number of operations, because a patch must
/// not be logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Operations {
    json: String,
    count: usize,
}

impl Operations {
    pub(crate) fn new(operations: &[Operation<'_>]) -> serde_json::Result<Self> {
        Ok(Self {
            json: serde_json::to_string(operations)?,
            count: operations.len(),
        })
    }

    /// The patch: a JSON array of operations.
    pub fn as_json(&self) -> &str {
        &self.json
    }

    /// The number of operations.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the pod needs no change.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operations({})", self.count)
    }
}

/// One operation of a patch.
#[derive(Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(crate) enum Operation<'a> {
    Add { path: String, value: Value<'a> },
    Replace { path: String, value: Value<'a> },
    Move { path: String, from: String },
    Remove { path: String },
}

impl<'a> Operation<'a> {
    pub(crate) fn add(path: impl Into<String>, value: Value<'a>) -> Self {
        let path = path.into();
        Self::Add { path, value }
    }

    pub(crate) fn replace(path: impl Into<String>, value: Value<'a>) -> Self {
        let path = path.into();
        Self::Replace { path, value }
    }
}

/// The value of an operation: an element, or a list with the first elements.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Value<'a> {
    Container(&'a InitContainer<'a>),
    Containers(Vec<&'a InitContainer<'a>>),
    Volume(&'a Volume<'a>),
    Volumes(&'a [Volume<'a>]),
    Mount(&'a VolumeMount<'a>),
    Mounts([&'a VolumeMount<'a>; 1]),
    Text(&'a str),
    Texts(BTreeMap<&'a str, &'a str>),
    Boolean(bool),
    Command(&'a [Text<'a>]),
}

/// A key as a segment of a JSON pointer (RFC 6901).
pub(crate) fn pointer_segment(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_becomes_one_segment_of_a_pointer() {
        assert_eq!(pointer_segment("a/b~c~1"), "a~1b~0c~01");
    }
}
