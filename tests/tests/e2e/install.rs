//! Installs kees as an operator does, with settings, a policy and a certificate. Also installs a policy
//! that gives pods an AWS identity as the identity webhook of EKS does.

use kees_tests::{Authority, MACHINE, Moto, Overlay, REGION, images};
use serde_json::json;
use tempfile::TempDir;

use crate::world::{ACCOUNT, ENV_LABEL, World};

/// The label of a namespace whose pods get an identity. Its value is the name of the role.
pub(crate) const IDENTITY_LABEL: &str = "kees.test/identity";

/// The folder into which EKS mounts the token.
const TOKEN: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount";

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

/// Installs a policy that changes pods as EKS's identity webhook does. It also adds moto's name to
/// each pod, because the cluster has no DNS.
pub(crate) fn identity_webhook(world: &World) -> anyhow::Result<()> {
    let containers = format!(
        r#"Object{{spec: Object.spec{{containers: object.spec.containers.map(c, Object.spec.containers{{
          name: c.name,
          env: [
            Object.spec.containers.env{{
              name: "AWS_ROLE_ARN",
              value: "arn:aws:iam::{ACCOUNT}:role/" + namespaceObject.metadata.labels["{IDENTITY_LABEL}"]}},
            Object.spec.containers.env{{name: "AWS_WEB_IDENTITY_TOKEN_FILE", value: "{TOKEN}/token"}}],
          volumeMounts: [Object.spec.containers.volumeMounts{{
            name: "aws-iam-token", mountPath: "{TOKEN}", readOnly: true}}]}})}}}}"#,
    );
    // These are maps, because the API server accepts no typed objects in a list here.
    let volume = r#"{"name": dyn("aws-iam-token"), "projected": dyn({"sources": [{"serviceAccountToken": {
        "audience": dyn("sts.amazonaws.com"), "expirationSeconds": dyn(86400), "path": dyn("token")}}]})}"#;
    let pod = format!(
        r#"[JSONPatch{{
          op: "add",
          path: "/spec/hostAliases",
          value: [{{"ip": dyn("{MACHINE}"), "hostnames": dyn(["{host}"])}}]}}] +
        (has(object.spec.volumes)
          ? [JSONPatch{{op: "add", path: "/spec/volumes/-", value: {volume}}}]
          : [JSONPatch{{op: "add", path: "/spec/volumes", value: [{volume}]}}])"#,
        host = Moto::HOST,
    );
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": "identity"},
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
            "mutations": [
                {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": containers}},
                {"patchType": "JSONPatch", "jsonPatch": {"expression": pod}},
            ],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": "identity"},
        "spec": {"policyName": "identity"},
    });
    let kubectl = world.cluster.kubectl();
    kubectl.apply(&policy.to_string())?;
    kubectl.apply(&binding.to_string())?;
    Ok(())
}
