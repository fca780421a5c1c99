//! The operator's policy file, as a source that is loaded again when it changes.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use kees_inject::Policy;

use crate::{
    WebhookError,
    metrics::Watched,
    reload::{Contents, Source},
};

/// A policy file that was loaded.
#[derive(Debug)]
pub(crate) struct LoadedPolicy {
    pub(crate) policy: Policy,
    /// The beginning of the SHA-256 of the file, in hexadecimal digits.
    pub(crate) sha256: String,
}

/// The path of the policy file.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    path: PathBuf,
}

impl PolicyFile {
    /// The policy file at `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl Source for PolicyFile {
    type Loaded = LoadedPolicy;

    const WATCHED: Watched = Watched::Policy;

    fn paths(&self) -> Vec<&Path> {
        vec![&self.path]
    }

    fn load(&self, contents: &Contents) -> Result<LoadedPolicy, WebhookError> {
        let text = String::from_utf8_lossy(&contents[0]);
        let policy = text.parse().map_err(|source| WebhookError::Policy {
            path: self.path.clone(),
            source,
        })?;
        Ok(LoadedPolicy {
            policy,
            sha256: sha256(&contents[0]),
        })
    }
}

/// The first 16 hexadecimal digits of the SHA-256: enough to compare replicas.
fn sha256(content: &[u8]) -> String {
    let digest = digest(&SHA256, content);
    let bytes = digest.as_ref().iter().take(8);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_hash_is_what_sha256sum_prints() {
        assert_eq!(super::sha256(b""), "e3b0c44298fc1c14");
    }
}
