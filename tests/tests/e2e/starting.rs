//! Tests pods with `start: fast`, in which a sidecar with a hook writes the files.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::{
    Kubectl, eventually,
    node::{self, Pid},
};
use serde_json::{Value, json};

use crate::{
    pods::{Annotations, container, pod, restricted},
    world::{ENV_LABEL, World},
};

const FAST: (&str, &str) = ("init/start", "fast");
const URL: (&str, &str) = ("resource/url", "storageKey=url");

/// Notes the value when it starts.
const NOTE: &str = "cat /bsycorp-init/url > /notes/start; sleep 86400";

/// Stores the value of the entry `url` of a namespace.
fn store(world: &World, namespace: &str, value: &str) -> anyhow::Result<()> {
    let path = format!("/test/{namespace}/url");
    let value = BASE64_STANDARD.encode(value);
    world.dynamodb.put(ENV_LABEL, &path, &value)
}

/// A pod whose application runs a script, with a folder for notes.
fn scripted(annotations: Annotations<'_>, script: &str) -> Value {
    let mut pod = pod("app", annotations);
    let mut app = restricted(container("app"));
    app["command"] = json!(["sh", "-c", script]);
    app["volumeMounts"] = json!([{"name": "notes", "mountPath": "/notes"}]);
    pod["spec"]["containers"] = json!([app]);
    pod["spec"]["volumes"] = json!([{"name": "notes", "emptyDir": {}}]);
    pod
}

fn read(kubectl: &Kubectl, file: &str) -> anyhow::Result<String> {
    kubectl.exec("app", "app", &["cat", file])
}

/// The status of the container of kees.
fn status(kubectl: &Kubectl) -> anyhow::Result<Value> {
    let pod = kubectl.get(&["pod", "app"])?;
    Ok(pod["status"]["initContainerStatuses"][0].clone())
}

#[test]
fn the_application_finds_its_files_when_it_starts() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.restricted_namespace("fast")?;
    store(&world, "fast", "first")?;
    let seed = ("secret/seed", "kind=DYNAMIC,type=RSA,size=2048");
    let seeds = [
        ("secret/key_private", seed.1),
        ("secret/key_public", seed.1),
    ];
    let annotations = [FAST, URL, seeds[0], seeds[1]];
    namespace.apply(&scripted(&annotations, NOTE).to_string())?;
    namespace.wait_for("pod/app", "condition=Ready")?;
    ensure!(read(&namespace, "/notes/start")? == "first");
    let status = status(&namespace)?;
    ensure!(
        status["state"]["running"].is_object() && status["restartCount"] == 0,
        "{status}"
    );
    Ok(())
}

#[test]
fn a_job_with_a_fast_start_completes() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("fast-job")?;
    store(&world, "fast-job", "first")?;
    let mut template = scripted(&[FAST, URL], "[ \"$(cat /bsycorp-init/url)\" = first ]");
    template["spec"]["restartPolicy"] = json!("Never");
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job"},
        "spec": {"backoffLimit": 0, "template": {
            "metadata": {"annotations": template["metadata"]["annotations"]},
            "spec": template["spec"],
        }},
    });
    namespace.apply(&job.to_string())?;
    namespace.wait_for("job/job", "condition=Complete")
}

#[test]
fn a_start_that_fails_is_described_and_tried_again() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("fast-failed")?;
    let path = "/test/fast-failed/id";
    world.dynamodb.put(ENV_LABEL, path, "not in base64")?;
    let entry = ("secret/id", "kind=DYNAMIC,type=UUID");
    namespace.apply(&scripted(&[FAST, entry], NOTE.replace("url", "id").as_str()).to_string())?;
    let last = "jsonpath={.status.initContainerStatuses[0].lastState.terminated.exitCode}";
    namespace.wait_for("pod/app", last)?;
    let failed = status(&namespace)?;
    let ended = &failed["lastState"]["terminated"];
    ensure!(ended["exitCode"] == 65, "{failed}");
    let described = namespace.run(&["describe", "pod", "app"])?;
    for part in ["secret.bsycorp.com/id", path, "FailedPostStartHook"] {
        ensure!(described.contains(part), "{part} is not in: {described}");
    }
    let pod = namespace.get(&["pod", "app"])?;
    let app = &pod["status"]["containerStatuses"][0];
    ensure!(app["started"] == false, "the application runs: {app}");
    let right = BASE64_STANDARD.encode("0f8fad5b-d9cb-469f-a165-70867728950e");
    world.dynamodb.put(ENV_LABEL, path, &right)?;
    namespace.wait_for("pod/app", "condition=Ready")
}

#[test]
fn a_sidecar_that_is_killed_starts_again_and_leaves_the_files() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("fast-again")?;
    store(&world, "fast-again", "first")?;
    let mut shared = scripted(&[FAST, URL], NOTE);
    shared["spec"]["shareProcessNamespace"] = json!(true);
    namespace.apply(&shared.to_string())?;
    namespace.wait_for("pod/app", "condition=Ready")?;
    store(&world, "fast-again", "second")?;
    // Both containers run as the same user, so one can kill the other.
    namespace.exec("app", "app", &["killall", "-KILL", "kees-init"])?;
    eventually("restart of the sidecar", Duration::from_mins(1), || {
        let status = status(&namespace)?;
        let runs = status["restartCount"] == 1 && status["state"]["running"].is_object();
        ensure!(runs, "{status}");
        Ok(())
    })?;
    ensure!(read(&namespace, "/bsycorp-init/url")? == "first");
    let pod = namespace.get(&["pod", "app"])?;
    let app = &pod["status"]["containerStatuses"][0];
    ensure!(app["restartCount"] == 0, "{app}");
    Ok(())
}

#[test]
fn the_sidecar_refreshes_the_files() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("fast-refreshed")?;
    store(&world, "fast-refreshed", "first")?;
    let annotations = [FAST, URL, ("init/refresh", "2s")];
    namespace.apply(&scripted(&annotations, NOTE).to_string())?;
    namespace.wait_for("pod/app", "condition=Ready")?;
    ensure!(read(&namespace, "/notes/start")? == "first");
    store(&world, "fast-refreshed", "second")?;
    eventually("value of the refresh", Duration::from_mins(1), || {
        let value = read(&namespace, "/bsycorp-init/url")?;
        ensure!(value == "second", "the pod reads {value}");
        Ok(())
    })
}

/// Waits until this program runs in the pod with this uid.
fn process_of(uid: &str, program: &str) -> anyhow::Result<Pid> {
    eventually(program, Duration::from_mins(1), || {
        let pids = node::processes(program)?.into_iter();
        let mut of_pod =
            pids.filter(|pid| node::control_groups(*pid).is_ok_and(|path| path.contains(uid)));
        of_pod.next().context("it does not run")
    })
}

/// A kubelet that is started again takes a running sidecar as started, although its hook has not ended.
#[test]
fn an_application_that_a_new_kubelet_starts_too_early_waits_for_its_variables() -> anyhow::Result<()>
{
    let world = World::alone()?;
    let namespace = world.namespace("fast-early")?;
    let annotations = [FAST, URL, ("init/env", "true")];
    let script = "echo \"$url\" > /notes/start; sleep 86400";
    namespace.apply(&scripted(&annotations, script).to_string())?;
    let pod = namespace.get(&["pod", "app"])?;
    let uid = pod["metadata"]["uid"].as_str().context("no uid")?;
    // The value is absent, so the sidecar waits for it, and the hook for the sidecar.
    process_of(uid, "kees-init")?;
    node::restart_kubelet()?;
    process_of(uid, ".kees-init")?;
    store(&world, "fast-early", "first")?;
    namespace.wait_for("pod/app", "condition=Ready")?;
    eventually("note of the application", Duration::from_mins(1), || {
        let note = read(&namespace, "/notes/start")?;
        ensure!(note.trim() == "first", "it has the value '{note}'");
        Ok(())
    })
}

/// Prints how long pods take to become Ready, with each way to start. `make bench` puts the lines into
/// its page.
#[test]
fn starts_take_as_long_as_their_containers() -> anyhow::Result<()> {
    const PODS: usize = 7;
    let world = World::alone()?;
    let namespace = world.namespace("starts")?;
    store(&world, "starts", "first")?;
    let kinds: [(&str, Annotations<'_>); 4] = [
        ("without kees", &[]),
        ("init container", &[URL]),
        ("init container and sidecar", &[URL, ("init/refresh", "1h")]),
        ("`start: fast`", &[URL, FAST]),
    ];
    let mut times = [const { Vec::new() }; 4];
    // In turn, so that all kinds meet the same load of the machine.
    for number in 0..=PODS {
        for (at, (_, annotations)) in kinds.iter().enumerate() {
            let name = format!("pod-{at}-{number}");
            let begun = Instant::now();
            namespace.apply(&pod(&name, annotations).to_string())?;
            namespace.wait_for(&format!("pod/{name}"), "condition=Ready")?;
            // The first pods warm up the node.
            if number > 0 {
                times[at].push(begun.elapsed().as_secs_f64());
            }
            namespace.run(&["delete", "pod", &name, "--wait=false"])?;
        }
    }
    for ((kind, _), mut times) in kinds.into_iter().zip(times) {
        times.sort_by(f64::total_cmp);
        report(kind, [PODS / 2, 0, PODS - 1].map(|index| times[index]));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "docs/benchmarks.md has these figures")]
fn report(kind: &str, [median, shortest, longest]: [f64; 3]) {
    println!("start: | {kind} | {median:.2} s | {shortest:.2} s | {longest:.2} s |");
}
