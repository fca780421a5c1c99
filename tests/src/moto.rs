//! moto: Secrets Manager, Systems Manager and STS.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::Command,
};

use anyhow::{Context as _, ensure};
use aws_credential_types::Credentials;
use aws_sdk_secretsmanager::{
    Client, Config,
    config::{BehaviorVersion, Region},
};

use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    Authority, MACHINE, REGION, paths,
    server::{Server, free_address},
    wait,
};

/// A running moto server.
#[derive(Debug)]
pub struct Moto {
    address: SocketAddr,
    /// The root certificate of its clients in PEM, if the server uses TLS.
    roots: Option<String>,
    _server: Server,
    _files: Option<TempDir>,
}

impl Moto {
    /// Starts a server with TLS on a free port. Its certificate is for [`Moto::HOST`].
    pub fn start(authority: &Authority) -> anyhow::Result<Self> {
        let address = free_address()?;
        let files = TempDir::new()?;
        let (certificate, key) = authority
            .issue(&[Self::HOST, MACHINE])?
            .write_into(files.path())?;
        let mut command = command(address)?;
        command
            .arg("--ssl-cert")
            .arg(certificate)
            .arg("--ssl-key")
            .arg(key);
        Ok(Self {
            address,
            roots: Some(authority.certificate().to_owned()),
            _server: Server::start("moto", address, command)?,
            _files: Some(files),
        })
    }

    /// Starts a server without TLS on a free port.
    pub fn start_plain() -> anyhow::Result<Self> {
        let address = free_address()?;
        let server = Server::start("moto", address, command(address)?)?;
        Ok(Self {
            address,
            roots: None,
            _server: server,
            _files: None,
        })
    }

    /// The DNS name in its certificate.
    pub const HOST: &str = "aws.kees.test";

    /// The URL of the server: with [`Moto::HOST`] if it uses TLS, otherwise with its address.
    pub fn endpoint(&self) -> String {
        match self.roots {
            Some(_) => format!("https://{}:{}", Self::HOST, self.address.port()),
            None => format!("http://{}", self.address),
        }
    }

    /// A client for Secrets Manager.
    pub fn secrets_manager(&self) -> Client {
        let http = aws_smithy_http_client::Builder::new();
        let (scheme, http) = match &self.roots {
            None => ("http", http.build_http()),
            Some(roots) => {
                let trusted = TrustStore::empty().with_pem_certificate(roots.as_str());
                let context = TlsContext::builder().with_trust_store(trusted).build();
                // The only possible error is invalid PEM.
                let context = context.unwrap_or_else(|error| unreachable!("{error}"));
                let provider = Provider::Rustls(CryptoMode::AwsLc);
                (
                    "https",
                    http.tls_provider(provider)
                        .tls_context(context)
                        .build_https(),
                )
            }
        };
        Client::from_conf(
            Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new(REGION))
                .endpoint_url(format!("{scheme}://{}", self.address))
                .credentials_provider(Credentials::new("tests", "tests", None, None, "tests"))
                .http_client(http)
                .build(),
        )
    }

    /// The current version of a secret: its string or its binary.
    pub fn secret(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        let secret = wait(
            self.secrets_manager()
                .get_secret_value()
                .secret_id(name)
                .send(),
        )?;
        let binary = secret.secret_binary().map(|blob| blob.as_ref().to_vec());
        binary
            .or_else(|| secret.secret_string().map(|text| text.as_bytes().to_vec()))
            .context(name.to_owned())
    }

    /// Makes a call of a JSON protocol in a Region, of a server without TLS. `target` is the service and the
    /// operation as in `AmazonSSM.PutParameter`.
    pub fn call(&self, region: &str, target: &str, body: &Value) -> anyhow::Result<Value> {
        let service = match target.split_once('.') {
            Some(("AmazonSSM", _)) => "ssm",
            _ => "secretsmanager",
        };
        let body = body.to_string();
        // moto does not check the signature.
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nx-amz-target: {target}\r\n\
             content-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential=tests/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut connection = TcpStream::connect(self.address)?;
        connection.write_all(request.as_bytes())?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no response")?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{target}: {answer}");
        Ok(serde_json::from_str(body)?)
    }

    /// Stores a secret without kees, as another program does.
    pub fn put(&self, name: &str, text: &str) -> anyhow::Result<()> {
        wait(
            self.secrets_manager()
                .create_secret()
                .name(name)
                .secret_string(text)
                .send(),
        )?;
        Ok(())
    }
}

fn command(address: SocketAddr) -> anyhow::Result<Command> {
    let mut command = Command::new(paths::value_of("MOTO")?.join("bin/python"));
    command.arg(crate::here("stores/moto_server.py"));
    command.args([
        "--host",
        &address.ip().to_string(),
        "--port",
        &address.port().to_string(),
    ]);
    Ok(command)
}
