//! `init.DOMAIN/file-mode`: the permissions of the files.

use std::{fmt, str::FromStr};

/// The mode of the files: readable by the owner at least, writable by the owner at most, and not
/// executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileMode(u32);

impl FileMode {
    /// Readable by the owner only.
    pub const OWNER: Self = Self(0o400);
    /// Readable by owner and group.
    pub const GROUP: Self = Self(0o440);
    /// Readable by all: the default of a pod that is wired by hand.
    pub const ALL: Self = Self(0o444);

    /// Execution, set-uid, set-gid and sticky bits, and write permission for group and others.
    const FORBIDDEN: u32 = 0o7133;

    /// The permission bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for FileMode {
    type Err = ParseFileModeError;

    fn from_str(text: &str) -> Result<Self, ParseFileModeError> {
        if text.len() != 4 || !text.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
            return Err(ParseFileModeError);
        }
        let bits = u32::from_str_radix(text, 8).map_err(|_| ParseFileModeError)?;
        if bits & Self::FORBIDDEN != 0 || bits & 0o400 == 0 {
            return Err(ParseFileModeError);
        }
        Ok(Self(bits))
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// A text that is not a [`FileMode`]. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "use four octal digits such as 0400, 0440 or 0444: readable by the owner, writable by no one \
     else, executable by no one"
)]
pub struct ParseFileModeError;

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0400", Some(0o400))]
    #[case("0640", Some(0o640))]
    #[case("0644", Some(0o644))]
    #[case("0666", None)]
    #[case("0755", None)]
    #[case("4400", None)]
    #[case("400", None)]
    #[case("0040", None)]
    #[case("0008", None)]
    fn a_file_mode_is_four_octal_digits_within_the_limits(
        #[case] text: &str,
        #[case] bits: Option<u32>,
    ) {
        assert_eq!(text.parse::<FileMode>().ok().map(FileMode::bits), bits);
    }
}
