//! What pods find in their volumes.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use kees_tests::eventually;
use serde_json::{Value, json};

use crate::{
    pods::{MOUNT, class, deployment, files, pod, restricted, secrets_named},
    world::{REGION, World},
};

#[test]
fn a_restricted_pod_reads_its_files_and_ten_secrets_are_two_calls() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.restricted_namespace("ten")?;
    let names: Vec<_> = (0..10).map(|index| format!("ten-{index}")).collect();
    for name in &names {
        world.secret(REGION, name, &format!("value of {name}"))?;
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut objects = secrets_named(&names);
    objects = objects.replacen(
        "objectType: secretsmanager",
        "objectType: secretsmanager, filePermission: '0400'",
        1,
    );
    namespace.apply(&class("ten", &objects).to_string())?;
    world.aws.take_calls();
    namespace.apply(&restricted(pod("app", "ten")).to_string())?;
    namespace.wait_for("pod/app", "condition=Ready")?;
    let calls = world.aws.take_calls();
    let reads: u64 = calls
        .iter()
        .filter(|(name, _)| name.starts_with("secretsmanager."))
        .map(|(_, count)| count)
        .sum();
    ensure!(reads <= 2, "{calls:?}");
    let files = files(&namespace, "app")?;
    ensure!(files.len() == 10, "{} files", files.len());
    for (name, (mode, content)) in files {
        ensure!(content == format!("value of {name}"), "{name}: {content}");
        let expected = if name == "ten-0" { "400" } else { "644" };
        ensure!(mode == expected, "{name} has the mode {mode}");
    }
    let pod = namespace.get(&["pod", "app"])?;
    let volumes = pod["spec"]["volumes"].as_array().context("no volumes")?;
    ensure!(volumes.iter().all(|volume| volume["csi"].is_null()));
    ensure!(pod["spec"]["initContainers"].as_array().map(Vec::len) == Some(1));
    Ok(())
}

#[test]
fn a_job_a_sub_path_expressions_folders_and_annotations_work_together() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("together")?;
    world.secret(REGION, "together/json", r#"{"user": "u", "port": 5432}"#)?;
    world.parameter(REGION, "/together/parameter", "of the parameter")?;
    world.secret(REGION, "/together/url", "of the annotation")?;
    let objects = r#"
- objectName: together/json
  objectType: secretsmanager
  jmesPath:
  - {path: user, objectAlias: db/user, filePermission: "0600"}
  - {path: to_string(port), objectAlias: db/port}
- objectName: /together/parameter
  objectType: ssmparameter
"#;
    let mut class = class("all", objects);
    class["spec"]["parameters"]["pathTranslation"] = json!("False");
    namespace.apply(&class.to_string())?;
    let mut template = pod("job", "all");
    template["metadata"] = json!({"annotations": {
        "resource.bsycorp.com/url": "storageKey=url",
    }});
    template["spec"]["restartPolicy"] = json!("Never");
    let container = &mut template["spec"]["containers"][0];
    container["volumeMounts"] = json!([
        {"name": "secrets", "mountPath": MOUNT, "readOnly": true},
        {"name": "secrets", "mountPath": "/etc/port", "subPath": "db/port", "readOnly": true},
    ]);
    container["command"] = json!([
        "sh",
        "-ec",
        format!(
            "cat {MOUNT}/together/json {MOUNT}/db/user /etc/port {MOUNT}/together/parameter /bsycorp-init/url; \
         stat -c '%a' {MOUNT}/db/user"
        )
    ]);
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job"},
        "spec": {"backoffLimit": 0, "template": {
            "metadata": template["metadata"],
            "spec": template["spec"],
        }},
    });
    namespace.apply(&job.to_string())?;
    namespace.wait_for("job/job", "condition=Complete")?;
    let log = namespace.run(&["logs", "job/job"])?;
    ensure!(
        log == "{\"user\": \"u\", \"port\": 5432}u5432of the parameterof the annotation600\n",
        "{log}"
    );
    Ok(())
}

#[test]
fn a_class_that_is_edited_counts_for_the_next_pod() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("edited")?;
    world.secret(REGION, "edited-a", "a")?;
    world.secret(REGION, "edited-b", "b")?;
    namespace.apply(&class("edited", &secrets_named(&["edited-a"])).to_string())?;
    namespace.apply(&pod("first", "edited").to_string())?;
    namespace.wait_for("pod/first", "condition=Ready")?;
    namespace.apply(&class("edited", &secrets_named(&["edited-b"])).to_string())?;
    eventually("the edited class", Duration::from_secs(10), || {
        let admitted = namespace.dry_run(&pod("second", "edited").to_string())?;
        ensure!(admitted.to_string().contains("edited-b"));
        Ok(())
    })?;
    namespace.apply(&pod("second", "edited").to_string())?;
    namespace.wait_for("pod/second", "condition=Ready")?;
    let names = |pod: &str| -> anyhow::Result<Vec<String>> {
        Ok(files(&namespace, pod)?.into_keys().collect())
    };
    ensure!(names("first")? == ["edited-a"]);
    ensure!(names("second")? == ["edited-b"]);
    Ok(())
}

#[test]
fn fifty_pods_start_at_once() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("fifty")?;
    world.secret(REGION, "fifty", "value")?;
    namespace.apply(&class("fifty", &secrets_named(&["fifty"])).to_string())?;
    namespace.apply(&deployment("fifty", 50, "fifty").to_string())?;
    namespace.rolled_out("deployment/fifty")?;
    let pods = namespace.get(&["pods", "-l", "app=fifty"])?;
    let pods = pods["items"].as_array().context("no pods")?;
    ensure!(pods.len() == 50, "{} pods", pods.len());
    let restarts = |pod: &&Value| pod["status"]["initContainerStatuses"][0]["restartCount"] != 0;
    let again = pods.iter().filter(restarts).count();
    ensure!(again == 0, "{again} init containers were started again");
    Ok(())
}
