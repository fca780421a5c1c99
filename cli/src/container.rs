//! What kees-init would find in its container: the variables of an injected pod, as settings, with
//! the container's paths below a folder of this machine.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use kees_common::{StoreName, downward, names::env};
use kees_init::{InitError, InitSettings, RunError, settings::OutputSettings};
use serde_json::Value;

use crate::{fault::CliErrorKind, workload::Workload};

/// Variables by name.
pub(crate) type Variables = BTreeMap<String, String>;

/// The container of kees's among a pod's init containers: the one of that name, which is injected,
/// or one whose image matches.
pub(crate) fn find(pod: &Value, is_init: impl Fn(&Value) -> bool) -> Option<&Value> {
    let containers = pod.pointer("/spec/initContainers")?.as_array()?;
    containers.iter().find(|container| is_init(container))
}

/// The variables of a container, as the kubelet sets them for a pod of `workload`, and those of init's
/// that only the cluster knows.
pub(crate) fn variables(container: &Value, workload: &Workload) -> (Variables, Vec<CliErrorKind>) {
    let mut variables = Variables::new();
    let mut problems = Vec::new();
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
                // There is no pod that has one.
                Some("metadata.uid") => continue,
                _ => None,
            },
        };
        match value {
            Some(value) => {
                variables.insert(name, value);
            }
            None if env::ALL.iter().any(|variable| variable.name == name) => {
                problems.push(CliErrorKind::FromCluster {
                    variable: name,
                    container: text(container, "name").unwrap_or_default(),
                });
            }
            None => {}
        }
    }
    (variables, problems)
}

/// `$(NAME)` replaced by the value of an earlier variable, `$$` by `$`; what is neither stays.
///
/// Source: the Kubernetes documentation of `env[].value`.
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

/// Puts a pod that was wired by hand onto the stores of this run: its own `STORE` must be among
/// them, and is `default` where it says none or another.
pub(crate) fn confine(
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
        .map(|asked| CliErrorKind::OtherStore {
            asked,
            allowed: allowed.join(", "),
        })
}

/// The settings that init reads from `variables`, with its files below `folder`, and what is wrong: a
/// variable that init does not take, or a path that leads out of the container.
pub(crate) fn settings(variables: &Variables, folder: &Path) -> (InitSettings, Vec<CliErrorKind>) {
    let pairs = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let (mut settings, wrong) = InitSettings::from_variables(pairs);
    let wrong = wrong
        .into_iter()
        .map(|usage| RunError::from(InitError::from(usage)));
    let mut problems: Vec<_> = wrong
        .flat_map(|failure| CliErrorKind::of(&failure).collect::<Vec<_>>())
        .collect();
    let OutputSettings {
        secrets_file,
        resources_file,
        leases_file,
        resources_file_path,
        leases_file_path,
        format: _,
        file_mode: _,
    } = &mut settings.output;
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
            None => problems.push(CliErrorKind::Outside {
                variable,
                path: path.clone(),
            }),
        }
    }
    (settings, problems)
}

/// A path of a container, below `folder`; `None` where `..` could lead out of it.
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

/// The pod's annotations as the kubelet writes them into the downward-API file.
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
