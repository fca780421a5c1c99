//! What the decision reads of a pod.

use serde::Deserialize;

/// What the decision reads of a pod, borrowed from its JSON. Fields that nothing is decided on
/// are passed over.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PodView<'a> {
    #[serde(skip)]
    source: &'a str,
}

impl<'a> PodView<'a> {
    /// Reads a pod, or the template of one (`metadata` and `spec`), from its JSON.
    pub fn from_json(json: &'a str) -> Result<Self, InvalidPod> {
        let mut pod: Self = serde_json::from_str(json)?;
        pod.source = json;
        Ok(pod)
    }
}

/// Text that is no pod.
#[derive(Debug, thiserror::Error)]
#[error("not a pod: {0}")]
pub struct InvalidPod(#[from] serde_json::Error);
