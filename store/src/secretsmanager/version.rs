//! A version of a secret, as an entry names it.

use kees_common::{Locator, StoragePath};

/// One version of one secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Version {
    pub(super) secret: StoragePath,
    pub(super) stage: Option<String>,
    pub(super) id: Option<String>,
}

impl Version {
    pub(super) fn of(locator: &Locator) -> Self {
        Self {
            secret: locator.secret_id().clone(),
            stage: locator.version_stage.clone(),
            id: locator.version_id.clone(),
        }
    }

    /// Whether neither a stage nor an id is named.
    pub(super) fn is_current(&self) -> bool {
        self.stage.is_none() && self.id.is_none()
    }
}
