//! JSON patch operations (RFC 6902), in the order in which they are applied.

use std::fmt;

use crate::patch::json::JsonWriter;

/// A JSON patch. Its `Debug` tells the number of operations alone: a patch belongs in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Operations {
    json: JsonWriter,
    count: usize,
}

impl Operations {
    /// Writes a patch.
    pub(crate) fn write(operations: impl FnOnce(&mut OperationWriter<'_>)) -> Self {
        let mut json = JsonWriter::with_capacity(4096);
        let mut count = 0;
        json.array(|json| {
            operations(&mut OperationWriter {
                json,
                count: &mut count,
            });
        });
        Self { json, count }
    }

    /// The patch: a JSON array of operations.
    pub fn as_json(&self) -> &str {
        self.json.as_str()
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

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operations({})", self.count)
    }
}

/// Adds operations to a patch.
pub(crate) struct OperationWriter<'a> {
    json: &'a mut JsonWriter,
    count: &'a mut usize,
}

impl OperationWriter<'_> {
    pub(crate) fn add(&mut self, path: &str, value: impl FnOnce(&mut JsonWriter)) {
        self.operation("add", path, |json| value(json.key("value")));
    }

    pub(crate) fn replace(&mut self, path: &str, value: impl FnOnce(&mut JsonWriter)) {
        self.operation("replace", path, |json| value(json.key("value")));
    }

    pub(crate) fn relocate(&mut self, from: &str, path: &str) {
        self.operation("move", path, |json| json.member("from", from));
    }

    fn operation(&mut self, word: &str, path: &str, rest: impl FnOnce(&mut JsonWriter)) {
        *self.count += 1;
        self.json.object(|json| {
            json.member("op", word);
            json.member("path", path);
            rest(json);
        });
    }
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
