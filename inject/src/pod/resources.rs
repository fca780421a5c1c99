//! Requests and limits of the init container, as the operator configures them.

use serde::{Deserialize, Serialize};

use crate::pod::quantity::Quantity;

/// Requests and limits of the init container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// What the scheduler reserves.
    #[serde(default)]
    pub requests: Amounts,
    /// What the node enforces.
    #[serde(default)]
    pub limits: Amounts,
}

impl Default for Resources {
    /// Requests 10m CPU and 16Mi, limit 64Mi, no CPU limit.
    fn default() -> Self {
        Self {
            requests: Amounts {
                cpu: Some(Quantity::milli(10)),
                memory: Some(Quantity::mebi(16)),
            },
            limits: Amounts {
                cpu: None,
                memory: Some(Quantity::mebi(64)),
            },
        }
    }
}

impl Resources {
    /// Neither requests nor limits.
    pub(crate) fn none() -> Self {
        Self {
            requests: Amounts::default(),
            limits: Amounts::default(),
        }
    }

    /// Whether a request is larger than its limit.
    pub(crate) fn request_exceeds_limit(&self) -> bool {
        let Self { requests, limits } = self;
        [
            (&requests.cpu, &limits.cpu),
            (&requests.memory, &limits.memory),
        ]
        .into_iter()
        .any(|(request, limit)| limit.is_some() && request > limit)
    }
}

/// Amounts of CPU and memory, each optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amounts {
    /// In cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Quantity>,
    /// In bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
}
