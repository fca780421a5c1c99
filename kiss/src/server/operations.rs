//! What a caller who may use a namespace can do with its secrets.
//!
//! A name in AWS only finds something. The tags say whether it belongs to the requested secret, and what is
//! changed is named by its ARN.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::{
    cloud::{Cloud, CloudError, CloudErrorKind, Found, Value},
    names::{self, NameError, Naming, SecretId},
};

/// The most bytes of a value (`CreateSecret`, API reference).
pub const LARGEST_VALUE: usize = 65_536;

/// Why an operation is not done.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// A name of the request is invalid.
    #[error("invalid input '{input}': {source}")]
    Name {
        /// `NAMESPACE/NAME`, escaped.
        input: String,
        /// What is wrong.
        source: NameError,
    },
    /// The value is empty or too large.
    #[error(
        "invalid input '{id}': the value has {length} bytes, and a secret has 1 to {LARGEST_VALUE}"
    )]
    Value {
        /// The secret.
        id: SecretId,
        /// The bytes of the value.
        length: usize,
    },
    /// The secret or its policy exists.
    #[error("resource '{0}' already exists")]
    Exists(SecretId),
    /// Something else has the name in AWS.
    #[error(
        "resource '{id}' already exists: its name in AWS, {name}, is that of something that does not belong to \
         it; choose another name"
    )]
    Taken {
        /// The secret.
        id: SecretId,
        /// The name in AWS.
        name: String,
    },
    /// The secret does not exist.
    #[error("resource '{0}' not found")]
    NotFound(SecretId),
    /// The secret of a policy does not exist.
    #[error("No secret for '{0}': create the secret first")]
    NoSecret(SecretId),
    /// The policy does not exist.
    #[error("policy for '{0}' not found: create the policy first")]
    NoPolicy(SecretId),
    /// The role does not exist, or has not got the policy.
    #[error("role '{role}' {problem}")]
    Role {
        /// The role's name.
        role: String,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// The tags name another secret, or none.
    #[error("resource '{0}' is not managed by KISS")]
    NotManaged(SecretId),
    /// The state in AWS does not allow it.
    #[error("{0}")]
    State(String),
    /// The request's deadline has come. Nothing was changed.
    #[error("the deadline of the call has come, and nothing was changed")]
    Deadline,
    /// AWS returned another error.
    #[error("failed to {verb} for unknown reasons ({action}: {code}){rest}", action = .source.action, code = .source.code)]
    Cloud {
        /// `create secret`.
        verb: &'static str,
        /// What is done already and what to do, or nothing.
        rest: String,
        /// The error.
        source: CloudError,
    },
}

/// The operations, on the secrets of one account.
pub struct Operations<C> {
    cloud: C,
    naming: Naming,
}

/// When a call must end. Afterwards nothing is begun. What is begun is finished.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline in `time` from now.
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// Waits for something that changes nothing.
    ///
    /// # Errors
    /// The deadline comes first.
    pub async fn limit<T>(self, reading: impl Future<Output = T>) -> Result<T, OperationError> {
        timeout_at(self.0, reading)
            .await
            .map_err(|_| OperationError::Deadline)
    }

    /// Is called before something is changed.
    fn check(self) -> Result<(), OperationError> {
        if Instant::now() >= self.0 {
            return Err(OperationError::Deadline);
        }
        Ok(())
    }
}

impl<C: Cloud> Operations<C> {
    /// Operations on `cloud`, with names of this kind.
    pub fn new(cloud: C, naming: Naming) -> Self {
        Self { cloud, naming }
    }

    /// What the operations work on.
    pub fn cloud(&self) -> &C {
        &self.cloud
    }

    /// Creates a secret.
    ///
    /// # Errors
    /// It exists, or AWS refuses it.
    pub async fn create(
        &self,
        id: &SecretId,
        value: Value,
        deadline: Deadline,
    ) -> Result<(), OperationError> {
        check_value(id, &value)?;
        let name = self.naming.secret(id).map_err(invalid(id))?;
        deadline.check()?;
        let created = self.cloud.create_secret(&name, value, tags(id)).await;
        let Err(error) = created else { return Ok(()) };
        match error.kind {
            CloudErrorKind::Exists => {
                let found = deadline.limit(self.cloud.secret(&name)).await?;
                Err(exists(id, name, found))
            }
            CloudErrorKind::State => Err(state(id, &error)),
            _ => Err(unknown("create secret", error)),
        }
    }

    /// Replaces the value of a secret.
    ///
    /// # Errors
    /// It does not exist, belongs to something else, or AWS refuses it.
    pub async fn update(
        &self,
        id: &SecretId,
        value: Value,
        deadline: Deadline,
    ) -> Result<(), OperationError> {
        check_value(id, &value)?;
        let arn = self.secret(id, "update secret", deadline).await?;
        deadline.check()?;
        let put = self.cloud.put_secret(&arn, value).await;
        put.map_err(|error| changed(id, "update secret", error))
    }

    /// Deletes a secret.
    ///
    /// # Errors
    /// It does not exist, belongs to something else, or AWS refuses it.
    pub async fn delete(&self, id: &SecretId, deadline: Deadline) -> Result<(), OperationError> {
        let arn = self.secret(id, "delete secret", deadline).await?;
        deadline.check()?;
        let deleted = self.cloud.delete_secret(&arn).await;
        deleted.map_err(|error| changed(id, "delete secret", error))
    }

    /// The names of the secrets of a namespace, sorted.
    ///
    /// # Errors
    /// The namespace is none, or AWS refuses it.
    pub async fn list(
        &self,
        namespace: &str,
        deadline: Deadline,
    ) -> Result<Vec<String>, OperationError> {
        names::check_namespace(namespace).map_err(|source| OperationError::Name {
            input: shown(namespace),
            source,
        })?;
        let mut listed = Vec::new();
        let mut token = None;
        loop {
            let page = deadline.limit(self.cloud.secrets(namespace, token)).await?;
            let page = page.map_err(|error| unknown("list secrets", error))?;
            let ours = page.items.iter();
            let ours = ours.filter_map(|tags| names::listed(namespace, tags).map(str::to_owned));
            listed.extend(ours);
            match page.next {
                Some(next) => token = Some(next),
                None => break,
            }
        }
        listed.sort();
        // Two secrets can have the same tags only if somebody has copied them.
        listed.dedup();
        Ok(listed)
    }

    /// Creates the policy that allows to read a secret.
    ///
    /// # Errors
    /// The secret does not exist or belongs to something else, the policy exists, or AWS refuses it.
    pub async fn create_policy(
        &self,
        id: &SecretId,
        deadline: Deadline,
    ) -> Result<(), OperationError> {
        let name = self.naming.policy(id).map_err(invalid(id))?;
        let secret = self.secret(id, "create policy", deadline).await;
        let secret = secret.map_err(|error| match error {
            OperationError::NotFound(id) => OperationError::NoSecret(id),
            other => other,
        })?;
        deadline.check()?;
        let document = document(&secret);
        let created = self.cloud.create_policy(&name, document, tags(id)).await;
        let Err(error) = created else { return Ok(()) };
        if error.kind != CloudErrorKind::Exists {
            return Err(unknown("create policy", error));
        }
        let arn = self.cloud.policy_arn(&name);
        let found = deadline.limit(self.cloud.policy(&arn)).await?;
        Err(exists(id, name, found))
    }

    /// Detaches the policy of a secret from all roles, and deletes it.
    ///
    /// # Errors
    /// It does not exist, belongs to something else, or AWS refuses it.
    pub async fn delete_policy(
        &self,
        id: &SecretId,
        deadline: Deadline,
    ) -> Result<(), OperationError> {
        let arn = self.policy(id, "delete policy", deadline).await?;
        let mut roles = Vec::new();
        let mut token = None;
        loop {
            let page = deadline.limit(self.cloud.roles(&arn, token)).await?;
            let page = page.map_err(|error| unknown("delete policy", error))?;
            roles.extend(page.items);
            match page.next {
                Some(next) => token = Some(next),
                None => break,
            }
        }
        deadline.check()?;
        for (detached, role) in roles.iter().enumerate() {
            match self.cloud.detach(&arn, role).await {
                Ok(()) => {}
                // Somebody else has detached it meanwhile.
                Err(error) if error.kind == CloudErrorKind::NotFound => {}
                Err(error) => return Err(unfinished(error, detached, roles.len())),
            }
        }
        let deleted = self.cloud.delete_policy(&arn).await;
        deleted.map_err(|error| match error.kind {
            CloudErrorKind::NotFound => OperationError::NoPolicy(id.clone()),
            CloudErrorKind::Attached => OperationError::State(format!(
                "the policy for '{id}' is attached to something that is no role, or was attached to a role just \
                 now: detach it, and delete the policy again"
            )),
            _ => unfinished(error, roles.len(), roles.len()),
        })
    }

    /// Lets the role of a ServiceAccount read a secret.
    ///
    /// # Errors
    /// The policy or the role does not exist, the policy belongs to something else, or AWS refuses it.
    pub async fn bind(
        &self,
        id: &SecretId,
        account: &str,
        deadline: Deadline,
    ) -> Result<(), OperationError> {
        let role = self.naming.role(id, account).map_err(invalid(id))?;
        let arn = self.policy(id, "bind secret", deadline).await?;
        deadline.check()?;
        let attached = self.cloud.attach(&arn, &role).await;
        attached.map_err(|error| match error.kind {
            CloudErrorKind::NotFound => OperationError::Role {
                role,
                problem: "not found: create the role of the ServiceAccount first",
            },
            _ => unknown("bind secret", error),
        })
    }

    /// Undoes [`Operations::bind`].
    ///
    /// # Errors
    /// As those of [`Operations::bind`], or the role has not got the policy.
    pub async fn unbind(
        &self,
        id: &SecretId,
        account: &str,
        deadline: Deadline,
    ) -> Result<(), OperationError> {
        let role = self.naming.role(id, account).map_err(invalid(id))?;
        let arn = self.policy(id, "unbind secret", deadline).await?;
        deadline.check()?;
        let detached = self.cloud.detach(&arn, &role).await;
        detached.map_err(|error| match error.kind {
            CloudErrorKind::NotFound => OperationError::Role {
                role,
                problem: "does not exist or has not got the policy",
            },
            _ => unknown("unbind secret", error),
        })
    }

    /// The ARN of a secret that belongs to `id`.
    async fn secret(
        &self,
        id: &SecretId,
        verb: &'static str,
        deadline: Deadline,
    ) -> Result<String, OperationError> {
        let name = self.naming.secret(id).map_err(invalid(id))?;
        let found = deadline.limit(self.cloud.secret(&name)).await?;
        owned(id, found, verb, OperationError::NotFound)
    }

    /// The ARN of a policy that belongs to `id`.
    async fn policy(
        &self,
        id: &SecretId,
        verb: &'static str,
        deadline: Deadline,
    ) -> Result<String, OperationError> {
        let name = self.naming.policy(id).map_err(invalid(id))?;
        let arn = self.cloud.policy_arn(&name);
        let found = deadline.limit(self.cloud.policy(&arn)).await?;
        owned(id, found, verb, OperationError::NoPolicy)
    }
}

/// The error of a change of a secret that existed just before.
fn changed(id: &SecretId, verb: &'static str, error: CloudError) -> OperationError {
    match error.kind {
        CloudErrorKind::NotFound => OperationError::NotFound(id.clone()),
        CloudErrorKind::State => state(id, &error),
        _ => unknown(verb, error),
    }
}

/// `input` as an error shows it: the beginning, without characters that control a terminal.
pub fn shown(input: &str) -> String {
    let beginning = input
        .get(..input.floor_char_boundary(320))
        .unwrap_or_default();
    beginning.escape_debug().to_string()
}

fn owned(
    id: &SecretId,
    found: Result<Found, CloudError>,
    verb: &'static str,
    absent: impl FnOnce(SecretId) -> OperationError,
) -> Result<String, OperationError> {
    match found {
        Ok(found) if id.owns(&found.tags) => Ok(found.arn),
        Ok(_) => Err(OperationError::NotManaged(id.clone())),
        Err(error) if error.kind == CloudErrorKind::NotFound => Err(absent(id.clone())),
        Err(error) if error.kind == CloudErrorKind::State => Err(state(id, &error)),
        Err(error) => Err(unknown(verb, error)),
    }
}

/// The error for a name that is taken, perhaps by something that does not belong to the secret.
fn exists(id: &SecretId, name: String, found: Result<Found, CloudError>) -> OperationError {
    match found {
        Ok(found) if !id.owns(&found.tags) => OperationError::Taken {
            id: id.clone(),
            name,
        },
        Err(error) if error.kind == CloudErrorKind::State => state(id, &error),
        _ => OperationError::Exists(id.clone()),
    }
}

fn state(id: &SecretId, error: &CloudError) -> OperationError {
    OperationError::State(format!(
        "AWS refuses the change of '{id}' in its state ({}): if the secret was deleted outside of kiss, restore it \
         with AWS's tools, or wait until the recovery window is over",
        error.code
    ))
}

fn unknown(verb: &'static str, source: CloudError) -> OperationError {
    OperationError::Cloud {
        verb,
        rest: String::new(),
        source,
    }
}

fn unfinished(source: CloudError, detached: usize, roles: usize) -> OperationError {
    let rest = if detached == 0 {
        String::new()
    } else {
        format!(
            ": the policy still exists, detached from {detached} of {roles} roles; delete it again to finish"
        )
    };
    OperationError::Cloud {
        verb: "delete policy",
        rest,
        source,
    }
}

fn invalid(id: &SecretId) -> impl FnOnce(NameError) -> OperationError {
    let input = id.to_string();
    |source| OperationError::Name { input, source }
}

fn check_value(id: &SecretId, value: &Value) -> Result<(), OperationError> {
    let length = value.len();
    if (1..=LARGEST_VALUE).contains(&length) {
        return Ok(());
    }
    Err(OperationError::Value {
        id: id.clone(),
        length,
    })
}

fn tags(id: &SecretId) -> Vec<(String, String)> {
    let tags = id.tags().into_iter();
    tags.map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The policy that allows to read the current version of the secret `arn`.
fn document(arn: &str) -> String {
    let document = Document {
        version: "2012-10-17",
        statement: [Statement {
            effect: "Allow",
            action: "secretsmanager:GetSecretValue",
            resource: arn,
            condition: Condition {
                any: Stage {
                    stage: "AWSCURRENT",
                },
            },
        }],
    };
    // Texts can always be written.
    serde_json::to_string(&document).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    version: &'static str,
    statement: [Statement<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement<'a> {
    effect: &'static str,
    action: &'static str,
    resource: &'a str,
    condition: Condition,
}

#[derive(Serialize)]
struct Condition {
    #[serde(rename = "ForAnyValue:StringEquals")]
    any: Stage,
}

#[derive(Serialize)]
struct Stage {
    #[serde(rename = "secretsmanager:VersionStage")]
    stage: &'static str,
}

#[cfg(test)]
mod tests;
