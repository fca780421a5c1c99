//! From a developer's token to a value in a pod.

use std::time::Duration;

use anyhow::ensure;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::{REGION, eventually};
use serde_json::{Value, json};

use crate::world::World;

/// The namespace of the developers.
const NAMESPACE: &str = "payments";

/// Their group.
const DEVELOPERS: &str = "payments-developers";

/// The secret's value.
const VALUE: &str = "kept by kiss, with a sign: ä";

/// The longest that the RoleBinding or the tokens may stay unknown.
const LATE: Duration = Duration::from_mins(1);

#[test]
fn a_developer_creates_what_a_pod_reads_and_deletes_it() -> anyhow::Result<()> {
    let world = World::start()?;
    let team = world.cluster.namespace(
        NAMESPACE,
        &[
            ("pod-security.kubernetes.io/enforce", "restricted"),
            ("init.bsycorp.com/secret-provider-classes", "enabled"),
        ],
    )?;
    let ada = world.provider.token("ada@example.com", &[DEVELOPERS])?;
    let eve = world.provider.token("eve@example.com", &["others"])?;
    let secret = ["-namespace", NAMESPACE, "-name", "db-password"];
    let create = [&["create"], &secret[..]].concat();
    let list = ["list", "-namespace", NAMESPACE];

    let absent = "the namespace 'payments' has no RoleBinding 'payments'";
    fails_with(world.kiss(&ada, &create, VALUE), absent)?;
    team.apply(&role().to_string())?;
    team.apply(&role_binding().to_string())?;

    // One RoleBinding counts for the API server and for kiss.
    eventually("answer of the API server to the token", LATE, || {
        team.with_token(&ada).run(&["get", "pods"])
    })?;
    let forbidden = "User \"eve@example.com\" cannot list resource \"pods\"";
    fails_with(team.with_token(&eve).run(&["get", "pods"]), forbidden)?;
    let ping = ["ping", "-namespace", NAMESPACE];
    eventually("RoleBinding in kiss", LATE, || world.kiss(&ada, &ping, ""))?;

    let denied = "user 'eve@example.com' is not authorized for namespace 'payments'";
    fails_with(world.kiss(&eve, &create, VALUE), denied)?;
    let created = world.kiss(&ada, &create, VALUE)?;
    ensure!(created == "Successfully created secret\n", "{created}");
    let stored = world.moto.secret("/k8s-secret/payments/db-password")?;
    ensure!(stored == VALUE.as_bytes());
    ensure!(world.kiss(&ada, &list, "")? == "db-password\n");

    team.apply(&pod().to_string())?;
    team.wait_for("pod/app", "condition=Ready")?;
    let read = team.exec("app", "app", &["cat", "/bsycorp-init/secrets.properties"])?;
    let expected = format!("db_password={}", BASE64_STANDARD.encode(VALUE));
    ensure!(read.lines().any(|line| line == expected), "{read}");

    // A class reads the same secret, and not that of another namespace.
    team.apply(&class("db", "/k8s-secret/payments/db-password").to_string())?;
    team.apply(&pod_with_class("with-class", "db").to_string())?;
    team.wait_for("pod/with-class", "condition=Ready")?;
    let file = "/mnt/secrets-store/db-password";
    let read = team.exec("with-class", "app", &["cat", file])?;
    ensure!(read == VALUE, "{read}");
    team.apply(&class("foreign", "/k8s-secret/others/db-password").to_string())?;
    let foreign = team.apply(&pod_with_class("foreign", "foreign").to_string());
    fails_with(
        foreign,
        "does not allow the object /k8s-secret/others/db-password",
    )?;

    let delete = [&["delete"], &secret[..]].concat();
    fails_with(world.kiss(&eve, &delete, ""), denied)?;
    world.kiss(&ada, &delete, "")?;
    let gone = world.moto.secret("/k8s-secret/payments/db-password");
    ensure!(gone.is_err(), "the secret is still there");
    ensure!(world.kiss(&ada, &list, "")?.is_empty());
    check_audit(&world.kiss_logs()?, &[VALUE, &ada, &eve])
}

/// Every call has a line, and no line has one of the secret texts.
fn check_audit(log: &str, secret: &[&str]) -> anyhow::Result<()> {
    for text in secret {
        ensure!(
            !log.contains(text),
            "a value or a token is in the log of kiss"
        );
    }
    for call in [
        "CreateSecret: authorized user 'ada@example.com'",
        "CreateSecret: blocked user 'ada@example.com'",
        "CreateSecret: blocked user 'eve@example.com'",
        "DeleteSecret: blocked user 'eve@example.com'",
        "DeleteSecret: authorized user 'ada@example.com'",
        "ListSecrets: authorized user 'ada@example.com'",
        "Ping: authorized user 'ada@example.com'",
    ] {
        let line = format!("/kiss.resources.KISS/{call}");
        ensure!(
            log.lines().any(|written| written.contains(&line)),
            "{call} is missing in:\n{log}"
        );
    }
    Ok(())
}

fn fails_with(result: anyhow::Result<String>, text: &str) -> anyhow::Result<()> {
    match result {
        Ok(output) => anyhow::bail!("this succeeded: {output}"),
        Err(error) => {
            ensure!(error.to_string().contains(text), "{error:?}");
            Ok(())
        }
    }
}

fn role() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": DEVELOPERS},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}],
    })
}

/// Its name is that of the namespace, as kiss reads it.
fn role_binding() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": NAMESPACE},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": DEVELOPERS},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": DEVELOPERS}],
    })
}

/// A class with one object, in the file `db-password`.
fn class(name: &str, object: &str) -> Value {
    let objects =
        format!("- {{objectName: {object}, objectType: secretsmanager, objectAlias: db-password}}");
    json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": name},
        "spec": {"provider": "aws", "parameters": {"region": REGION, "objects": objects}},
    })
}

/// A restricted pod with a volume of a class instead of a reference.
fn pod_with_class(name: &str, class: &str) -> Value {
    let mut pod = pod();
    pod["metadata"] = json!({"name": name});
    pod["spec"]["volumes"] = json!([{"name": "secrets", "csi": {
        "driver": "secrets-store.csi.k8s.io",
        "readOnly": true,
        "volumeAttributes": {"secretProviderClass": class},
    }}]);
    pod["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "secrets", "mountPath": "/mnt/secrets-store", "readOnly": true}]);
    pod
}

/// A restricted pod with a reference to the secret.
fn pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "app", "annotations": {
            "secret.bsycorp.com/db_password": "kind=REFERENCE,storageKey=db-password",
        }},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "app",
                "image": "localhost/busybox:1",
                "imagePullPolicy": "Never",
                "command": ["sleep", "86400"],
                "securityContext": {
                    "runAsNonRoot": true,
                    "runAsUser": 1000,
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
            }],
        },
    })
}
