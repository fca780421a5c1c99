//! A file that a run writes.

use std::path::PathBuf;

use zeroize::Zeroizing;

/// One file and its content.
#[derive(Debug)]
pub struct OutputFile {
    /// The path of the file.
    pub path: PathBuf,
    /// The content, wiped when dropped.
    pub content: Zeroizing<Vec<u8>>,
}
