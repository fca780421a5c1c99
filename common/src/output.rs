//! The formats of the files that an application reads.

use std::{fmt, str::FromStr};

/// How the values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Format {
    /// `NAME=BASE64`, a line an entry: the original's.
    #[default]
    Properties,
    /// `NAME='text'`, for a POSIX shell.
    Env,
    /// One JSON object, name to text.
    Json,
    /// One file an entry, raw bytes.
    Files,
}

impl Format {
    /// Every format, in the order in which messages list them.
    pub const ALL: [Self; 4] = [Self::Properties, Self::Env, Self::Json, Self::Files];

    /// The word in settings and annotations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Properties => "properties",
            Self::Env => "env",
            Self::Json => "json",
            Self::Files => "files",
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| "use properties, env, json or files".to_owned())
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
