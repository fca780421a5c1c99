//! A cluster with the webhook and the controller, which replace the CSI driver and AWS's provider, and moto behind a proxy.

use std::sync::MutexGuard;

use kees_tests::{AwsFront, Cluster, Kubectl, Moto, Namespace, Overlay, Shared, image};
use serde_json::{Value, json};

/// The Region of the classes that name none.
pub(crate) const REGION: &str = kees_tests::REGION;

/// The AWS account of moto.
const ACCOUNT: &str = "123456789012";

/// The namespace of kees.
const NAMESPACE: &str = "kees-system";

/// A pod may read everything.
const POLICY: &str = r#"
rules:
- namespaces: ["*"]
  storagePrefix: /{namespace}
  references: ["*"]
  classObjects: ["*"]
"#;

/// The ServiceAccount of the pods.
pub(crate) const SERVICE_ACCOUNT: &str = "app";

/// The cluster and the servers.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) moto: Moto,
    pub(crate) aws: AwsFront,
}

impl World {
    /// The world, until the guard is dropped.
    pub(crate) fn alone() -> anyhow::Result<(&'static Self, MutexGuard<'static, ()>)> {
        static WORLD: Shared<World> = Shared::new();
        WORLD.alone(Self::start)
    }

    fn start() -> anyhow::Result<Self> {
        let moto = Moto::start_plain()?;
        let world = Self {
            cluster: Cluster::up()?,
            aws: AwsFront::start(&moto)?,
            moto,
        };
        let definition = Overlay::new("manifests", "secret-provider-class-crd", json!({}))?;
        let kubectl = world.cluster.kubectl();
        kubectl.run(&["apply", "-k", &definition.argument()])?;
        kubectl.wait_for(
            "crd/secretproviderclasses.secrets-store.csi.x-k8s.io",
            "condition=Established",
        )?;
        world.install_webhook()?;
        Ok(world)
    }

    /// Installs the controller, once.
    pub(crate) fn controller(&self) -> anyhow::Result<()> {
        static INSTALLED: Shared<()> = Shared::new();
        INSTALLED.get(|| self.install_controller()).copied()
    }

    /// kubectl in the namespace of kees.
    pub(crate) fn system(&self) -> Kubectl {
        self.cluster.kubectl().in_namespace(NAMESPACE)
    }

    /// A namespace whose class volumes are replaced, with a ServiceAccount that has a role.
    pub(crate) fn namespace(&self, name: &str) -> anyhow::Result<Namespace> {
        self.labelled(
            name,
            &[("init.bsycorp.com/secret-provider-classes", "enabled")],
        )
    }

    /// The same, and the Pod Security Standard `restricted` is enforced.
    pub(crate) fn restricted_namespace(&self, name: &str) -> anyhow::Result<Namespace> {
        let labels = [
            ("init.bsycorp.com/secret-provider-classes", "enabled"),
            ("pod-security.kubernetes.io/enforce", "restricted"),
        ];
        self.labelled(name, &labels)
    }

    /// A namespace with these labels and the ServiceAccount.
    pub(crate) fn labelled(
        &self,
        name: &str,
        labels: &[(&str, &str)],
    ) -> anyhow::Result<Namespace> {
        let namespace = self.cluster.namespace(name, labels)?;
        namespace.apply(&service_account(SERVICE_ACCOUNT, name).to_string())?;
        Ok(namespace)
    }

    /// Stores a secret in a Region.
    pub(crate) fn secret(&self, region: &str, name: &str, value: &str) -> anyhow::Result<()> {
        // A name and not an ARN, in which a secret is also known by its name.
        let name = name.rsplit(':').next().unwrap_or(name);
        let body = json!({"Name": name, "SecretString": value});
        self.moto
            .call(region, "secretsmanager.CreateSecret", &body)?;
        Ok(())
    }

    /// Gives a secret another value.
    pub(crate) fn change(&self, region: &str, name: &str, value: &str) -> anyhow::Result<()> {
        let body = json!({"SecretId": name, "SecretString": value});
        self.moto
            .call(region, "secretsmanager.PutSecretValue", &body)?;
        Ok(())
    }

    /// Stores a parameter in a Region.
    pub(crate) fn parameter(&self, region: &str, name: &str, value: &str) -> anyhow::Result<()> {
        let body = json!({"Name": name, "Value": value, "Type": "SecureString"});
        self.moto.call(region, "AmazonSSM.PutParameter", &body)?;
        Ok(())
    }

    /// Ends every controller, or starts one.
    pub(crate) fn scale_controller(&self, replicas: u8) -> anyhow::Result<()> {
        if replicas == 0 {
            return self.system().stop_controller();
        }
        let count = format!("--replicas={replicas}");
        self.system()
            .run(&["scale", "deployment/kees-controller", &count])?;
        self.system().rolled_out("deployment/kees-controller")
    }

    fn install_webhook(&self) -> anyhow::Result<()> {
        let init_env = format!(
            "AWS_ENDPOINT={url}\nAWS_STS_ENDPOINT={url}\nTIMEOUT=20\n",
            url = self.aws.endpoint()
        );
        let settings = ["STORE=secretsmanager", &format!("AWS_REGION={REGION}")];
        let overlay = Overlay::of_webhook(
            "secret-provider-class",
            &["webhook-sync"],
            &settings,
            &init_env,
            POLICY,
        )?;
        self.system().run(&["apply", "-k", &overlay.argument()])?;
        self.system().rolled_out("deployment/kees-webhook")
    }

    fn install_controller(&self) -> anyhow::Result<()> {
        let url = self.aws.endpoint();
        let kustomization = json!({
            "images": [image("controller")],
            "replicas": [{"name": "kees-controller", "count": 1}],
            "configMapGenerator": [{
                "name": "kees-controller-settings", "namespace": NAMESPACE, "behavior": "merge",
                "literals": [
                    "STORE=secretsmanager",
                    "SECRET_SYNC_PERIOD=10s",
                    format!("AWS_REGION={REGION}"),
                    format!("AWS_ENDPOINT={url}"),
                    format!("AWS_STS_ENDPOINT={url}"),
                    "AWS_ACCESS_KEY_ID=tests".to_owned(),
                    "AWS_SECRET_ACCESS_KEY=tests".to_owned(),
                ],
            }],
        });
        let overlay = Overlay::new("manifests", "controller-sync", kustomization)?;
        self.system().run(&["apply", "-k", &overlay.argument()])?;
        self.system().rolled_out("deployment/kees-controller")
    }
}

/// A ServiceAccount with a role, as for IRSA.
pub(crate) fn service_account(name: &str, role: &str) -> Value {
    let role = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "annotations": {"eks.amazonaws.com/role-arn": role}},
    })
}
