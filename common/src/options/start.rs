//! `init.DOMAIN/start`: what writes the files before the application starts.

use std::{fmt, str::FromStr};

/// What writes the files of a pod, and so how fast the pod starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// An init container, which ends before the next container starts.
    #[default]
    Init,
    /// A sidecar. The next container starts when the `postStart` hook of the sidecar has ended.
    Fast,
}

impl FromStr for Start {
    type Err = ParseStartError;

    fn from_str(text: &str) -> Result<Self, ParseStartError> {
        match text {
            "init" => Ok(Self::Init),
            "fast" => Ok(Self::Fast),
            _ => Err(ParseStartError),
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "init",
            Self::Fast => "fast",
        })
    }
}

/// A text that is not a [`Start`]. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use init or fast")]
pub struct ParseStartError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_printed_as_it_is_parsed() {
        for start in [Start::Init, Start::Fast] {
            assert_eq!(start.to_string().parse(), Ok(start));
        }
        for text in ["", "Fast", "slow", "true"] {
            assert_eq!(text.parse::<Start>(), Err(ParseStartError));
        }
    }
}
