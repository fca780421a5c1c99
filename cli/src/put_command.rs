//! The `kees put` that stores a value, as a user types it.

use std::{fmt, path::Path};

use kees_common::StoreName;

/// A command. It prints without what it does not need in its store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PutCommand<'a> {
    pub(crate) path: &'a str,
    pub(crate) store: StoreName,
    /// The SQLite file, if it is not the default.
    pub(crate) embedded_file: Option<&'a Path>,
    pub(crate) to: PutFlags<'a>,
}

/// The flags of stores in AWS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PutFlags<'a> {
    pub(crate) env_label: Option<&'a str>,
    pub(crate) region: Option<&'a str>,
    pub(crate) endpoint: Option<&'a str>,
}

impl fmt::Display for PutCommand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            store,
            embedded_file,
            to,
        } = *self;
        write!(f, "kees put {}", quoted(Path::new(path)))?;
        let mut flag = |name: &str, value: Option<&Path>| match value {
            Some(value) => write!(f, " --{name} {}", quoted(value)),
            None => Ok(()),
        };
        if store.needs_embedded_file() {
            return flag("embedded-file", embedded_file);
        }
        flag("store", Some(Path::new(store.as_str())))?;
        if store.needs_env_label() {
            flag("env-label", to.env_label.map(Path::new))?;
        }
        if store.is_in_aws() {
            flag("aws-region", to.region.map(Path::new))?;
            flag("aws-endpoint", to.endpoint.map(Path::new))?;
        }
        Ok(())
    }
}

/// Quotes a word for a shell's command line, if necessary.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
