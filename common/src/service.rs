//! The AWS services that have the objects of a `SecretProviderClass`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::store_name::StoreName;

/// An AWS service. It prints as `objectType` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Service {
    /// AWS Secrets Manager.
    #[serde(rename = "secretsmanager")]
    SecretsManager,
    /// Parameter Store of AWS Systems Manager.
    #[serde(rename = "ssmparameter")]
    ParameterStore,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 2] = [Self::SecretsManager, Self::ParameterStore];

    /// The store that reads its objects.
    pub fn store(self) -> StoreName {
        match self {
            Self::SecretsManager => StoreName::SecretsManager,
            Self::ParameterStore => StoreName::Ssm,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecretsManager => "secretsmanager",
            Self::ParameterStore => "ssmparameter",
        })
    }
}
