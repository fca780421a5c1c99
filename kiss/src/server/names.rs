//! The names of a caller's request, and what is named after them in AWS.
//!
//! A secret belongs to a namespace by its tags, never by its name alone: with the separator of kiss
//! 0.1, `-`, the secret `b-c` of the namespace `a` and the secret `c` of `a-b` have the same name.

use std::{fmt, str::FromStr};

/// The most bytes of a name of a secret in Secrets Manager (`CreateSecret`, API reference).
const LONGEST_SECRET: usize = 512;
/// The most bytes of a name of a policy (`CreatePolicy`, API reference).
const LONGEST_POLICY: usize = 128;
/// The most bytes of a name of a role (`CreateRole`, API reference).
const LONGEST_ROLE: usize = 64;

/// The longest name of a namespace (RFC 1123 label).
const LONGEST_LABEL: usize = 63;
/// The longest name of any object in Kubernetes.
const LONGEST_NAME: usize = 253;

/// The tag of everything that kiss creates. Its value is [`MANAGER`].
const MANAGED_BY: &str = "security.kaluza.com/managed-by";
/// The tag with the namespace.
pub const NAMESPACE_TAG: &str = "security.kaluza.com/secret-namespace";
/// The tag with the name that the caller knows.
pub const NAME_TAG: &str = "security.kaluza.com/secret-name";
/// The value of the tag `managed-by`.
const MANAGER: &str = "kiss";

/// A text of a request that is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A character is not allowed, or the length is wrong.
    #[error(
        "the {what} must have 1 to {longest} characters of a-z, 0-9 and -, and begin and end with a letter or digit"
    )]
    Form {
        /// `namespace`, `name`.
        what: &'static str,
        /// The most characters.
        longest: usize,
    },
    /// What is named after it in AWS would be too long.
    #[error("the {what} in AWS would have {length} characters, and at most {longest} are possible")]
    Long {
        /// `name of the secret`, `name of the policy`, `name of the role`.
        what: &'static str,
        /// Its length.
        length: usize,
        /// The most characters.
        longest: usize,
    },
}

/// A secret as callers name it: a namespace, and a name in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretId {
    namespace: String,
    name: String,
}

impl SecretId {
    /// The secret `name` of `namespace`.
    ///
    /// # Errors
    /// One of them is no name of Kubernetes.
    pub fn new(namespace: &str, name: &str) -> Result<Self, NameError> {
        check_namespace(namespace)?;
        check("name", name, LONGEST_NAME)?;
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The tags of what is created for this secret.
    pub fn tags(&self) -> [(&'static str, String); 3] {
        [
            (MANAGED_BY, MANAGER.to_owned()),
            (NAMESPACE_TAG, self.namespace.clone()),
            (NAME_TAG, self.name.clone()),
        ]
    }

    /// Whether these are the tags of what was created for this secret. Other tags do not matter.
    pub fn owns(&self, tags: &[(String, String)]) -> bool {
        self.tags()
            .iter()
            .all(|(key, value)| tag(tags, key) == Some(value))
    }
}

/// `NAMESPACE/NAME`, as messages have it.
impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Whether `namespace` is the name of a namespace.
///
/// # Errors
/// It is none.
pub fn check_namespace(namespace: &str) -> Result<(), NameError> {
    check("namespace", namespace, LONGEST_LABEL)
}

/// The name of the secret with these tags if they are those of a secret of `namespace`.
fn named<'a>(namespace: &str, tags: &'a [(String, String)]) -> Option<&'a str> {
    let is_ours =
        tag(tags, MANAGED_BY) == Some(MANAGER) && tag(tags, NAMESPACE_TAG) == Some(namespace);
    tag(tags, NAME_TAG).filter(|_| is_ours)
}

fn tag<'a>(tags: &'a [(String, String)], key: &str) -> Option<&'a str> {
    let (_, value) = tags.iter().find(|(name, _)| name == key)?;
    Some(value)
}

/// What is between the namespace and the name of a secret in AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Separator {
    /// `-`, as kiss 0.1 has it. Two secrets of two namespaces can have one name.
    #[default]
    Dash,
    /// `_`, which no name of Kubernetes has.
    Underscore,
    /// `/`: each namespace has a path of its own.
    Slash,
}

impl Separator {
    fn character(self) -> char {
        match self {
            Self::Dash => '-',
            Self::Underscore => '_',
            Self::Slash => '/',
        }
    }
}

impl fmt::Display for Separator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.character())
    }
}

/// A text that is none of the separators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a separator is -, _ or /")]
pub struct ParseSeparatorError;

impl FromStr for Separator {
    type Err = ParseSeparatorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Dash, Self::Underscore, Self::Slash]
            .into_iter()
            .find(|separator| separator.to_string() == text)
            .ok_or(ParseSeparatorError)
    }
}

/// How secrets, policies and roles are named in AWS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Naming {
    /// What the names of secrets and policies begin with; may be empty.
    pub secret_prefix: String,
    /// What the names of roles begin with; may be empty.
    pub role_prefix: String,
    /// What follows the prefix and the namespace in the name of a secret.
    pub separator: Separator,
}

impl Naming {
    /// `[PREFIX-]NAMESPACE-NAME`, with the separator.
    ///
    /// # Errors
    /// It would be too long.
    pub fn secret(&self, id: &SecretId) -> Result<String, NameError> {
        let separator = self.separator.character();
        let name = joined(&self.secret_prefix, separator, &id.namespace, &id.name);
        no_longer("name of the secret", name, LONGEST_SECRET)
    }

    /// The name that callers know of a secret of `namespace` with this name and these tags in AWS. `None`: kiss did
    /// not create it for `namespace` with these prefixes, so other calls do not find it either.
    pub fn listed<'a>(
        &self,
        namespace: &str,
        secret: &str,
        tags: &'a [(String, String)],
    ) -> Option<&'a str> {
        let separator = self.separator.character();
        named(namespace, tags)
            .filter(|name| joined(&self.secret_prefix, separator, namespace, name) == secret)
    }

    /// `[PREFIX_]NAMESPACE_NAME`. The name of a policy has no slashes, so those of the prefix are left out or
    /// replaced.
    ///
    /// # Errors
    /// It would be too long.
    pub fn policy(&self, id: &SecretId) -> Result<String, NameError> {
        let prefix = self.secret_prefix.trim_matches('/').replace('/', "_");
        let name = joined(&prefix, '_', &id.namespace, &id.name);
        no_longer("name of the policy", name, LONGEST_POLICY)
    }

    /// `[PREFIX_]NAMESPACE_ACCOUNT`, the role of a ServiceAccount.
    ///
    /// # Errors
    /// `account` is no name of a ServiceAccount, or the role's name would be too long.
    pub fn role(&self, id: &SecretId, account: &str) -> Result<String, NameError> {
        // The name of a ServiceAccount may have dots.
        let parts = account.split('.');
        let is_name = account.len() <= LONGEST_NAME
            && parts.into_iter().all(|part| is_label(part, LONGEST_NAME));
        if !is_name {
            return Err(NameError::Form {
                what: "name of the ServiceAccount",
                longest: LONGEST_NAME,
            });
        }
        let name = joined(&self.role_prefix, '_', &id.namespace, account);
        no_longer("name of the role", name, LONGEST_ROLE)
    }
}

fn joined(prefix: &str, separator: char, namespace: &str, name: &str) -> String {
    if prefix.is_empty() {
        format!("{namespace}{separator}{name}")
    } else {
        format!("{prefix}{separator}{namespace}{separator}{name}")
    }
}

fn no_longer(what: &'static str, name: String, longest: usize) -> Result<String, NameError> {
    let length = name.len();
    if length > longest {
        return Err(NameError::Long {
            what,
            length,
            longest,
        });
    }
    Ok(name)
}

fn check(what: &'static str, text: &str, longest: usize) -> Result<(), NameError> {
    if is_label(text, longest) {
        Ok(())
    } else {
        Err(NameError::Form { what, longest })
    }
}

fn is_label(text: &str, longest: usize) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=longest).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests;
