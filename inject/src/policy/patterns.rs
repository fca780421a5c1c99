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

    /// Whether they match the name or ARN of an object in AWS.
    pub(crate) fn matches_object(&self, name: &str) -> bool {
        let is_plain = has_plain_name(name);
        let mut patterns = self.0.iter();
        patterns.any(|pattern| (is_plain || !pattern.is_glob()) && pattern.matches(name))
    }
}

/// Whether the name in an ARN of a secret has no ':', as no secret has. In an ARN with one, the `*` for a Region would match
/// an account too, and the account that the pattern names would be found within the name.
fn has_plain_name(name: &str) -> bool {
    const PARTS: usize = 7;
    let is_of_secret = name.starts_with("arn:") && name.contains(":secret:");
    !is_of_secret || name.split(':').count() <= PARTS
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

    fn is_glob(&self) -> bool {
        matches!(self, Self::Glob(_))
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
