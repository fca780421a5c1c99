//! The values by the names that lists and files have for them.

use std::{borrow::Cow, collections::BTreeMap};

use kees_common::{Entry, SecretValue, members, output::RenderError};

use crate::error::InitError;

/// One value and its name: that of its entry, or of a member of its JSON object.
pub(crate) struct Named<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) name: Cow<'a, str>,
    pub(crate) value: Cow<'a, SecretValue>,
    /// Whether the value is a member of the entry's JSON object.
    pub(crate) is_member: bool,
}

impl Named<'_> {
    /// The name and the value.
    pub(crate) fn pair(&self) -> (&str, &SecretValue) {
        (&self.name, &self.value)
    }

    /// The name of the member, if this is a member.
    pub(crate) fn member(&self) -> Option<&str> {
        let name = self.name.strip_prefix(self.entry.name.as_str())?;
        name.strip_prefix('.').filter(|_| self.is_member)
    }

    /// The error of this value.
    pub(crate) fn error(&self, source: RenderError) -> InitError {
        InitError::Output {
            annotation: self.entry.annotation.clone(),
            source,
        }
    }
}

/// Every value by its name, in the order of the entries.
///
/// # Errors
/// An error for each object without members that have names, and for each member that has the name of
/// another value of the same kind.
pub(crate) fn named<'a>(
    entries: &[(&'a Entry, &'a SecretValue)],
) -> Result<Vec<Named<'a>>, Vec<InitError>> {
    let mut named = Vec::with_capacity(entries.len());
    let mut errors = Vec::new();
    for (entry, value) in entries.iter().copied() {
        if !entry.has_every_member() {
            named.push(Named {
                entry,
                name: Cow::Borrowed(entry.name.as_str()),
                value: Cow::Borrowed(value),
                is_member: false,
            });
            continue;
        }
        match members(value) {
            Ok(members) => named.extend(members.into_iter().map(|(member, value)| Named {
                entry,
                name: Cow::Owned(format!("{}.{member}", entry.name)),
                value: Cow::Owned(value),
                is_member: true,
            })),
            Err(source) => errors.push(InitError::Members {
                annotation: entry.annotation.clone(),
                source,
            }),
        }
    }
    errors.extend(same_names(&named));
    if errors.is_empty() {
        Ok(named)
    } else {
        Err(errors)
    }
}

/// The errors of values of one kind with the same name.
fn same_names(named: &[Named<'_>]) -> Vec<InitError> {
    let mut taken = BTreeMap::new();
    let mut errors = Vec::new();
    for value in named {
        let other = taken.insert((value.entry.word(), &*value.name), &value.entry.annotation);
        if let Some(other) = other {
            errors.push(value.error(RenderError::SameName {
                name: value.name.to_string(),
                other: other.clone(),
            }));
        }
    }
    errors
}
