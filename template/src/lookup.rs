//! The use of an entry in a template.

use kees_common::{Entry, Source};

/// The kind of an entry, as templates name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Root {
    Secret,
    Resource,
    Lease,
}

/// One use of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lookup {
    pub(crate) root: Root,
    pub(crate) name: String,
    /// Whether a member follows.
    pub(crate) has_member: bool,
    /// Whether the filter `default` or a test follows, so that the value may be absent.
    pub(crate) may_be_absent: bool,
    /// The place of the name, as a byte of the template.
    pub(crate) byte: usize,
}

impl Root {
    pub(crate) const ALL: [Self; 3] = [Self::Secret, Self::Resource, Self::Lease];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Resource => "resource",
            Self::Lease => "lease",
        }
    }

    pub(crate) fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|root| root.as_str() == word)
    }

    pub(crate) fn of(entry: &Entry) -> Self {
        match entry.source {
            Source::Secret(_) => Self::Secret,
            Source::Resource(_) => Self::Resource,
            Source::Lease(_) => Self::Lease,
        }
    }
}
