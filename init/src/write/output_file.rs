//! A file that a run writes.

use std::path::PathBuf;

use kees_common::FileMode;
use zeroize::Zeroizing;

/// One file, its mode and its content.
#[derive(Debug)]
pub struct OutputFile {
    /// The path of the file.
    pub path: PathBuf,
    /// The mode of the file, if it is not that of the other files.
    pub mode: Option<FileMode>,
    /// Whether the content differs each time although the values are the same: an encrypted file has a
    /// salt. Such a file says nothing about whether the values have changed.
    pub is_salted: bool,
    /// The content, wiped when dropped.
    pub content: Zeroizing<Vec<u8>>,
}
