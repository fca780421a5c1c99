//! Which paths a file of a volume can have.

use crate::error::FileError;

/// The most bytes of a name.
const MAX_NAME: usize = 255;
/// The most bytes of a path.
const MAX_PATH: usize = 4096;

/// Checks a path of a file in a volume by the rules of the driver. They are stricter than those of the provider,
/// which by default writes files without folders.
pub fn check_file_path(path: &str) -> Result<(), FileError> {
    check(path)?;
    if path.starts_with("..") {
        return Err(FileError::Reserved);
    }
    Ok(())
}

fn check(path: &str) -> Result<(), FileError> {
    if path.len() > MAX_PATH {
        return Err(FileError::LongPath);
    }
    if path.contains('\0') {
        return Err(FileError::ZeroByte);
    }
    for name in path.split('/') {
        match name {
            "" => return Err(FileError::Empty),
            "." | ".." => return Err(FileError::Dots),
            name if name.len() > MAX_NAME => return Err(FileError::LongName),
            _ => {}
        }
    }
    Ok(())
}
