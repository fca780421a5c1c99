//! The data of Kubernetes Secrets, from the files of a class.

use kees_common::SecretValue;

use crate::{
    secret_objects::{SecretObject, TLS},
    tls::{self, TlsError},
};

/// The most bytes that Kubernetes stores as the data of a Secret.
const MAX_BYTES: usize = 1 << 20;

/// Why a Secret has no data. No message has a part of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretDataError {
    /// There is no such file.
    #[error("there is no file {0}")]
    NoFile(String),
    /// The file has no certificate or no key.
    #[error("the file {file} cannot be {key}: {error}")]
    Tls {
        /// The path of the file.
        file: String,
        /// The key of the Secret.
        key: String,
        /// What is wrong.
        error: TlsError,
    },
    /// It is too large for Kubernetes.
    #[error("the data of the Secret has {0} bytes, but Kubernetes stores 1048576 at most")]
    TooLarge(usize),
}

/// The keys and values of a Secret. `value` gives the content of a file. Of files for `kubernetes.io/tls`, the
/// certificates become `tls.crt`, and the private key becomes `tls.key`.
///
/// # Errors
/// All errors.
pub fn secret_data<'v>(
    secret: &SecretObject,
    value: impl Fn(&str) -> Option<&'v SecretValue>,
) -> Result<Vec<(String, SecretValue)>, Vec<SecretDataError>> {
    let mut data = Vec::new();
    let mut errors = Vec::new();
    for item in &secret.data {
        let Some(content) = value(&item.file) else {
            errors.push(SecretDataError::NoFile(item.file.clone()));
            continue;
        };
        let content = match item.key.as_str() {
            _ if secret.secret_type != TLS => Ok(content.clone()),
            "tls.key" => tls::private_key(content),
            _ => tls::certificates(content),
        };
        match content {
            Ok(content) => data.push((item.key.clone(), content)),
            Err(error) => errors.push(SecretDataError::Tls {
                file: item.file.clone(),
                key: item.key.clone(),
                error,
            }),
        }
    }
    let size = data.iter().map(|(_, value)| value.len()).sum();
    if size > MAX_BYTES {
        errors.push(SecretDataError::TooLarge(size));
    }
    if errors.is_empty() {
        Ok(data)
    } else {
        Err(errors)
    }
}
