//! The errors of templates. No message contains a value.

use kees_common::escaped_beginning;

use crate::{
    language::{self, MAX_BRACKETS, MAX_DEPTH, MAX_TOKENS},
    position::Position,
};

/// The longest part of a template that a message repeats, in characters.
const MAX_EXCERPT: usize = 100;

/// A part of a template as messages repeat it: short, and on one line.
pub(crate) fn short(text: &str) -> String {
    escaped_beginning(text, MAX_EXCERPT)
}

/// An error in a template, and its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {kind}")]
pub struct TemplateError {
    /// Where it is.
    pub position: Position,
    /// What is wrong, and what would be right. It is part of the message, so it is not the source.
    pub kind: TemplateErrorKind,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateErrorKind {
    /// The parser does not understand the text.
    #[error("the template has an error in its syntax: {0}")]
    Syntax(String),
    /// A part of Jinja that templates of kees do not have.
    #[error(
        "{0} cannot be used here; a template has values, if, for, comparisons, and, or, not, in and \
         filters"
    )]
    NotSupported(String),
    /// A filter that does not exist.
    #[error("the filter {0} does not exist; use {filters}", filters = language::FILTERS.join(", "))]
    Filter(String),
    /// A test that does not exist.
    #[error("the test {0} does not exist; use defined")]
    Test(String),
    /// A word that is neither a value nor a variable of a loop.
    #[error(
        "{0} is unknown; a value is secret.NAME, resource.NAME or lease.NAME, or secret[\"NAME\"] if NAME \
         has other characters than letters, digits and _"
    )]
    Name(String),
    /// `secret`, `resource` or `lease` without a name.
    #[error("{0} needs the name of an entry, as in {0}.NAME or {0}[\"NAME\"]")]
    NoName(&'static str),
    /// A name that no entry has.
    #[error("the pod has no {word} {name}{}", meant.as_ref().map(|name| format!("; did you mean {name}")).unwrap_or_default())]
    NoEntry {
        /// `secret`, `resource` or `lease`.
        word: &'static str,
        /// The name.
        name: String,
        /// A name that an entry has and that is nearly the same.
        meant: Option<String>,
    },
    /// A member of a value that has none.
    #[error(
        "the {word} {name} is one value without members; property=* gives an entry a value for each member"
    )]
    NoMembers {
        /// `secret`, `resource` or `lease`.
        word: &'static str,
        /// The name of the entry.
        name: String,
    },
    /// A lease in a Secret.
    #[error(
        "the lease {0} is the number of one pod, and other pods may share the Secret; use it in a file or variable"
    )]
    LeaseOfPod(String),
    /// More tokens than one expression may have.
    #[error("the expression has more than {} tokens; use several", MAX_TOKENS)]
    TooLong,
    /// Brackets within brackets.
    #[error("more than {} brackets are nested", MAX_BRACKETS)]
    TooManyBrackets,
    /// Blocks within blocks.
    #[error("more than {} blocks are nested", MAX_DEPTH)]
    TooDeep,
    /// A value that was there neither in the entries nor as a member.
    #[error("a value is not there; use the filter default, or the test defined")]
    Undefined,
    /// A value that is not text.
    #[error("a value is not text (UTF-8); use the filter base64")]
    NotText,
    /// A stored text that is not base64.
    #[error("the stored text of a value is not canonical base64; store the base64 of the value")]
    NotBase64,
    /// Several values where one is needed.
    #[error("this is not one value; name a member")]
    NotOneValue,
    /// Any other thing that cannot be done with a value.
    #[error("this cannot be done with the value")]
    Value,
    /// Too many steps.
    #[error("the template takes more than {0} steps")]
    TooManySteps(u64),
    /// Filters that process too much.
    #[error("the filters of the template process more than {0} bytes")]
    TooMuchWork(usize),
    /// A result that is too large.
    #[error("the result is larger than {0} bytes")]
    TooLarge(usize),
}

impl TemplateErrorKind {
    pub(crate) fn at(self, position: Position) -> TemplateError {
        TemplateError {
            position,
            kind: self,
        }
    }
}
