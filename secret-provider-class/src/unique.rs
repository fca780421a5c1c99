//! The provider's search for names and aliases that are used twice.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    entries::{Fields, Text},
    error::ClassErrorKind,
};

/// The names and aliases of the objects so far.
#[derive(Debug, Default)]
pub(crate) struct Names<'f> {
    /// The alias and label of the last object of each name.
    objects: BTreeMap<&'f str, (&'f str, &'f str)>,
    aliases: BTreeSet<&'f str>,
}

impl<'f> Names<'f> {
    /// Adds the names of an object. The error is with the field that it is about.
    pub(crate) fn add(&mut self, fields: &'f Fields) -> Result<(), (&'f Text, ClassErrorKind)> {
        let name = fields.name.value.as_str();
        let alias = fields.alias.value.as_str();
        let label = fields.label.value.as_str();
        let before = self.objects.get(name);
        if let Some(kind) = before.and_then(|before| same(name, *before, (alias, label))) {
            return Err((&fields.name, kind));
        }
        self.objects.insert(name, (alias, label));
        if !alias.is_empty() && !self.aliases.insert(alias) {
            let kind = ClassErrorKind::SameAlias(alias.to_owned());
            return Err((&fields.alias, kind));
        }
        for path in &fields.paths {
            if !self.aliases.insert(&path.alias.value) {
                let kind = ClassErrorKind::SamePathAlias(path.alias.value.clone());
                return Err((&path.alias, kind));
            }
        }
        Ok(())
    }
}

/// The error about two objects of one name, given as alias and label.
fn same(name: &str, before: (&str, &str), object: (&str, &str)) -> Option<ClassErrorKind> {
    if before != object {
        return None;
    }
    let (alias, label) = object;
    let (name, alias, label) = (name.to_owned(), alias.to_owned(), label.to_owned());
    Some(match (alias.is_empty(), label.is_empty()) {
        (true, true) => ClassErrorKind::SameName(name),
        (false, true) => ClassErrorKind::SameNameAndAlias { name, alias },
        (true, false) => ClassErrorKind::SameNameAndLabel { name, label },
        (false, false) => ClassErrorKind::SameObject { name, alias, label },
    })
}
