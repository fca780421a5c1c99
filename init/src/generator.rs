//! Generates what is absent, on all cores.

use std::{num::NonZero, thread};

use kees_common::{Generated, Generation};
use kees_generate::GenerateError;
use kees_store::protocol;
use tokio::sync::Semaphore;

use crate::wipe_stack;

/// Generates as many keys side by side as there are cores.
#[derive(Debug)]
pub struct Generator {
    cores: Semaphore,
}

impl Default for Generator {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            cores: Semaphore::new(cores),
        }
    }
}

impl protocol::Generator for Generator {
    type Error = GenerateError;

    /// Generates passwords and random bytes directly, and a key on a thread of its own, so that calls
    /// of the stores go on meanwhile.
    async fn generate(&self, generation: &Generation) -> Result<Generated, GenerateError> {
        let spec = &generation.spec;
        if spec.rsa_bits().is_none() {
            return kees_generate::generate(spec);
        }
        // The semaphore is never closed, so this always gets a permit in the end.
        let _core = self.cores.acquire().await;
        let owned = spec.clone();
        let generated = tokio::task::spawn_blocking(move || {
            let generated = kees_generate::generate(&owned);
            wipe_stack();
            generated
        })
        .await;
        generated.unwrap_or_else(|error| {
            Err(GenerateError::Key {
                key: spec.secret_type().as_str(),
                reason: error.to_string(),
            })
        })
    }
}
