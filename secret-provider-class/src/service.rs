//! The services that have the secrets.

use std::fmt;

use serde::{Deserialize, Serialize};

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

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecretsManager => "secretsmanager",
            Self::ParameterStore => "ssmparameter",
        })
    }
}
