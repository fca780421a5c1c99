//! What a user sees when a class or an object is not as the pod needs it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kees_tests::eventually;
use serde_json::json;

use crate::{
    pods::{class, pod, secrets_named},
    world::{REGION, World},
};

#[test]
fn a_denied_secret_names_itself_its_region_and_the_action() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("denied")?;
    world.secret(REGION, "denied-a", "a")?;
    world.secret(REGION, "denied-b", "b")?;
    world.aws.set_denied("denied-b", true);
    namespace.apply(&class("denied", &secrets_named(&["denied-a", "denied-b"])).to_string())?;
    let begun = Instant::now();
    namespace.apply(&pod("app", "denied").to_string())?;
    eventually("the message", Duration::from_secs(30), || {
        let described = namespace.run(&["describe", "pod", "app"])?;
        for part in ["denied-b", REGION, "secretsmanager:GetSecretValue"] {
            ensure!(described.contains(part), "no {part} in {described}");
        }
        ensure!(!described.contains("denied-a in"), "{described}");
        Ok(())
    })?;
    #[expect(clippy::print_stderr, reason = "the figure of docs/benchmarks.md")]
    {
        eprintln!("from apply to the first message: {:?}", begun.elapsed());
    }
    world.aws.set_denied("denied-b", false);
    namespace.wait_for("pod/app", "condition=Ready")
}

#[test]
fn a_pod_of_a_missing_or_wrong_class_is_denied_with_all_errors() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("wrong")?;
    let error = namespace.dry_run(&pod("app", "nothing").to_string());
    let error = error.err().context("it was admitted")?.to_string();
    ensure!(error.contains("nothing"), "{error}");
    let objects = "- {objectName: a, objectType: ssm}\n- {objectName: b, objectType: secretsmanager, filePermission: 0644}";
    namespace.apply(&class("wrong", objects).to_string())?;
    eventually("all errors", Duration::from_secs(10), || {
        let error = namespace.dry_run(&pod("app", "wrong").to_string());
        let error = error.err().context("it was admitted")?.to_string();
        for part in ["wrong", "objectType ssm", "420"] {
            ensure!(error.contains(part), "no {part} in {error}");
        }
        Ok(())
    })
}

#[test]
fn other_pods_keep_their_csi_volumes() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("left-alone")?;
    let mut vault = class("vault", "");
    vault["spec"] = json!({"provider": "vault", "parameters": {"roleName": "x"}});
    namespace.apply(&vault.to_string())?;
    let without_label = world.labelled("without-label", &[])?;
    without_label.apply(&class("aws", &secrets_named(&["any"])).to_string())?;
    for (namespace, class) in [(&namespace, "vault"), (&without_label, "aws")] {
        let admitted = namespace.dry_run(&pod("app", class).to_string())?;
        let text = admitted.to_string();
        ensure!(text.contains("secrets-store.csi.k8s.io"), "{text}");
        ensure!(admitted["spec"]["initContainers"].is_null(), "{text}");
    }
    // The label of the pod wins.
    let mut labelled = pod("app", "aws");
    labelled["metadata"]["labels"] = json!({"init.bsycorp.com/secret-provider-classes": "enabled"});
    let admitted = without_label.dry_run(&labelled.to_string())?;
    ensure!(admitted["spec"]["initContainers"][0]["name"] == "kees-init");
    namespace.apply(&class("aws", &secrets_named(&["any"])).to_string())?;
    let mut opted_out = pod("app", "aws");
    opted_out["metadata"]["labels"] =
        json!({"init.bsycorp.com/secret-provider-classes": "disabled"});
    let admitted = namespace.dry_run(&opted_out.to_string())?;
    ensure!(admitted["spec"]["initContainers"].is_null());
    Ok(())
}
