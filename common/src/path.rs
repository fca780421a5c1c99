//! The path of a stored value: a prefix, and what follows it.

use std::{fmt, str::FromStr};

/// The longest path, in bytes: the most that DynamoDB accepts as a partition key.
const MAX_LENGTH: usize = 2048;

/// The prefix of every storage path of a pod, from `init.DOMAIN/storage-prefix` or the operator.
/// A path is joined without one `/` at the end of the prefix, so `/` means the root.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StoragePrefix(String);

impl StoragePrefix {
    /// The prefix of a pod that names none: `/`.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// The prefix as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of `suffix` under this prefix. The path is joined before it is checked, so the
    /// check finds segments that only joining creates (an empty one, `..`).
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

    /// Whether the stored value `name` is at this prefix or below it, segment by segment: `/dev/team-a`
    /// does not contain `/dev/team-ab`. `/` contains every name, also one that does not begin with `/`.
    pub fn contains_name(&self, name: &str) -> bool {
        let prefix = self.trimmed();
        match name.strip_prefix(prefix) {
            Some(rest) => prefix.is_empty() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }

    /// The prefix less one trailing `/`: the beginning of each name that it contains. Empty for `/`.
    pub fn trimmed(&self) -> &str {
        self.0.strip_suffix('/').unwrap_or(&self.0)
    }
}

impl FromStr for StoragePrefix {
    type Err = ParsePathError;

    fn from_str(text: &str) -> Result<Self, ParsePathError> {
        if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
            return Err(ParsePathError::Blank);
        }
        // Secrets Manager would take each path below it for an ARN, which can name another account or Region.
        if text.starts_with("arn:") {
            return Err(ParsePathError::ArnAsPrefix);
        }
        let prefix = Self(text.to_owned());
        // An error of the prefix is an error of each path below it.
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
    /// The end of the path of a previous value, in a store in which each value has a name of its own.
    pub const PREVIOUS: &str = ".previous";

    /// The end of the path of a rotation's lock, in a store whose writes have no condition.
    pub const ROTATING: &str = ".rotating";

    /// The path, in the form that stores use.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where a store in which each value has a name of its own keeps the value that was here before
    /// the last rotation.
    #[must_use]
    pub fn previous(&self) -> Self {
        self.with_suffix(Self::PREVIOUS)
    }

    /// This path with `suffix` at its end, which must be ASCII without blanks and slashes.
    #[must_use]
    pub fn with_suffix(&self, suffix: &str) -> Self {
        Self(format!("{}{suffix}", self.0))
    }

    /// A path whose parts were checked together before.
    pub(crate) fn checked(text: String) -> Self {
        Self(text)
    }

    /// An ARN. It is not joined with a prefix.
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
    if text.len() > MAX_LENGTH {
        return Err(ParsePathError::TooLong);
    }
    if !text.is_ascii() {
        return Err(ParsePathError::NotAscii);
    }
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(ParsePathError::Control);
    }
    if text.ends_with(' ') {
        return Err(ParsePathError::Blank);
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
    /// A letter outside ASCII.
    #[error(
        "the path has a character that is not ASCII; use ASCII only: the original kees reads such a \
         character differently, so the path would name another value there"
    )]
    NotAscii,
    /// A blank at the end, or at the beginning of a prefix.
    #[error(
        "the path begins or ends in a blank; remove the blank: the original kees reads it as part \
         of the path, which would then name another value"
    )]
    Blank,
    /// A prefix that begins as an ARN does.
    #[error("an ARN cannot be a prefix; use storageKey= with the ARN of the secret")]
    ArnAsPrefix,
    /// More than the 2,048 bytes of a DynamoDB partition key.
    #[error("the path is longer than 2048 bytes, the most that DynamoDB accepts as a key")]
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
    #[case("/dev", "caf\u{e9}", ParsePathError::NotAscii)]
    #[case("/dev", "a\u{a0}", ParsePathError::NotAscii)]
    #[case("/dev", "a ", ParsePathError::Blank)]
    fn a_path_is_checked_after_it_was_joined(
        #[case] prefix: &str,
        #[case] suffix: &str,
        #[case] expected: ParsePathError,
    ) {
        assert_eq!(
            prefix.parse::<StoragePrefix>().unwrap().join(suffix),
            Err(expected)
        );
    }

    #[rstest]
    #[case("//")]
    #[case("/dev//")]
    #[case("/dev/../prod")]
    #[case("/d\u{e9}v")]
    #[case("/dev ")]
    #[case("/dev\n")]
    #[case(" /dev")]
    #[case(" ")]
    #[case("arn:aws:secretsmanager:eu-west-1:111122223333:secret:x")]
    fn a_prefix_that_makes_every_path_invalid_is_invalid(#[case] prefix: &str) {
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

    #[rstest]
    #[case("/dev/team-a", "/dev/team-a", true)]
    #[case("/dev/team-a", "/dev/team-a/x", true)]
    #[case("/dev/team-a/", "/dev/team-a/x/y", true)]
    #[case("/dev/team-a", "/dev/team-ab", false)]
    #[case("/dev/team-a", "/dev/team-ab/x", false)]
    #[case("/dev/team-a", "/Dev/team-a/x", false)]
    #[case("/dev/team-a", "dev/team-a/x", false)]
    #[case("/", "/anything", true)]
    #[case("/", "anything", true)]
    #[case("dev", "dev/x", true)]
    fn a_prefix_contains_names_segment_by_segment(
        #[case] prefix: &str,
        #[case] name: &str,
        #[case] contains: bool,
    ) {
        let prefix: StoragePrefix = prefix.parse().unwrap();
        assert_eq!(prefix.contains_name(name), contains);
    }
}
