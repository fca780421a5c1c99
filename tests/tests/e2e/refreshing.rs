//! Tests pods whose files are refreshed while they run.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::{Kubectl, eventually};
use serde_json::{Value, json};

use crate::{
    pods::{Annotations, container, deployment, pod, pods_of, restricted},
    world::{ENV_LABEL, World},
};

const PERIOD: (&str, &str) = ("init/refresh", "2s");
const REFRESHED: Annotations<'_> = &[
    PERIOD,
    ("resource/url", "storageKey=url"),
    ("secret/seed", "kind=DYNAMIC,type=RANDOM,size=128"),
];

/// Stores the value of the entry `url` of a namespace.
fn store(world: &World, namespace: &str, value: &str) -> anyhow::Result<()> {
    let path = format!("/test/{namespace}/url");
    let value = BASE64_STANDARD.encode(value);
    world.dynamodb.put(ENV_LABEL, &path, &value)
}

/// Waits until the application of a pod reads that value.
fn wait_for_value(kubectl: &Kubectl, pod: &str, value: &str) -> anyhow::Result<()> {
    eventually("value of the refresh", Duration::from_mins(1), || {
        let read = kubectl.exec(pod, "app", &["cat", "/bsycorp-init/url"])?;
        ensure!(read == value, "the pod reads {read}");
        Ok(())
    })
}

#[test]
fn a_deployment_sees_a_changed_value() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("refreshed")?;
    store(&world, "refreshed", "first")?;
    namespace.apply(&deployment("web", 2, REFRESHED).to_string())?;
    namespace.rolled_out("deployment/web")?;
    let pods = pods_of(&namespace, "web")?;
    for pod in &pods {
        wait_for_value(&namespace, pod, "first")?;
    }
    let seed = |pod: &str| {
        let list = ["cat", "/bsycorp-init/secrets.properties"];
        namespace.exec(pod, "app", &list)
    };
    let before = seed(&pods[0])?;
    store(&world, "refreshed", "second")?;
    for pod in &pods {
        wait_for_value(&namespace, pod, "second")?;
        ensure!(seed(pod)? == before, "the generated value has changed");
    }
    Ok(())
}

#[test]
fn a_job_completes_although_its_sidecar_runs() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.restricted_namespace("refreshed-job")?;
    store(&world, "refreshed-job", "first")?;
    let mut template = pod("job", REFRESHED);
    let mut app = restricted(container("app"));
    app["command"] = json!([
        "sh",
        "-c",
        "until [ \"$(cat /bsycorp-init/url)\" = second ]; do sleep 1; done"
    ]);
    template["spec"]["containers"] = json!([app]);
    template["spec"]["restartPolicy"] = json!("Never");
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job"},
        "spec": {"template": {
            "metadata": {
                "labels": {"app": "job"},
                "annotations": template["metadata"]["annotations"],
            },
            "spec": template["spec"],
        }},
    });
    namespace.apply(&job.to_string())?;
    store(&world, "refreshed-job", "second")?;
    namespace.wait_for("job/job", "condition=Complete")?;
    let [name] = &pods_of(&namespace, "job")?[..] else {
        anyhow::bail!("the job has one pod");
    };
    let pod = namespace.get(&["pod", name])?;
    let statuses = pod["status"]["initContainerStatuses"].as_array();
    for status in statuses.into_iter().flatten() {
        let ended = &status["state"]["terminated"];
        ensure!(ended["exitCode"] == 0, "{status}");
    }
    Ok(())
}

#[test]
fn a_sidecar_that_is_killed_starts_again_in_the_same_volume() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("refreshed-again")?;
    store(&world, "refreshed-again", "first")?;
    let mut shared = pod("app", REFRESHED);
    shared["spec"]["shareProcessNamespace"] = json!(true);
    // kees-init runs as the same user, so that its sidecar can be killed from here.
    shared["spec"]["securityContext"] = json!({"runAsUser": 1234, "runAsGroup": 1234});
    namespace.apply(&shared.to_string())?;
    namespace.wait_for("pod/app", "condition=Ready")?;
    wait_for_value(&namespace, "app", "first")?;
    namespace.exec("app", "app", &["killall", "-KILL", "kees-init"])?;
    store(&world, "refreshed-again", "second")?;
    wait_for_value(&namespace, "app", "second")?;
    let pod = namespace.get(&["pod", "app"])?;
    let restarts = &pod["status"]["initContainerStatuses"][1]["restartCount"];
    ensure!(restarts == 1, "{restarts}");
    Ok(())
}

/// A pod whose processes are shared and whose containers run as one user, with a folder for notes.
fn told(on_change: &str, script: &str) -> Value {
    let mut told = pod("app", REFRESHED);
    told["metadata"]["annotations"]["init.bsycorp.com/on-change"] = json!(on_change);
    let spec = &mut told["spec"];
    spec["shareProcessNamespace"] = json!(true);
    spec["securityContext"] = json!({"runAsUser": 1234, "runAsGroup": 1234});
    spec["volumes"] = json!([{"name": "notes", "emptyDir": {}}]);
    spec["containers"][0]["volumeMounts"] = json!([{"name": "notes", "mountPath": "/notes"}]);
    spec["containers"][0]["command"] = json!(["sh", "-c", script]);
    told
}

/// Waits until the application has written down `expected`.
fn wait_for_note(kubectl: &Kubectl, expected: &str) -> anyhow::Result<()> {
    eventually("note of the application", Duration::from_mins(1), || {
        let note = kubectl.exec("app", "app", &["cat", "/notes/change"])?;
        ensure!(note.starts_with(expected), "the application noted {note}");
        Ok(())
    })
}

#[test]
fn a_change_is_signalled_to_the_application() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("signalled")?;
    store(&world, "signalled", "first")?;
    let script =
        "trap 'cat /bsycorp-init/url > /notes/change' HUP; while :; do sleep 1 & wait $!; done";
    namespace.apply(&told("signal=HUP,process=sh", script).to_string())?;
    namespace.wait_for("pod/app", "condition=Ready")?;
    store(&world, "signalled", "second")?;
    wait_for_note(&namespace, "second")
}

#[test]
fn a_change_is_posted_to_the_application() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("posted")?;
    store(&world, "posted", "first")?;
    let script = "while :; do printf 'HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n' | \
                  nc -l -p 8080 > /notes/new; mv /notes/new /notes/change; done";
    namespace.apply(&told("http://127.0.0.1:8080/reload", script).to_string())?;
    namespace.wait_for("pod/app", "condition=Ready")?;
    store(&world, "posted", "second")?;
    wait_for_note(&namespace, "POST /reload HTTP/1.1")
}

/// The number of reads that the sidecars of these pods have made.
fn reads(addresses: &[String]) -> anyhow::Result<u32> {
    let of_pod = |address: &String| -> anyhow::Result<u32> {
        let mut connection = TcpStream::connect((address.as_str(), METRICS_PORT))?;
        connection.write_all(b"GET /metrics HTTP/1.1\r\n\r\n")?;
        let mut text = String::new();
        connection.read_to_string(&mut text)?;
        let lines = text.lines();
        let lines = lines.filter(|line| line.starts_with("kees_refresh_reads_total{"));
        let counts = lines.filter_map(|line| line.rsplit(' ').next());
        counts.map(|count| Ok(count.parse::<u32>()?)).sum()
    };
    addresses.iter().map(of_pod).sum()
}

const METRICS_PORT: u16 = 9102;

#[test]
fn fifty_pods_read_as_often_as_planned() -> anyhow::Result<()> {
    const PODS: u32 = 50;
    const PERIOD: Duration = Duration::from_secs(10);
    let world = World::alone()?;
    let namespace = world.namespace("fifty-refreshed")?;
    store(&world, "fifty-refreshed", "first")?;
    let annotations = &[
        ("init/refresh", "10s"),
        ("init/refresh-metrics-port", "9102"),
        ("resource/url", "storageKey=url"),
    ];
    namespace.apply(&deployment("fifty", PODS, annotations).to_string())?;
    namespace.rolled_out("deployment/fifty")?;
    let list = namespace.get(&["pods", "-l", "app=fifty"])?;
    let pods = list["items"].as_array().context("the list has no items")?;
    let addresses = pods.iter().map(|pod| pod["status"]["podIP"].as_str());
    let addresses: Option<Vec<String>> = addresses.map(|ip| ip.map(str::to_owned)).collect();
    let addresses = addresses.context("a pod has no address")?;
    ensure!(addresses.len() == 50, "{} pods run", addresses.len());

    let (begun, before) = (Instant::now(), reads(&addresses)?);
    let after = eventually("six periods of reads", Duration::from_mins(3), || {
        let after = reads(&addresses)? - before;
        ensure!(after >= 6 * PODS, "{after} reads");
        Ok(after)
    })?;
    // Each pod reads once a period, and the period is at most a tenth shorter.
    let periods = begun.elapsed().as_secs_f64() / PERIOD.mul_f64(0.9).as_secs_f64() + 1.0;
    let most = f64::from(PODS) * periods;
    ensure!(f64::from(after) <= most, "{after} reads, not {most}");
    Ok(())
}
