//! Runs kubectl as a user of the cluster.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::Context as _;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;

use crate::paths;

/// The error output of a kubectl command that failed.
#[derive(Debug)]
pub struct KubectlError(pub String);

impl std::fmt::Display for KubectlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KubectlError {}

/// kubectl with the administrator's permissions, in one namespace.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: String,
    /// The token of another user than the administrator.
    token: Option<String>,
}

impl Kubectl {
    pub(crate) fn new(program: PathBuf, kubeconfig: PathBuf) -> Self {
        Self {
            program,
            kubeconfig,
            namespace: "default".to_owned(),
            token: None,
        }
    }

    /// kubectl for `kubectl kustomize`, which calls no cluster.
    pub fn without_cluster() -> anyhow::Result<Self> {
        let program = paths::value_of("CLUSTER")?.join("bin/kubectl");
        Ok(Self::new(program, PathBuf::from("/dev/null")))
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The file that it is configured with.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A client of the API with the administrator's permissions.
    pub async fn client(&self) -> anyhow::Result<Client> {
        let file = Kubeconfig::read_from(self.kubeconfig())?;
        let options = KubeConfigOptions::default();
        let mut config = Config::from_custom_kubeconfig(file, &options).await?;
        config.proxy_url = None;
        Client::try_from(config).context("no client for the API")
    }

    /// kubectl in another namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            ..self.clone()
        }
    }

    /// kubectl as the user of a token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// The namespace of the commands.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Runs a command and returns its standard output. If the command fails, the error is a
    /// [`KubectlError`].
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.run_with_input(arguments, "")
    }

    /// Applies manifests (YAML or JSON, any number of documents). Returns the output, including
    /// warnings.
    pub fn apply(&self, manifests: &str) -> anyhow::Result<String> {
        self.apply_with(&[], manifests)
    }

    /// Applies manifests with further arguments (`--dry-run=server`).
    pub fn apply_with(&self, arguments: &[&str], manifests: &str) -> anyhow::Result<String> {
        let arguments = [&["apply", "-f", "-"], arguments].concat();
        self.run_with_input(&arguments, manifests)
    }

    /// Creates an object with all admission, and stores nothing. Returns what would be stored.
    pub fn dry_run(&self, manifest: &str) -> anyhow::Result<Value> {
        let arguments = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
        let json = self.run_with_input(&arguments, manifest)?;
        serde_json::from_str(&json).context("kubectl's output is not JSON")
    }

    /// Changes the webhook configuration of kees by a JSON patch.
    pub fn patch_webhook_configuration(&self, patch: &Value) -> anyhow::Result<()> {
        let patch = format!("--patch={patch}");
        let name = ["mutatingwebhookconfiguration", "kees"];
        self.run(&[&["patch"], &name[..], &["--type=json", &patch]].concat())?;
        Ok(())
    }

    /// Gets one object or a list of objects.
    pub fn get(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let json = self.run(&[&["get", "-o", "json"], arguments].concat())?;
        serde_json::from_str(&json).context("kubectl's output is not JSON")
    }

    /// Waits until `object` (`pod/web`) meets `condition` (`condition=Ready`,
    /// `jsonpath={.status.phase}=Failed`, `delete`).
    pub fn wait_for(&self, object: &str, condition: &str) -> anyhow::Result<()> {
        let result = self.run(&[
            "wait",
            object,
            &format!("--for={condition}"),
            "--timeout=90s",
        ]);
        let Err(error) = result else { return Ok(()) };
        let described = self
            .run(&["describe", object])
            .unwrap_or_else(|error| error.to_string());
        Err(error.context(described))
    }

    /// Ends every pod of the controller.
    pub fn stop_controller(&self) -> anyhow::Result<()> {
        self.run(&["scale", "deployment/kees-controller", "--replicas=0"])?;
        self.run(&[
            "wait",
            "--for=delete",
            "pods",
            "--selector=app.kubernetes.io/component=controller",
            "--timeout=60s",
        ])?;
        Ok(())
    }

    /// Waits until every replica of a workload (`deployment/web`) runs with the current template.
    pub fn rolled_out(&self, workload: &str) -> anyhow::Result<()> {
        let result = self.run(&["rollout", "status", workload, "--timeout=120s"]);
        let Err(error) = result else { return Ok(()) };
        let described = self
            .run(&["describe", "replicasets,pods"])
            .unwrap_or_else(|error| error.to_string());
        Err(error.context(described))
    }

    /// Runs a command in a container of a pod and returns its output.
    pub fn exec(&self, pod: &str, container: &str, command: &[&str]) -> anyhow::Result<String> {
        self.run(&[&["exec", pod, "-c", container, "--"], command].concat())
    }

    fn run_with_input(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let Output {
            status,
            stdout,
            stderr,
        } = self.output(arguments, input)?;
        let stderr = String::from_utf8_lossy(&stderr);
        if !status.success() {
            return Err(KubectlError(stderr.into_owned()).into());
        }
        let warnings = if arguments.first() == Some(&"apply") {
            stderr
        } else {
            "".into()
        };
        Ok(format!("{}{warnings}", String::from_utf8(stdout)?))
    }

    fn output(&self, arguments: &[&str], input: &str) -> anyhow::Result<Output> {
        let mut child = Command::new(&self.program)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(["--namespace", &self.namespace])
            .args(self.token.iter().flat_map(|token| ["--token", token]))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start kubectl")?;
        child
            .stdin
            .take()
            .context("kubectl has no standard input")?
            .write_all(input.as_bytes())?;
        Ok(child.wait_with_output()?)
    }
}
