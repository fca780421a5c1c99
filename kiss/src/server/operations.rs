//! What a caller who may use a namespace can do with its secrets.
//!
//! A name in AWS only finds something. The tags say whether it belongs to the requested secret, and what is
//! changed is named by its ARN.

mod deadline;
mod document;
mod error;

pub use deadline::Deadline;
pub use error::{LARGEST_VALUE, OperationError, shown};

use super::{
    cloud::{Cloud, CloudError, CloudErrorKind, Found, Listed, Page, Value},
    names::{self, Naming, SecretId},
};
use document::document;
use error::{changed, exists, invalid, state, unclear, unfinished, unknown};

/// The operations, on the secrets of one account.
pub struct Operations<C> {
    cloud: C,
    naming: Naming,
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
        deadline.begin_change()?;
        let created = self.cloud.create_secret(&name, value, tags(id)).await;
        let Err(error) = created else { return Ok(()) };
        match error.kind {
            CloudErrorKind::Exists => {
                let found = deadline.limit(self.cloud.secret(&name)).await?;
                Err(exists(id, name, found))
            }
            CloudErrorKind::State => Err(state(id, &error)),
            _ => Err(unclear("create secret", error)),
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
        let arn = self.secret(id, "update secret", &deadline).await?;
        deadline.begin_change()?;
        let put = self.cloud.put_secret(&arn, value).await;
        put.map_err(|error| changed(id, "update secret", error))
    }

    /// Deletes a secret.
    ///
    /// # Errors
    /// It does not exist, belongs to something else, or AWS refuses it.
    pub async fn delete(&self, id: &SecretId, deadline: Deadline) -> Result<(), OperationError> {
        let arn = self.secret(id, "delete secret", &deadline).await?;
        deadline.begin_change()?;
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
        let all = every_page("list secrets", &deadline, |token| {
            self.cloud.secrets(namespace, token)
        });
        let all: Vec<Listed> = all.await?;
        let ours = all
            .iter()
            .filter_map(|secret| self.naming.listed(namespace, &secret.name, &secret.tags));
        let mut listed: Vec<_> = ours.map(str::to_owned).collect();
        listed.sort();
        // A secret that is created meanwhile can move another one to the next page.
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
        let secret = self.secret(id, "create policy", &deadline).await;
        let secret = secret.map_err(|error| match error {
            OperationError::NotFound(id) => OperationError::NoSecret(id),
            other => other,
        })?;
        deadline.begin_change()?;
        let document = document(&secret);
        let created = self.cloud.create_policy(&name, document, tags(id)).await;
        let Err(error) = created else { return Ok(()) };
        if error.kind != CloudErrorKind::Exists {
            return Err(unclear("create policy", error));
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
        let arn = self.policy(id, "delete policy", &deadline).await;
        let arn = arn.map_err(|error| match error {
            OperationError::NoPolicy(id) => OperationError::PolicyIsGone(id),
            other => other,
        })?;
        let roles = every_page("delete policy", &deadline, |token| {
            self.cloud.roles(&arn, token)
        });
        let roles = roles.await?;
        deadline.begin_change()?;
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
            CloudErrorKind::NotFound => OperationError::PolicyIsGone(id.clone()),
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
        let arn = self.policy(id, "bind secret", &deadline).await?;
        deadline.begin_change()?;
        let attached = self.cloud.attach(&arn, &role).await;
        attached.map_err(|error| match error.kind {
            CloudErrorKind::NotFound => OperationError::Role {
                role,
                problem: "not found: create the role of the ServiceAccount first",
            },
            _ => unclear("bind secret", error),
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
        let arn = self.policy(id, "unbind secret", &deadline).await?;
        deadline.begin_change()?;
        let detached = self.cloud.detach(&arn, &role).await;
        detached.map_err(|error| match error.kind {
            CloudErrorKind::NotFound => OperationError::Role {
                role,
                problem: "does not exist or has not got the policy",
            },
            _ => unclear("unbind secret", error),
        })
    }

    /// The ARN of a secret that belongs to `id`.
    async fn secret(
        &self,
        id: &SecretId,
        verb: &'static str,
        deadline: &Deadline,
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
        deadline: &Deadline,
    ) -> Result<String, OperationError> {
        let name = self.naming.policy(id).map_err(invalid(id))?;
        let arn = self.cloud.policy_arn(&name);
        let found = deadline.limit(self.cloud.policy(&arn)).await?;
        owned(id, found, verb, OperationError::NoPolicy)
    }
}

/// The items of all pages.
async fn every_page<T, F>(
    verb: &'static str,
    deadline: &Deadline,
    page: impl Fn(Option<String>) -> F,
) -> Result<Vec<T>, OperationError>
where
    F: Future<Output = Result<Page<T>, CloudError>>,
{
    let mut items = Vec::new();
    let mut token = None;
    loop {
        let page = deadline.limit(page(token)).await?;
        let page = page.map_err(|error| unknown(verb, error))?;
        items.extend(page.items);
        match page.next {
            Some(next) => token = Some(next),
            None => return Ok(items),
        }
    }
}

/// The ARN of what was found, if its tags are those of `id`.
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

#[cfg(test)]
mod tests;
