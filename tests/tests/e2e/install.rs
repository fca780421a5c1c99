//! Installs kees as an operator does, with settings, a policy and a certificate. Also installs a webhook
//! that gives pods an AWS identity as the identity webhook of EKS does.

use kees_tests::{Authority, EksIdentity, MACHINE, Moto, Overlay, REGION, images};
use serde_json::json;
use tempfile::TempDir;

use crate::world::{ENV_LABEL, World};

/// The label of a namespace whose pods get an identity. Their role has the name of the namespace.
pub(crate) const IDENTITY_LABEL: &str = "kees.test/identity";

/// The image of `kees-init` that `tests/images` builds.
pub(crate) const INIT_IMAGE: &str = "localhost/kees-init:test";

/// The same image with the root certificate of the tests.
const INIT_IMAGE_WITH_ROOTS: &str = "localhost/kees-init-with-roots:test";

/// Each pod has the prefix of its namespace, and local mode is off.
const POLICY: &str = r#"
rules:
- namespaces: ["*"]
  storagePrefix: /{cluster}/{namespace}
"#;

/// Installs kees from the project's manifests and waits until it is available.
pub(crate) fn kees(world: &World, authority: &Authority) -> anyhow::Result<()> {
    init_image_with_roots(world, authority)?;
    let overlay = Overlay::new("manifests", "certificate-files", kustomization())?;
    let secret = authority
        .issue(&["kees-webhook.kees-system.svc"])?
        .secret(authority);
    std::fs::write(overlay.base().join("secret.yaml"), secret)?;
    std::fs::write(overlay.path().join("policy.yaml"), POLICY)?;
    std::fs::write(overlay.path().join("init-env"), init_env(world))?;

    let kubectl = world.cluster.kubectl().in_namespace("kees-system");
    kubectl.run(&["apply", "-k", &overlay.argument()])?;
    kubectl.wait_for("deployment/kees-webhook", "condition=Available")
}

fn kustomization() -> serde_json::Value {
    json!({
        "images": [{"name": "kees-webhook", "newName": "localhost/kees-webhook", "newTag": "test"}],
        "configMapGenerator": [
            {"name": "kees-settings", "namespace": "kees-system", "behavior": "merge", "files": ["INIT_ENV=init-env"], "literals": [
                format!("INIT_IMAGE={INIT_IMAGE_WITH_ROOTS}"),
                "IMAGE_PULL_POLICY=Never".to_owned(),
                "CLUSTER=test".to_owned(),
                format!("ENV_LABEL={ENV_LABEL}"),
                "STORES=secretsmanager".to_owned(),
                "REFRESH_MINIMUM=1s".to_owned(),
                format!("AWS_REGION={REGION}"),
                "LOG_LEVEL=debug".to_owned(),
                "LOG_FORMAT=json".to_owned(),
            ]},
            {
                "name": "kees-policy", "namespace": "kees-system", "behavior": "replace", "files": ["policy.yaml"],
                "options": {"disableNameSuffixHash": true},
            },
        ],
    })
}

/// Further variables of the init container, one on each line.
fn init_env(world: &World) -> String {
    let aws = world.moto.endpoint();
    format!(
        "AWS_ENDPOINT_URL_DYNAMODB={}\n\
         AWS_ENDPOINT_URL_SECRETS_MANAGER={aws}\n\
         AWS_STS_ENDPOINT={aws}\n\
         AWS_CA_BUNDLE=/roots.pem\n\
         TIMEOUT=10\n",
        world.dynamodb.endpoint()
    )
}

/// Builds an image with a further root certificate, as the operator's guide describes.
fn init_image_with_roots(world: &World, authority: &Authority) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    std::fs::write(folder.path().join("roots.pem"), authority.certificate())?;
    std::fs::write(
        folder.path().join("Containerfile"),
        format!("FROM {INIT_IMAGE}\nCOPY --chmod=0444 roots.pem /roots.pem\n"),
    )?;
    let tar = images::build(folder.path(), INIT_IMAGE_WITH_ROOTS)?;
    world.cluster.import_image(&tar)
}

/// Sends the pods of labelled namespaces to the identity webhook of EKS, before kees and once, so that
/// the calls of kees's webhook can be counted. `identity.rs` tests the other orders.
pub(crate) fn identity_webhook(world: &World) -> anyhow::Result<()> {
    let configuration = world.eks.configuration(
        "eks-identity",
        EksIdentity::Irsa,
        (IDENTITY_LABEL, None),
        "Never",
    );
    world.cluster.kubectl().apply(&configuration.to_string())?;
    Ok(())
}

/// Installs a policy that adds moto's name to the pods of labelled namespaces, because the cluster has
/// no DNS.
pub(crate) fn name_of_moto(world: &World) -> anyhow::Result<()> {
    let patch = format!(
        r#"[JSONPatch{{
          op: "add",
          path: "/spec/hostAliases",
          value: [{{"ip": dyn("{MACHINE}"), "hostnames": dyn(["{host}"])}}]}}]"#,
        host = Moto::HOST,
    );
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": "moto"},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchExpressions": [{"key": IDENTITY_LABEL, "operator": "Exists"}]},
                "resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
                }],
            },
            "matchConditions": [{
                "name": "not-mirror",
                "expression": "!('kubernetes.io/config.mirror' in object.metadata.?annotations.orValue({}))",
            }],
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": "moto"},
        "spec": {"policyName": "moto"},
    });
    let kubectl = world.cluster.kubectl();
    kubectl.apply(&policy.to_string())?;
    kubectl.apply(&binding.to_string())?;
    Ok(())
}
