//! Renders the chart and the overlays.

use std::{fs, path::PathBuf};

use kees_tests::{Authority, Helm, Kubectl, Overlay, here};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::objects::merged;

/// The namespace of every installation.
pub(crate) const NAMESPACE: &str = "kees-system";

/// The name in the certificate of the webhook.
pub(crate) const SERVICE: &str = "kees-webhook.kees-system.svc";

/// The chart's folder.
pub(crate) fn chart() -> String {
    here("../manifests/chart").display().to_string()
}

/// Renders the chart with `values`.
pub(crate) fn template(values: &Value) -> anyhow::Result<String> {
    let file = ValuesFile::new(values)?;
    Helm::new()?.run(&[
        "template",
        "kees",
        &chart(),
        "--namespace",
        NAMESPACE,
        "--values",
        &file.argument(),
    ])
}

/// Renders an overlay of the manifests. It has a certificate of `authority` where it needs one.
pub(crate) fn overlay(name: &str, authority: &Authority) -> anyhow::Result<String> {
    let overlay = Overlay::new("manifests", name, json!({}))?;
    if name == "certificate-files" {
        let secret = authority.issue(&[SERVICE])?.secret(authority);
        fs::write(overlay.base().join("secret.yaml"), secret)?;
    }
    let kubectl = Kubectl::without_cluster()?;
    kubectl.run(&["kustomize", &overlay.base().display().to_string()])
}

/// The manifests of a folder together with a component, which is another folder, as kustomize renders them.
pub(crate) fn with_component(name: &str, component: &str) -> anyhow::Result<String> {
    let component = format!("copied/{component}");
    let overlay = Overlay::new("manifests", name, json!({"components": [component]}))?;
    let kubectl = Kubectl::without_cluster()?;
    kubectl.run(&["kustomize", &overlay.argument()])
}

/// A file of values for Helm. JSON is YAML too.
pub(crate) struct ValuesFile(TempDir);

impl ValuesFile {
    pub(crate) fn new(values: &Value) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        fs::write(folder.path().join("values.yaml"), values.to_string())?;
        Ok(Self(folder))
    }

    pub(crate) fn argument(&self) -> String {
        self.0.path().join("values.yaml").display().to_string()
    }
}

/// The values of `certificates.source: files`, with a certificate of `authority` for `name`.
pub(crate) fn certificate_files(authority: &Authority, name: &str) -> anyhow::Result<Value> {
    let issued = authority.issue(&[name])?;
    Ok(json!({"certificates": {"source": "files", "files": {
        "caBundle": authority.certificate(),
        "certificate": issued.certificate,
        "key": issued.key,
    }}}))
}

/// `certificates.source: cert-manager`.
pub(crate) fn cert_manager() -> Value {
    json!({"certificates": {"source": "cert-manager"}})
}

/// A copy of the chart with another version, as the version before this one.
pub(crate) fn earlier_chart(folder: &TempDir, version: &str) -> anyhow::Result<String> {
    let copied: PathBuf = folder.path().join("chart");
    let status = std::process::Command::new("cp")
        .args(["-rL", &chart()])
        .arg(&copied)
        .status()?;
    anyhow::ensure!(status.success(), "cannot copy the chart");
    let file = copied.join("Chart.yaml");
    let text = fs::read_to_string(&file)?;
    let text: Vec<_> = text
        .lines()
        .map(|line| match line.split_once(": ") {
            Some((key @ ("version" | "appVersion"), _)) => format!("{key}: {version}"),
            _ => line.to_owned(),
        })
        .collect();
    fs::write(file, text.join("\n"))?;
    Ok(copied.display().to_string())
}

/// Values that use most of the keys of the chart.
pub(crate) fn many() -> Value {
    merged(
        json!({
            "image": {"digest": format!("sha256:{}", "a".repeat(64)), "pullPolicy": "IfNotPresent"},
            "initImage": {"repository": "registry.example.com/kees-init", "tag": "1.2.3"},
            "imagePullSecrets": [{"name": "registry"}],
            "settings": {
                "stores": ["dynamodb", "secretsmanager"],
                "awsRegion": "eu-west-1",
                "wiredImage": r#"^bsycorp/"kubernetes-secret"\.init/"#,
                "runAs": 1000,
                "initEnv": {"AWS_CA_BUNDLE": "/roots.pem", "TIMEOUT": "10"},
                "maxConnections": 2_000_000,
                "bodyTimeout": 1.5,
                "drainDelay": 20,
                "drainTimeout": 60,
                "logFormat": "json",
            },
            "clientCa": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "timeoutSeconds": 5,
            "replicas": 3,
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [{"key": "dedicated", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
            "podAnnotations": {"example.com/note": "1"},
            "podLabels": {"team": "platform"},
            "extraEnv": [{"name": "TZ", "value": "UTC"}],
            "serviceAccount": {"annotations": {"example.com/note": "2"}},
            "networkPolicy": {"enabled": true},
        }),
        json!({"annotationDomain": "secrets.example.org"}),
    )
}
