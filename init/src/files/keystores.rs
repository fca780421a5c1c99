//! The keystores that options name.

use std::collections::HashMap;

use kees_common::{EntryName, KeystoreFile, Layout, SecretValue};

use super::named::Named;
use crate::{
    error::InitError,
    keystore::{Parts, pkcs12},
    write::OutputFile,
};

/// The file of each keystore, or its error.
pub(super) fn keystores(
    layout: &Layout,
    keystores: &[KeystoreFile],
    named: &[Named<'_>],
) -> Vec<Result<OutputFile, InitError>> {
    if keystores.is_empty() {
        return Vec::new();
    }
    let single = named.iter().filter(|value| !value.is_member);
    let values: HashMap<&EntryName, &SecretValue> = single
        .map(|value| (&value.entry.name, &*value.value))
        .collect();
    let file = |keystore: &KeystoreFile| {
        // The plan has checked that each entry exists.
        let [key, certificate, password] = keystore.entries().map(|name| values.get(name).copied());
        let content = pkcs12(&Parts {
            alias: keystore.alias(),
            key: key?,
            certificate: certificate?,
            password: password?,
        });
        Some(match content {
            Ok(content) => Ok(OutputFile {
                path: layout.folder().join(keystore.name.as_str()),
                mode: None,
                is_salted: true,
                content,
            }),
            Err(source) => Err(InitError::Keystore {
                annotation: keystore.annotation.clone(),
                source,
            }),
        })
    };
    keystores.iter().filter_map(file).collect()
}
