//! Tests that an identity of EKS reaches the init container, whichever webhook is called first and
//! whether the identity webhook is called again.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use kees_tests::{EksIdentity, MACHINE, Moto, eventually};
use serde_json::{Value, json};

use crate::{
    pods::{Annotations, pod, secrets},
    world::{ACCOUNT, World},
};

const PASSWORD: Annotations<'_> = &[("secret/password", "kind=DYNAMIC,type=PASSWORD,size=128")];

/// The API server learns of a new configuration within a second.
const DEADLINE: Duration = Duration::from_secs(20);

/// The label of the namespaces of this test; each value has a configuration of its own.
const ORDER_LABEL: &str = "kees.test/eks";

#[test]
fn an_identity_of_eks_reaches_the_init_container_in_every_order_of_the_webhooks()
-> anyhow::Result<()> {
    let world = World::shared()?;
    let kubectl = world.cluster.kubectl();
    let mut namespaces = Vec::new();
    for identity in [EksIdentity::Irsa, EksIdentity::PodIdentity] {
        // The configuration of kees is named `kees`.
        for order in ["before", "pod-identity-webhook"] {
            for reinvocation in ["Never", "IfNeeded"] {
                let name = format!(
                    "{order}-{}-{}",
                    identity.path(),
                    reinvocation.to_lowercase()
                );
                let label = (ORDER_LABEL, Some(name.as_str()));
                let configuration = world
                    .eks
                    .configuration(&name, identity, label, reinvocation);
                kubectl.apply(&configuration.to_string())?;
                let labels = [(ORDER_LABEL, name.as_str())];
                namespaces.push((identity, world.cluster.namespace(&name, &labels)?));
            }
        }
    }
    for (identity, namespace) in &namespaces {
        let name = namespace.namespace();
        let admitted = eventually(name, DEADLINE, || {
            let text = pod("app", PASSWORD).to_string();
            let admitted = namespace.dry_run(&text)?;
            ensure!(has_identity(
                &admitted["spec"]["containers"][0],
                *identity,
                name
            ));
            Ok(admitted)
        })?;
        check(&admitted, *identity, name).with_context(|| format!("{name}: {admitted}"))?;
    }
    Ok(())
}

/// One init container, with the identity once.
fn check(pod: &Value, identity: EksIdentity, namespace: &str) -> anyhow::Result<()> {
    let init = pod["spec"]["initContainers"]
        .as_array()
        .context("no list")?;
    let [container] = &init[..] else {
        anyhow::bail!("{} init containers", init.len());
    };
    ensure!(container["name"] == "kees-init");
    ensure!(
        has_identity(container, identity, namespace),
        "kees-init has no identity"
    );
    let count = |list: &Value| {
        let elements = list.as_array().into_iter().flatten();
        elements
            .filter(|element| element["name"] == identity.volume())
            .count()
    };
    ensure!(
        count(&container["volumeMounts"]) == 1,
        "mounts of the token"
    );
    ensure!(count(&pod["spec"]["volumes"]) == 1, "volumes of the token");
    let names: Vec<_> = container["env"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|v| &v["name"])
        .collect();
    let mut unique = names.clone();
    unique.sort_by_key(ToString::to_string);
    unique.dedup();
    ensure!(
        unique.len() == names.len(),
        "a variable is there twice: {names:?}"
    );
    Ok(())
}

fn has_identity(container: &Value, identity: EksIdentity, namespace: &str) -> bool {
    let env = container["env"].as_array();
    let variables = identity.variables(ACCOUNT, namespace);
    variables.iter().all(|(name, value)| {
        let variable = json!({"name": name, "value": value});
        env.is_some_and(|env| env.contains(&variable))
    })
}

#[test]
fn a_pod_that_gets_its_identity_after_kees_starts() -> anyhow::Result<()> {
    let world = World::shared()?;
    let label = (ORDER_LABEL, Some("late"));
    let configuration =
        world
            .eks
            .configuration("late-identity", EksIdentity::Irsa, label, "IfNeeded");
    world.cluster.kubectl().apply(&configuration.to_string())?;
    let labels = [(ORDER_LABEL, "late")];
    let namespace = world.cluster.namespace("late-identity", &labels)?;
    let mut late = pod("late", PASSWORD);
    late["spec"]["hostAliases"] = json!([{"ip": MACHINE, "hostnames": [Moto::HOST]}]);
    eventually("the identity webhook", DEADLINE, || {
        let admitted = namespace.dry_run(&late.to_string())?;
        ensure!(has_identity(
            &admitted["spec"]["containers"][0],
            EksIdentity::Irsa,
            "late-identity"
        ));
        Ok(())
    })?;
    namespace.apply(&late.to_string())?;
    namespace.wait_for("pod/late", "condition=Ready")?;
    assert_eq!(secrets(&namespace, "late")?["password"].len(), 16);
    Ok(())
}
