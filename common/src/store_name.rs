//! The stores by name, and what each of them needs and can do.
//!
//! [`StoreName::capabilities`] is the one table of that. Code outside the `store` crate asks it and
//! names no store, so a new store is one more row.

use std::{fmt, str::FromStr};

use crate::excerpt::excerpt;

/// A store that values are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum StoreName {
    /// The table of the original kees in Amazon DynamoDB.
    #[default]
    DynamoDb,
    /// AWS Secrets Manager.
    SecretsManager,
    /// AWS Systems Manager Parameter Store.
    Ssm,
    /// One SQLite file, for development and tests.
    Embedded,
    /// The memory of the process, for unit tests.
    Memory,
}

/// Which AWS Region a store uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionUse {
    /// The store is not in AWS.
    None,
    /// The original's default holds where no Region is set.
    Defaulted,
    /// A Region must be set: in a wrong one every value looks absent.
    Required,
}

/// What one store needs and can do.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a capability of its own"
)]
struct Capabilities {
    /// The name in settings, annotations and messages.
    name: &'static str,
    region: RegionUse,
    needs_env_label: bool,
    needs_embedded_file: bool,
    has_members: bool,
    has_versions: bool,
    takes_arns: bool,
    holds_bytes: bool,
    is_persistent: bool,
    restores_deleted: bool,
    keeps_leases: bool,
    paths: PathRule,
}

/// Which paths a store accepts, and the words for it in a message.
struct PathRule {
    accepts: fn(&str) -> bool,
    right: &'static str,
}

const ANY_PATH: PathRule = PathRule {
    accepts: |_| true,
    right: "use any path",
};

impl StoreName {
    /// Every store, in the order in which messages list them.
    pub const ALL: [Self; 5] = [
        Self::DynamoDb,
        Self::SecretsManager,
        Self::Ssm,
        Self::Embedded,
        Self::Memory,
    ];

    fn capabilities(self) -> &'static Capabilities {
        match self {
            Self::DynamoDb => &Capabilities {
                name: "dynamodb",
                region: RegionUse::Defaulted,
                needs_env_label: true,
                needs_embedded_file: false,
                has_members: false,
                has_versions: false,
                takes_arns: false,
                holds_bytes: true,
                is_persistent: true,
                restores_deleted: false,
                keeps_leases: true,
                paths: ANY_PATH,
            },
            Self::SecretsManager => &Capabilities {
                name: "secretsmanager",
                region: RegionUse::Required,
                needs_env_label: false,
                needs_embedded_file: false,
                has_members: true,
                has_versions: true,
                takes_arns: true,
                holds_bytes: true,
                is_persistent: true,
                restores_deleted: true,
                keeps_leases: false,
                paths: PathRule {
                    accepts: is_secret_name,
                    right: "use 1 to 512 letters, digits and /_+=.@-",
                },
            },
            Self::Ssm => &Capabilities {
                name: "ssm",
                region: RegionUse::Required,
                needs_env_label: false,
                needs_embedded_file: false,
                has_members: true,
                has_versions: true,
                takes_arns: false,
                holds_bytes: false,
                is_persistent: true,
                restores_deleted: false,
                keeps_leases: false,
                paths: PathRule {
                    accepts: is_parameter_name,
                    right: "use up to 15 levels of letters, digits and _.-, 1011 characters in all, \
                            beginning with '/' and not with /aws or /ssm",
                },
            },
            Self::Embedded => &Capabilities {
                name: "embedded",
                region: RegionUse::None,
                needs_env_label: false,
                needs_embedded_file: true,
                has_members: false,
                has_versions: false,
                takes_arns: false,
                holds_bytes: true,
                is_persistent: true,
                restores_deleted: false,
                keeps_leases: true,
                paths: ANY_PATH,
            },
            Self::Memory => &Capabilities {
                name: "memory",
                region: RegionUse::None,
                needs_env_label: false,
                needs_embedded_file: false,
                has_members: false,
                has_versions: false,
                takes_arns: false,
                holds_bytes: true,
                is_persistent: false,
                restores_deleted: false,
                keeps_leases: true,
                paths: ANY_PATH,
            },
        }
    }

    /// The name in settings, annotations and messages.
    pub fn as_str(self) -> &'static str {
        self.capabilities().name
    }

    /// Which AWS Region the store uses.
    pub fn region(self) -> RegionUse {
        self.capabilities().region
    }

    /// Whether the store is in AWS, and so has a Region, an identity and an endpoint.
    pub fn is_in_aws(self) -> bool {
        self.region() != RegionUse::None
    }

    /// Whether the store needs `ENV_LABEL`.
    pub fn needs_env_label(self) -> bool {
        self.capabilities().needs_env_label
    }

    /// Whether the store needs `EMBEDDED_FILE`.
    pub fn needs_embedded_file(self) -> bool {
        self.capabilities().needs_embedded_file
    }

    /// Whether one stored value can have members: a generation with several fields is one JSON
    /// object under one name, and `property=` reads a member. Other stores keep each field under a
    /// path of its own.
    pub fn has_members(self) -> bool {
        self.capabilities().has_members
    }

    /// Whether a stored value has versions: `versionStage=` and `versionId=`.
    pub fn has_versions(self) -> bool {
        self.capabilities().has_versions
    }

    /// Whether an ARN names a stored value.
    pub fn takes_arns(self) -> bool {
        self.capabilities().takes_arns
    }

    /// Whether a stored value can be any bytes. Other stores hold text only, and base64 of a value
    /// that is not text.
    pub fn holds_bytes(self) -> bool {
        self.capabilities().holds_bytes
    }

    /// Whether values are still there when the process has ended.
    pub fn is_persistent(self) -> bool {
        self.capabilities().is_persistent
    }

    /// Whether a deleted value can be restored for some days.
    pub fn restores_deleted(self) -> bool {
        self.capabilities().restores_deleted
    }

    /// Whether the store keeps leases: it changes several records in one atomic step.
    pub fn keeps_leases(self) -> bool {
        self.capabilities().keeps_leases
    }

    /// Whether the store accepts `path` as a name.
    ///
    /// # Errors
    /// What the store accepts instead, in words.
    pub fn accepts(self, path: &str) -> Result<(), &'static str> {
        let rule = &self.capabilities().paths;
        if (rule.accepts)(path) {
            Ok(())
        } else {
            Err(rule.right)
        }
    }

    /// The names of the stores with a capability, for messages: `a, b or c`.
    pub fn names_with(has: impl Fn(Self) -> bool) -> String {
        let mut names: Vec<_> = Self::ALL
            .into_iter()
            .filter(|store| has(*store))
            .map(Self::as_str)
            .collect();
        let last = names.pop().unwrap_or_default();
        if names.is_empty() {
            last.to_owned()
        } else {
            format!("{} or {last}", names.join(", "))
        }
    }
}

/// What Secrets Manager accepts as the name of a secret (API reference, `CreateSecret`).
fn is_secret_name(name: &str) -> bool {
    (1..=512).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/_+=.@-".contains(&b))
}

/// What Parameter Store accepts as the name of a parameter (API reference, `PutParameter`).
fn is_parameter_name(name: &str) -> bool {
    let levels: Vec<&str> = name.split('/').skip(1).collect();
    let is_reserved = |level: &&str| {
        let level = level.to_ascii_lowercase();
        level.starts_with("aws") || level.starts_with("ssm")
    };
    name.len() <= 1011
        && name.starts_with('/')
        && levels.len() <= 15
        && !levels.first().is_some_and(is_reserved)
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/_.-".contains(&b))
}

impl FromStr for StoreName {
    type Err = ParseStoreNameError;

    fn from_str(text: &str) -> Result<Self, ParseStoreNameError> {
        Self::ALL
            .into_iter()
            .find(|store| store.as_str() == text)
            .ok_or_else(|| ParseStoreNameError(excerpt(text)))
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not the name of a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a store; use {stores}", stores = StoreName::names_with(StoreName::is_persistent))]
pub struct ParseStoreNameError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_prints_as_it_was_written() {
        for store in StoreName::ALL {
            assert_eq!(store.to_string().parse(), Ok(store));
        }
    }

    #[test]
    fn an_unknown_store_is_answered_with_those_that_last() {
        let error = "vault".parse::<StoreName>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "'vault' is not a store; use dynamodb, secretsmanager, ssm or embedded"
        );
    }
}
