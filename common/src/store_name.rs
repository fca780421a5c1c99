//! The names of the stores, as the operator and an annotation write them.

use std::{fmt, str::FromStr};

use crate::excerpt::excerpt;

/// A store that a value can lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoreName {
    /// kees's table.
    DynamoDb,
    /// AWS Secrets Manager.
    SecretsManager,
    /// One SQLite file, for laptops and tests.
    Embedded,
    /// The memory of the process, for unit tests.
    Memory,
}

impl StoreName {
    /// Every store, in the order in which messages list them.
    pub const ALL: [Self; 4] = [
        Self::DynamoDb,
        Self::SecretsManager,
        Self::Embedded,
        Self::Memory,
    ];

    /// The name in settings, annotations and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::SecretsManager => "secretsmanager",
            Self::Embedded => "embedded",
            Self::Memory => "memory",
        }
    }
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

/// A store that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a store; use dynamodb, secretsmanager or embedded")]
pub struct ParseStoreNameError(String);
