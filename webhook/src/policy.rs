//! The operator's policy file, as a source that is loaded again when it changes.

use std::path::{Path, PathBuf};

use kees_inject::Policy;

use crate::{
    WebhookError,
    metrics::Watched,
    reload::{Contents, Source},
};

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
    type Loaded = Policy;

    const WATCHED: Watched = Watched::Policy;

    fn paths(&self) -> Vec<&Path> {
        vec![&self.path]
    }

    fn load(&self, contents: &Contents) -> Result<Policy, WebhookError> {
        let text = String::from_utf8_lossy(&contents[0]);
        text.parse().map_err(|source| WebhookError::Policy {
            path: self.path.clone(),
            source,
        })
    }
}
