//! What is known of a template before there is a value: its syntax and the entries that it names.

use std::collections::HashMap;

use kees_common::{Entry, closest};

use crate::{
    engine::{self, environment},
    error::{TemplateError, TemplateErrorKind, short},
    lookup::{Lookup, Root},
    position::Position,
    tokens::{Uses, uses},
};

/// The entries of a pod, by kind and name.
pub struct Entries<'e>(HashMap<(Root, &'e str), &'e Entry>);

impl<'e> Entries<'e> {
    /// Those of a pod.
    pub fn new(entries: &'e [Entry]) -> Self {
        let entries = entries.iter();
        Self(
            entries
                .map(|entry| ((Root::of(entry), entry.name.as_str()), entry))
                .collect(),
        )
    }

    fn names(&self, of: Root) -> impl Iterator<Item = &'e str> {
        let names = self.0.keys().filter(move |(root, _)| *root == of);
        names.map(|(_, name)| *name)
    }
}

/// The errors of the template `source` in a pod with `entries`. `None` if some of them are not known:
/// then no name of an entry is an error.
pub fn check<'s>(
    source: &'s str,
    entries: Option<&'s Entries<'_>>,
) -> impl Iterator<Item = TemplateError> + 's {
    let (lookups, error) = match parse(source) {
        Ok(Uses { lookups, .. }) => (lookups, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let unknown = lookups.into_iter().filter_map(move |lookup| {
        let kind = error_of(&lookup, entries?)?;
        Some(kind.at(Position::of(source, lookup.byte)))
    });
    error.into_iter().chain(unknown)
}

/// Everything that `source` uses, if the template has no error in itself.
pub(crate) fn parse(source: &str) -> Result<Uses, TemplateError> {
    let uses = uses(source)?;
    let environment = environment(source)?;
    let template = environment.get_template(engine::NAME);
    let template = template.map_err(|error| engine::syntax_error(source, &error))?;
    let undeclared = template.undeclared_variables(false);
    let unknown = undeclared.iter().filter(|name| Root::named(name).is_none());
    let place = |name: &String| uses.words.get(name).copied().unwrap_or_default();
    match unknown.min_by_key(|name| place(name)) {
        Some(name) => {
            let position = Position::of(source, place(name));
            Err(TemplateErrorKind::Name(short(name)).at(position))
        }
        None => Ok(uses),
    }
}

fn error_of(lookup: &Lookup, entries: &Entries<'_>) -> Option<TemplateErrorKind> {
    let word = lookup.root.as_str();
    let name = short(&lookup.name);
    match entries.0.get(&(lookup.root, lookup.name.as_str())) {
        Some(entry) if lookup.has_member && !entry.has_every_member() => {
            Some(TemplateErrorKind::NoMembers { word, name })
        }
        Some(_) => None,
        None => {
            let meant = closest(&lookup.name, entries.names(lookup.root)).map(str::to_owned);
            Some(TemplateErrorKind::NoEntry { word, name, meant })
        }
    }
}
