//! Wrong input of an operator on a cluster: what is wrong is in the log with its remedy, pods that serve
//! keep serving, and the next correct input is enough.

use std::{fs, time::Duration};

use anyhow::{Context as _, ensure};
use kees_tests::{Authority, Kubectl, Overlay, eventually, here};
use serde_json::{Value, json};

use crate::{
    rendered::{NAMESPACE, SERVICE, ValuesFile, certificate_files, chart},
    world::{World, annotated_pod_starts, helm_release, pod},
};

/// How long the kubelet and the webhook may take to notice a change.
const DEADLINE: Duration = Duration::from_secs(150);

#[test]
fn a_secret_with_a_broken_or_foreign_certificate_is_named() -> anyhow::Result<()> {
    let world = World::alone()?;
    let authority = Authority::new()?;
    let values = world.values(certificate_files(&authority, SERVICE)?);
    helm(&world, "install", &values)?;
    let namespace = world.namespace("certificates")?;

    let broken = json!({"stringData": {"tls.crt": "not a certificate"}});
    let patch = format!("--patch={broken}");
    world
        .system()
        .run(&["patch", "secret", "kees-webhook-tls", &patch])?;
    restart(&world)?;
    logged(&world, "/tls/tls.crt contains no certificate in PEM")?;
    admitted(&namespace)?;

    let foreign = authority.issue(&["other.example.com"])?.secret(&authority);
    world.system().apply(&foreign)?;
    logged(&world, "other.example.com")?;
    logged(&world, SERVICE)?;

    // Each replica loads the new Secret at its own time, so that one may still have the foreign
    // certificate when the other has been repaired.
    helm(&world, "upgrade", &values)?;
    eventually("an annotated pod starts", DEADLINE, || {
        annotated_pod_starts(&namespace, "repaired")
    })
}

#[test]
fn missing_permissions_are_named_and_an_upgrade_restores_them() -> anyhow::Result<()> {
    let world = World::alone()?;
    let values = world.values(json!({}));
    helm(&world, "install", &values)?;
    let namespace = world.namespace("permissions")?;
    let kubectl = world.system();
    let bundle = world.ca_bundle()?;

    kubectl.run(&[
        "delete",
        "rolebinding/kees-webhook",
        "clusterrolebinding/kees-webhook",
    ])?;
    restart(&world)?;
    logged(
        &world,
        "the ServiceAccount may not get the Secret kees-system/kees-webhook-tls; apply the Role and the \
         ClusterRole",
    )?;
    admitted(&namespace)?;

    helm(&world, "upgrade", &values)?;
    assert_eq!(world.ca_bundle()?, bundle, "caBundle is another one");
    annotated_pod_starts(&namespace, "restored")
}

#[test]
fn a_deleted_webhook_configuration_is_named_and_comes_back_with_its_ca() -> anyhow::Result<()> {
    let world = World::alone()?;
    let values = world.values(json!({}));
    helm(&world, "install", &values)?;
    let namespace = world.namespace("deleted")?;
    let bundle = world.ca_bundle()?;

    world
        .system()
        .run(&["delete", "mutatingwebhookconfiguration", "kees"])?;
    logged(
        &world,
        "the MutatingWebhookConfiguration kees does not exist; apply the manifests",
    )?;
    let denied = admitted(&namespace).unwrap_err().to_string();
    ensure!(
        denied.contains("the kees webhook was not called"),
        "{denied}"
    );

    helm(&world, "upgrade", &values)?;
    eventually("pods are admitted again", DEADLINE, || admitted(&namespace))?;
    assert_eq!(world.ca_bundle()?, bundle, "caBundle is another one");
    Ok(())
}

#[test]
fn an_invalid_policy_is_named_and_the_last_valid_one_stays() -> anyhow::Result<()> {
    let world = World::alone()?;
    let values = world.values(json!({}));
    helm(&world, "install", &values)?;
    let namespace = world.namespace("policies")?;
    // Helm's schema would find these; kubectl does not.
    for (rule, message) in [
        (
            "storagePrefx: /a",
            "the key 'storagePrefx' is unknown; did you mean storagePrefix",
        ),
        (
            "stores: [ssm]",
            "the policy allows the store ssm, which is not among --store and --stores",
        ),
    ] {
        let policy = format!("rules:\n- namespaces: ['*']\n  {rule}\n");
        let patch = format!("--patch={}", json!({"data": {"policy.yaml": policy}}));
        world
            .system()
            .run(&["patch", "configmap", "kees-policy", &patch])?;
        restart(&world)?;
        logged(&world, message)?;
        admitted(&namespace)?;
    }
    helm(&world, "upgrade", &values)?;
    annotated_pod_starts(&namespace, "corrected")
}

#[test]
fn pods_that_opt_out_are_denied_where_a_rule_does_not_allow_it() -> anyhow::Result<()> {
    let world = World::alone()?;
    let rules = json!([
        {"namespaces": ["payments"], "storagePrefix": "/{cluster}/payments", "optOut": false},
        {"namespaces": ["*"], "storagePrefix": "/{cluster}/{namespace}"},
    ]);
    let values = world.values(json!({"policy": {"rules": rules}}));
    helm(&world, "install", &values)?;
    opting_out_is_denied_in_payments(&world)?;

    // With kustomize, the page about injection has a patch for it.
    world
        .system()
        .run(&["delete", "mutatingwebhookconfiguration", "kees"])?;
    world.without_kees()?;
    let page = fs::read_to_string(here("../docs/injection.md"))?;
    let (_, patches) = page.split_once("```yaml\npatches:").context("no patch")?;
    let (patches, _) = patches.split_once("```").context("no end of the patch")?;
    let patches: Value = serde_saphyr::from_str(&format!("patches:{patches}"))?;
    let mut kustomization = world.kustomization();
    kustomization["patches"] = patches["patches"].clone();
    kustomization["configMapGenerator"]
        .as_array_mut()
        .context("no generators")?
        .push(json!({
            "name": "kees-policy",
            "namespace": NAMESPACE,
            "behavior": "replace",
            "options": {"disableNameSuffixHash": true},
            "literals": [format!("policy.yaml={}", json!({"rules": rules}))],
        }));
    let overlay = Overlay::new("manifests", ".", kustomization)?;
    world.system().run(&["apply", "-k", &overlay.argument()])?;
    world.system().rolled_out("deployment/kees-webhook")?;
    opting_out_is_denied_in_payments(&world)
}

fn opting_out_is_denied_in_payments(world: &World) -> anyhow::Result<()> {
    let mut opted_out: Value = serde_json::from_str(&pod("opted-out", "bsycorp.com"))?;
    opted_out["metadata"]["annotations"]["init.bsycorp.com/inject"] = json!("false");
    let opted_out = opted_out.to_string();
    let payments = world.namespace("payments")?;
    let created = payments.dry_run(&opted_out);
    let denied = created.err().context("the pod was admitted")?.to_string();
    let message = "the policy does not allow a pod to opt out; remove this annotation";
    ensure!(denied.contains(message), "{denied}");
    let other = world.namespace("other-than-payments")?;
    let created = other.dry_run(&opted_out)?;
    ensure!(created["spec"]["initContainers"].is_null(), "{created}");
    admitted(&payments)
}

/// `helm install` or `helm upgrade`, until the webhook runs.
fn helm(world: &World, command: &str, values: &Value) -> anyhow::Result<()> {
    let values = ValuesFile::new(values)?;
    helm_release(&world.cluster.helm()?, command, "kees", &chart(), &values)
}

/// Starts a new pod of the webhook. The old ones stay until it is ready. kubectl refuses a second restart within a second.
fn restart(world: &World) -> anyhow::Result<()> {
    let restart = ["rollout", "restart", "deployment/kees-webhook"];
    eventually("restart", DEADLINE, || world.system().run(&restart))?;
    Ok(())
}

/// An annotated pod would be created, with its init container.
fn admitted(namespace: &Kubectl) -> anyhow::Result<()> {
    let created = namespace.dry_run(&pod("admitted", "bsycorp.com"))?;
    let name = &created["spec"]["initContainers"][0]["name"];
    ensure!(name == "kees-init", "{created}");
    Ok(())
}

/// Waits until a pod of the webhook logs this.
fn logged(world: &World, message: &str) -> anyhow::Result<()> {
    let selector = "--selector=app.kubernetes.io/component=webhook";
    eventually("line in the log", DEADLINE, || {
        let logs = world.system().run(&["logs", selector, "--tail=-1"])?;
        ensure!(logs.contains(message), "{message} is not in {logs}");
        Ok(())
    })
}
