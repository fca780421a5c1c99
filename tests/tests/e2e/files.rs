//! Tests which containers see the files, and the owner and mode of the files.

use serde_json::json;

use crate::{
    pods::{Annotations, container, pod, properties, restricted, secrets},
    world::World,
};

const PASSWORD: Annotations<'_> = &[("secret/password", "kind=DYNAMIC,type=PASSWORD,size=128")];

#[test]
fn a_job_and_a_bare_pod_run_where_restricted_is_enforced() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.restricted_namespace("restricted")?;

    let mut bare = pod("bare", PASSWORD);
    bare["spec"]["containers"] = json!([restricted(container("app"))]);
    namespace.apply(&bare.to_string())?;

    let mut template = pod("job", PASSWORD);
    let mut reader = restricted(container("app"));
    reader["command"] = json!(["cat", "/bsycorp-init/secrets.properties"]);
    template["spec"]["containers"] = json!([reader]);
    template["spec"]["restartPolicy"] = json!("Never");
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job"},
        "spec": {"template": {
            "metadata": {"annotations": template["metadata"]["annotations"]},
            "spec": template["spec"],
        }},
    });
    namespace.apply(&job.to_string())?;

    namespace.wait_for("pod/bare", "condition=Ready")?;
    namespace.wait_for("job/job", "condition=Complete")?;
    let read = secrets(&namespace, "bare")?;
    assert_eq!(read["password"].len(), 16);
    let logged = namespace.run(&["logs", "job/job", "-c", "app"])?;
    assert!(
        properties(&logged)? == read,
        "the job and the pod read different values"
    );
    Ok(())
}

#[test]
fn the_files_of_a_pod_with_a_uid_belong_to_that_uid_alone() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("own-uid")?;
    let mut own = pod("own", PASSWORD);
    own["spec"]["securityContext"] =
        json!({"runAsUser": 1234, "runAsGroup": 1234, "runAsNonRoot": true});
    namespace.apply(&own.to_string())?;
    namespace.wait_for("pod/own", "condition=Ready")?;

    let stat = ["stat", "-c", "%u:%g %a", "/bsycorp-init/secrets.properties"];
    assert_eq!(namespace.exec("own", "app", &stat)?.trim(), "1234:1234 400");
    assert_eq!(secrets(&namespace, "own")?["password"].len(), 16);
    Ok(())
}

#[test]
fn a_container_that_is_not_named_sees_no_files() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.namespace("named")?;
    let mut two = pod("two", PASSWORD);
    two["spec"]["containers"] = json!([container("app"), container("other")]);
    two["metadata"]["annotations"]["init.bsycorp.com/containers"] = json!("app");
    namespace.apply(&two.to_string())?;
    namespace.wait_for("pod/two", "condition=Ready")?;

    assert_eq!(secrets(&namespace, "two")?["password"].len(), 16);
    let mounts = namespace.exec("two", "other", &["cat", "/proc/mounts"])?;
    assert!(!mounts.contains("bsycorp-init"), "{mounts}");
    let listed = namespace
        .exec("two", "other", &["ls", "/bsycorp-init"])
        .unwrap_err()
        .to_string();
    assert!(listed.contains("No such file"), "{listed}");
    Ok(())
}
