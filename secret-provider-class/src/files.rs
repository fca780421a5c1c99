//! The files of a volume, from the values of its objects.

use kees_common::SecretValue;

use crate::{
    expression::{ExtractError, JsonValue},
    mount::{Mode, Mount, Object},
};

/// A file that is written into the volume.
pub struct OutputFile {
    /// Its path within the volume.
    pub path: String,
    /// Its permissions.
    pub mode: Mode,
    /// Its content.
    pub content: SecretValue,
}

/// Why there are no files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilesError {
    /// An object was not read.
    #[error("{0} was not read")]
    NoValue(String),
    /// A JMESPath finds no text in the value of an object.
    #[error("{object}: {error}")]
    Extract {
        /// The name of the object.
        object: String,
        /// What is wrong.
        error: ExtractError,
    },
}

/// All files of a volume: the value of each object, and what its expressions find in it. `value` gives the value
/// of an object.
///
/// # Errors
/// All errors. Without all files there are none.
pub fn files<'v>(
    mount: &Mount,
    value: impl Fn(&Object) -> Option<&'v SecretValue>,
) -> Result<Vec<OutputFile>, Vec<FilesError>> {
    let mut files = Vec::new();
    let mut errors = Vec::new();
    for object in &mount.objects {
        match value(object) {
            Some(value) => add(object, value, &mut files, &mut errors),
            None => errors.push(FilesError::NoValue(object.selector.name.clone())),
        }
    }
    if errors.is_empty() {
        Ok(files)
    } else {
        Err(errors)
    }
}

fn add(
    object: &Object,
    value: &SecretValue,
    files: &mut Vec<OutputFile>,
    errors: &mut Vec<FilesError>,
) {
    files.push(OutputFile {
        path: object.file.path.clone(),
        mode: object.file.mode,
        content: value.clone(),
    });
    if object.extracts.is_empty() {
        return;
    }
    let mut error = |error| {
        let object = object.selector.name.clone();
        errors.push(FilesError::Extract { object, error });
    };
    let json = match JsonValue::read(value) {
        Ok(json) => json,
        Err(not_json) => return error(not_json),
    };
    for extract in &object.extracts {
        match json.extract(&extract.expression) {
            Ok(content) => files.push(OutputFile {
                path: extract.file.path.clone(),
                mode: extract.file.mode,
                content,
            }),
            Err(wrong) => error(wrong),
        }
    }
}
