//! The leader: of several replicas, the one that holds a Lease of Kubernetes creates, and the others
//! stand by with what they have watched.
//!
//! This only saves work. Two replicas that create at once are safe, so a replica that cannot use the
//! Lease creates, and no clocks are compared: a standby replica measures how long it has seen the same
//! version of the Lease.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, timeout},
};

use crate::metrics::Metrics;

/// The time between two calls of the leader, which renews the Lease, and of the others, which read it.
const PERIOD: Duration = Duration::from_secs(2);

/// After this time without a renewal, another replica takes the Lease.
const DURATION: Duration = Duration::from_secs(6);

/// The replica that wants to hold the Lease.
#[derive(Clone)]
pub(crate) struct Candidate {
    leases: Api<Lease>,
    /// The name of the Lease.
    name: String,
    /// The name of this replica.
    identity: String,
}

/// The Lease as it was seen last.
#[derive(Debug, Default)]
struct Seen {
    version: Option<String>,
    /// When this version was seen first.
    since: Option<Instant>,
}

/// Whether this replica creates, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    /// It holds the Lease.
    Leads,
    /// This other replica holds it.
    StandsBy(String),
    /// The Lease cannot be used, for this reason.
    WithoutLease(String),
}

impl Role {
    fn log(&self, lease: &str) {
        match self {
            Self::Leads => tracing::info!(lease, "this replica leads: it creates"),
            Self::StandsBy(holder) => {
                tracing::info!(lease, holder, "this replica stands by: another one creates");
            }
            Self::WithoutLease(error) => tracing::warn!(
                lease,
                "the Lease cannot be used, so this replica creates even if another one does; that is \
                 safe, but both do the same work: {error}"
            ),
        }
    }
}

/// The election that runs, if this replica takes part in one.
pub(crate) struct Election(Option<(Candidate, AbortHandle)>);

/// Starts the election as a task of `tasks`. The receiver has whether this replica creates; without a
/// candidate it always does.
pub(crate) fn start(
    candidate: Option<Candidate>,
    metrics: &Metrics,
    tasks: &mut JoinSet<()>,
) -> (watch::Receiver<bool>, Election) {
    let leads_alone = candidate.is_none();
    let (sender, leads) = watch::channel(leads_alone);
    metrics.leader.set(i64::from(leads_alone));
    let election = candidate.map(|candidate| {
        let task = tasks.spawn(candidate.clone().run(metrics.clone(), sender));
        (candidate, task)
    });
    (leads, Election(election))
}

/// Waits until this replica leads. Never returns when the process ends.
pub(crate) async fn until_it_leads(leads: &mut watch::Receiver<bool>) {
    if leads.wait_for(|leads| *leads).await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Election {
    /// Takes no part any more, and frees the Lease.
    pub(crate) async fn end(self) {
        if let Some((candidate, task)) = self.0 {
            task.abort();
            candidate.release().await;
        }
    }
}

impl Candidate {
    /// The replica `identity`, for the Lease `name` in the namespace of `client`.
    pub(crate) fn new(client: Client, name: String, identity: Option<String>) -> Self {
        // Only a process outside of a pod has no name.
        let identity =
            identity.unwrap_or_else(|| format!("kees-controller-{:016x}", fastrand::u64(..)));
        Self {
            leases: Api::default_namespaced(client),
            name,
            identity,
        }
    }

    /// Takes the Lease when it is free and renews it, forever. Sends whether this replica creates.
    async fn run(self, metrics: Metrics, leads: watch::Sender<bool>) {
        let (mut seen, mut role) = (Seen::default(), None);
        let mut answered = Instant::now();
        loop {
            let next = match timeout(PERIOD, self.call(&mut seen)).await {
                Ok(Ok(next)) => {
                    answered = Instant::now();
                    Some(next)
                }
                // A denial does not pass by itself, other errors may.
                Ok(Err(error)) if is_denied(&error) => Some(Role::WithoutLease(describe(&error))),
                Ok(Err(error)) => without_answer(answered, describe(&error)),
                Err(_) => without_answer(answered, "no response".to_owned()),
            };
            if let Some(next) = next {
                let leads_now = !matches!(next, Role::StandsBy(_));
                if is_change(role.as_ref(), &next) {
                    next.log(&self.name);
                    role = Some(next);
                }
                metrics.leader.set(i64::from(leads_now));
                leads.send_if_modified(|leads| std::mem::replace(leads, leads_now) != leads_now);
            }
            sleep(PERIOD).await;
        }
    }

    /// Frees the Lease, if this replica holds it, so that another one takes it at once.
    async fn release(&self) {
        let release = async {
            let Some(mut lease) = self.leases.get_opt(&self.name).await? else {
                return Ok(());
            };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_ref() == Some(&self.identity) {
                spec.holder_identity = None;
                self.replace(&lease).await?;
            }
            Ok::<_, kube::Error>(())
        };
        let error = match timeout(PERIOD, release).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => describe(&error),
            Err(_) => "no response".to_owned(),
        };
        tracing::debug!(lease = self.name, "the Lease is not released: {error}");
    }

    /// One attempt to take or to renew the Lease.
    async fn call(&self, seen: &mut Seen) -> kube::Result<Role> {
        let Some(mut lease) = self.leases.get_opt(&self.name).await? else {
            return self.create().await;
        };
        let is_expired = seen.is_expired(&lease);
        let spec = lease.spec.get_or_insert_default();
        let holder = spec.holder_identity.clone().unwrap_or_default();
        if holder != self.identity {
            if !holder.is_empty() && !is_expired {
                return Ok(Role::StandsBy(holder));
            }
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default() + 1);
            spec.acquire_time = Some(MicroTime(Timestamp::now()));
        }
        self.hold(spec);
        match self.replace(&lease).await {
            Err(error) if is_conflict(&error) => Ok(another()),
            result => result.map(|_| Role::Leads),
        }
    }

    async fn create(&self) -> kube::Result<Role> {
        let mut spec = LeaseSpec {
            acquire_time: Some(MicroTime(Timestamp::now())),
            lease_transitions: Some(0),
            ..LeaseSpec::default()
        };
        self.hold(&mut spec);
        let mut lease = Lease {
            spec: Some(spec),
            ..Lease::default()
        };
        lease.metadata.name = Some(self.name.clone());
        match self.leases.create(&PostParams::default(), &lease).await {
            Err(error) if is_conflict(&error) => Ok(another()),
            result => result.map(|_| Role::Leads),
        }
    }

    /// Only if it is still the version that was read.
    async fn replace(&self, lease: &Lease) -> kube::Result<Lease> {
        let params = PostParams::default();
        self.leases.replace(&self.name, &params, lease).await
    }

    fn hold(&self, spec: &mut LeaseSpec) {
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = i32::try_from(DURATION.as_secs()).ok();
        spec.renew_time = Some(MicroTime(Timestamp::now()));
    }
}

impl Seen {
    /// Whether nobody has changed `lease` for as long as it is valid.
    fn is_expired(&mut self, lease: &Lease) -> bool {
        let now = Instant::now();
        if self.version != lease.metadata.resource_version || self.since.is_none() {
            self.version.clone_from(&lease.metadata.resource_version);
            self.since = Some(now);
        }
        let spec = lease.spec.as_ref();
        let seconds = spec.and_then(|spec| spec.lease_duration_seconds);
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let duration = seconds.map_or(DURATION, Duration::from_secs);
        self.since.is_some_and(|since| now >= since + duration)
    }
}

/// The role after an error: for a while, the one before.
fn without_answer(answered: Instant, error: String) -> Option<Role> {
    (answered.elapsed() >= DURATION).then_some(Role::WithoutLease(error))
}

/// The role if another replica was faster. Which one, the next call tells.
fn another() -> Role {
    Role::StandsBy("another replica".to_owned())
}

/// Whether a role differs from the one before. The text of an error is no difference, so that it is
/// logged once.
fn is_change(before: Option<&Role>, role: &Role) -> bool {
    match (before, role) {
        (Some(Role::WithoutLease(_)), Role::WithoutLease(_)) => false,
        (before, role) => before != Some(role),
    }
}

fn is_denied(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_forbidden())
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_conflict() || status.is_already_exists())
}

fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(version: &str) -> Lease {
        let mut lease = Lease::default();
        lease.metadata.resource_version = Some(version.to_owned());
        lease
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_expires_when_it_has_not_changed_for_its_duration() {
        let mut seen = Seen::default();
        assert!(!seen.is_expired(&lease("1")));
        tokio::time::advance(PERIOD * 2).await;
        assert!(!seen.is_expired(&lease("1")));
        assert!(!seen.is_expired(&lease("2")), "it was renewed");
        tokio::time::advance(PERIOD * 2).await;
        assert!(!seen.is_expired(&lease("2")));
        tokio::time::advance(PERIOD).await;
        assert!(seen.is_expired(&lease("2")));
    }

    #[test]
    fn a_denial_is_logged_once_even_if_its_text_changes() {
        let denied = |text: &str| Role::WithoutLease(text.to_owned());
        assert!(is_change(None, &denied("a")));
        assert!(!is_change(Some(&denied("a")), &denied("b")));
        assert!(is_change(Some(&denied("a")), &Role::Leads));
        assert!(is_change(
            Some(&Role::StandsBy("a".to_owned())),
            &Role::StandsBy("b".to_owned())
        ));
    }
}
