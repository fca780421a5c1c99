//! The profile of `~/.aws/config` and `~/.aws/credentials`, and why it has no credentials.

use std::{
    error::Error as _,
    sync::{Arc, Mutex, PoisonError},
};

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};

use super::environment::Environment;
use crate::aws::error::describe;

/// The SDK's profile provider. The chain skips a profile without credentials and drops the reason,
/// so this records the reason.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) provider: ProfileFileCredentialsProvider,
    pub(super) environment: Environment,
    pub(super) passed_over: PassedOver,
}

impl ProvideCredentials for Profile {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let error = match self.provider.provide_credentials().await {
                Ok(credentials) => return Ok(credentials),
                Err(error) => error,
            };
            if matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
                self.passed_over.note(&error);
                return Err(error);
            }
            Err(CredentialsError::provider_error(
                self.environment.failed(&error),
            ))
        })
    }
}

/// Why the profile has no credentials. `None` before it is read, and if no reason is known.
#[derive(Debug, Clone, Default)]
pub(super) struct PassedOver(Arc<Mutex<Option<String>>>);

impl PassedOver {
    fn note(&self, error: &CredentialsError) {
        let reason = error.source().map(describe);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    pub(super) fn reason(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
