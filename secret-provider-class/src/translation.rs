//! The paths of files, from the names of objects.

use crate::{error::FileError, file_name::check_file_path, mount::File};

/// `pathTranslation`: what becomes of slashes in a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Translation {
    /// They are replaced by one character.
    By(char),
    /// They stay, except those at the beginning: the file is in folders.
    Off,
}

impl Translation {
    /// The default without a text; `None` for a wrong one.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::By('_'));
        }
        if text.eq_ignore_ascii_case("false") {
            return Some(Self::Off);
        }
        let mut chars = text.chars();
        chars.next().filter(|_| text.len() == 1).map(Self::By)
    }

    pub(crate) fn path(self, name: &str) -> String {
        match self {
            Self::By(char) => name.replace('/', char.encode_utf8(&mut [0; 4])),
            Self::Off => name.trim_start_matches('/').to_owned(),
        }
    }
}

/// Whether the provider refuses the path of an object.
pub(crate) fn has_dot_dot(path: &str) -> bool {
    path.starts_with("../") || path.contains("/../") || path.ends_with("/..")
}

/// Checks a path as [`check_file_path`], but a file that is in no folder may begin with two dots. What `kees-init` would
/// not write is refused too, so that the pod is denied and does not fail when it starts.
pub(crate) fn check_in_volume(file: &File) -> Result<(), FileError> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if name == ".kees" || name.starts_with(".kees.new.") {
        return Err(FileError::OfKees);
    }
    match check_file_path(&file.path) {
        Err(FileError::Reserved) if !file.path.contains('/') => Ok(()),
        checked => checked,
    }
}
