//! A cluster with the webhook and the controller. The init containers can only read DynamoDB; the
//! controller can write to it, and Secrets Manager denies it everything.

use std::{collections::BTreeMap, sync::MutexGuard, time::Duration};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::{
    Cluster, DenyingStore, DynamoDbLocal, Kubectl, Namespace, Overlay, REGION, Shared, image,
    proxy::{Counts, Proxy, Rates},
};
use serde_json::json;

/// The environment label of the table.
const ENV_LABEL: &str = "test";

/// The namespace of kees.
const NAMESPACE: &str = "kees-system";

/// Only the controller creates.
const POLICY: &str = r#"
rules:
- namespaces: ["*"]
  storagePrefix: /{cluster}/{namespace}
  create: creator
"#;

/// The cluster and the stores.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) dynamodb: DynamoDbLocal,
    /// What the init containers use, behind the first proxy.
    pub(crate) read_only: DenyingStore,
    /// The proxies of the init containers and of the controller. They inject faults in one test alone.
    proxies: [Proxy; 2],
    /// What the controller uses as Secrets Manager.
    denying: DenyingStore,
}

impl World {
    /// The world, until the guard is dropped.
    pub(crate) fn alone() -> anyhow::Result<(&'static Self, MutexGuard<'static, ()>)> {
        static WORLD: Shared<World> = Shared::new();
        WORLD.alone(Self::start)
    }

    fn start() -> anyhow::Result<Self> {
        let dynamodb = DynamoDbLocal::start()?;
        dynamodb.create_table(ENV_LABEL)?;
        let read_only = DenyingStore::read_only(&dynamodb)?;
        let proxy = |endpoint: &str| {
            // The rates of the storm.
            let proxy = Proxy::for_pods(endpoint, Rates::every(0.2), Duration::from_secs(2), 1)?;
            proxy.set_injecting(false);
            anyhow::Ok(proxy)
        };
        let world = Self {
            cluster: Cluster::up()?,
            proxies: [proxy(&read_only.endpoint())?, proxy(dynamodb.endpoint())?],
            read_only,
            denying: DenyingStore::start()?,
            dynamodb,
        };
        world.install_webhook()?;
        world.install_controller()?;
        Ok(world)
    }

    /// Lets calls to DynamoDB fail, or no longer.
    pub(crate) fn set_faults(&self, injecting: bool) {
        for proxy in &self.proxies {
            proxy.set_injecting(injecting);
        }
    }

    /// The calls of the init containers and of the controllers.
    pub(crate) fn calls(&self) -> [Counts; 2] {
        self.proxies.each_ref().map(Proxy::counts)
    }

    /// kubectl in the namespace of kees.
    pub(crate) fn system(&self) -> Kubectl {
        self.cluster.kubectl().in_namespace(NAMESPACE)
    }

    /// The addresses of the controllers that run.
    pub(crate) fn controllers(&self) -> anyhow::Result<Vec<String>> {
        let addresses = self.system().run(&[
            "get",
            "pods",
            "--selector=app.kubernetes.io/component=controller",
            "--field-selector=status.phase=Running",
            "--output=jsonpath={.items[*].status.podIP}",
        ])?;
        Ok(addresses.split_whitespace().map(str::to_owned).collect())
    }

    /// Ends every controller.
    pub(crate) fn stop_controller(&self) -> anyhow::Result<()> {
        self.system().stop_controller()
    }

    /// Sets the number of controllers.
    pub(crate) fn scale_controller(&self, replicas: u8) -> anyhow::Result<()> {
        let replicas = format!("--replicas={replicas}");
        let scale = ["scale", "deployment/kees-controller", &replicas];
        self.system().run(&scale)?;
        Ok(())
    }

    /// A namespace for annotated pods.
    pub(crate) fn namespace(&self, name: &str) -> anyhow::Result<Namespace> {
        self.cluster.namespace(name, &[])
    }

    /// The stored values of a namespace, each with its path below the prefix.
    pub(crate) fn stored(&self, namespace: &str) -> anyhow::Result<BTreeMap<String, String>> {
        let prefix = format!("/test/{namespace}/");
        let items = self.dynamodb.items(ENV_LABEL)?;
        let below = items.into_iter().filter_map(|(path, value)| {
            let path = path.strip_prefix(&prefix)?;
            Some((path.to_owned(), value))
        });
        Ok(below.collect())
    }

    /// Stores a value as its owner does.
    pub(crate) fn store(&self, namespace: &str, name: &str, value: &str) -> anyhow::Result<()> {
        let path = format!("/test/{namespace}/{name}");
        let value = BASE64_STANDARD.encode(value);
        self.dynamodb.put(ENV_LABEL, &path, &value)
    }

    fn install_webhook(&self) -> anyhow::Result<()> {
        let init_env = format!(
            "AWS_ENDPOINT_URL_DYNAMODB={}\nAWS_ACCESS_KEY_ID=tests\nAWS_SECRET_ACCESS_KEY=tests\nTIMEOUT=60\n",
            self.proxies[0].url()
        );
        let settings = [
            "CLUSTER=test",
            "STORES=secretsmanager",
            "REFRESH_MINIMUM=1s",
            &format!("ENV_LABEL={ENV_LABEL}"),
            &format!("AWS_REGION={REGION}"),
        ];
        let overlay = Overlay::of_webhook(".", &["webhook-sync"], &settings, &init_env, POLICY)?;
        self.system().run(&["apply", "-k", &overlay.argument()])?;
        self.system().rolled_out("deployment/kees-webhook")
    }

    fn install_controller(&self) -> anyhow::Result<()> {
        let kustomization = json!({
            "images": [image("controller")],
            // A test pauses the processes for a while.
            "patches": [{
                "target": {"kind": "Deployment"},
                "patch": json!([{
                    "op": "add",
                    "path": "/spec/template/spec/containers/0/livenessProbe/failureThreshold",
                    "value": 60,
                }]).to_string(),
            }],
            "configMapGenerator": [{
                "name": "kees-controller-settings", "namespace": NAMESPACE, "behavior": "merge",
                "literals": [
                    "CLUSTER=test",
                    "STORES=secretsmanager",
                    format!("ENV_LABEL={ENV_LABEL}"),
                    format!("AWS_REGION={REGION}"),
                    "ROTATION_MINIMUM=1s".to_owned(),
                    "SECRET_SYNC=true".to_owned(),
                    "SECRET_SYNC_PERIOD=10s".to_owned(),
                    format!("AWS_ENDPOINT_URL_DYNAMODB={}", self.proxies[1].url()),
                    format!("AWS_ENDPOINT_URL_SECRETS_MANAGER={}", self.denying.endpoint()),
                    "AWS_ACCESS_KEY_ID=tests".to_owned(),
                    "AWS_SECRET_ACCESS_KEY=tests".to_owned(),
                ],
            }],
        });
        let overlay = Overlay::new("manifests", "controller-restart", kustomization)?;
        // What the controller needs for Secrets, without a second controller.
        for name in ["rbac", "policy"] {
            let file = overlay
                .base()
                .join(format!("../controller-sync/{name}.yaml"));
            self.system()
                .run(&["apply", "-f", &file.to_string_lossy()])?;
        }
        self.system().run(&["apply", "-k", &overlay.argument()])?;
        self.system().rolled_out("deployment/kees-controller")
    }
}
