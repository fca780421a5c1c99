//! The cluster without kees, for one test alone.

use std::{collections::BTreeMap, process::Command, sync::MutexGuard};

use kees_tests::{Cluster, DynamoDbLocal, Helm, Kubectl, Namespace, REGION, Shared, definitions};
use serde_json::{Value, json};

use crate::{
    objects::merged,
    rendered::{NAMESPACE, ValuesFile},
};

/// The environment label of the table.
const ENV_LABEL: &str = "test";

/// The objects that no namespace contains, of every installation.
const CLUSTER_SCOPED: &str = "mutatingwebhookconfigurations,validatingadmissionpolicies,\
    validatingadmissionpolicybindings,clusterroles,clusterrolebindings";

/// The cluster, the custom resource definitions that the objects need, and a store.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) dynamodb: DynamoDbLocal,
}

/// The world for one test.
pub(crate) struct Alone {
    world: &'static World,
    _turn: MutexGuard<'static, ()>,
}

impl std::ops::Deref for Alone {
    type Target = World;

    fn deref(&self) -> &World {
        self.world
    }
}

impl World {
    /// The world without kees, while no other test uses it. The first call starts the cluster.
    pub(crate) fn alone() -> anyhow::Result<Alone> {
        static WORLD: Shared<World> = Shared::new();
        let (world, turn) = WORLD.alone(World::start)?;
        world.without_kees()?;
        Ok(Alone { world, _turn: turn })
    }

    fn start() -> anyhow::Result<Self> {
        let dynamodb = DynamoDbLocal::start()?;
        dynamodb.create_table(ENV_LABEL)?;
        let cluster = Cluster::up()?;
        let definitions = definitions()?.display().to_string();
        let kubectl = cluster.kubectl();
        kubectl.run(&["apply", "--server-side", "-f", &definitions])?;
        let established = [
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            "crd",
            "--all",
        ];
        kubectl.run(&established)?;
        Ok(Self { cluster, dynamodb })
    }

    /// Removes what an earlier test installed.
    pub(crate) fn without_kees(&self) -> anyhow::Result<()> {
        let kubectl = self.cluster.kubectl();
        kubectl.run(&[
            "delete",
            CLUSTER_SCOPED,
            "--selector=app.kubernetes.io/component in (webhook,controller)",
            "--ignore-not-found",
        ])?;
        kubectl.run(&[
            "delete",
            "namespace",
            NAMESPACE,
            "--ignore-not-found",
            "--timeout=90s",
        ])?;
        Ok(())
    }

    /// kubectl in the namespace of kees.
    pub(crate) fn system(&self) -> Kubectl {
        self.cluster.kubectl().in_namespace(NAMESPACE)
    }

    /// The CA of the webhook configuration, in base64. Empty if there is none.
    pub(crate) fn ca_bundle(&self) -> anyhow::Result<String> {
        let path = "jsonpath={.webhooks[0].clientConfig.caBundle}";
        let kubectl = self.cluster.kubectl();
        kubectl.run(&["get", "mutatingwebhookconfiguration", "kees", "-o", path])
    }

    /// The serial numbers of the certificates that the webhook's pods serve.
    pub(crate) fn serial_numbers(&self) -> anyhow::Result<Vec<String>> {
        let path = "jsonpath={.items[*].status.podIP}";
        let addresses = self.system().run(&["get", "pods", "-o", path])?;
        addresses.split(' ').map(serial_number).collect()
    }

    /// A namespace for annotated pods.
    pub(crate) fn namespace(&self, name: &str) -> anyhow::Result<Namespace> {
        self.cluster.namespace(name, &[])
    }

    /// All values in the store, by path.
    pub(crate) fn items(&self) -> anyhow::Result<BTreeMap<String, String>> {
        self.dynamodb.items(ENV_LABEL)
    }

    /// The values of an installation with the images and the store of the tests, and `more`.
    pub(crate) fn values(&self, more: Value) -> Value {
        let image = |name: &str| {
            json!({
                "repository": format!("localhost/kees-{name}"), "tag": "test", "pullPolicy": "Never",
            })
        };
        let ours = json!({
            "image": image("webhook"),
            "initImage": image("init"),
            "settings": {
                "cluster": "test",
                "envLabel": ENV_LABEL,
                "awsRegion": REGION,
                "initEnv": self.init_env(),
            },
        });
        merged(ours, more)
    }

    /// The same for kustomize.
    pub(crate) fn kustomization(&self) -> Value {
        let init_env: Vec<_> = self.init_env().into_iter().collect();
        let init_env = init_env
            .iter()
            .map(|(name, value)| format!("{name}={}\n", value.as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .concat();
        json!({
            "images": [{"name": "kees-webhook", "newName": "localhost/kees-webhook", "newTag": "test"}],
            "configMapGenerator": [{
                "name": "kees-settings",
                "namespace": NAMESPACE,
                "behavior": "merge",
                "literals": [
                    "INIT_IMAGE=localhost/kees-init:test",
                    "IMAGE_PULL_POLICY=Never",
                    "CLUSTER=test",
                    format!("ENV_LABEL={ENV_LABEL}"),
                    format!("AWS_REGION={REGION}"),
                    format!("INIT_ENV={init_env}"),
                ],
            }],
        })
    }

    /// DynamoDB Local accepts every key.
    fn init_env(&self) -> serde_json::Map<String, Value> {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "tests"),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb.endpoint()),
            ("AWS_SECRET_ACCESS_KEY", "tests"),
        ];
        variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect()
    }
}

fn serial_number(address: &str) -> anyhow::Result<String> {
    let script = format!(
        "openssl s_client -connect {address}:8443 </dev/null 2>/dev/null | openssl x509 -noout -serial"
    );
    let output = Command::new("bash").args(["-c", &script]).output()?;
    anyhow::ensure!(output.status.success(), "no certificate at {address}");
    Ok(String::from_utf8(output.stdout)?)
}

/// `helm install` or `helm upgrade`, until the webhook runs.
pub(crate) fn helm_release(
    helm: &Helm,
    command: &str,
    name: &str,
    chart: &str,
    values: &ValuesFile,
) -> anyhow::Result<()> {
    helm.run(&[
        command,
        name,
        chart,
        "--namespace",
        NAMESPACE,
        "--create-namespace",
        "--wait",
        "--timeout=2m",
        "--values",
        &values.argument(),
    ])?;
    Ok(())
}

/// A pod with one annotation of `domain`.
pub(crate) fn pod(name: &str, domain: &str) -> String {
    let key = format!("secret.{domain}/password");
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": {key: "kind=DYNAMIC,type=PASSWORD,size=256"}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "app",
                "image": "localhost/busybox:1",
                "imagePullPolicy": "Never",
                "command": ["sh", "-c", "cat /bsycorp-init/secrets.properties && exec sleep 86400"],
            }],
        },
    })
    .to_string()
}

/// Creates an annotated pod and waits until it is ready.
pub(crate) fn annotated_pod_starts(namespace: &Kubectl, name: &str) -> anyhow::Result<()> {
    namespace.apply(&pod(name, "bsycorp.com"))?;
    namespace.wait_for(&format!("pod/{name}"), "condition=Ready")?;
    let read = namespace.run(&["logs", name, "--container=app"])?;
    anyhow::ensure!(read.starts_with("password="), "{read}");
    Ok(())
}
