//! Probes and lifecycle hooks that execute a command. The kubelet starts it beside the container's own
//! command, so it does not get the variables that `kees-init exec` sets.

use kees_common::environment::PROGRAM_FILE;
use serde_json::Value;

use crate::{
    admission::{Admission, Verdict, Warning},
    input::Input,
    place::Place,
    workload::Workload,
};

/// Where a container has probes and hooks.
const HOOKS: [&str; 5] = [
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle.postStart",
    "lifecycle.preStop",
];

/// A warning for each probe and hook without variables in a container that gets some.
pub(crate) fn warnings(input: &Input, workload: &Workload, admission: &Admission) -> Vec<Warning> {
    let Verdict::Injected(pod) = &admission.verdict else {
        return Vec::new();
    };
    let warning = |message: String| {
        let place = Place::of_warning(&message, []);
        let location = workload.locate(&input.documents, &place);
        Warning { location, message }
    };
    messages(pod).into_iter().map(warning).collect()
}

fn messages(pod: &Value) -> Vec<String> {
    let mut messages = Vec::new();
    for list in ["initContainers", "containers"] {
        let containers = pod["spec"][list].as_array().into_iter().flatten();
        for container in containers.filter(|container| is_wrapped(&container["command"])) {
            for hook in HOOKS {
                let pointer = format!("/{}/exec/command", hook.replace('.', "/"));
                let command = container.pointer(&pointer);
                if command.is_some_and(|command| !is_wrapped(command)) {
                    let name = container["name"].as_str().unwrap_or_default();
                    messages.push(format!(
                        "spec.{list}[{name}].{hook}: its command does not get the environment \
                         variables of the container; read the files, or begin it with the program \
                         of the container's command, exec and --"
                    ));
                }
            }
        }
    }
    messages
}

/// Whether a command is started by `kees-init exec`.
fn is_wrapped(command: &Value) -> bool {
    let program = command[0].as_str().unwrap_or_default();
    let name = program.rsplit('/').next();
    name == Some(PROGRAM_FILE) && command[1] == "exec"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_commands_without_variables_are_reported() {
        let wrapped = json!(["/bsycorp-init/.kees-init", "exec", "--", "a"]);
        let probes = json!({
            "livenessProbe": {"exec": {"command": ["check"]}},
            "readinessProbe": {"httpGet": {"port": 80}},
            "startupProbe": {"exec": {"command": wrapped}},
            "lifecycle": {"preStop": {"exec": {"command": ["stop"]}}},
        });
        let container = |name: &str, command: &Value| {
            let mut container = probes.clone();
            container["name"] = name.into();
            container["command"] = command.clone();
            container
        };
        let pod = json!({"spec": {
            "containers": [container("app", &wrapped), container("other", &json!(["a"]))],
            "initContainers": [container("sidecar", &wrapped)],
        }});
        let places: Vec<_> = messages(&pod)
            .iter()
            .map(|message| message.split_once(": ").unwrap().0.to_owned())
            .collect();
        assert_eq!(
            places,
            [
                "spec.initContainers[sidecar].livenessProbe",
                "spec.initContainers[sidecar].lifecycle.preStop",
                "spec.containers[app].livenessProbe",
                "spec.containers[app].lifecycle.preStop"
            ]
        );
    }
}
