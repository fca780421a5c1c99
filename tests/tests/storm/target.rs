//! The stores of the storm.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use aws_sdk_secretsmanager::operation::list_secrets::ListSecretsOutput;
use kees_tests::{
    DynamoDbLocal, Moto, REGION, kees_init,
    proxy::{Counts, Proxy, Rates},
    wait,
};
use tempfile::TempDir;

use crate::Size;

/// A store, and the proxy in front of it if the store uses a network.
#[derive(Debug)]
pub(crate) struct Target {
    store: Store,
    proxy: Option<Proxy>,
}

#[derive(Debug)]
enum Store {
    DynamoDb(DynamoDbLocal),
    SecretsManager(Moto),
    Embedded(TempDir),
}

const LABEL: &str = "storm";

impl Target {
    pub(crate) fn dynamodb(size: &Size) -> anyhow::Result<Self> {
        let server = DynamoDbLocal::start()?;
        server.create_table(LABEL)?;
        let proxy = proxy(server.endpoint(), size)?;
        Ok(Self {
            store: Store::DynamoDb(server),
            proxy: Some(proxy),
        })
    }

    pub(crate) fn secrets_manager(size: &Size) -> anyhow::Result<Self> {
        let server = Moto::start_plain()?;
        let proxy = proxy(&server.endpoint(), size)?;
        Ok(Self {
            store: Store::SecretsManager(server),
            proxy: Some(proxy),
        })
    }

    pub(crate) fn embedded(_: &Size) -> anyhow::Result<Self> {
        Ok(Self {
            store: Store::Embedded(TempDir::new()?),
            proxy: None,
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.store {
            Store::DynamoDb(_) => "dynamodb",
            Store::SecretsManager(_) => "secretsmanager",
            Store::Embedded(_) => "embedded",
        }
    }

    pub(crate) fn has_faults(&self) -> bool {
        self.proxy.is_some()
    }

    pub(crate) fn faults(&self) -> Counts {
        self.proxy.as_ref().map(Proxy::counts).unwrap_or_default()
    }

    /// Starts or stops injecting faults.
    pub(crate) fn set_injecting(&self, injecting: bool) {
        if let Some(proxy) = &self.proxy {
            proxy.set_injecting(injecting);
        }
    }

    /// `kees-init` for a pod with these annotations, which writes into `folder`, in an environment of its own.
    pub(crate) fn init(&self, annotations: &Path, folder: &Path) -> anyhow::Result<Command> {
        let mut init = Command::new(kees_init()?);
        init.env_clear()
            .env("ANNOTATIONS_FILE", annotations)
            .env("SECRETS_FILE", folder.join("secrets.properties"))
            .env("RESOURCES_FILE", folder.join("resources.properties"))
            .env("LEASES_FILE", folder.join("leases.properties"))
            .env("RESOURCES_FILE_PATH", folder)
            .env("LEASES_FILE_PATH", folder)
            .env("TERMINATION_LOG", "/dev/null")
            .env("TIMEOUT", "20")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        self.configure(&mut init);
        Ok(init)
    }

    /// Configures a program for this store.
    pub(crate) fn configure(&self, program: &mut Command) {
        program
            .env("STORE", self.name())
            .env("ENV_LABEL", LABEL)
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "tests")
            .env("AWS_SECRET_ACCESS_KEY", "tests");
        if let Some(proxy) = &self.proxy {
            program.env("AWS_ENDPOINT", proxy.url());
        }
        if let Store::Embedded(folder) = &self.store {
            program.env("EMBEDDED_FILE", folder.path().join("secrets.db"));
        }
    }

    /// The number of names below `prefix` in the store.
    pub(crate) fn names(&self, prefix: &str) -> anyhow::Result<usize> {
        match &self.store {
            Store::DynamoDb(server) => Ok(server
                .items(LABEL)?
                .keys()
                .filter(|name| name.starts_with(prefix))
                .count()),
            Store::SecretsManager(server) => {
                let list = server
                    .secrets_manager()
                    .list_secrets()
                    .into_paginator()
                    .send();
                let pages = wait(list.collect::<Result<Vec<_>, _>>())?;
                Ok(pages
                    .iter()
                    .flat_map(ListSecretsOutput::secret_list)
                    .filter(|secret| secret.name().is_some_and(|name| name.starts_with(prefix)))
                    .count())
            }
            Store::Embedded(folder) => {
                let file = rusqlite::Connection::open_with_flags(
                    folder.path().join("secrets.db"),
                    rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
                )?;
                file.busy_timeout(Duration::from_secs(10))?;
                let count: i64 = file.query_row(
                    "SELECT count(*) FROM kees_secret WHERE substr(name, 1, length(?1)) = ?1",
                    [prefix],
                    |row| row.get(0),
                )?;
                Ok(count.try_into()?)
            }
        }
    }
}

fn proxy(endpoint: &str, size: &Size) -> anyhow::Result<Proxy> {
    let upstream: SocketAddr = endpoint
        .trim_start_matches("http://")
        .parse()
        .context("the endpoint is not an address")?;
    wait(Proxy::start(
        upstream,
        Rates::every(size.faults),
        Duration::from_secs(2),
        size.seed,
    ))
}
