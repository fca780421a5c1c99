//! What a role needs in one store: the names that are read and created.

use std::collections::BTreeSet;

use kees_common::{StoragePath, StoreName};

use super::{object::ObjectName, pattern::Pattern};

/// What is read and created in one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The store.
    pub store: StoreName,
    /// What is read.
    pub read: Names,
    /// What is created.
    pub create: Names,
    /// The records of leases that are read, written and deleted.
    pub leases: Names,
    /// What is replaced by new generations, with the names of the previous ones.
    pub rotate: Names,
    /// Whether the records of leases are searched for in the whole table, as those of a range that is
    /// too large to read each of its numbers.
    pub searches_leases: bool,
}

/// Names in a store.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Names {
    /// Single names.
    pub exact: BTreeSet<Pattern>,
    /// Prefixes, without a slash at their end: every name below them.
    pub below: BTreeSet<Pattern>,
    /// ARNs.
    pub arns: BTreeSet<Pattern>,
    /// What classes name.
    pub objects: BTreeSet<ObjectName>,
}

impl Names {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        let Self {
            exact,
            below,
            arns,
            objects,
        } = self;
        exact.is_empty() && below.is_empty() && arns.is_empty() && objects.is_empty()
    }

    /// Adds a secret that an entry names by its ARN, which may be without the six random characters
    /// at its end.
    pub fn add_arn(&mut self, arn: &StoragePath) {
        let arn = Pattern::from(arn.as_str());
        self.arns.insert(arn.then(Pattern::iam("-??????")));
        self.arns.insert(arn);
    }

    /// A text for everything below each prefix. The slash keeps out a neighbour whose name begins in
    /// the same way.
    pub(super) fn all_below(&self) -> impl Iterator<Item = Pattern> {
        let below = |prefix: &Pattern| prefix.then("/").then(Pattern::iam("*"));
        self.below.iter().map(below)
    }
}
