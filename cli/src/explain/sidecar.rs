//! A container of kees that keeps running beside the application.

use kees_common::names::env;
use kees_inject::{INIT_CONTAINER, REFRESH_CONTAINER};
use serde::Serialize;
use serde_json::Value;

/// A native sidecar that the webhook adds.
#[derive(Debug, Serialize)]
pub(crate) struct Sidecar {
    pub(crate) container: String,
    /// What it does.
    pub(crate) does: String,
}

impl Sidecar {
    /// The sidecars of kees in an injected pod; none if the init container ends.
    pub(crate) fn all(pod: &Value) -> Vec<Self> {
        let containers = pod
            .pointer("/spec/initContainers")
            .and_then(Value::as_array);
        let running =
            |container: &&Value| is_of_kees(container) && container["restartPolicy"] == "Always";
        let containers = containers.into_iter().flatten().filter(running);
        containers.map(Self::new).collect()
    }

    fn new(container: &Value) -> Self {
        let variable = |name: &str| {
            let variables = container["env"].as_array().into_iter().flatten();
            let mut variables = variables.filter(|variable| variable["name"] == name);
            variables.find_map(|variable| variable["value"].as_str())
        };
        let on_change = variable(env::ON_CHANGE);
        let on_change = on_change.map(|action| format!("; on-change: {action}"));
        let refreshes = variable(env::REFRESH).map(|period| {
            let on_change = on_change.as_deref().unwrap_or_default();
            format!("reads the values again every {period}{on_change}")
        });
        let does = if container["name"] == INIT_CONTAINER {
            let then = refreshes.unwrap_or_else(|| "rests".to_owned());
            format!("writes the files before the next container starts, then {then}")
        } else {
            refreshes.unwrap_or_default()
        };
        Self {
            container: container["name"].as_str().unwrap_or_default().to_owned(),
            does,
        }
    }
}

/// Whether the webhook adds a container of this name.
pub(crate) fn is_of_kees(container: &Value) -> bool {
    container["name"] == INIT_CONTAINER || container["name"] == REFRESH_CONTAINER
}
