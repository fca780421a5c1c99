//! `init.DOMAIN/mount-path`: where the files are in the containers.

use std::{fmt, str::FromStr};

/// The longest mount path, in bytes.
const MAX_LENGTH: usize = 512;

/// An absolute folder inside a container, without `.`, `..` or empty segments, and not `/` itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MountPath(String);

impl MountPath {
    /// The folder that the original uses.
    pub const DEFAULT: &str = "/bsycorp-init";

    /// The path, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of a file in the folder.
    pub fn file(&self, name: &str) -> String {
        [&self.0, "/", name].concat()
    }
}

impl Default for MountPath {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl FromStr for MountPath {
    type Err = ParseMountPathError;

    fn from_str(text: &str) -> Result<Self, ParseMountPathError> {
        let path = text.strip_suffix('/').unwrap_or(text);
        // The path is written into each container of the pod, so its length counts many times.
        if path.len() > MAX_LENGTH {
            return Err(ParseMountPathError::TooLong);
        }
        let is_valid = path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|s| !matches!(s, "" | "." | ".."))
                && !rest.contains(|c: char| c.is_control() || c == ':')
        });
        if is_valid {
            Ok(Self(path.to_owned()))
        } else {
            Err(ParseMountPathError::NotAbsolute)
        }
    }
}

impl fmt::Display for MountPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is not a mount path. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseMountPathError {
    /// A relative path, or one that Kubernetes does not accept.
    #[error("use an absolute path such as /bsycorp-init, without '.', '..', ':' or empty segments")]
    NotAbsolute,
    /// More than 512 bytes.
    #[error("use a path of 512 bytes at most")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/bsycorp-init", Some("/bsycorp-init"))]
    #[case("/a/b/", Some("/a/b"))]
    #[case("/", None)]
    #[case("a", None)]
    #[case("/a/../b", None)]
    #[case("/a//b", None)]
    #[case("/a:b", None)]
    #[case(&format!("/{}", "a".repeat(512)), None)]
    fn a_mount_path_is_absolute_and_plain(#[case] text: &str, #[case] path: Option<&str>) {
        assert_eq!(
            text.parse::<MountPath>()
                .ok()
                .as_ref()
                .map(MountPath::as_str),
            path
        );
    }
}
