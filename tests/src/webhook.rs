//! The program `kees-webhook`, as `tests/images` builds it, outside a cluster.

use std::{
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};

use crate::{
    Authority,
    server::{Server, free_address},
};

/// A running webhook.
#[derive(Debug)]
pub struct Webhook {
    listen: SocketAddr,
    admin: SocketAddr,
    _server: Server,
}

impl Webhook {
    /// Starts the webhook in `folder` with a new certificate and this policy.
    pub fn start(folder: &Path, policy: &Path) -> anyhow::Result<Self> {
        let (listen, admin) = (free_address()?, free_address()?);
        let issued = Authority::new()?.issue(&["kees-webhook.kees-system.svc"])?;
        let (cert, key) = issued.write_into(folder)?;
        let mut command = Command::new(program()?);
        command
            .env_clear()
            .arg(format!("--listen={listen}"))
            .arg(format!("--admin-listen={admin}"))
            .arg("--tls-cert")
            .arg(cert)
            .arg("--tls-key")
            .arg(key)
            .arg("--policy")
            .arg(policy)
            .args(["--init-image=kees-init:test", "--env-label=dev"]);
        let server = Server::start("kees-webhook", admin, command)?;
        Ok(Self {
            listen,
            admin,
            _server: server,
        })
    }

    /// The address of /metrics.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Posts a review, and returns the response with its head.
    pub fn mutate(&self, review: &str) -> anyhow::Result<String> {
        let mut client = Command::new("openssl")
            .args(["s_client", "-quiet", "-ign_eof", "-connect"])
            .arg(self.listen.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start openssl")?;
        let mut stdin = client.stdin.take().context("no standard input")?;
        write!(
            stdin,
            "POST /mutate HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{review}",
            review.len()
        )?;
        drop(stdin);
        let output = client.wait_with_output()?;
        let response = String::from_utf8(output.stdout)?;
        ensure!(response.starts_with("HTTP/1.1 200"), "{response:?}");
        Ok(response)
    }
}

fn program() -> anyhow::Result<PathBuf> {
    let images =
        std::env::var_os("KEES_IMAGES").context("KEES_IMAGES is not set: run tests/run")?;
    Ok(PathBuf::from(images).join("context/bin/static/kees-webhook"))
}
