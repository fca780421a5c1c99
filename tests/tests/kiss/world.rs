//! A cluster with the webhook and the server of kiss, each installed from its manifests, moto, and a provider of tokens that the
//! API server accepts too.

use std::{
    fs,
    io::{self, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context as _, bail, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use kees_tests::{Authority, Cluster, Kubectl, MACHINE, Moto, OidcProvider, Overlay, REGION, kees};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The namespace of kees and kiss.
const SYSTEM: &str = "kees-system";

/// The server's role, whose token is mounted as the identity webhook of EKS does.
const ROLE: &str = "arn:aws:iam::123456789012:role/kees-kiss";

/// The page that has the policy of the webhook.
const PAGE: &str = include_str!("../../../docs/kiss.md");

/// The cluster and the servers.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) moto: Moto,
    pub(crate) provider: OidcProvider,
    /// Where the client reaches the server.
    address: SocketAddr,
    /// `roots.pem`, and the tokens of users.
    files: TempDir,
}

impl World {
    /// Starts the cluster and installs both.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let authority = Authority::new()?;
        let provider = OidcProvider::start(&authority)?;
        let files = TempDir::new()?;
        let authentication = files.path().join("authentication.json");
        fs::write(&authentication, provider.authentication().to_string())?;
        fs::write(files.path().join("roots.pem"), authority.certificate())?;
        let cluster = Cluster::up_with_authentication(&authentication)?;
        let moto = Moto::start_plain()?;
        let listener = TcpListener::bind((MACHINE, 0))?;
        let world = Self {
            address: listener.local_addr()?,
            cluster,
            moto,
            provider,
            files,
        };
        world.install_classes()?;
        world.install_webhook()?;
        world.install_kiss(&authority)?;
        balance(listener, world.server()?);
        Ok(world)
    }

    /// kubectl in the namespace of kees.
    pub(crate) fn system(&self) -> Kubectl {
        self.cluster.kubectl().in_namespace(SYSTEM)
    }

    /// Runs `kees kiss` as the user of a token, and returns its output, or the error that it prints.
    pub(crate) fn kiss(
        &self,
        token: &str,
        arguments: &[&str],
        input: &str,
    ) -> anyhow::Result<String> {
        let file = self.files.path().join("token");
        fs::write(&file, token)?;
        let mut child = Command::new(kees()?)
            .arg("kiss")
            .args(arguments)
            .args(["-server-addr", &self.address.to_string()])
            .args([Path::new("-ca-file"), &self.files.path().join("roots.pem")])
            .args([Path::new("-token-path"), &file])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        // Only create and update read it.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The kind SecretProviderClass.
    fn install_classes(&self) -> anyhow::Result<()> {
        let definition = Overlay::new("manifests", "secret-provider-class-crd", json!({}))?;
        let kubectl = self.cluster.kubectl();
        kubectl.run(&["apply", "-k", &definition.argument()])?;
        kubectl.wait_for(
            "crd/secretproviderclasses.secrets-store.csi.x-k8s.io",
            "condition=Established",
        )
    }

    fn install_webhook(&self) -> anyhow::Result<()> {
        let init_env = format!(
            "AWS_ENDPOINT={}\nAWS_ACCESS_KEY_ID=tests\nAWS_SECRET_ACCESS_KEY=tests\nTIMEOUT=20\n",
            self.moto.endpoint()
        );
        let kustomization = json!({
            "images": [image("webhook")],
            "configMapGenerator": [
                {
                    "name": "kees-settings", "namespace": SYSTEM, "behavior": "merge",
                    "files": ["INIT_ENV=init-env"],
                    "literals": [
                        "INIT_IMAGE=localhost/kees-init:test",
                        "IMAGE_PULL_POLICY=Never",
                        "STORE=secretsmanager",
                        format!("AWS_REGION={REGION}"),
                    ],
                },
                {
                    "name": "kees-policy", "namespace": SYSTEM, "behavior": "replace",
                    "files": ["policy.yaml"], "options": {"disableNameSuffixHash": true},
                },
            ],
        });
        let overlay = Overlay::new("manifests", "secret-provider-class", kustomization)?;
        fs::write(overlay.path().join("policy.yaml"), policy()?)?;
        fs::write(overlay.path().join("init-env"), init_env)?;
        self.system().run(&["apply", "-k", &overlay.argument()])?;
        self.system().rolled_out("deployment/kees-webhook")
    }

    fn install_kiss(&self, authority: &Authority) -> anyhow::Result<()> {
        let namespace = self.cluster.kubectl().get(&["namespace", SYSTEM])?;
        let level = &namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"];
        ensure!(level == "restricted", "{namespace}");
        self.system().apply(&certificate(authority)?.to_string())?;
        let kustomization = json!({
            "images": [image("kiss")],
            "patches": [{
                "target": {"kind": "Deployment", "name": "kees-kiss"},
                "patch": identity().to_string(),
            }],
            "configMapGenerator": [{
                "name": "kees-kiss-settings", "namespace": SYSTEM, "behavior": "merge",
                "literals": [
                    format!("JWKS_URL={}", self.provider.keys_url()),
                    "JWKS_CA_FILE=/tls/ca.crt".to_owned(),
                    format!("ISSUER={}", self.provider.issuer()),
                    format!("AUDIENCE={}", OidcProvider::AUDIENCE),
                    "NAMESPACES_KEY=groups".to_owned(),
                    format!("ROLE_ARN={ROLE}"),
                    format!("REGION={REGION}"),
                    format!("AWS_ENDPOINT_URL={}", self.moto.endpoint()),
                ],
            }],
        });
        let overlay = Overlay::new("manifests", "kiss", kustomization)?;
        self.system().run(&["apply", "-k", &overlay.argument()])?;
        let installed = self.system().rolled_out("deployment/kees-kiss");
        installed.with_context(|| self.kiss_logs().unwrap_or_default())
    }

    /// The lines of the servers.
    pub(crate) fn kiss_logs(&self) -> anyhow::Result<String> {
        let selector = "--selector=app.kubernetes.io/component=kiss";
        self.system().run(&["logs", selector, "--tail=-1"])
    }

    /// The address of a server in its pod.
    fn server(&self) -> anyhow::Result<SocketAddr> {
        let selector = "--selector=app.kubernetes.io/component=kiss";
        let pods = self.system().get(&["pods", selector])?;
        let address = pods["items"][0]["status"]["podIP"].as_str();
        let address = address.context("kiss has no pod with an address")?;
        Ok(SocketAddr::new(address.parse()?, 10000))
    }
}

/// The first policy of the page: each namespace reads below its own path of kiss.
fn policy() -> anyhow::Result<String> {
    let (_, section) = PAGE.split_once("\n## With kees\n").context("no section")?;
    let (_, block) = section.split_once("```yaml\n").context("no policy")?;
    let (block, _) = block.split_once("```").context("the policy has no end")?;
    let lines = block
        .lines()
        .map(|line| line.strip_prefix("   ").unwrap_or(line));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// A load balancer: the cluster has no kube-proxy, so nothing answers at the address of the Service.
fn balance(listener: TcpListener, server: SocketAddr) {
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || forward(&client, server));
        }
    });
}

/// Copies until one side ends.
fn forward(client: &TcpStream, server: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    let requests = thread::spawn(move || {
        let copied = io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
        copied
    });
    let copied = io::copy(&mut &server, &mut &*client);
    let _ = client.shutdown(std::net::Shutdown::Both);
    let _ = requests.join();
    copied.map(drop)
}

/// The image of `kees-NAME` that `tests/images` builds.
fn image(name: &str) -> Value {
    let name = format!("kees-{name}");
    json!({"name": name, "newName": format!("localhost/{name}"), "newTag": "test"})
}

/// The server's certificate, for the address of the load balancer, and the root of the provider's certificate.
fn certificate(authority: &Authority) -> anyhow::Result<Value> {
    let issued = authority.issue(&[MACHINE])?;
    let data = |text: &str| BASE64_STANDARD.encode(text);
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "kees-kiss-tls"},
        "type": "kubernetes.io/tls",
        "data": {
            "ca.crt": data(authority.certificate()),
            "tls.crt": data(&issued.certificate),
            "tls.key": data(&issued.key),
        },
    }))
}

/// The token of the role, as EKS mounts it.
fn identity() -> Value {
    let pod = "/spec/template/spec";
    json!([
        {"op": "add", "path": format!("{pod}/volumes/-"), "value": {
            "name": "aws-iam-token",
            "projected": {"sources": [{"serviceAccountToken": {
                "audience": "sts.amazonaws.com", "expirationSeconds": 86400, "path": "token",
            }}]},
        }},
        {"op": "add", "path": format!("{pod}/containers/0/volumeMounts/-"), "value": {
            "name": "aws-iam-token", "readOnly": true,
            "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount",
        }},
    ])
}
