//! cert-manager, whose custom resource definitions the API server has. The test plays its controllers:
//! it issues the certificates that the objects ask for into their Secrets, and injects the CA.

use std::time::Duration;

use anyhow::Context as _;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::{Authority, Kubectl, eventually};
use serde_json::{Value, json};

use crate::{
    rendered::{NAMESPACE, ValuesFile, cert_manager, chart},
    world::{World, annotated_pod_starts, pod},
};

/// Plays cert-manager's controllers.
pub(crate) struct Controllers {
    kubectl: Kubectl,
    authority: Authority,
}

impl Controllers {
    pub(crate) fn new(world: &World) -> anyhow::Result<Self> {
        Ok(Self {
            kubectl: world.system(),
            authority: Authority::new()?,
        })
    }

    /// Fills the Secret of the webhook's Certificate, and injects the CA.
    pub(crate) fn issue(&self) -> anyhow::Result<()> {
        self.fill_secret()?;
        self.inject_ca()
    }

    /// Does what cert-manager does with the Certificate, whose issuer must lead to a CA.
    fn fill_secret(&self) -> anyhow::Result<()> {
        let certificate = self.kubectl.get(&["certificate", "kees-webhook"])?;
        let spec = &certificate["spec"];
        self.leads_to_a_ca(&spec["issuerRef"])?;
        let names = spec["dnsNames"].as_array().context("no dnsNames")?;
        let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
        let issued = self.authority.issue(&names)?;
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": spec["secretName"],
                "annotations": {"cert-manager.io/certificate-name": "kees-webhook"},
            },
            "type": "kubernetes.io/tls",
            "data": {
                "ca.crt": BASE64_STANDARD.encode(self.authority.certificate()),
                "tls.crt": BASE64_STANDARD.encode(&issued.certificate),
                "tls.key": BASE64_STANDARD.encode(&issued.key),
            },
        });
        self.kubectl.apply(&secret.to_string())?;
        Ok(())
    }

    /// The issuer uses the Secret of a Certificate with `isCA`, which another issuer signs.
    fn leads_to_a_ca(&self, issuer: &Value) -> anyhow::Result<()> {
        let name = issuer["name"].as_str().context("no issuer")?;
        let issuer = self.kubectl.get(&["issuer", name])?;
        let secret = &issuer["spec"]["ca"]["secretName"];
        let certificates = self.kubectl.get(&["certificates"])?;
        let certificates = certificates["items"].as_array().context("no list")?;
        let ca = certificates
            .iter()
            .find(|certificate| &certificate["spec"]["secretName"] == secret)
            .context("no Certificate fills the Secret of the issuer")?;
        anyhow::ensure!(ca["spec"]["isCA"] == json!(true), "{ca}");
        let first = ca["spec"]["issuerRef"]["name"]
            .as_str()
            .context("no issuer")?;
        let first = self.kubectl.get(&["issuer", first])?;
        anyhow::ensure!(first["spec"]["selfSigned"].is_object(), "{first}");
        Ok(())
    }

    /// Does what cert-manager's CA injector does with the annotation `inject-ca-from`.
    fn inject_ca(&self) -> anyhow::Result<()> {
        let configuration = self
            .kubectl
            .get(&["mutatingwebhookconfiguration", "kees"])?;
        let from = configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"]
            .as_str()
            .context("the configuration does not ask for a CA")?;
        let (namespace, name) = from.split_once('/').context("no namespace")?;
        let kubectl = self.kubectl.in_namespace(namespace);
        let certificate = kubectl.get(&["certificate", name])?;
        let secret = certificate["spec"]["secretName"]
            .as_str()
            .context("no Secret")?;
        let secret = kubectl.get(&["secret", secret])?;
        let patch = json!([{
            "op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": secret["data"]["ca.crt"],
        }]);
        kubectl.patch_webhook_configuration(&patch)
    }
}

#[test]
fn cert_manager_issues_and_renews_the_certificate() -> anyhow::Result<()> {
    let world = World::alone()?;
    let values = ValuesFile::new(&world.values(cert_manager()))?;
    world.cluster.helm()?.run(&[
        "install",
        "kees",
        &chart(),
        "--namespace",
        NAMESPACE,
        "--create-namespace",
        "--values",
        &values.argument(),
    ])?;
    let namespace = world.namespace("cert-manager-apps")?;
    // The pods of the webhook wait for the Secret, and the API server denies annotated pods.
    let denied = namespace.apply(&pod("early", "bsycorp.com")).unwrap_err();
    assert!(denied.to_string().contains("kees.bsycorp.com"), "{denied}");

    let controllers = Controllers::new(&world)?;
    controllers.issue()?;
    world.system().rolled_out("deployment/kees-webhook")?;
    annotated_pod_starts(&namespace, "first")?;

    let serial = world.serial_numbers()?;
    let bundle = world.ca_bundle()?;
    controllers.issue()?;
    // No pod is denied while some replicas have the old certificate and others the new one.
    let mut denied = Vec::new();
    eventually("renewed certificate", Duration::from_secs(150), || {
        let created = namespace.apply_with(&["--dry-run=server"], &pod("during", "bsycorp.com"));
        denied.extend(created.err());
        let now = world.serial_numbers()?;
        anyhow::ensure!(now.iter().all(|each| !serial.contains(each)), "{now:?}");
        Ok(())
    })?;
    assert!(denied.is_empty(), "{denied:?}");
    assert_eq!(world.ca_bundle()?, bundle, "the CA is another one");
    annotated_pod_starts(&namespace, "renewed")?;

    // cert-manager has no overlap when it replaces a CA: the webhook works again with both new.
    Controllers::new(&world)?.issue()?;
    eventually("pods with the new CA", Duration::from_secs(150), || {
        namespace.apply_with(&["--dry-run=server"], &pod("during", "bsycorp.com"))
    })?;
    annotated_pod_starts(&namespace, "new-ca")
}
