//! Settings about images: the pull policy, and which images are wired by hand.

use std::{fmt, str::FromStr};

use regex::Regex;
use serde::{Deserialize, Serialize};

/// `imagePullPolicy` of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullPolicy {
    /// Pull at every start.
    Always,
    /// Pull if the node does not have the image.
    IfNotPresent,
    /// Never pull.
    Never,
}

impl PullPolicy {
    /// The name in Kubernetes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

impl FromStr for PullPolicy {
    type Err = ParsePullPolicyError;

    fn from_str(text: &str) -> Result<Self, ParsePullPolicyError> {
        [Self::Always, Self::IfNotPresent, Self::Never]
            .into_iter()
            .find(|policy| policy.as_str() == text)
            .ok_or_else(|| ParsePullPolicyError(text.to_owned()))
    }
}

impl fmt::Display for PullPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that is not a pull policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a pull policy; use Always, IfNotPresent or Never")]
pub struct ParsePullPolicyError(String);

/// The images of init containers that pod authors wire by hand: `(^|/)kees-init([:@]|$)`, and those
/// that match the operator's expression.
#[derive(Debug, Clone, Default)]
pub struct WiredImage(Option<Regex>);

impl WiredImage {
    /// Whether an init container of this image is wired by hand.
    pub fn matches(&self, image: &str) -> bool {
        is_kees_init(image) || self.0.as_ref().is_some_and(|regex| regex.is_match(image))
    }
}

impl FromStr for WiredImage {
    type Err = ParseImageExpressionError;

    fn from_str(text: &str) -> Result<Self, ParseImageExpressionError> {
        if text.is_empty() {
            return Err(ParseImageExpressionError::Empty);
        }
        let regex = Regex::new(text).map_err(|error| ParseImageExpressionError::syntax(&error))?;
        Ok(Self(Some(regex)))
    }
}

/// Text that is not an expression for images.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ParseImageExpressionError {
    /// The init containers of every pod would match, and no pod would be injected.
    #[error("it is empty and would match every image; use one such as my-init[:@]")]
    Empty,
    /// The syntax is invalid.
    #[error("not a regular expression: {0}")]
    Syntax(String),
}

impl ParseImageExpressionError {
    /// The last line of the error. The lines above it, which show the place, are left out.
    fn syntax(error: &regex::Error) -> Self {
        let message = error.to_string();
        let reason = message.lines().last().unwrap_or_default();
        Self::Syntax(reason.trim_start_matches("error: ").to_owned())
    }
}

/// Whether an image matches `(^|/)kees-init([:@]|$)`, the same expression as in the
/// `ValidatingAdmissionPolicy`.
fn is_kees_init(image: &str) -> bool {
    const NAME: &str = "kees-init";
    image.match_indices(NAME).any(|(at, _)| {
        let (before, rest) = image.split_at(at);
        let after = &rest[NAME.len()..];
        (before.is_empty() || before.ends_with('/'))
            && (after.is_empty() || after.starts_with([':', '@']))
    })
}
