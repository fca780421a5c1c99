//! Containers that get environment variables: `kees-init exec` starts their commands.

use kees_inject::Decision;
use proptest::{option, prelude::*, sample::select};
use rstest::rstest;
use serde_json::{Value, json};

use crate::pods::{
    decision, errors, init_container, injected, operations, pod, settings, variable, warnings,
};

/// A pod of one container with a command and arguments.
fn with_command<'a>(options: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let mut pod = pod(options);
    pod["spec"]["containers"][0]["command"] = json!(["server", "--port=80"]);
    pod["spec"]["containers"][0]["args"] = json!(["$(POD_IP)"]);
    pod
}

/// The commands of a list of containers, joined by blanks.
fn commands(pod: &Value, list: &str) -> Vec<String> {
    let containers = pod["spec"][list].as_array().unwrap();
    let command = |container: &Value| {
        let words = container["command"].as_array();
        let words = words.into_iter().flatten();
        let words: Vec<_> = words.map(|word| word.as_str().unwrap()).collect();
        words.join(" ")
    };
    containers.iter().map(command).collect()
}

#[test]
fn a_command_is_wrapped_and_its_arguments_stay() {
    let pod = injected(&with_command([("env", "true")]), &settings());
    let expected = json!([{
        "name": "app",
        "image": "app:1",
        "command": ["/bsycorp-init/.kees-init", "exec", "--", "server", "--port=80"],
        "args": ["$(POD_IP)"],
        "volumeMounts": [{"name": "kees-secrets", "mountPath": "/bsycorp-init", "readOnly": true}],
    }]);
    assert_eq!(pod["spec"]["containers"], expected);
    assert_eq!(variable(&pod, "EXEC_FOLDER"), Some("/bsycorp-init"));
    assert_eq!(pod["spec"]["volumes"][1]["emptyDir"]["sizeLimit"], "36Mi");
    assert!(init_container(&pod).get("command").is_none());
}

#[rstest]
#[case(&[])]
#[case(&[("env", "false")])]
#[case(&[("env.app", "false")])]
#[case(&[("env", "true"), ("env.app", "false")])]
fn a_pod_that_does_not_ask_is_injected_as_before(#[case] options: &[(&str, &str)]) {
    let without = with_command([]);
    let mut with = injected(&with_command(options.to_vec()), &settings());
    let annotations = with["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.retain(|key, _| !key.starts_with("init.bsycorp.com/env"));
    assert_eq!(with, injected(&without, &settings()));
}

#[test]
fn the_list_of_entries_and_the_mount_path_are_in_the_command() {
    let pod = with_command([
        ("env", "DB_PASSWORD=db-password, db-password"),
        ("mount-path", "/run/$(A)"),
    ]);
    let pod = injected(&pod, &settings());
    assert_eq!(
        commands(&pod, "containers"),
        [
            "/run/$$(A)/.kees-init exec --env DB_PASSWORD=db-password --env db-password -- server --port=80"
        ]
    );
    assert_eq!(operations(&pod, &settings()), json!([]));
}

#[test]
fn init_containers_and_sidecars_get_variables_only_if_they_are_named() {
    let mut pod = with_command([("env", "true"), ("env.sidecar", "P=db-password")]);
    pod["spec"]["initContainers"] = json!([
        {"name": "migrate", "command": ["migrate"]},
        {"name": "sidecar", "command": ["proxy"], "restartPolicy": "Always"},
    ]);
    let pod = injected(&pod, &settings());
    assert_eq!(
        commands(&pod, "initContainers"),
        [
            "",
            "migrate",
            "/bsycorp-init/.kees-init exec --env P=db-password -- proxy"
        ]
    );
    assert_eq!(
        commands(&pod, "containers"),
        ["/bsycorp-init/.kees-init exec -- server --port=80"]
    );
    assert_eq!(operations(&pod, &settings()), json!([]));
}

#[test]
fn a_container_that_the_operator_skips_gets_no_variables() {
    let mut pod = with_command([("env", "true")]);
    let proxy = json!({"name": "istio-proxy", "image": "proxy:1"});
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(proxy);
    assert_eq!(
        commands(&injected(&pod, &settings()), "containers"),
        ["/bsycorp-init/.kees-init exec -- server --port=80", ""]
    );
}

#[test]
fn a_command_that_another_webhook_changes_later_is_wrapped_again() {
    let mut pod = injected(&with_command([("env", "true")]), &settings());
    pod["spec"]["containers"][0]["command"] = json!(["/debug", "server"]);
    assert_eq!(operations(&pod, &settings()).as_array().unwrap().len(), 1);
    let mut pod = injected(&pod, &settings());
    assert_eq!(
        commands(&pod, "containers"),
        ["/bsycorp-init/.kees-init exec -- /debug server"]
    );
    // An older list of entries is replaced, not wrapped.
    pod["metadata"]["annotations"]["init.bsycorp.com/env"] = "db-password".into();
    let pod = injected(&pod, &settings());
    assert_eq!(
        commands(&pod, "containers"),
        ["/bsycorp-init/.kees-init exec --env db-password -- /debug server"]
    );
}

#[rstest]
#[case::none(json!(null))]
#[case::empty(json!([]))]
#[case::only_the_program(json!(["/bsycorp-init/.kees-init", "exec", "--"]))]
#[case::cut(json!(["/bsycorp-init/.kees-init", "exec"]))]
#[case::not_words(json!([1]))]
fn a_container_without_a_command_is_denied(#[case] command: Value) {
    let mut pod = pod([("env", "true")]);
    pod["spec"]["containers"][0]["command"] = command;
    assert_eq!(
        errors(&pod, &settings()),
        [
            "spec.containers[app]: it has no command, and init.bsycorp.com/env needs one: kees-init \
             starts the command with the variables. Write the command and the args of the image into \
             the container (kees asks no registry for them), or leave the container out"
        ]
    );
    pod["metadata"]["annotations"]["init.bsycorp.com/env.app"] = "false".into();
    injected(&pod, &settings());
}

#[test]
fn what_cannot_get_variables_is_denied_with_every_error() {
    let mut pod = with_command([
        ("env", "A=db-password, A=url, none"),
        ("env.early", "true"),
        ("env.absent", "true"),
        ("env.app", "db_password=db-password,url"),
        ("order", "after=early"),
    ]);
    let annotations = pod["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.insert("resource.bsycorp.com/url".to_owned(), "".into());
    annotations.insert(
        "secret.bsycorp.com/seed".to_owned(),
        "kind=DYNAMIC,type=RANDOM,size=256".into(),
    );
    pod["spec"]["initContainers"] = json!([{"name": "early", "command": ["sh"]}]);
    pod["spec"]["containers"][0]["env"] = json!([
        {"name": "url", "value": "x"},
        {"name": "other", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "db_password", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}},
    ]);
    insta::assert_snapshot!(errors(&pod, &settings()).join("\n"), @r"
    init.bsycorp.com/env: db-password and url would both be the environment variable A; give one of them another name, as in OTHER=url, or leave it out
    init.bsycorp.com/env: the pod has no entry none; use the names of its entries, with their fields
    init.bsycorp.com/env.absent: an environment variable needs text (UTF-8 without NUL), and the value of a RANDOM is not text; list the entries without seed, and read its file
    init.bsycorp.com/env.early: an environment variable needs text (UTF-8 without NUL), and the value of a RANDOM is not text; list the entries without seed, and read its file
    spec.containers[app].env: it has the variable db_password, and init.bsycorp.com/env.app asks for it too; remove one of them, or give the entry another name there, as in OTHER=ENTRY
    spec.containers[app].env: it has the variable url, and init.bsycorp.com/env.app asks for it too; remove one of them, or give the entry another name there, as in OTHER=ENTRY
    init.bsycorp.com/env.early: early does not get the files that the variables are read from; add it to init.bsycorp.com/containers, or change init.bsycorp.com/order if it runs before kees-init
    init.bsycorp.com/env.absent: the pod has no container absent; use the names of its containers
    ");
}

#[rstest]
#[case("True")]
#[case("a b")]
#[case("A-B=db-password")]
fn a_text_that_is_no_list_of_entries_is_denied(#[case] value: &str) {
    let errors = errors(&with_command([("env", value)]), &settings());
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].starts_with("init.bsycorp.com/env: "),
        "{errors:?}"
    );
}

#[test]
fn variables_in_a_pod_of_windows_are_denied() {
    let mut pod = with_command([("env.app", "true")]);
    pod["spec"]["os"] = json!({"name": "windows"});
    assert_eq!(
        errors(&pod, &settings()),
        [
            "init.bsycorp.com/env.app: kees starts no command on Windows; remove it, or run the pod on \
             Linux nodes"
        ]
    );
    pod["metadata"]["annotations"]["init.bsycorp.com/env.app"] = "false".into();
    assert!(matches!(decision(&pod, &settings()), Decision::Skip { .. }));
}

#[test]
fn a_pod_that_is_wired_by_hand_is_told_that_its_commands_stay() {
    let mut pod = with_command([("env", "true")]);
    pod["spec"]["initContainers"] = json!([{"name": "init", "image": "kees-init:1"}]);
    let warnings = warnings(&pod, &settings());
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("commands are not changed")),
        "{warnings:?}"
    );
}

/// A container with any command, also one that is wrapped.
fn container() -> impl Strategy<Value = Value> {
    let words = select(vec![
        "sh",
        "-c",
        "exec",
        "--",
        "$(A)",
        "/bsycorp-init/.kees-init",
        "",
    ]);
    let wrapped = any::<bool>();
    (
        prop::collection::vec(words, 1..5),
        wrapped,
        option::of(Just(json!(["x"]))),
    )
        .prop_map(|(words, wrapped, args)| {
            let mut command = Vec::new();
            if wrapped {
                command.extend(["/other/.kees-init", "exec", "--env", "a=b", "--"]);
            }
            command.extend(words);
            let mut container = json!({"image": "a:1", "command": command});
            if let Some(args) = args {
                container["args"] = args;
            }
            container
        })
}

/// The command of the application, which the program starts.
fn own(command: &Value) -> Vec<&str> {
    let words = command.as_array().unwrap().iter();
    let words: Vec<_> = words.map(|word| word.as_str().unwrap()).collect();
    match words.as_slice() {
        [program, "exec", rest @ ..] if program.ends_with("/.kees-init") => {
            let end = rest.iter().position(|word| *word == "--");
            end.map_or(Vec::new(), |end| rest[end + 1..].to_vec())
        }
        words => words.to_vec(),
    }
}

proptest! {
    #[test]
    fn a_wrapped_pod_is_a_fixed_point_and_keeps_its_commands(
        containers in prop::collection::vec(container(), 1..4),
        init in prop::collection::vec(container(), 0..3),
        value in select(vec!["true", "db-password", "A=db-password,B=db-password"]),
        named in any::<bool>(),
    ) {
        let mut pod = pod([("env", value)]);
        let lists = [("containers", containers, "app"), ("initContainers", init, "init")];
        for (list, mut containers, prefix) in lists {
            for (index, container) in containers.iter_mut().enumerate() {
                container["name"] = format!("{prefix}-{index}").into();
                if named && prefix == "init" {
                    let key = format!("init.bsycorp.com/env.{prefix}-{index}");
                    pod["metadata"]["annotations"][key] = value.into();
                }
            }
            pod["spec"][list] = containers.into();
        }
        let lost = |pod: &Value, list: &str| {
            let containers = pod["spec"][list].as_array().unwrap().clone();
            containers.iter().any(|container| own(&container["command"]).is_empty())
        };
        let lists = ["containers", "initContainers"];
        prop_assume!(!lists.iter().take(1 + usize::from(named)).any(|list| lost(&pod, list)));
        let after = injected(&pod, &settings());
        prop_assert_eq!(operations(&after, &settings()), json!([]));
        let first_init = pod["spec"]["initContainers"].as_array().unwrap();
        let after_init = after["spec"]["initContainers"].as_array().unwrap();
        let before = pod["spec"]["containers"].as_array().unwrap();
        let wrapped = after["spec"]["containers"].as_array().unwrap();
        for (before, after) in before.iter().zip(wrapped).chain(first_init.iter().zip(&after_init[1..])) {
            prop_assert_eq!(own(&before["command"]), own(&after["command"]));
            prop_assert_eq!(&before["args"], &after["args"]);
        }
    }
}
