//! Why JSON cannot be read: where, and what would be right there. Nothing that stands in a value is
//! repeated, since it may be what is not to be shown.

use serde::Deserialize;
use serde_json::error::Category;

/// JSON that cannot be read as what it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    /// It breaks the rules of JSON. The parser says which one and where, not what stands there.
    #[error("{0}")]
    NotJson(serde_json::Error),
    /// A value is of another kind than it should be.
    #[error("{}expected {expected} at line {line} column {column}", prefix(path))]
    Kind {
        /// The value's place, such as `spec.containers[0].name`; empty for the whole.
        path: String,
        expected: String,
        line: usize,
        column: usize,
    },
    /// A member of an object stands there more than once.
    #[error(
        "{}expected each member once at line {line} column {column}",
        prefix(path)
    )]
    Repeated {
        path: String,
        line: usize,
        column: usize,
    },
}

impl DecodeError {
    /// Why `json` is no `T`. It is read once more, which keeps the track of where a value stands
    /// out of the reading that nearly always succeeds.
    pub(crate) fn of<'de, T: Deserialize<'de>>(json: &'de str, error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        if error.classify() != Category::Data {
            return Self::NotJson(error);
        }
        let path = path::<T>(json);
        match expected(&error.to_string()) {
            Some(expected) => Self::Kind {
                path,
                expected,
                line,
                column,
            },
            None => Self::Repeated { path, line, column },
        }
    }
}

/// Where reading a `T` fails.
fn path<'de, T: Deserialize<'de>>(json: &'de str) -> String {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) if error.path().iter().len() > 0 => error.path().to_string(),
        _ => String::new(),
    }
}

fn prefix(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!("{path}: ")
    }
}

/// What would be right, out of serde's "invalid type: string "x", expected y at line 1 column 2".
/// The value comes first, and nothing that is expected has a comma in it.
fn expected(message: &str) -> Option<String> {
    let (_, end) = message.rsplit_once(", expected ")?;
    let (expected, _) = end.rsplit_once(" at line ").unwrap_or((end, ""));
    Some(match expected {
        "a sequence" => "an array".to_owned(),
        "i64" => "a whole number of 64 bits".to_owned(),
        other => other.to_owned(),
    })
}
