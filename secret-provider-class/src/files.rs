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
        let name = || object.selector.name.clone();
        let Some(value) = value(object) else {
            errors.push(FilesError::NoValue(name()));
            continue;
        };
        match object_files(object, value) {
            Ok(more) => files.extend(more),
            Err(more) => errors.extend(more.into_iter().map(|error| {
                let object = name();
                FilesError::Extract { object, error }
            })),
        }
    }
    if errors.is_empty() {
        Ok(files)
    } else {
        Err(errors)
    }
}

/// The files of one object.
pub(crate) fn object_files(
    object: &Object,
    value: &SecretValue,
) -> Result<Vec<OutputFile>, Vec<ExtractError>> {
    let mut files = vec![OutputFile {
        path: object.file.path.clone(),
        mode: object.file.mode,
        content: value.clone(),
    }];
    if object.extracts.is_empty() {
        return Ok(files);
    }
    let json = JsonValue::read(value).map_err(|error| vec![error])?;
    let mut errors = Vec::new();
    for extract in &object.extracts {
        match json.extract(&extract.expression) {
            Ok(content) => files.push(OutputFile {
                path: extract.file.path.clone(),
                mode: extract.file.mode,
                content,
            }),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(files)
    } else {
        Err(errors)
    }
}
