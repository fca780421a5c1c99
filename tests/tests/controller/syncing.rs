//! Kubernetes Secrets that the controller writes, on a cluster: for a TLS pair, for `secretKeyRef`, and what is not its own.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::{Authority, Namespace, eventually, keys::check_rsa_pair};
use serde_json::{Value, json};

use crate::{
    pods::{entry, pod},
    world::World,
};

const PASSWORD: &str = "kind=DYNAMIC,type=PASSWORD,size=256";
const DEADLINE: Duration = Duration::from_mins(1);

fn option(name: &str) -> String {
    format!("init.bsycorp.com/{name}")
}

/// The value of a key of a Secret.
fn value(namespace: &Namespace, name: &str, key: &str) -> anyhow::Result<Vec<u8>> {
    let secret = namespace.get(&["secret", name])?;
    let text = secret["data"][key].as_str().context("no such key")?;
    Ok(BASE64_STANDARD.decode(text)?)
}

fn has_event(namespace: &Namespace, pod: &str, reason: &str) -> anyhow::Result<String> {
    eventually(reason, DEADLINE, || {
        let events = namespace.get(&["events", &format!("--field-selector=reason={reason}")])?;
        let events = events["items"].as_array().context("no list")?;
        let mut of_pod = events
            .iter()
            .filter(|event| event["involvedObject"]["name"] == pod);
        let event = of_pod.next().context("no Event")?;
        Ok(event["message"].as_str().unwrap_or_default().to_owned())
    })
}

/// A pod whose container reads a key of a Secret as a variable.
fn with_variable(mut pod: Value, secret: &str, key: &str) -> Value {
    pod["spec"]["containers"][0]["env"] = json!([
        {"name": "VALUE", "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
    ]);
    pod["spec"]["containers"][0]["command"] =
        json!(["sh", "-c", "echo \"$VALUE\" && exec sleep 86400"]);
    pod
}

#[test]
fn a_pair_of_keys_and_a_certificate_become_a_tls_secret() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("sync-tls")?;
    let authority = Authority::new()?;
    world.store("sync-tls", "certificate", authority.certificate())?;
    let rsa = "kind=DYNAMIC,type=RSA,size=2048";
    let pem = format!("{rsa},encoding=pem");
    let annotations = [
        (entry("web_public"), rsa),
        (entry("web_private"), pem.as_str()),
        ("resource.bsycorp.com/certificate".to_owned(), ""),
        (option("sync"), "web-tls"),
        (option("sync-type"), "kubernetes.io/tls"),
        (option("sync-key.tls.crt"), "{{ resource.certificate }}"),
        (option("sync-key.tls.key"), "{{ secret.web_private }}"),
    ];
    namespace.apply(&pod("web", &annotations).to_string())?;
    namespace.wait_for("pod/web", "condition=Ready")?;
    let key = eventually("the Secret", DEADLINE, || {
        value(&namespace, "web-tls", "tls.key")
    })?;
    let certificate = value(&namespace, "web-tls", "tls.crt")?;
    assert_eq!(String::from_utf8(certificate)?, authority.certificate());
    let stored = world.stored("sync-tls")?;
    let public = BASE64_STANDARD.decode(&stored["web_public"])?;
    let key: String = String::from_utf8(key)?
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    check_rsa_pair(&public, &BASE64_STANDARD.decode(key)?)?;
    let secret = namespace.get(&["secret", "web-tls"])?;
    assert_eq!(secret["type"], "kubernetes.io/tls");
    Ok(())
}

#[test]
fn a_variable_of_a_secret_works_at_the_first_start_and_garbage_collection_removes_it()
-> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("sync-variable")?;
    let annotations = [(entry("password"), PASSWORD), (option("sync"), "web")];
    let web = with_variable(pod("web", &annotations), "web", "password");
    namespace.apply(&web.to_string())?;
    namespace.wait_for("pod/web", "condition=Ready")?;
    let stored = BASE64_STANDARD.decode(&world.stored("sync-variable")?["password"])?;
    let log = namespace.run(&["logs", "web", "--container=app"])?;
    assert!(log.trim().as_bytes() == stored, "another value");

    namespace.run(&["delete", "secret", "web"])?;
    let again = eventually("the Secret again", Duration::from_secs(10), || {
        value(&namespace, "web", "password")
    })?;
    assert!(again == stored, "another value");

    namespace.run(&["delete", "pod", "web"])?;
    eventually("garbage collection", DEADLINE, || {
        ensure!(namespace.get(&["secret", "web"]).is_err(), "it exists");
        Ok(())
    })
}

#[test]
fn a_secret_of_somebody_else_stays_as_it_is() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("sync-foreign")?;
    namespace.run(&["create", "secret", "generic", "web", "--from-literal=a=x"])?;
    let before = namespace.get(&["secret", "web"])?;
    let annotations = [(entry("password"), PASSWORD), (option("sync"), "web")];
    namespace.apply(&pod("web", &annotations).to_string())?;
    let message = has_event(&namespace, "web", "KeesSecretConflict")?;
    assert!(
        message.contains("Secret web: it exists, and kees did not write it"),
        "{message}"
    );
    namespace.wait_for("pod/web", "condition=Ready")?;
    assert_eq!(namespace.get(&["secret", "web"])?, before);
    Ok(())
}

#[test]
fn while_the_controller_is_down_pods_without_secrets_start() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("sync-down")?;
    world.store("sync-down", "token", "one")?;
    let token = (entry("token"), "kind=REFERENCE");
    world.stop_controller()?;
    let without = pod("without", std::slice::from_ref(&token));
    let with = pod("with", &[token, (option("sync"), "web")]);
    let result = (|| {
        namespace.apply(&without.to_string())?;
        namespace.apply(&with_variable(with, "web", "token").to_string())?;
        namespace.wait_for("pod/without", "condition=Ready")
    })();
    world.scale_controller(2)?;
    result?;
    namespace.wait_for("pod/with", "condition=Ready")?;
    let log = namespace.run(&["logs", "with", "--container=app"])?;
    assert_eq!(log.trim(), "one");
    Ok(())
}

#[test]
fn a_changed_value_is_in_the_secret_after_the_period() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("sync-changed")?;
    world.store("sync-changed", "token", "one")?;
    let annotations = [(entry("token"), "kind=REFERENCE"), (option("sync"), "web")];
    namespace.apply(&pod("web", &annotations).to_string())?;
    let has = |expected: &str| {
        eventually(expected, DEADLINE, || {
            let value = value(&namespace, "web", "token")?;
            ensure!(value == expected.as_bytes(), "another value");
            Ok(())
        })
    };
    has("one")?;
    world.store("sync-changed", "token", "two")?;
    has("two")
}

#[test]
fn a_pod_with_other_contents_is_denied_and_a_rollout_changes_its_secret() -> anyhow::Result<()> {
    let (world, _turn) = World::alone()?;
    let namespace = world.namespace("sync-conflict")?;
    world.store("sync-conflict", "token", "one")?;
    let key = |template: &'static str| (option("sync-key.k"), template);
    let annotations = |template| {
        let token = (entry("token"), "kind=REFERENCE");
        [token, (option("sync"), "shared"), key(template)]
    };
    let first = annotations("{{ secret.token }}");
    let web = |pod: Value| {
        let labels = json!({"app": "web"});
        let mut template = json!({"metadata": pod["metadata"], "spec": pod["spec"]});
        template["metadata"]["labels"] = labels.clone();
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        })
    };
    namespace.apply(&web(with_variable(pod("web", &first), "shared", "k")).to_string())?;
    namespace.rolled_out("deployment/web")?;
    let of_web = "--selector=app=web,init.bsycorp.com/secret-sync=true";
    let pods = namespace.get(&["pods", of_web])?;
    assert_eq!(pods["items"].as_array().map(Vec::len), Some(1));

    // The same contents are shared, others are denied. The webhook sees the first pod a moment after its creation.
    namespace.apply(&pod("same", &first).to_string())?;
    let other = pod("other", &annotations("other {{ secret.token }}")).to_string();
    let denial = eventually("the denial", DEADLINE, || {
        let Err(error) = namespace.apply(&other) else {
            namespace.run(&["delete", "pod", "other"])?;
            anyhow::bail!("it is admitted");
        };
        Ok(format!("{error:#}"))
    })?;
    for part in [
        "pod other (Pod other) and pod ",
        "one Secret, shared, with different contents",
    ] {
        assert!(denial.contains(part), "{denial}");
    }
    namespace.run(&["delete", "pod", "same"])?;

    // The new pod needs a key that the Secret does not have yet.
    let mut more = annotations("two {{ secret.token }}").to_vec();
    more.push((option("sync-key.new"), "{{ secret.token }}"));
    namespace.apply(&web(with_variable(pod("web", &more), "shared", "new")).to_string())?;
    namespace.rolled_out("deployment/web")?;
    let now = value(&namespace, "shared", "k")?;
    assert_eq!(String::from_utf8(now)?, "two one");
    Ok(())
}
