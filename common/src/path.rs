//! Where a value is stored: a prefix and, below it, a path.

use std::{fmt, str::FromStr};

/// The prefix of every storage path of a pod, from `init.DOMAIN/storage-prefix` or the operator.
/// One trailing `/` is dropped when a path is joined, so `/` stands for the root.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StoragePrefix(String);

impl StoragePrefix {
    /// The prefix of a pod that names none: `/`.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// The prefix as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of `suffix` under this prefix. It is joined first and then looked at, so a
    /// segment that only the joining makes (an empty one, `..`) is found as well.
    pub fn join(&self, suffix: &str) -> Result<StoragePath, ParsePathError> {
        let text = [self.trimmed(), "/", suffix].concat();
        check_path(&text)?;
        Ok(StoragePath(text))
    }

    /// Whether `other` is this prefix or below it, segment by segment: `/dev/team-a` does not
    /// contain `/dev/team-ab`.
    pub fn contains(&self, other: &Self) -> bool {
        match other.trimmed().strip_prefix(self.trimmed()) {
            Some(rest) => rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }

    /// The prefix less one trailing `/`.
    fn trimmed(&self) -> &str {
        self.0.strip_suffix('/').unwrap_or(&self.0)
    }
}

impl FromStr for StoragePrefix {
    type Err = ParsePathError;

    fn from_str(text: &str) -> Result<Self, ParsePathError> {
        let prefix = Self(text.to_owned());
        // Whatever is wrong with the prefix is wrong with each path below it.
        prefix.join("x")?;
        Ok(prefix)
    }
}

impl fmt::Display for StoragePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The full path of one stored value: a key of kees's table, the name of a secret, or an ARN.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoragePath(String);

impl StoragePath {
    /// The path as the store takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An ARN, which stands for itself.
    pub(crate) fn arn(arn: &str) -> Result<Self, ParsePathError> {
        check_text(arn)?;
        Ok(Self(arn.to_owned()))
    }

    /// Whether this path is an ARN rather than a path under the pod's prefix.
    pub fn is_arn(&self) -> bool {
        self.0.starts_with("arn:")
    }
}

impl FromStr for StoragePath {
    type Err = ParsePathError;

    fn from_str(text: &str) -> Result<Self, ParsePathError> {
        check_path(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for StoragePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_path(text: &str) -> Result<(), ParsePathError> {
    check_text(text)?;
    let below = text.strip_prefix('/').unwrap_or(text).as_bytes();
    for segment in below.split(|byte| *byte == b'/') {
        match segment {
            b"" => return Err(ParsePathError::Empty),
            b"." | b".." => return Err(ParsePathError::Dots),
            _ => {}
        }
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), ParsePathError> {
    if text.len() > 2048 {
        return Err(ParsePathError::TooLong);
    }
    let control = if text.is_ascii() {
        // A look at all of it has no branches.
        text.bytes()
            .fold(false, |any, byte| any | byte.is_ascii_control())
    } else {
        text.chars().any(char::is_control)
    };
    if control {
        return Err(ParsePathError::Control);
    }
    Ok(())
}

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParsePathError {
    /// `a//b`, or nothing at all.
    #[error("the path has an empty segment; write each segment once, between single slashes")]
    Empty,
    /// `.` or `..`.
    #[error("the path has a '.' or '..' segment; write the path itself")]
    Dots,
    /// A control character.
    #[error("the path has a control character")]
    Control,
    /// More than the 2,048 bytes of a DynamoDB partition key.
    #[error("the path is longer than 2048 bytes, the most that DynamoDB takes as a key")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/", "db", "/db")]
    #[case("/dev/team", "db", "/dev/team/db")]
    #[case("/dev/team/", "db", "/dev/team/db")]
    #[case("dev", "a/b", "dev/a/b")]
    #[case("", "db", "/db")]
    fn a_path_is_the_prefix_less_one_slash_and_the_suffix(
        #[case] prefix: &str,
        #[case] suffix: &str,
        #[case] path: &str,
    ) {
        let prefix: StoragePrefix = prefix.parse().unwrap();
        assert_eq!(prefix.join(suffix).unwrap().as_str(), path);
    }

    #[rstest]
    #[case("/dev", "../prod/db", ParsePathError::Dots)]
    #[case("/dev", "a/./b", ParsePathError::Dots)]
    #[case("/dev", "", ParsePathError::Empty)]
    #[case("/dev", "/db", ParsePathError::Empty)]
    #[case("/dev", "a//b", ParsePathError::Empty)]
    #[case("/dev", "a/", ParsePathError::Empty)]
    #[case("/dev", "a\nb", ParsePathError::Control)]
    fn a_path_is_looked_at_after_it_was_joined(
        #[case] prefix: &str,
        #[case] suffix: &str,
        #[case] problem: ParsePathError,
    ) {
        assert_eq!(
            prefix.parse::<StoragePrefix>().unwrap().join(suffix),
            Err(problem)
        );
    }

    #[rstest]
    #[case("//")]
    #[case("/dev//")]
    #[case("/dev/../prod")]
    fn a_prefix_that_spoils_every_path_is_refused(#[case] prefix: &str) {
        assert!(prefix.parse::<StoragePrefix>().is_err());
    }

    #[rstest]
    #[case("/dev/team-a", "/dev/team-a", true)]
    #[case("/dev/team-a", "/dev/team-a/", true)]
    #[case("/dev/team-a", "/dev/team-a/x", true)]
    #[case("/dev/team-a", "/dev/team-ab", false)]
    #[case("/dev/team-a", "/dev", false)]
    #[case("/", "/anything", true)]
    fn a_prefix_contains_what_is_below_it_segment_by_segment(
        #[case] outer: &str,
        #[case] inner: &str,
        #[case] contains: bool,
    ) {
        let (outer, inner): (StoragePrefix, StoragePrefix) =
            (outer.parse().unwrap(), inner.parse().unwrap());
        assert_eq!(outer.contains(&inner), contains);
    }
}
