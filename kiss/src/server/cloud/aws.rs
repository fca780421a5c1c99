//! AWS itself, with the AWS SDK.

use std::{path::PathBuf, time::Duration};

use aws_config::{SdkConfig, retry::RetryConfig};
use aws_sdk_iam::error::ProvideErrorMetadata;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType};
use kees_common::{Region, error_chain};
use kees_store::aws::{Aws, AwsSettings};

use super::{Cloud, CloudError, CloudErrorKind, Found, Listed, Page, Tags, Value};
use crate::server::names::NAMESPACE_TAG;

/// The most attempts of one call: AWS limits the rate of IAM calls for a whole account.
const ATTEMPTS: u32 = 3;
/// The pause after a first attempt that failed, about.
const BACKOFF: Duration = Duration::from_millis(200);

/// The account that the server works in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// `aws`, `aws-cn`, …
    pub partition: String,
    /// Its number.
    pub id: String,
}

/// Secrets Manager and IAM.
#[derive(Debug, Clone)]
pub struct AwsCloud {
    secrets: aws_sdk_secretsmanager::Client,
    iam: aws_sdk_iam::Client,
    account: Account,
}

/// AWS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// STS does not answer, or there are no credentials.
    #[error("STS does not say which account this is")]
    Sts(#[source] CloudError),
    /// The ARN of the caller has another form than AWS documents.
    #[error("STS answers with the ARN `{0}`, which names no account")]
    Arn(String),
}

/// The name of the sessions of the server's role, as in kiss 0.1: trust policies may name it.
const SESSION: &str = "kaluza-infrastructure-secret-service";

/// Clients for `region`, with a role or with the credentials that AWS's tools find. Asks STS for the account.
///
/// # Errors
/// STS cannot be asked.
pub async fn connect(
    region: Region,
    identity: Option<(String, PathBuf)>,
) -> Result<AwsCloud, ConnectError> {
    let settings = AwsSettings {
        region: Some(region),
        ..AwsSettings::from_env()
    };
    let aws = Aws::new(&settings).await;
    let aws = match identity {
        Some((role, token_file)) => aws.assuming(role, token_file, SESSION.to_owned()),
        None => aws,
    };
    AwsCloud::connect(&aws.sdk_config()).await
}

impl AwsCloud {
    /// Clients with a configuration of the SDK.
    ///
    /// # Errors
    /// STS cannot be asked.
    pub async fn connect(config: &SdkConfig) -> Result<Self, ConnectError> {
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(BACKOFF);
        let config = config.to_builder().retry_config(retries).build();
        let identity = aws_sdk_sts::Client::new(&config).get_caller_identity();
        let identity = identity.send().await;
        let identity = identity.map_err(|error| {
            ConnectError::Sts(cloud_error("sts:GetCallerIdentity", &error, Shown::All))
        })?;
        let account = account(identity.arn().unwrap_or_default())?;
        Ok(Self {
            secrets: aws_sdk_secretsmanager::Client::new(&config),
            iam: aws_sdk_iam::Client::new(&config),
            account,
        })
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.account
    }
}

/// The account in an ARN, `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`.
fn account(arn: &str) -> Result<Account, ConnectError> {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    match parts[..] {
        ["arn", partition, _, _, id, _] if !partition.is_empty() && !id.is_empty() => Ok(Account {
            partition: partition.to_owned(),
            id: id.to_owned(),
        }),
        _ => Err(ConnectError::Arn(arn.to_owned())),
    }
}

impl Cloud for AwsCloud {
    async fn create_secret(&self, name: &str, value: Value, tags: Tags) -> Result<(), CloudError> {
        let tags = tags.into_iter().map(|(key, value)| {
            let tag = aws_sdk_secretsmanager::types::Tag::builder();
            tag.key(key).value(value).build()
        });
        self.secrets
            .create_secret()
            .name(name)
            .secret_string(taken(value))
            .set_tags(Some(tags.collect()))
            .send()
            .await
            .map_err(|error| cloud_error("secretsmanager:CreateSecret", &error, Shown::Code))?;
        Ok(())
    }

    async fn secret(&self, name: &str) -> Result<Found, CloudError> {
        let secret = self.secrets.describe_secret().secret_id(name).send().await;
        let secret = secret
            .map_err(|error| cloud_error("secretsmanager:DescribeSecret", &error, Shown::All))?;
        if secret.deleted_date.is_some() {
            return Err(CloudError {
                kind: CloudErrorKind::State,
                action: "secretsmanager:DescribeSecret",
                code: "scheduled for deletion".to_owned(),
                message: "the secret is scheduled for deletion".to_owned(),
            });
        }
        Ok(Found {
            arn: secret.arn.unwrap_or_default(),
            tags: secret_tags(secret.tags),
        })
    }

    async fn put_secret(&self, arn: &str, value: Value) -> Result<(), CloudError> {
        self.secrets
            .put_secret_value()
            .secret_id(arn)
            .secret_string(taken(value))
            .send()
            .await
            .map_err(|error| cloud_error("secretsmanager:PutSecretValue", &error, Shown::Code))?;
        Ok(())
    }

    async fn delete_secret(&self, arn: &str) -> Result<(), CloudError> {
        self.secrets
            .delete_secret()
            .secret_id(arn)
            .force_delete_without_recovery(true)
            .send()
            .await
            .map_err(|error| cloud_error("secretsmanager:DeleteSecret", &error, Shown::All))?;
        Ok(())
    }

    async fn secrets(
        &self,
        namespace: &str,
        token: Option<String>,
    ) -> Result<Page<Listed>, CloudError> {
        // Both filters compare beginnings, and they need not meet in one tag.
        let filter = |key, value: &str| Filter::builder().key(key).values(value).build();
        let answer = self
            .secrets
            .list_secrets()
            .max_results(100)
            .filters(filter(FilterNameStringType::TagKey, NAMESPACE_TAG))
            .filters(filter(FilterNameStringType::TagValue, namespace))
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| cloud_error("secretsmanager:ListSecrets", &error, Shown::All))?;
        let listed = answer.secret_list.unwrap_or_default().into_iter();
        let listed = listed.map(|secret| Listed {
            name: secret.name.unwrap_or_default(),
            tags: secret_tags(secret.tags),
        });
        Ok(Page {
            items: listed.collect(),
            next: answer.next_token,
        })
    }

    fn policy_arn(&self, name: &str) -> String {
        let Account { partition, id } = &self.account;
        format!("arn:{partition}:iam::{id}:policy/{name}")
    }

    async fn create_policy(
        &self,
        name: &str,
        document: String,
        tags: Tags,
    ) -> Result<(), CloudError> {
        let mut create = self
            .iam
            .create_policy()
            .policy_name(name)
            .policy_document(document);
        for (key, value) in tags {
            let tag = aws_sdk_iam::types::Tag::builder().key(key).value(value);
            let tag = tag.build().map_err(|error| CloudError {
                kind: CloudErrorKind::Other,
                action: "iam:CreatePolicy",
                code: "invalid tag".to_owned(),
                message: error.to_string(),
            })?;
            create = create.tags(tag);
        }
        let answer = create.send().await;
        answer.map_err(|error| cloud_error("iam:CreatePolicy", &error, Shown::All))?;
        Ok(())
    }

    async fn policy(&self, arn: &str) -> Result<Found, CloudError> {
        let answer = self.iam.get_policy().policy_arn(arn).send().await;
        let answer = answer.map_err(|error| cloud_error("iam:GetPolicy", &error, Shown::All))?;
        let tags = answer.policy.and_then(|policy| policy.tags);
        let tags = tags.unwrap_or_default().into_iter();
        Ok(Found {
            arn: arn.to_owned(),
            tags: tags.map(|tag| (tag.key, tag.value)).collect(),
        })
    }

    async fn delete_policy(&self, arn: &str) -> Result<(), CloudError> {
        // Only people make versions.
        let versions = self.iam.list_policy_versions().policy_arn(arn).send().await;
        let versions =
            versions.map_err(|error| cloud_error("iam:ListPolicyVersions", &error, Shown::All))?;
        let others = versions.versions.unwrap_or_default().into_iter();
        for version in others.filter(|version| !version.is_default_version) {
            let delete = self.iam.delete_policy_version().policy_arn(arn);
            let answer = delete.set_version_id(version.version_id).send().await;
            answer.map_err(|error| cloud_error("iam:DeletePolicyVersion", &error, Shown::All))?;
        }
        let answer = self.iam.delete_policy().policy_arn(arn).send().await;
        answer.map_err(|error| cloud_error("iam:DeletePolicy", &error, Shown::All))?;
        Ok(())
    }

    async fn roles(&self, arn: &str, token: Option<String>) -> Result<Page<String>, CloudError> {
        let answer = self
            .iam
            .list_entities_for_policy()
            .policy_arn(arn)
            .entity_filter(aws_sdk_iam::types::EntityType::Role)
            .set_marker(token)
            .send()
            .await
            .map_err(|error| cloud_error("iam:ListEntitiesForPolicy", &error, Shown::All))?;
        let roles = answer.policy_roles.unwrap_or_default().into_iter();
        Ok(Page {
            items: roles.filter_map(|role| role.role_name).collect(),
            next: answer.marker.filter(|_| answer.is_truncated),
        })
    }

    async fn attach(&self, arn: &str, role: &str) -> Result<(), CloudError> {
        let attach = self.iam.attach_role_policy().policy_arn(arn);
        let answer = attach.role_name(role).send().await;
        answer.map_err(|error| cloud_error("iam:AttachRolePolicy", &error, Shown::All))?;
        Ok(())
    }

    async fn detach(&self, arn: &str, role: &str) -> Result<(), CloudError> {
        let detach = self.iam.detach_role_policy().policy_arn(arn);
        let answer = detach.role_name(role).send().await;
        answer.map_err(|error| cloud_error("iam:DetachRolePolicy", &error, Shown::All))?;
        Ok(())
    }
}

/// What of AWS's answer may be shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// The code and the message.
    All,
    /// The code. The request had a value, which a message could repeat.
    Code,
}

fn cloud_error<E>(action: &'static str, error: &E, shown: Shown) -> CloudError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = error.code();
    let kind = match code.unwrap_or_default() {
        "" => CloudErrorKind::NoAnswer,
        "ResourceExistsException" | "EntityAlreadyExists" => CloudErrorKind::Exists,
        "ResourceNotFoundException" | "NoSuchEntity" => CloudErrorKind::NotFound,
        "InvalidRequestException" => CloudErrorKind::State,
        "DeleteConflict" => CloudErrorKind::Attached,
        _ => CloudErrorKind::Other,
    };
    let message = match (code, shown) {
        (Some(code), Shown::Code) => code.to_owned(),
        // Without a code there is no answer that could repeat anything.
        (Some(_), Shown::All) | (None, _) => error_chain::describe(error),
    };
    CloudError {
        kind,
        action,
        code: code.unwrap_or("no response").to_owned(),
        message,
    }
}

/// The text itself. The SDK keeps it in memory that is not overwritten, apart from the allocator's doing.
fn taken(mut value: Value) -> String {
    std::mem::take(&mut *value)
}

fn secret_tags(tags: Option<Vec<aws_sdk_secretsmanager::types::Tag>>) -> Tags {
    let tags = tags.unwrap_or_default().into_iter();
    tags.filter_map(|tag| Some((tag.key?, tag.value?)))
        .collect()
}
