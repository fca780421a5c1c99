//! JSON patch operations (RFC 6902), written straight into a buffer.

/// A JSON patch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Operations {
    json: String,
    count: usize,
}

impl Operations {
    /// The patch: a JSON array of operations.
    pub fn as_json(&self) -> &str {
        if self.count == 0 { "[]" } else { &self.json }
    }

    /// How many operations there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}
