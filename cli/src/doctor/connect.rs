//! The connection to the API server, from a kubeconfig.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use super::check::describe;

/// How long a connection to the API server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one response may take. A dry run waits for the webhook up to its `timeoutSeconds`.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// Which cluster is asked.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ClusterArgs {
    /// The kubeconfig [default: KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig [default: its current context]
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The namespace of the webhook
    #[arg(long, short, value_name = "NAME", default_value = "kees-system")]
    pub(crate) namespace: String,
    /// The name of the installation: `name` in the values of the Helm chart
    #[arg(long, value_name = "NAME", default_value = "kees")]
    pub(crate) name: String,
}

/// Why the API server cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the kubeconfig cannot be used; set --kubeconfig or KUBECONFIG")]
    Kubeconfig(#[source] KubeconfigError),
    #[error("the kubeconfig's settings for {server} cannot be used")]
    Client { server: String, source: kube::Error },
    #[error(
        "{server} does not respond; check the address in the kubeconfig, and the network or VPN"
    )]
    Unreachable { server: String, source: kube::Error },
    #[error(
        "{server} does not accept your user ({reason}); log in again, or choose another --context"
    )]
    Unauthorized { server: String, reason: String },
    #[error("the async runtime cannot be started")]
    Runtime(#[source] std::io::Error),
}

/// A client of the cluster, and the API server's version. It is an error within seconds if the API
/// server does not respond.
pub(crate) async fn connect(
    args: &ClusterArgs,
) -> Result<(Client, k8s_openapi::apimachinery::pkg::version::Info), ConnectError> {
    let config = config(args).await.map_err(ConnectError::Kubeconfig)?;
    let server = config.cluster_url.to_string();
    let server = server.trim_end_matches('/').to_owned();
    let client = match Client::try_from(config) {
        Ok(client) => client,
        Err(source) => return Err(ConnectError::Client { server, source }),
    };
    match client.apiserver_version().await {
        Ok(version) => Ok((client, version)),
        Err(source) => Err(match &source {
            kube::Error::Api(status) if matches!(status.code, 401 | 403) => {
                unauthorized(server, &source)
            }
            kube::Error::Auth(_) => unauthorized(server, &source),
            _ => ConnectError::Unreachable { server, source },
        }),
    }
}

/// The error without the API server's whole response, which kube's own message repeats.
fn unauthorized(server: String, source: &kube::Error) -> ConnectError {
    ConnectError::Unauthorized {
        server,
        reason: describe(source),
    }
}

async fn config(args: &ClusterArgs) -> Result<Config, KubeconfigError> {
    let options = KubeConfigOptions {
        context: args.context.clone(),
        ..KubeConfigOptions::default()
    };
    let mut config = match &args.kubeconfig {
        Some(path) => {
            Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await?
        }
        None => Config::from_kubeconfig(&options).await?,
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.default_retry = false;
    Ok(config)
}
