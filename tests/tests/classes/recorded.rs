//! The recorded pods and classes of the conformance folder: the same files at the same paths, and the same Secrets.

use std::{collections::BTreeMap, env, fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, bail, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::{eventually, here};
use serde_json::{Value, json};

use crate::{
    pods::files,
    world::{World, service_account},
};

/// The variable that names another folder with the cases, or `none`.
const FOLDER: &str = "KEES_ASCP_CASES";

#[test]
fn the_recorded_pods_get_the_files_and_secrets_of_the_driver() -> anyhow::Result<()> {
    let folder =
        env::var_os(FOLDER).map_or_else(|| here("../../shared/conformance/ascp"), PathBuf::from);
    if folder.as_os_str() == "none" {
        return Ok(());
    }
    let folder = folder.join("manifests");
    let read = |name: &str| {
        fs::read_to_string(folder.join(name))
            .with_context(|| format!("{}; see {FOLDER}", folder.join(name).display()))
    };
    let expected: Value = serde_json::from_str(&read("expect.json")?)?;
    let (world, _turn) = World::alone()?;
    world.controller()?;
    let cases = expected["cases"].as_array().context("no cases")?;
    for (index, case) in cases.iter().enumerate() {
        if case["auth"] == "pod-identity" {
            // In `identity.rs`, with an agent.
            continue;
        }
        let text = |key: &str| case[key].as_str().context("no text");
        let namespace = world.namespace(&format!("recorded-{index}"))?;
        let class: Value = serde_saphyr::from_str(&read(text("spc")?)?)?;
        store(world, case, &class)?;
        namespace.apply(&class.to_string())?;
        for document in read(text("pod")?)?.split("\n---\n") {
            let mut manifest: Value = serde_saphyr::from_str(document)?;
            if manifest["kind"] == "Service" {
                continue;
            }
            let spec = match manifest["kind"].as_str() {
                Some("Deployment") => &mut manifest["spec"]["template"]["spec"],
                _ => &mut manifest["spec"],
            };
            let account = spec["serviceAccountName"].as_str().context("no account")?;
            namespace.apply(&service_account(account, "recorded").to_string())?;
            // The images are not on the node.
            let container = &mut spec["containers"][0];
            container["image"] = json!("localhost/busybox:1");
            container["imagePullPolicy"] = json!("Never");
            container["command"] = json!(["sleep", "86400"]);
            spec["terminationGracePeriodSeconds"] = json!(0);
            namespace.apply(&manifest.to_string())?;
            let name = manifest["metadata"]["name"].as_str().context("no name")?;
            match manifest["kind"].as_str() {
                Some("Deployment") => namespace.rolled_out(&format!("deployment/{name}"))?,
                _ => namespace.wait_for(&format!("pod/{name}"), "condition=Ready")?,
            }
        }
        let pods = namespace.get(&["pods"])?;
        for pod in pods["items"].as_array().into_iter().flatten() {
            let name = pod["metadata"]["name"].as_str().context("no name")?;
            check_files(&files(&namespace, name)?, &case["files"])?;
        }
        for (name, secret) in case["secrets"].as_object().into_iter().flatten() {
            eventually(name, Duration::from_secs(30), || {
                let found = namespace.get(&["secret", name])?;
                check_secret(&found, secret)
            })?;
        }
    }
    Ok(())
}

/// Stores what the case needs. A secret that two cases use is stored once.
fn store(world: &World, case: &Value, class: &Value) -> anyhow::Result<()> {
    let region = class["spec"]["parameters"]["region"].as_str();
    let region = region.unwrap_or(crate::world::REGION);
    for (name, value) in case["store"]["ssm"].as_object().into_iter().flatten() {
        world.parameter(region, name, value.as_str().context("no text")?)?;
    }
    let secrets = case["store"]["secretsmanager"].as_object();
    for (name, value) in secrets.into_iter().flatten() {
        world.secret(region, name, value.as_str().context("no text")?)?;
    }
    // Without contents: any value will do.
    for (name, value) in case["files"].as_object().into_iter().flatten() {
        if value.is_null() {
            world.secret(region, name, "anything")?;
        }
    }
    Ok(())
}

fn check_files(found: &BTreeMap<String, (String, String)>, expected: &Value) -> anyhow::Result<()> {
    let expected = expected.as_object().context("no files")?;
    let names: Vec<_> = found.keys().collect();
    let mut wanted: Vec<_> = expected.keys().collect();
    wanted.sort();
    ensure!(names == wanted, "{names:?}, not {wanted:?}");
    for (name, (mode, content)) in found {
        ensure!(mode == "644", "{name} has the mode {mode}");
        match &expected[name] {
            Value::Null => ensure!(content == "anything", "{name}: {content}"),
            Value::String(text) => ensure!(content == text, "{name}: {content}"),
            other => bail!("{other}"),
        }
    }
    Ok(())
}

fn check_secret(found: &Value, expected: &Value) -> anyhow::Result<()> {
    ensure!(found["type"] == expected["type"], "{}", found["type"]);
    let data = expected["data"].as_object().context("no data")?;
    let found_data = found["data"]
        .as_object()
        .context("the Secret has no data")?;
    ensure!(found_data.len() == data.len(), "{} keys", found_data.len());
    for (key, value) in data {
        let encoded = found_data.get(key).and_then(Value::as_str);
        let value = value.as_str().context("no text")?;
        ensure!(encoded == Some(&BASE64_STANDARD.encode(value)), "{key}");
    }
    let label = &found["metadata"]["labels"]["secrets-store.csi.k8s.io/managed"];
    ensure!(label == "true", "{label}");
    Ok(())
}
