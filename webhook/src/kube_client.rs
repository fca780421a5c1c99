//! The client for the Kubernetes API.

use std::time::Duration;

use kube::{Client, Config};

/// How long a connection to the API may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no client.
pub(crate) type ClientError = Box<dyn std::error::Error + Send + Sync>;

/// The client of the pod's ServiceAccount, unless another one is `given`. It uses no proxy: `HTTPS_PROXY` and its like are
/// settings of the init container here.
pub(crate) fn client(given: Option<Client>) -> Result<Client, ClientError> {
    if let Some(client) = given {
        return Ok(client);
    }
    let mut config = Config::incluster()?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    Ok(Client::try_from(config)?)
}
