//! The versions of a secret that have the stages AWSCURRENT and AWSPREVIOUS, and their contents.
//!
//! `DescribeSecret` shows the stages of all versions at one moment, and a version never changes. So the
//! two contents that are read by their version ids belong together, although no read of Secrets Manager
//! is consistent.

use std::collections::HashMap;

use aws_sdk_secretsmanager::{error::ProvideErrorMetadata as _, primitives::DateTime};
use futures_util::future;
use kees_common::StoragePath;

use super::{
    SECRET, SecretsManager,
    error::{NOT_FOUND, scheduled},
    read::{Fetched, GET, content},
    version::Version,
};
use crate::{StoreError, aws::classify, members::Content};

pub(super) const CURRENT: &str = "AWSCURRENT";
pub(super) const PREVIOUS: &str = "AWSPREVIOUS";

const DESCRIBE: &str = "secretsmanager:DescribeSecret";

/// The ids of the versions with a stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stages {
    pub(super) current: Option<String>,
    pub(super) previous: Option<String>,
}

impl Stages {
    fn of(versions: &HashMap<String, Vec<String>>) -> Self {
        let with = |stage: &str| {
            let has_stage =
                |(_, stages): &(&String, &Vec<String>)| stages.iter().any(|of| of == stage);
            versions.iter().find(has_stage).map(|(id, _)| id.clone())
        };
        Self {
            current: with(CURRENT),
            previous: with(PREVIOUS),
        }
    }
}

/// A version, and when it was created, in seconds since 1970.
pub(super) struct Fixed {
    pub(super) content: Content,
    pub(super) created: Option<u64>,
}

impl SecretsManager {
    /// The stages of `secret`; `None` if there is no such secret.
    ///
    /// # Errors
    /// Also if the secret is scheduled for deletion.
    pub(super) async fn stages(&self, secret: &StoragePath) -> Result<Option<Stages>, StoreError> {
        let answer = self
            .client
            .describe_secret()
            .secret_id(secret.as_str())
            .send()
            .await;
        let described = match answer {
            Ok(described) => described,
            Err(error) if error.code() == Some(NOT_FOUND) => return Ok(None),
            Err(error) => return Err(classify(&error, &self.call(DESCRIBE, secret))),
        };
        if let Some(date) = described.deleted_date {
            use aws_smithy_types::date_time::Format;
            return Err(scheduled(secret, date.fmt(Format::DateTime).ok()));
        }
        let versions = described.version_ids_to_stages.unwrap_or_default();
        Ok(Some(Stages::of(&versions)))
    }

    /// One version; `None` if the secret has no such version any more.
    pub(super) async fn fixed(
        &self,
        secret: &StoragePath,
        id: &str,
    ) -> Result<Option<Fixed>, StoreError> {
        let answer = self
            .client
            .get_secret_value()
            .secret_id(secret.as_str())
            .version_id(id)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                let created = answer.created_date.and_then(seconds);
                let content = content(answer.secret_string, answer.secret_binary);
                Ok(content.map(|content| Fixed { content, created }))
            }
            Err(error) if error.code() == Some(NOT_FOUND) => Ok(None),
            Err(error) => Err(classify(&error, &self.call(GET, secret))),
        }
    }

    /// The current and the previous version of one secret.
    pub(super) async fn pair(&self, secret: &StoragePath) -> [(Version, Fetched); 2] {
        let versions = [Version::current(secret), Version::previous(secret)];
        let stages = match self.stages(secret).await {
            Ok(stages) => stages.unwrap_or_default(),
            Err(error) => return versions.map(|version| (version, Err(error.clone()))),
        };
        let read = async |id: Option<String>| {
            let Some(id) = id else { return Ok(None) };
            let fixed = self.fixed(secret, &id).await?;
            Ok(fixed.map(|fixed| fixed.content))
        };
        let (current, previous) = future::join(read(stages.current), read(stages.previous)).await;
        let [of_current, of_previous] = versions;
        [(of_current, current), (of_previous, previous)]
    }

    /// The error of a secret without a current version, which only a half-finished write of somebody
    /// else leaves behind.
    pub(super) fn no_current(secret: &StoragePath) -> StoreError {
        let message =
            format!("the secret {secret} exists and has no version with the stage {CURRENT}");
        let remedy = format!(
            "store a value in it with `aws secretsmanager put-secret-value --secret-id {secret}`, or \
             delete the secret"
        );
        StoreError::new(crate::ErrorKind::NoValue, SECRET.store, message, remedy).at(secret)
    }
}

fn seconds(date: DateTime) -> Option<u64> {
    u64::try_from(date.secs()).ok()
}
