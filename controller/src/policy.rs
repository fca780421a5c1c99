//! The policy file, which is read again when it changes. It is the file of the webhook.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use kees_common::error_chain;
use kees_inject::{InjectSettings, Policy};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use crate::{ControllerError, metrics::Metrics};

/// The settings of the decision, with the policy in use.
#[derive(Debug)]
pub(crate) struct Current {
    /// Counts the policies since the start.
    pub(crate) number: u64,
    pub(crate) settings: InjectSettings,
}

/// The policy file.
#[derive(Debug, Clone)]
pub struct PolicyFile(PathBuf);

impl PolicyFile {
    /// The policy file at `path`.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }
}

/// A policy file that was loaded.
#[derive(Debug)]
pub(crate) struct LoadedPolicy {
    path: PathBuf,
    content: Vec<u8>,
    /// The error that was logged last.
    logged: Option<String>,
}

/// Loads the policy, if there is a file, and checks it together with the other settings.
pub(crate) fn load(
    file: Option<PolicyFile>,
    settings: InjectSettings,
) -> Result<(Option<LoadedPolicy>, InjectSettings), ControllerError> {
    let Some(PolicyFile(path)) = file else {
        check(&settings)?;
        return Ok((None, settings));
    };
    let content = read(&path)?;
    let settings = with_policy(&settings, &path, &content)?;
    let loaded = LoadedPolicy {
        path,
        content,
        logged: None,
    };
    Ok((Some(loaded), settings))
}

impl LoadedPolicy {
    /// Reads the file every `period`, forever, and sends each valid change.
    pub(crate) async fn watch(
        mut self,
        period: Duration,
        metrics: Metrics,
        current: watch::Sender<Arc<Current>>,
    ) {
        let mut ticks = interval(period.max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let settings = Arc::clone(&current.borrow());
            // A policy with thousands of rules takes long to load, and the pods must not wait for it.
            let loading = spawn_blocking(move || {
                let change = self.load_change(&settings.settings);
                (self, change)
            });
            let change;
            (self, change) = match loading.await {
                Ok(loaded) => loaded,
                Err(error) => {
                    tracing::error!(%error, "the policy is not watched any more");
                    return;
                }
            };
            match change {
                Ok(None) => self.logged = None,
                Ok(Some(settings)) => {
                    self.logged = None;
                    current.send_modify(|current| {
                        let number = current.number + 1;
                        *current = Arc::new(Current { number, settings });
                    });
                    metrics.reloaded(true);
                    tracing::info!("the policy is reloaded");
                }
                Err(error) => {
                    metrics.reloaded(false);
                    self.log(&error);
                }
            }
        }
    }

    fn load_change(
        &mut self,
        settings: &InjectSettings,
    ) -> Result<Option<InjectSettings>, ControllerError> {
        let content = read(&self.path)?;
        if content == self.content {
            return Ok(None);
        }
        let settings = with_policy(settings, &self.path, &content)?;
        self.content = content;
        Ok(Some(settings))
    }

    /// Logs an error once, however often it repeats.
    fn log(&mut self, error: &ControllerError) {
        let message = error_chain::describe(error);
        if self.logged.as_ref() != Some(&message) {
            tracing::warn!("the policy is not reloaded, the previous one stays in use: {message}");
            self.logged = Some(message);
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ControllerError> {
    std::fs::read(path).map_err(|source| ControllerError::Read {
        path: path.to_owned(),
        source,
    })
}

/// `settings` with the policy in `content`.
fn with_policy(
    settings: &InjectSettings,
    path: &Path,
    content: &[u8],
) -> Result<InjectSettings, ControllerError> {
    let text = String::from_utf8_lossy(content);
    let policy: Policy = text.parse().map_err(|source| ControllerError::Policy {
        path: path.to_owned(),
        source,
    })?;
    let settings = InjectSettings {
        policy,
        ..settings.clone()
    };
    check(&settings)?;
    Ok(settings)
}

fn check(settings: &InjectSettings) -> Result<(), ControllerError> {
    let errors = settings.policy_errors();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(ControllerError::Settings(errors))
    }
}
