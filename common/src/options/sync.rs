//! `init.DOMAIN/sync`, `init.DOMAIN/sync-type` and `init.DOMAIN/sync-key.KEY`: the Kubernetes Secret that the
//! controller writes for a pod.

use std::{fmt, str::FromStr};

use crate::{collector::Collector, error::AnnotationErrorKind, names::init, typo};

/// The most characters of the name of a Secret, and of one of its keys.
const MAX: usize = 253;

/// What a pod says about its Kubernetes Secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncOptions {
    /// `sync`
    pub name: Option<SecretName>,
    /// `sync-type`
    pub secret_type: Option<SyncType>,
    /// `sync-key.KEY`. Without any, the Secret has a key for each entry.
    pub keys: Vec<SyncKey>,
}

/// `sync-key.KEY`: the key KEY of the Secret is rendered from the values of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncKey {
    /// The whole key of the annotation, for messages.
    pub annotation: String,
    /// The key of the Secret.
    pub key: SecretKey,
    /// The template.
    pub source: String,
}

impl SyncOptions {
    /// Reads the annotation `init.DOMAIN/OPTION`, if it is one of these.
    pub(super) fn read(
        &mut self,
        option: &str,
        value: &str,
        collect: &mut Collector<'_>,
    ) -> Option<()> {
        match option {
            init::SYNC => self.name = collect.parse(init::SYNC, value.trim()),
            init::SYNC_TYPE => self.secret_type = collect.parse(init::SYNC_TYPE, value.trim()),
            other => {
                let (kind, key) = other.split_once('.')?;
                if kind == init::SYNC_KEY_PREFIX {
                    self.read_key(key, value, collect);
                } else {
                    typo::closest(kind, [init::SYNC_KEY_PREFIX])?;
                    let annotation = collect.annotation();
                    let prefix = annotation.strip_suffix(option).unwrap_or_default();
                    let known = format!("{prefix}{}.{key}", init::SYNC_KEY_PREFIX);
                    collect.error(AnnotationErrorKind::UnknownOption { known });
                }
            }
        }
        Some(())
    }

    fn read_key(&mut self, key: &str, source: &str, collect: &mut Collector<'_>) {
        let key = key.parse::<SecretKey>().map_err(|right| {
            AnnotationErrorKind::invalid(init::SYNC_KEY_PREFIX, key, right.to_string())
        });
        self.keys.extend(collect.ok(key).map(|key| SyncKey {
            annotation: collect.annotation().to_owned(),
            key,
            source: source.to_owned(),
        }));
    }
}

/// The name of a Secret: a DNS subdomain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(String);

impl SecretName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = ParseSecretNameError;

    fn from_str(text: &str) -> Result<Self, ParseSecretNameError> {
        let is_label = |label: &str| {
            let is_char = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            !label.is_empty()
                && label.bytes().all(is_char)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if text.len() <= MAX && text.split('.').all(is_label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseSecretNameError)
        }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that no Secret can have as its name. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "use the name of a Secret: at most 253 lower-case letters, digits, '-' and '.', beginning and ending \
     with a letter or digit"
)]
pub struct ParseSecretNameError;

/// A key of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretKey(String);

impl SecretKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretKey {
    type Err = ParseSecretKeyError;

    fn from_str(text: &str) -> Result<Self, ParseSecretKeyError> {
        let is_char = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let is_key = !text.is_empty()
            && text.len() <= MAX
            && text.bytes().all(is_char)
            && text != "."
            && !text.starts_with("..");
        if is_key {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseSecretKeyError)
        }
    }
}

impl fmt::Display for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that no Secret can have as a key. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "use a key of a Secret: letters, digits, '-', '_' and '.', neither '.' nor beginning with '..'"
)]
pub struct ParseSecretKeyError;

/// The type of a Secret that a pod may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum SyncType {
    /// Any keys.
    #[default]
    Opaque,
    /// A certificate and its key in PEM, for example of an Ingress.
    Tls,
    /// Credentials of registries, for pulling images.
    DockerConfigJson,
}

impl SyncType {
    /// Every type, in the order in which messages list them.
    pub const ALL: [Self; 3] = [Self::Opaque, Self::Tls, Self::DockerConfigJson];

    /// The type as Kubernetes names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opaque => "Opaque",
            Self::Tls => "kubernetes.io/tls",
            Self::DockerConfigJson => "kubernetes.io/dockerconfigjson",
        }
    }

    /// The keys that Kubernetes demands.
    pub fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Opaque => &[],
            Self::Tls => &["tls.crt", "tls.key"],
            Self::DockerConfigJson => &[".dockerconfigjson"],
        }
    }
}

impl FromStr for SyncType {
    type Err = ParseSyncTypeError;

    fn from_str(text: &str) -> Result<Self, ParseSyncTypeError> {
        let known = Self::ALL.into_iter().find(|known| known.as_str() == text);
        known.ok_or(ParseSyncTypeError)
    }
}

impl fmt::Display for SyncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not a [`SyncType`]. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use Opaque, kubernetes.io/tls or kubernetes.io/dockerconfigjson")]
pub struct ParseSyncTypeError;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("web", true)]
    #[case("web-tls.v1", true)]
    #[case("1", true)]
    #[case("", false)]
    #[case("Web", false)]
    #[case("web_tls", false)]
    #[case("web-", false)]
    #[case("-web", false)]
    #[case("web..tls", false)]
    #[case("web.", false)]
    #[case("a/b", false)]
    fn a_name_is_a_dns_subdomain(#[case] text: &str, #[case] is_name: bool) {
        assert_eq!(text.parse::<SecretName>().is_ok(), is_name);
    }

    #[rstest]
    #[case("tls.crt", true)]
    #[case(".dockerconfigjson", true)]
    #[case("A_b-1", true)]
    #[case("", false)]
    #[case(".", false)]
    #[case("..", false)]
    #[case("..a", false)]
    #[case("a/b", false)]
    #[case("a b", false)]
    fn a_key_has_the_characters_of_kubernetes(#[case] text: &str, #[case] is_key: bool) {
        assert_eq!(text.parse::<SecretKey>().is_ok(), is_key);
    }

    #[test]
    fn names_and_keys_have_253_characters_at_most() {
        let long = "a".repeat(MAX);
        assert!(long.parse::<SecretName>().is_ok() && long.parse::<SecretKey>().is_ok());
        let longer = "a".repeat(MAX + 1);
        assert!(longer.parse::<SecretName>().is_err() && longer.parse::<SecretKey>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_into_it(text in "[a-z0-9.-]{1,12}|.*") {
            if let Ok(name) = text.parse::<SecretName>() {
                prop_assert_eq!(name.to_string().parse(), Ok(name));
            }
            if let Ok(key) = text.parse::<SecretKey>() {
                prop_assert_eq!(key.to_string().parse(), Ok(key));
            }
            if let Ok(of_type) = text.parse::<SyncType>() {
                prop_assert_eq!(of_type.to_string(), text);
            }
        }
    }

    #[test]
    fn every_type_is_read_as_it_is_printed() {
        for of_type in SyncType::ALL {
            assert_eq!(of_type.to_string().parse(), Ok(of_type));
        }
    }
}
