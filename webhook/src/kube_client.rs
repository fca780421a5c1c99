//! The client for the Kubernetes API.

use std::time::Duration;

use kees_common::error_chain;
use kube::{Client, Config};
use tokio::time::sleep;

/// How long a connection to the API may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause before the next attempt to get a client.
const RETRY: Duration = Duration::from_secs(5);

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

/// [`client`], as soon as there are credentials for it. `flag` needs it.
pub(crate) async fn connect(given: impl Fn() -> Option<Client>, flag: &str) -> Client {
    loop {
        match client(given()) {
            Ok(client) => return client,
            Err(error) => {
                let message = error_chain::describe(&*error);
                tracing::warn!(
                    "the Kubernetes API cannot be used for {flag}, trying again; the pod needs a ServiceAccount token: \
                     {message}"
                );
                sleep(RETRY).await;
            }
        }
    }
}
