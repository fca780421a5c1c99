//! Errors of decoding JSON: the place and what is expected there. A message never repeats a value,
//! because the value may be a secret.

use serde::Deserialize;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use crate::error::excerpt;

/// The longest text in which the place of an error is searched. The search copies keys, and one key can be
/// as long as the text. Line and column are known without it.
const SEARCHED: usize = 1 << 20;

/// JSON that cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    /// The syntax is invalid. The parser's message names the rule and the position only.
    #[error("{0}")]
    Syntax(serde_json::Error),
    /// A value has the wrong type.
    #[error("{}expected {expected} at line {line} column {column}", prefix(path))]
    Type {
        /// The place of the value, such as `spec.containers[0].name`; empty for the whole text.
        path: String,
        expected: String,
        line: usize,
        column: usize,
    },
    /// An object has two members of the same name.
    #[error(
        "{}expected each member once at line {line} column {column}",
        prefix(path)
    )]
    Duplicate {
        path: String,
        line: usize,
        column: usize,
    },
}

impl DecodeError {
    /// The error of decoding `json` as `T`. Decodes a second time to find the path, so that the
    /// first time, which nearly always succeeds, does not pay for tracking it.
    pub(crate) fn new<'de, T: Deserialize<'de>>(json: &'de str, error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        if error.classify() != Category::Data {
            return Self::Syntax(error);
        }
        let path = path::<T>(json);
        match expected(&error.to_string()) {
            Some(expected) => Self::Type {
                path,
                expected,
                line,
                column,
            },
            None => Self::Duplicate { path, line, column },
        }
    }
}

/// The path of the value at which decoding as `T` fails. Empty if it is not searched.
fn path<'de, T: Deserialize<'de>>(json: &'de str) -> String {
    if json.len() > SEARCHED {
        return String::new();
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => short(error.path()),
        Ok(_) => String::new(),
    }
}

/// The path as text. A key is shortened: it can be that of an annotation, and of any length.
fn short(path: &Path) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.extend(["[", &index.to_string(), "]"]),
            Segment::Map { key: name } | Segment::Enum { variant: name } => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(&excerpt(name));
            }
            Segment::Unknown => {}
        }
    }
    text
}

fn prefix(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!("{path}: ")
    }
}

/// The expected type, from serde's message `invalid type: string "x", expected y at line 1 column
/// 2`. The value comes first in the message, and no expected type contains a comma.
fn expected(message: &str) -> Option<String> {
    let (_, end) = message.rsplit_once(", expected ")?;
    let (expected, _) = end.rsplit_once(" at line ").unwrap_or((end, ""));
    Some(match expected {
        "a sequence" => "an array".to_owned(),
        other => other.to_owned(),
    })
}
