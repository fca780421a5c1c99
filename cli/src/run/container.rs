//! What kees-init finds in its container: environment variables and annotations. The paths of the
//! container are moved into a folder of this machine.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use kees_common::{StoreName, downward, names::env};
use kees_init::{InitError, InitSettings, RunError, settings::OutputSettings};
use serde_json::Value;

use crate::{error::CliErrorKind, workload::Workload};

/// The values of environment variables by name.
pub(crate) type Variables = BTreeMap<String, String>;

/// Finds an init container of a pod.
pub(crate) fn find(pod: &Value, matches: impl Fn(&Value) -> bool) -> Option<&Value> {
    let containers = pod.pointer("/spec/initContainers")?.as_array()?;
    containers.iter().find(|container| matches(container))
}

/// Reads the variables of a container as the kubelet sets them for a pod of `workload`. It is an error
/// if a variable of kees-init takes its value from the cluster.
pub(crate) fn variables(container: &Value, workload: &Workload) -> (Variables, Vec<CliErrorKind>) {
    let mut variables = Variables::new();
    let mut errors = Vec::new();
    let text = |value: &Value, field| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let entries = container.get("env").and_then(Value::as_array);
    for entry in entries.into_iter().flatten() {
        let Some(name) = text(entry, "name") else {
            continue;
        };
        let source = entry.get("valueFrom").filter(|source| !source.is_null());
        let value = match source {
            None => Some(expand(
                entry
                    .get("value")
                    .and_then(Value::as_str)
                    .unwrap_or_default(),
                &variables,
            )),
            Some(source) => match source
                .pointer("/fieldRef/fieldPath")
                .and_then(Value::as_str)
            {
                Some("metadata.name") => Some(workload.pod_name.clone()),
                Some("metadata.namespace") => Some(workload.name.namespace.clone()),
                // No pod exists, so there is no uid.
                Some("metadata.uid") => continue,
                _ => None,
            },
        };
        match value {
            Some(value) => {
                variables.insert(name, value);
            }
            None if env::ALL.iter().any(|variable| variable.name == name) => {
                errors.push(CliErrorKind::VariableFromCluster {
                    variable: name,
                    container: text(container, "name").unwrap_or_default(),
                });
            }
            None => {}
        }
    }
    (variables, errors)
}

/// Replaces `$(NAME)` by the value of an earlier variable and `$$` by `$`. References to unknown
/// variables stay, as in the Kubernetes documentation of `env[].value`.
fn expand(text: &str, variables: &Variables) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|r| r.split_once(')')) {
            match variables.get(name) {
                Some(value) => expanded.push_str(value),
                None => expanded.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded + rest
}

/// Restricts a pod that was wired by hand to the stores of this run. Its `STORE` is replaced by
/// `default` where it is missing, or where it is not one of these stores, which is an error.
pub(crate) fn restrict_stores(
    variables: &mut Variables,
    default: StoreName,
    others: &[StoreName],
) -> Option<CliErrorKind> {
    let mut allowed = vec![default.as_str()];
    allowed.extend(others.iter().map(|store| store.as_str()));
    let asked = variables
        .get(env::STORE)
        .cloned()
        .filter(|store| !store.is_empty());
    let is_allowed = |asked: &String| allowed.contains(&asked.as_str());
    if !asked.as_ref().is_some_and(is_allowed) {
        variables.insert(env::STORE.to_owned(), default.as_str().to_owned());
    }
    variables.insert(env::STORES.to_owned(), allowed.join(","));
    asked
        .filter(|asked| !is_allowed(asked))
        .map(|asked| CliErrorKind::StoreNotAllowed {
            asked,
            allowed: allowed.join(", "),
        })
}

/// Reads the settings of init from `variables`, and moves its files into `folder`. It is an error if
/// init does not accept a variable, or if a path leads out of the container.
pub(crate) fn settings(variables: &Variables, folder: &Path) -> (InitSettings, Vec<CliErrorKind>) {
    let pairs = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let (mut settings, wrong) = InitSettings::from_variables(pairs);
    let wrong = wrong
        .into_iter()
        .map(|usage| RunError::from(InitError::from(usage)));
    let mut errors: Vec<_> = wrong
        .flat_map(|error| CliErrorKind::of(&error).collect::<Vec<_>>())
        .collect();
    let OutputSettings {
        secrets_file,
        resources_file,
        leases_file,
        resources_file_path,
        leases_file_path,
        exec_folder,
        format: _,
        file_mode: _,
    } = &mut settings.output;
    // No container is started here, so nothing needs the program.
    *exec_folder = None;
    let paths = [
        (env::SECRETS_FILE, secrets_file),
        (env::RESOURCES_FILE, resources_file),
        (env::LEASES_FILE, leases_file),
        (env::RESOURCES_FILE_PATH, resources_file_path),
        (env::LEASES_FILE_PATH, leases_file_path),
    ];
    for (variable, path) in paths {
        match below(folder, path) {
            Some(moved) => *path = moved,
            None => errors.push(CliErrorKind::PathOutsideContainer {
                variable,
                path: path.clone(),
            }),
        }
    }
    (settings, errors)
}

/// Moves a path of a container into `folder`; `None` if the path has a `..`, which could lead out of
/// the folder.
fn below(folder: &Path, path: &Path) -> Option<PathBuf> {
    let mut below = folder.to_owned();
    for component in path.components() {
        match component {
            Component::Normal(name) => below.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(below)
}

/// Writes the pod's annotations as the kubelet writes them into the downward-API file.
pub(crate) fn annotations(pod: &Value) -> String {
    let annotations = pod
        .pointer("/metadata/annotations")
        .and_then(Value::as_object);
    let pairs = annotations
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()));
    downward::write(pairs)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("plain", "plain")]
    #[case("$(A)", "1")]
    #[case("x$(A)y$(B)z", "x1y2z")]
    #[case("$(NONE)", "$(NONE)")]
    #[case("$$(A)", "$(A)")]
    #[case("$$$(A)", "$1")]
    #[case("$A ${A} 5$", "$A ${A} 5$")]
    #[case("$(A", "$(A")]
    fn variables_are_expanded_as_kubernetes_does(#[case] text: &str, #[case] expected: &str) {
        let variables = [("A", "1"), ("B", "2")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(expand(text, &Variables::from(variables)), expected);
    }

    #[rstest]
    #[case("/bsycorp-init/a", Some("out/bsycorp-init/a"))]
    #[case("relative", Some("out/relative"))]
    #[case("/./a//b", Some("out/a/b"))]
    #[case("/a/../../b", None)]
    fn no_path_leads_out_of_the_folder(#[case] path: &str, #[case] expected: Option<&str>) {
        assert_eq!(
            below(Path::new("out"), Path::new(path)).as_deref(),
            expected.map(Path::new)
        );
    }
}
