//! Tests pods that were written for the original and have their own init container.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use crate::{
    install::INIT_IMAGE,
    pods::{Annotations, pod, properties, secrets},
    world::{ENV_LABEL, World},
};

#[test]
fn a_pod_written_for_the_original_runs_unchanged() -> anyhow::Result<()> {
    let world = World::shared()?;
    let namespace = world.cluster.namespace("original", &[])?;
    let path = |name: &str| format!("/test/original/{name}");
    world.dynamodb.put(
        ENV_LABEL,
        &path("shared/token"),
        &BASE64_STANDARD.encode("token"),
    )?;
    world.dynamodb.put(
        ENV_LABEL,
        &path("db"),
        &BASE64_STANDARD.encode("jdbc:mysql://db/app"),
    )?;
    let annotations: Annotations<'_> = &[
        ("init/storage-prefix", "/test/original/"),
        (
            "secret/service-a.signing.v1_public",
            "kind=DYNAMIC,type=RSA,size=2048",
        ),
        (
            "secret/service-a.password",
            "kind = DYNAMIC, type = PASSWORD, size = 128, foo=bar",
        ),
        (
            "secret/api-key.partner_consumer",
            "kind=DYNAMIC,type=RANDOM,size=128",
        ),
        (
            "secret/partner.token",
            "kind=REFERENCE,type=PASSWORD,storageKey=shared/token",
        ),
        ("resource/db_url", "localModeValue=eA=="),
    ];
    let pod = wired(
        "original",
        annotations,
        &[
            ("ENV_LABEL", ENV_LABEL),
            ("AWS_ENDPOINT", world.dynamodb.endpoint()),
            ("AWS_ACCESS_KEY_ID", "tests"),
            ("AWS_SECRET_ACCESS_KEY", "tests"),
        ],
    );
    namespace.apply(&pod.to_string())?;
    namespace.wait_for("pod/original", "condition=Ready")?;

    let admitted = namespace.get(&["pod", "original"])?;
    assert_eq!(
        admitted["spec"]["initContainers"].as_array().map(Vec::len),
        Some(1)
    );
    let read = secrets(&namespace, "original")?;
    assert_eq!(
        read.keys().collect::<Vec<_>>(),
        [
            "api-key.partner_consumer",
            "partner.token",
            "service-a.password",
            "service-a.signing.v1_public"
        ]
    );
    assert_eq!(read["partner.token"], b"token");
    let resources = namespace.exec(
        "original",
        "app",
        &["cat", "/bsycorp-init/resources.properties"],
    )?;
    assert_eq!(properties(&resources)?["db_url"], b"jdbc:mysql://db/app");
    let one = namespace.exec("original", "app", &["cat", "/bsycorp-init/db_url"])?;
    assert_eq!(one, "jdbc:mysql://db/app");

    let mut held = world.dynamodb.items(ENV_LABEL)?;
    held.retain(|name, _| name.starts_with(&path("")));
    assert_eq!(
        held.keys().map(String::as_str).collect::<Vec<_>>(),
        [
            "/test/original/api-key.partner_consumer",
            "/test/original/api-key.partner_provider",
            "/test/original/db",
            "/test/original/service-a.password",
            "/test/original/service-a.signing.v1_private",
            "/test/original/service-a.signing.v1_public",
            "/test/original/shared/token",
        ]
    );
    for name in [
        "api-key.partner_consumer",
        "service-a.password",
        "service-a.signing.v1_public",
    ] {
        assert!(
            held[&path(name)] == BASE64_STANDARD.encode(&read[name]),
            "{name}"
        );
    }
    Ok(())
}

/// A pod that is wired by hand, as users of the original write it.
pub(crate) fn wired(name: &str, annotations: Annotations<'_>, env: &[(&str, &str)]) -> Value {
    let mut pod = pod(name, annotations);
    let variable = |(name, value): &(&str, &str)| json!({"name": name, "value": value});
    pod["spec"]["initContainers"] = json!([{
        "name": "init-secrets",
        "image": INIT_IMAGE,
        "imagePullPolicy": "Never",
        "env": env.iter().map(variable).collect::<Vec<_>>(),
        "volumeMounts": [
            {"name": "podinfo", "mountPath": "/podinfo"},
            {"name": "secrets", "mountPath": "/bsycorp-init"},
        ],
    }]);
    pod["spec"]["volumes"] = json!([
        {"name": "podinfo", "downwardAPI": {"items": [
            {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}},
        ]}},
        {"name": "secrets", "emptyDir": {"medium": "Memory"}},
    ]);
    pod["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "secrets", "mountPath": "/bsycorp-init", "readOnly": true}]);
    pod
}
