//! DynamoDB Local, in memory.

use std::{collections::BTreeMap, process::Command};

use anyhow::Context as _;
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{
    Client, Config,
    config::{BehaviorVersion, Region},
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
        ScalarAttributeType,
    },
};

use crate::{
    REGION, paths,
    server::{Server, free_address},
    wait,
};

/// A running DynamoDB Local. All AWS identities use the same tables.
#[derive(Debug)]
pub struct DynamoDbLocal {
    endpoint: String,
    _server: Server,
}

impl DynamoDbLocal {
    /// Starts the server on a free port.
    pub fn start() -> anyhow::Result<Self> {
        let address = free_address()?;
        let folder = paths::value_of("DYNAMODB_LOCAL")?;
        let mut java = Command::new("java");
        java.arg(format!("-Djava.library.path={}", folder.display()))
            .args(["-XX:TieredStopAtLevel=1", "-cp"])
            .arg(folder.join("*"))
            .arg("com.amazonaws.services.dynamodbv2.local.main.ServerRunner")
            .args(["-inMemory", "-sharedDb", "-disableTelemetry", "-port"])
            .arg(address.port().to_string());
        Ok(Self {
            _server: Server::start("dynamodb", address, java)?,
            endpoint: format!("http://{address}"),
        })
    }

    /// The URL of the server, which pods can use too.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A client for this server.
    pub fn client(&self) -> Client {
        client(&self.endpoint)
    }

    /// Creates the table of the environment `label`.
    pub fn create_table(&self, label: &str) -> anyhow::Result<()> {
        create_table(&self.client(), label)
    }

    /// All items of the table of the environment `label`: name to value.
    pub fn items(&self, label: &str) -> anyhow::Result<BTreeMap<String, String>> {
        items(&self.client(), label)
    }

    /// Stores a value without kees, as another program does.
    pub fn put(&self, label: &str, name: &str, value: &str) -> anyhow::Result<()> {
        let write = self
            .client()
            .put_item()
            .table_name(table(label))
            .item("secretName", AttributeValue::S(name.to_owned()))
            .item("secretValue", AttributeValue::S(value.to_owned()));
        wait(write.send())?;
        Ok(())
    }
}

pub(crate) fn client(endpoint: &str) -> Client {
    Client::from_conf(
        Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(endpoint)
            .credentials_provider(Credentials::new("tests", "tests", None, None, "tests"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build(),
    )
}

pub(crate) fn create_table(client: &Client, label: &str) -> anyhow::Result<()> {
    let create = client
        .create_table()
        .table_name(table(label))
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name("secretName")
                .attribute_type(ScalarAttributeType::S)
                .build()?,
        )
        .key_schema(
            KeySchemaElement::builder()
                .attribute_name("secretName")
                .key_type(KeyType::Hash)
                .build()?,
        );
    wait(create.send())?;
    Ok(())
}

fn items(client: &Client, label: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let pages = client
        .scan()
        .table_name(table(label))
        .into_paginator()
        .items()
        .send();
    let items = wait(pages.collect::<Result<Vec<_>, _>>())?;
    let text = |item: &std::collections::HashMap<String, AttributeValue>, key: &str| {
        let value = item.get(key).and_then(|value| value.as_s().ok());
        value
            .cloned()
            .with_context(|| format!("an item has no string {key}"))
    };
    items
        .iter()
        .map(|item| Ok((text(item, "secretName")?, text(item, "secretValue")?)))
        .collect()
}

pub(crate) fn table(label: &str) -> String {
    format!("{label}-kube-secret")
}
