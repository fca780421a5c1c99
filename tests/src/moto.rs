//! moto: Secrets Manager, STS and IAM (and DynamoDB, where it is to be denied).

use std::{net::SocketAddr, path::Path, process::Command};

use aws_credential_types::Credentials;
use aws_sdk_secretsmanager::{
    Client, Config,
    config::{BehaviorVersion, Region},
};

use crate::{
    REGION, paths,
    server::{Server, free_address},
};

/// A running moto.
#[derive(Debug)]
pub struct Moto {
    endpoint: String,
    _server: Server,
}

impl Moto {
    /// Starts one on a free port that answers everybody.
    pub fn start() -> anyhow::Result<Self> {
        let address = free_address()?;
        Self::run(address, "http", command(address)?)
    }

    /// Starts one that authenticates and authorises as IAM would from the first request on: whoever
    /// has no policy is denied.
    pub fn start_with_iam() -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = command(address)?;
        command.env("INITIAL_NO_AUTH_ACTION_COUNT", "0");
        Self::run(address, "http", command)
    }

    /// Starts one that speaks TLS, with the certificate and key in those PEM files.
    pub fn start_with_tls(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = command(address)?;
        command
            .arg("--ssl-cert")
            .arg(certificate)
            .arg("--ssl-key")
            .arg(key);
        Self::run(address, "https", command)
    }

    fn run(address: SocketAddr, scheme: &str, command: Command) -> anyhow::Result<Self> {
        Ok(Self {
            _server: Server::start("moto", address, command)?,
            endpoint: format!("{scheme}://{address}"),
        })
    }

    /// Its URL, for pods too.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A client for its Secrets Manager, where it speaks no TLS.
    pub fn secrets_manager(&self) -> Client {
        Client::from_conf(
            Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new(REGION))
                .endpoint_url(&self.endpoint)
                .credentials_provider(Credentials::new("tests", "tests", None, None, "tests"))
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .build(),
        )
    }
}

fn command(address: SocketAddr) -> anyhow::Result<Command> {
    let mut command = Command::new(paths::value_of("MOTO")?.join("bin/moto_server"));
    command.args([
        "--host",
        &address.ip().to_string(),
        "--port",
        &address.port().to_string(),
    ]);
    Ok(command)
}
