//! The environment of the command: that of this process, and the values.

use std::{
    collections::{BTreeMap, btree_map},
    ffi::{CString, OsString},
    os::unix::ffi::OsStringExt as _,
    path::Path,
};

use kees_common::{
    Environment,
    environment::{self, VariableError},
};

use super::{error::ExecError, limits::string_limit};

/// The variables with values, by name.
pub(super) struct Variables<'a>(BTreeMap<String, (&'a str, &'a [u8])>);

/// One variable of the command.
pub(super) struct Variable {
    /// The name, for messages.
    pub(super) name: String,
    /// The name, `=` and the value.
    pub(super) text: CString,
}

impl<'a> Variables<'a> {
    /// The variables of `environment`, whose values are in the `content` of `file`.
    pub(super) fn new(
        file: &Path,
        content: &'a [u8],
        environment: &'a Environment,
    ) -> Result<Self, ExecError> {
        let values = environment::read(content).map_err(|source| ExecError::Values {
            path: file.to_owned(),
            source,
        })?;
        let mut variables: BTreeMap<String, (&str, &[u8])> = BTreeMap::new();
        let names = values.iter().map(|(entry, _)| *entry);
        // An absent previous value has no variable.
        for (variable, entry) in environment.variables(names) {
            let mut found = values.iter();
            let Some((_, value)) = found.find(|(name, _)| *name == entry) else {
                return Err(ExecError::NoEntry {
                    path: file.to_owned(),
                    entry: entry.to_string(),
                });
            };
            let Some(value) = *value else {
                continue;
            };
            environment::check(entry, &variable, value, string_limit())?;
            match variables.entry(variable) {
                btree_map::Entry::Vacant(vacant) => {
                    vacant.insert((entry, value));
                }
                btree_map::Entry::Occupied(other) => {
                    return Err(ExecError::SameVariable {
                        variable: other.key().clone(),
                        entry: entry.to_string(),
                        other: other.get().0.to_string(),
                    });
                }
            }
        }
        Ok(Self(variables))
    }

    /// The environment of the command. A variable of `existing` with the name of another is replaced.
    pub(super) fn joined(
        self,
        existing: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Vec<Variable>, ExecError> {
        let kept = existing.filter(|(name, _)| {
            let name = name.to_str();
            name.is_none_or(|name| !self.0.contains_key(name))
        });
        let mut joined = Vec::new();
        for (name, value) in kept {
            let printable = name.to_string_lossy().into_owned();
            let text = text(&name.into_vec(), &value.into_vec());
            // The kernel passes no NUL.
            joined.extend(CString::new(text).ok().map(|text| Variable {
                name: printable,
                text,
            }));
        }
        for (name, (entry, value)) in self.0 {
            let text = CString::new(text(name.as_bytes(), value))
                .map_err(|_| VariableError::NotText(entry.to_string()))?;
            joined.push(Variable { name, text });
        }
        Ok(joined)
    }
}

/// `name=value`, with room for the byte at the end: a buffer that grows leaves copies behind that are
/// not wiped.
fn text(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(name.len() + value.len() + 2);
    text.extend_from_slice(name);
    text.push(b'=');
    text.extend_from_slice(value);
    text
}
