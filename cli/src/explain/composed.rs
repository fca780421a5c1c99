//! A file of a pod that is made from several entries: a template or a keystore.

use std::fmt;

use kees_common::names::init;
use kees_init::Request;
use serde::Serialize;

/// A file that is made from the values of entries.
#[derive(Debug, Serialize)]
pub(crate) struct ComposedFile {
    pub(crate) annotation: String,
    /// `template` or `keystore`
    pub(crate) kind: &'static str,
    /// The file in the pod.
    pub(crate) path: String,
    /// The entries of a keystore. A template names its own.
    pub(crate) entries: Vec<String>,
}

impl ComposedFile {
    /// The templates and the keystores of a request, in its order.
    pub(crate) fn all(request: &Request) -> Vec<Self> {
        let folder = request.layout().folder();
        let path = |name: &str| folder.join(name).display().to_string();
        let options = request.file_options();
        let templates = options.templates.iter().map(|template| Self {
            annotation: template.annotation.clone(),
            kind: init::TEMPLATE_PREFIX,
            path: path(template.name.as_str()),
            entries: Vec::new(),
        });
        let keystores = options.keystores.iter().map(|keystore| Self {
            annotation: keystore.annotation.clone(),
            kind: init::KEYSTORE_PREFIX,
            path: path(keystore.name.as_str()),
            entries: keystore.entries().map(ToString::to_string).into(),
        });
        templates.chain(keystores).collect()
    }
}

impl fmt::Display for ComposedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            annotation,
            kind,
            path,
            entries,
        } = self;
        writeln!(f, "  {annotation}")?;
        write!(f, "    {:<13} a {kind}", "asks for")?;
        if !entries.is_empty() {
            write!(f, " of the entries {}", entries.join(", "))?;
        }
        writeln!(f, "\n    {:<13} {path}", "in the pod")
    }
}
