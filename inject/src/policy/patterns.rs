//! Names and globs of the policy file.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Deserializer, de};

/// A list of names and globs. `*` stands for any characters, `/` included.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Patterns(Vec<Pattern>);

impl Patterns {
    /// Matches every text.
    pub(crate) fn any() -> Self {
        Self(vec![Pattern::Any])
    }

    /// Reads names and globs.
    pub(crate) fn new<'t>(
        texts: impl IntoIterator<Item = &'t str>,
    ) -> Result<Self, globset::Error> {
        let patterns = texts.into_iter().map(Pattern::new);
        patterns.collect::<Result<_, _>>().map(Self)
    }

    /// Whether one of them is `*` alone.
    pub(crate) fn is_any(&self) -> bool {
        let mut patterns = self.0.iter();
        patterns.any(|pattern| matches!(pattern, Pattern::Any))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names and globs as they are written.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|pattern| match pattern {
            Pattern::Any => "*",
            Pattern::Exact(exact) => exact,
            Pattern::Glob(glob) => glob.glob().glob(),
        })
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(text))
    }
}

#[derive(Clone)]
enum Pattern {
    Any,
    Exact(String),
    Glob(GlobMatcher),
}

impl Pattern {
    fn new(text: &str) -> Result<Self, globset::Error> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if !text.contains(['*', '?', '[', '{', '\\']) {
            return Ok(Self::Exact(text.to_owned()));
        }
        let glob = GlobBuilder::new(text).literal_separator(false).build()?;
        Ok(Self::Glob(glob.compile_matcher()))
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == text,
            Self::Glob(glob) => glob.is_match(text),
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => "*".fmt(f),
            Self::Exact(exact) => exact.fmt(f),
            Self::Glob(glob) => glob.glob().glob().fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
