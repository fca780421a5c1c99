//! The options of the pod that name files: `init.DOMAIN/file.NAME`, `init.DOMAIN/template.NAME` and
//! `init.DOMAIN/keystore.NAME`.

mod path;

use std::{borrow::Cow, collections::BTreeMap};

pub use path::{FilePath, ParseFilePathError};

use super::file_mode::FileMode;
use crate::{
    collector::Collector,
    entry::Entry,
    error::AnnotationErrorKind,
    name::EntryName,
    names::{file, init, keystore},
    typo,
    unused::UnusedPairs,
};

/// The files that the pod's options name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileOptions {
    /// `file.NAME`, by NAME.
    pub placed: BTreeMap<String, PlacedFile>,
    /// `template.NAME`
    pub templates: Vec<TemplateFile>,
    /// `keystore.NAME`
    pub keystores: Vec<KeystoreFile>,
}

/// `file.NAME`: the value of the entry NAME in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedFile {
    /// The whole key of the annotation, for messages.
    pub annotation: String,
    /// The name of the entry.
    pub entry: EntryName,
    /// `path=`, else the name of the entry.
    pub path: Option<FilePath>,
    /// `mode=`, else the mode of the other files.
    pub mode: Option<FileMode>,
}

/// `template.NAME`: the file NAME is rendered from the values of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFile {
    /// The whole key of the annotation, for messages.
    pub annotation: String,
    /// The name of the file, which is like that of an entry.
    pub name: EntryName,
    /// The template itself.
    pub source: String,
}

/// `keystore.NAME`: the file NAME is a PKCS#12 keystore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeystoreFile {
    /// The whole key of the annotation, for messages.
    pub annotation: String,
    /// The name of the file, which is like that of an entry.
    pub name: EntryName,
    /// `key=`: the entry with the private key.
    pub key: EntryName,
    /// `certificate=`: the entry with the certificate of the key, and those of its issuers.
    pub certificate: EntryName,
    /// `password=`: the entry with the password of the keystore.
    pub password: EntryName,
    /// `alias=`, else the name of the key's entry without its field.
    pub alias: Option<String>,
}

impl FileOptions {
    /// Reads the annotation `init.DOMAIN/KIND.NAME`, if it is one of these.
    pub(super) fn read(
        &mut self,
        option: &str,
        value: &str,
        collect: &mut Collector<'_>,
    ) -> Option<()> {
        let (kind, name) = option.split_once('.')?;
        match kind {
            init::FILE_PREFIX => {
                let placed = PlacedFile::parse(name, value, collect);
                self.placed
                    .extend(placed.map(|file| (name.to_owned(), file)));
            }
            init::TEMPLATE_PREFIX => {
                let name = collect.ok(name.parse::<EntryName>());
                self.templates.extend(name.map(|name| TemplateFile {
                    annotation: collect.annotation().to_owned(),
                    name,
                    source: value.to_owned(),
                }));
            }
            init::KEYSTORE_PREFIX => {
                let keystore = KeystoreFile::parse(name, value, collect);
                self.keystores.extend(keystore);
            }
            _ => {
                let known = [
                    init::FILE_PREFIX,
                    init::TEMPLATE_PREFIX,
                    init::KEYSTORE_PREFIX,
                ];
                let known = typo::closest(kind, known)?;
                let annotation = collect.annotation();
                let prefix = annotation.strip_suffix(option).unwrap_or_default();
                let known = format!("{prefix}{known}.{name}");
                collect.error(AnnotationErrorKind::UnknownOption { known });
            }
        }
        Some(())
    }

    /// What places `entry`.
    pub fn placing(&self, entry: &Entry) -> Option<&PlacedFile> {
        self.placed.get(entry.name.as_str())
    }
}

impl KeystoreFile {
    /// The names of the entries that it needs.
    pub fn entries(&self) -> [&EntryName; 3] {
        [&self.key, &self.certificate, &self.password]
    }

    /// The name of the key within the keystore.
    pub fn alias(&self) -> &str {
        self.alias.as_deref().unwrap_or(self.key.base())
    }

    fn parse(name: &str, value: &str, collect: &mut Collector<'_>) -> Option<Self> {
        let errors_before = collect.error_count();
        let name = collect.ok(name.parse::<EntryName>());
        let mut pairs = UnusedPairs::parse(value, keystore::ALL, collect);
        let mut entry = |key: &'static str, right: &'static str| {
            let text = pairs.take_required(key, || right, collect)?;
            let name = text.parse::<EntryName>();
            collect.ok(name.map_err(|_| AnnotationErrorKind::invalid(key, &text, right)))
        };
        let key = entry(keystore::KEY, "name the entry of a private key");
        let certificate = entry(keystore::CERTIFICATE, "name the entry of a certificate");
        let password = entry(
            keystore::PASSWORD,
            "name the entry of a password; the password itself is never in an annotation",
        );
        let alias = pairs.take(keystore::ALIAS).map(Cow::into_owned);
        if alias.as_deref().is_some_and(|alias| !is_alias(alias)) {
            let right = "use 1 to 100 letters, digits, '-', '_' or '.'";
            let alias = alias.as_deref().unwrap_or_default();
            collect.error(AnnotationErrorKind::invalid(keystore::ALIAS, alias, right));
        }
        let is_valid = collect.error_count() == errors_before;
        pairs.warn(is_valid, collect);
        is_valid.then_some(())?;
        Some(Self {
            annotation: collect.annotation().to_owned(),
            name: name?,
            key: key?,
            certificate: certificate?,
            password: password?,
            alias,
        })
    }
}

/// Whether every reader of keystores understands the name of a key.
fn is_alias(alias: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=100).contains(&alias.len()) && alias.bytes().all(is_allowed)
}

impl PlacedFile {
    fn parse(name: &str, value: &str, collect: &mut Collector<'_>) -> Option<Self> {
        let errors_before = collect.error_count();
        let entry = collect.ok(name.parse::<EntryName>());
        let mut pairs = UnusedPairs::parse(value, file::ALL, collect);
        let path = pairs.take(file::PATH);
        let path = path.and_then(|text| collect.parse(file::PATH, &text));
        let mode = pairs.take(file::MODE);
        let mode = mode.and_then(|text| collect.parse(file::MODE, &text));
        let is_valid = collect.error_count() == errors_before;
        pairs.warn(is_valid, collect);
        is_valid.then_some(())?;
        Some(Self {
            annotation: collect.annotation().to_owned(),
            entry: entry?,
            path,
            mode,
        })
    }
}
