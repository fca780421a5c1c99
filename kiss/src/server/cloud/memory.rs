//! AWS in memory, for tests: what exists, and errors on demand.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::*;

/// What exists in the account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// By name.
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// By ARN.
    pub(crate) policies: BTreeMap<String, Policy>,
    /// The names of the roles.
    pub(crate) roles: BTreeSet<String>,
    created: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Secret {
    pub(crate) arn: String,
    pub(crate) value: String,
    pub(crate) tags: Tags,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) document: String,
    pub(crate) tags: Tags,
    pub(crate) roles: BTreeSet<String>,
}

impl State {
    /// Makes the number of creations that of `other`, for comparisons.
    pub(crate) fn clone_counter(&mut self, other: &Self) {
        self.created = other.created;
    }
}

/// AWS in memory.
#[derive(Default)]
pub(crate) struct MemoryCloud {
    state: Mutex<State>,
    /// The action that fails, how many of it succeed before, and the kind of the error.
    fails: Mutex<Option<(&'static str, u32, CloudErrorKind)>>,
    /// The action that takes long.
    slow: Mutex<Option<&'static str>>,
    /// How many actions that take long have begun.
    pub(crate) slow_actions: AtomicUsize,
    /// How long each call takes.
    pub(crate) delay: Duration,
}

/// The most items on a page, so that all lists have several.
const PAGE: usize = 2;

impl MemoryCloud {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn fail(&self, action: &'static str, after: u32, kind: CloudErrorKind) {
        *self.fails.lock().unwrap() = Some((action, after, kind));
    }

    /// Lets an action take long.
    pub(crate) fn fail_slowly(&self, action: &'static str) {
        *self.slow.lock().unwrap() = Some(action);
    }

    async fn called(&self, action: &'static str) -> Result<(), CloudError> {
        tokio::time::sleep(self.delay).await;
        let is_slow = *self.slow.lock().unwrap() == Some(action);
        if is_slow {
            self.slow_actions.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        let mut fails = self.fails.lock().unwrap();
        match fails.as_mut() {
            Some((failing, 0, kind)) if *failing == action => Err(error(action, *kind)),
            Some((failing, after, _)) if *failing == action => {
                *after -= 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn error(action: &'static str, kind: CloudErrorKind) -> CloudError {
    CloudError {
        kind,
        action,
        code: format!("{kind:?}"),
        message: "of the test".to_owned(),
    }
}

fn paged<T: Clone>(all: &[T], token: Option<String>) -> Page<T> {
    let begin: usize = token.map_or(0, |token| token.parse().unwrap());
    let end = (begin + PAGE).min(all.len());
    Page {
        items: all[begin..end].to_vec(),
        next: (end < all.len()).then(|| end.to_string()),
    }
}

impl Cloud for MemoryCloud {
    async fn create_secret(&self, name: &str, value: Value, tags: Tags) -> Result<(), CloudError> {
        self.called("create_secret").await?;
        let mut state = self.state();
        if state.secrets.contains_key(name) {
            return Err(error("create_secret", CloudErrorKind::Exists));
        }
        state.created += 1;
        let arn = format!(
            "arn:aws:secretsmanager:x:1:secret:{name}-{:06}",
            state.created
        );
        let value = value.to_string();
        state
            .secrets
            .insert(name.to_owned(), Secret { arn, value, tags });
        Ok(())
    }

    async fn secret(&self, name: &str) -> Result<Found, CloudError> {
        self.called("secret").await?;
        let state = self.state();
        let secret = state.secrets.get(name);
        let secret = secret.ok_or_else(|| error("secret", CloudErrorKind::NotFound))?;
        Ok(Found {
            arn: secret.arn.clone(),
            tags: secret.tags.clone(),
        })
    }

    async fn put_secret(&self, arn: &str, value: Value) -> Result<(), CloudError> {
        self.called("put_secret").await?;
        let mut state = self.state();
        let secret = state.secrets.values_mut().find(|secret| secret.arn == arn);
        let secret = secret.ok_or_else(|| error("put_secret", CloudErrorKind::NotFound))?;
        secret.value = value.to_string();
        Ok(())
    }

    async fn delete_secret(&self, arn: &str) -> Result<(), CloudError> {
        self.called("delete_secret").await?;
        let mut state = self.state();
        let before = state.secrets.len();
        state.secrets.retain(|_, secret| secret.arn != arn);
        if state.secrets.len() == before {
            return Err(error("delete_secret", CloudErrorKind::NotFound));
        }
        Ok(())
    }

    /// All secrets, whatever the namespace is: the caller must compare.
    async fn secrets(&self, _: &str, token: Option<String>) -> Result<Page<Listed>, CloudError> {
        self.called("secrets").await?;
        let state = self.state();
        let all: Vec<_> = state
            .secrets
            .iter()
            .map(|(name, secret)| Listed {
                name: name.clone(),
                tags: secret.tags.clone(),
            })
            .collect();
        Ok(paged(&all, token))
    }

    fn policy_arn(&self, name: &str) -> String {
        format!("arn:aws:iam::1:policy/{name}")
    }

    async fn create_policy(
        &self,
        name: &str,
        document: String,
        tags: Tags,
    ) -> Result<(), CloudError> {
        self.called("create_policy").await?;
        let arn = self.policy_arn(name);
        let mut state = self.state();
        if state.policies.contains_key(&arn) {
            return Err(error("create_policy", CloudErrorKind::Exists));
        }
        let policy = Policy {
            document,
            tags,
            roles: BTreeSet::new(),
        };
        state.policies.insert(arn, policy);
        Ok(())
    }

    async fn policy(&self, arn: &str) -> Result<Found, CloudError> {
        self.called("policy").await?;
        let state = self.state();
        let policy = state.policies.get(arn);
        let policy = policy.ok_or_else(|| error("policy", CloudErrorKind::NotFound))?;
        Ok(Found {
            arn: arn.to_owned(),
            tags: policy.tags.clone(),
        })
    }

    async fn delete_policy(&self, arn: &str) -> Result<(), CloudError> {
        self.called("delete_policy").await?;
        let mut state = self.state();
        match state.policies.get(arn) {
            None => Err(error("delete_policy", CloudErrorKind::NotFound)),
            Some(policy) if !policy.roles.is_empty() => {
                Err(error("delete_policy", CloudErrorKind::Attached))
            }
            Some(_) => {
                state.policies.remove(arn);
                Ok(())
            }
        }
    }

    async fn roles(&self, arn: &str, token: Option<String>) -> Result<Page<String>, CloudError> {
        self.called("roles").await?;
        let state = self.state();
        let all: Vec<_> = state.policies[arn].roles.iter().cloned().collect();
        Ok(paged(&all, token))
    }

    async fn attach(&self, arn: &str, role: &str) -> Result<(), CloudError> {
        self.called("attach").await?;
        let mut state = self.state();
        if !state.roles.contains(role) {
            return Err(error("attach", CloudErrorKind::NotFound));
        }
        let policy = state.policies.get_mut(arn);
        let policy = policy.ok_or_else(|| error("attach", CloudErrorKind::NotFound))?;
        policy.roles.insert(role.to_owned());
        Ok(())
    }

    async fn detach(&self, arn: &str, role: &str) -> Result<(), CloudError> {
        self.called("detach").await?;
        let mut state = self.state();
        let policy = state.policies.get_mut(arn);
        if policy.is_some_and(|policy| policy.roles.remove(role)) {
            Ok(())
        } else {
            Err(error("detach", CloudErrorKind::NotFound))
        }
    }
}
