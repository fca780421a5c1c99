//! The policy file, which is loaded again when it changes. It is the file of the webhook.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use kees_inject::{InjectSettings, Policy};
use kees_server::{Contents, Reload, Source};
use tokio::sync::watch;

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

/// The policy file, with the settings that each content of it is checked with.
#[derive(Debug)]
pub(crate) struct PolicySource {
    path: PathBuf,
    settings: InjectSettings,
}

impl Source for PolicySource {
    type Loaded = InjectSettings;
    type Error = ControllerError;

    fn name(&self) -> &'static str {
        "policy"
    }

    fn paths(&self) -> Vec<&Path> {
        vec![&self.path]
    }

    fn load(&self, contents: &Contents) -> Result<InjectSettings, ControllerError> {
        let text = String::from_utf8_lossy(&contents[0]);
        let policy: Policy = text.parse().map_err(|source| ControllerError::Policy {
            path: self.path.clone(),
            source,
        })?;
        let settings = InjectSettings {
            policy,
            ..self.settings.clone()
        };
        check(&settings)?;
        Ok(settings)
    }
}

/// Loads the policy, if there is a file, and checks it together with the other settings.
pub(crate) fn load(
    file: Option<PolicyFile>,
    settings: InjectSettings,
) -> Result<(Option<Reload<PolicySource>>, InjectSettings), ControllerError> {
    let Some(PolicyFile(path)) = file else {
        check(&settings)?;
        return Ok((None, settings));
    };
    let (reload, settings) = Reload::first(PolicySource { path, settings })?;
    Ok((Some(reload), settings))
}

/// Reads the file every `period`, forever, and sends each valid change.
pub(crate) async fn watch(
    file: Reload<PolicySource>,
    period: Duration,
    metrics: Metrics,
    current: watch::Sender<Arc<Current>>,
) {
    let on = |result: Result<InjectSettings, &ControllerError>| {
        metrics.reloaded(result.is_ok());
        if let Ok(settings) = result {
            current.send_modify(|current| {
                let number = current.number + 1;
                *current = Arc::new(Current { number, settings });
            });
        }
    };
    file.watch(period, on).await;
}

fn check(settings: &InjectSettings) -> Result<(), ControllerError> {
    let errors = settings.policy_errors();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(ControllerError::Settings(errors))
    }
}
