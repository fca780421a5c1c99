//! The uid of the init container.

use std::{fmt, str::FromStr};

/// The uid of the init container if the containers of the pod do not decide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunAs {
    /// This uid and gid; never 0.
    Uid(u32),
    /// No uid is set, so that the rules of the namespace choose one (`OpenShift`).
    Unset,
}

impl Default for RunAs {
    fn default() -> Self {
        Self::Uid(65532)
    }
}

impl FromStr for RunAs {
    type Err = ParseRunAsError;

    fn from_str(text: &str) -> Result<Self, ParseRunAsError> {
        match text.parse() {
            _ if text == "none" => Ok(Self::Unset),
            // Kubernetes accepts uids up to 2^31 - 1.
            Ok(uid @ 1..=0x7fff_ffff) => Ok(Self::Uid(uid)),
            _ => Err(ParseRunAsError(text.to_owned())),
        }
    }
}

impl fmt::Display for RunAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid(uid) => uid.fmt(f),
            Self::Unset => f.write_str("none"),
        }
    }
}

/// Text that is not a uid to run as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a uid to run as; use 1 to 2147483647, or none")]
pub struct ParseRunAsError(String);
