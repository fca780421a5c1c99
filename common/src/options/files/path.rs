//! `path=` of `init.DOMAIN/file.NAME`: a file within the folder of the files.

use std::{fmt, str::FromStr};

/// The longest path, in bytes.
const MAX_LENGTH: usize = 512;

/// The longest name of a file or folder on Linux.
const MAX_SEGMENT: usize = 255;

/// A relative path that stays within its folder: `tls/server.key`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FilePath(String);

impl FilePath {
    /// The path as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FilePath {
    type Err = ParseFilePathError;

    fn from_str(text: &str) -> Result<Self, ParseFilePathError> {
        if text.starts_with('/') {
            return Err(ParseFilePathError::Absolute);
        }
        if text.len() > MAX_LENGTH || text.split('/').any(|s| s.len() > MAX_SEGMENT) {
            return Err(ParseFilePathError::TooLong);
        }
        // `..` is also how the names begin that change at a refresh.
        let is_reserved = |segment: &str| segment.starts_with(".kees") || segment.starts_with("..");
        if text.split('/').any(is_reserved) {
            return Err(ParseFilePathError::Reserved);
        }
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let is_name =
            |segment: &str| !matches!(segment, "" | ".") && segment.bytes().all(is_allowed);
        if !text.split('/').all(is_name) {
            return Err(ParseFilePathError::Name);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is not a [`FilePath`]. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseFilePathError {
    /// A path that begins with a slash.
    #[error(
        "use a path below the folder of the files, such as tls/server.key, without a '/' at its beginning"
    )]
    Absolute,
    /// More than 512 bytes, or a name of more than 255.
    #[error("use a path of 512 bytes at most, with names of 255 bytes at most")]
    TooLong,
    /// A name that the init container uses itself, or that leads out of the folder.
    #[error("use names that begin neither with '..' nor with .kees")]
    Reserved,
    /// A name with other characters.
    #[error("use names of letters, digits, '-', '_' and '.', separated by '/'")]
    Name,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("server.key", None)]
    #[case("tls/server.key", None)]
    #[case(".pgpass", None)]
    #[case("/etc/passwd", Some(ParseFilePathError::Absolute))]
    #[case("../x", Some(ParseFilePathError::Reserved))]
    #[case("a/../../x", Some(ParseFilePathError::Reserved))]
    #[case("..data", Some(ParseFilePathError::Reserved))]
    #[case(".kees", Some(ParseFilePathError::Reserved))]
    #[case("a/.kees.new.0", Some(ParseFilePathError::Reserved))]
    #[case("a/./b", Some(ParseFilePathError::Name))]
    #[case("a//b", Some(ParseFilePathError::Name))]
    #[case("a/", Some(ParseFilePathError::Name))]
    #[case("", Some(ParseFilePathError::Name))]
    #[case("a b", Some(ParseFilePathError::Name))]
    #[case("a\nb", Some(ParseFilePathError::Name))]
    #[case(&"a/".repeat(300), Some(ParseFilePathError::TooLong))]
    #[case(&"a".repeat(256), Some(ParseFilePathError::TooLong))]
    fn a_path_stays_within_the_folder(
        #[case] text: &str,
        #[case] error: Option<ParseFilePathError>,
    ) {
        assert_eq!(text.parse::<FilePath>().err(), error);
    }
}
