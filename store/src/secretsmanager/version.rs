//! A version of a secret, as an entry names it.

use kees_common::{Locator, StoragePath};

/// One version of one secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Version {
    pub(super) secret: StoragePath,
    pub(super) stage: Option<String>,
    pub(super) id: Option<String>,
    /// Whether it is the version before the current one.
    pub(super) is_previous: bool,
}

impl Version {
    pub(super) fn of(locator: &Locator) -> Self {
        Self {
            secret: locator.secret_id().clone(),
            stage: locator.version_stage.clone(),
            id: locator.version_id.clone(),
            is_previous: locator.is_previous,
        }
    }

    /// The current version of `secret`.
    pub(super) fn current(secret: &StoragePath) -> Self {
        Self {
            secret: secret.clone(),
            stage: None,
            id: None,
            is_previous: false,
        }
    }

    /// The version before the current one.
    pub(super) fn previous(secret: &StoragePath) -> Self {
        Self {
            is_previous: true,
            ..Self::current(secret)
        }
    }

    /// Whether neither a stage nor an id is named.
    pub(super) fn is_current(&self) -> bool {
        self.stage.is_none() && self.id.is_none() && !self.is_previous
    }
}
