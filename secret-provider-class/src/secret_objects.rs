//! `secretObjects`: the Kubernetes Secrets that are made from the files of a class.

use std::collections::{BTreeMap, BTreeSet};

use kees_common::{SecretKey, SecretName, closest};

use crate::{
    class::{ClassSpec, SecretDataSpec, SecretObjectSpec},
    error::{ClassErrorKind, ClassPlace, Origin, ParseClassError},
    mount::{File, Mount},
};

/// The type of Secrets with a certificate and its key.
pub const TLS: &str = "kubernetes.io/tls";
/// The keys of such a Secret.
const TLS_KEYS: [&str; 2] = ["tls.crt", "tls.key"];

/// A Kubernetes Secret that a class asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretObject {
    /// Its name, in the namespace of the class.
    pub name: String,
    /// Its type.
    pub secret_type: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its keys, in the order of the class.
    pub data: Vec<SecretData>,
}

/// A key of a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretData {
    /// The key.
    pub key: String,
    /// The path of the file that has the value.
    pub file: String,
}

/// The Secrets of a class. With `mount`, what the class asks for as files, every file that a Secret names must be
/// one of them.
///
/// # Errors
/// All errors.
pub fn secret_objects(
    class: &ClassSpec,
    mount: Option<&Mount>,
) -> Result<Vec<SecretObject>, Vec<ParseClassError>> {
    let files = mount.map(|mount| mount.files().collect::<Vec<&File>>());
    let mut parser = Parser {
        files,
        names: BTreeSet::new(),
        errors: Vec::new(),
    };
    let specs = class.secret_objects.iter().flatten().enumerate();
    let objects = specs.map(|(index, spec)| parser.object(index, spec));
    let objects = objects.collect();
    if parser.errors.is_empty() {
        Ok(objects)
    } else {
        Err(parser.errors)
    }
}

struct Parser<'a> {
    files: Option<Vec<&'a File>>,
    names: BTreeSet<String>,
    errors: Vec<ParseClassError>,
}

impl Parser<'_> {
    fn error(&mut self, field: String, kind: ClassErrorKind) {
        let place = ClassPlace {
            origin: Origin::Class,
            field,
            position: None,
        };
        self.errors.push(ParseClassError { place, kind });
    }

    fn object(&mut self, index: usize, spec: &SecretObjectSpec) -> SecretObject {
        let SecretObjectSpec {
            secret_name,
            secret_type,
            labels,
            annotations,
            data,
        } = spec;
        let field = |name: &str| format!("spec.secretObjects[{index}]{name}");
        let name = trimmed(secret_name.as_deref());
        if name.is_empty() {
            self.error(field(""), ClassErrorKind::NoSecretName);
        } else if name.parse::<SecretName>().is_err() {
            self.error(
                field(".secretName"),
                ClassErrorKind::SecretName(name.clone()),
            );
        } else if !self.names.insert(name.clone()) {
            self.error(
                field(".secretName"),
                ClassErrorKind::SameSecret(name.clone()),
            );
        }
        let secret_type = trimmed(secret_type.as_deref());
        if secret_type.is_empty() {
            self.error(field(""), ClassErrorKind::NoSecretType);
        }
        let items = data.iter().flatten();
        if items.clone().next().is_none() {
            self.error(field(""), ClassErrorKind::NoData);
        }
        let mut keys = BTreeSet::new();
        let items = items.enumerate();
        let data = items.map(|(item, spec)| {
            let field = field(&format!(".data[{item}]"));
            let data = self.data(&field, spec, secret_type == TLS);
            if !data.key.is_empty() && !keys.insert(data.key.clone()) {
                let kind = ClassErrorKind::SameKey(data.key.clone());
                self.error(format!("{field}.key"), kind);
            }
            data
        });
        let data = data.collect();
        SecretObject {
            name,
            secret_type,
            labels: labels.clone().unwrap_or_default(),
            annotations: annotations.clone().unwrap_or_default(),
            data,
        }
    }

    fn data(&mut self, field: &str, spec: &SecretDataSpec, is_tls: bool) -> SecretData {
        let SecretDataSpec { object_name, key } = spec;
        let file = trimmed(object_name.as_deref());
        let key = trimmed(key.as_deref());
        if file.is_empty() {
            self.error(field.to_owned(), ClassErrorKind::NoDataObject);
        } else if let Some(kind) = self.no_file(&file) {
            self.error(format!("{field}.objectName"), kind);
        }
        let wrong = if key.is_empty() {
            Some((field.to_owned(), ClassErrorKind::NoDataKey))
        } else if is_tls && !TLS_KEYS.contains(&key.as_str()) {
            Some((format!("{field}.key"), ClassErrorKind::TlsKey(key.clone())))
        } else if key.parse::<SecretKey>().is_err() {
            Some((format!("{field}.key"), ClassErrorKind::DataKey(key.clone())))
        } else {
            None
        };
        if let Some((field, kind)) = wrong {
            self.error(field, kind);
        }
        SecretData { key, file }
    }

    fn no_file(&self, file: &str) -> Option<ClassErrorKind> {
        let files = self.files.as_ref()?;
        let paths = || files.iter().map(|file| file.path.as_str());
        if paths().any(|path| path == file) {
            return None;
        }
        let hint = closest(file, paths()).map(str::to_owned);
        let file = file.to_owned();
        Some(ClassErrorKind::NoFile { file, hint })
    }
}

/// The driver trims all names.
fn trimmed(text: Option<&str>) -> String {
    text.unwrap_or_default().trim().to_owned()
}
