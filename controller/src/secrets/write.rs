//! Brings Secrets into the state that a job wants, and tells the pods.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kees_store::protocol::StoreSet;

use super::{
    api::{ApiError, Secrets, Written},
    candidate::{Candidate, Target, newest},
    choice::{Choice, Offer, choose},
    fetch::{Contents, FetchError, Fetcher},
    regions::RegionStores,
    stored::{Belongs, Desired, Stored},
    tell::Teller,
    wanted::Job,
};
use crate::{events::Reason, metrics::SecretResult};

/// How often a Secret is read again because somebody changed it meanwhile.
const ATTEMPTS: usize = 3;

/// Writes the Secrets of jobs.
pub(super) struct SecretWriter<S, R> {
    pub(super) fetcher: Fetcher<S, R>,
    pub(super) secrets: Secrets,
    pub(super) teller: Teller,
    /// The annotation of a Secret that names what asks for it.
    pub(super) source: String,
}

/// How a Secret is after a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// As it has to be, with this version.
    Right(String),
    /// Not written, because a value does not exist yet.
    Waits,
    /// Not written, because something else has it. That may end by itself.
    Blocked,
    /// Not written, because something failed.
    Failed,
}

/// A Secret, and what the candidates have for it.
struct Subject<'a> {
    target: &'a Target,
    /// The candidates that want it, with its content.
    offers: Vec<Offered<'a>>,
}

/// A candidate, and its content of one Secret.
type Offered<'a> = (&'a Candidate, &'a Result<Desired, FetchError>);

/// The candidates that are what a workload wants now. Candidates by annotations are already, but a workload that is rolled out
/// may also change its class, or go from annotations to a class.
fn without_superseded(offers: Vec<Offered<'_>>) -> Vec<Offered<'_>> {
    let candidates = offers.iter().map(|(candidate, _)| *candidate);
    let current: BTreeSet<usize> = newest(candidates).into_values().collect();
    let offers = offers.into_iter().enumerate();
    let offers = offers.filter(|(index, _)| current.contains(index));
    offers.map(|(_, offered)| offered).collect()
}

impl<S, R> SecretWriter<S, R>
where
    S: StoreSet + Send + Sync + 'static,
    S::Store: Sync,
    R: RegionStores,
{
    /// Reads what the candidates of a job want, and writes its Secrets.
    pub(super) async fn run(&self, job: &Job) -> Vec<(Target, State)> {
        let contents = job.candidates.iter().map(|of| self.fetcher.fetch(of));
        let contents: Vec<Contents> = join_all(contents).await;
        let mut states = Vec::new();
        for target in &job.targets {
            let (namespace, name) = target;
            let offers = job.candidates.iter().zip(&contents);
            let offers = offers.filter(|(candidate, _)| candidate.namespace == *namespace);
            let offers =
                offers.filter_map(|(candidate, contents)| Some((candidate, contents.get(name)?)));
            let offers: Vec<Offered<'_>> = offers.collect();
            let subject = Subject {
                target,
                offers: without_superseded(offers),
            };
            states.push((target.clone(), self.bring(&subject).await));
        }
        states
    }

    async fn bring(&self, subject: &Subject<'_>) -> State {
        let mut state = self.tell_failures(subject).await;
        if subject.known().next().is_none() {
            return state.unwrap_or(State::Failed);
        }
        let written = match self.write(subject).await {
            Ok(written) => written,
            Err(error) => {
                self.tell_error(subject, &error).await;
                State::Failed
            }
        };
        // What a candidate waits for is looked at again soon, although another one has what it wants.
        if !matches!(written, State::Right(_)) || state.is_none() {
            state = Some(written);
        }
        state.unwrap_or(State::Failed)
    }

    /// Tells the pods whose values were not read. Returns the state that follows from it, if there are any.
    async fn tell_failures(&self, subject: &Subject<'_>) -> Option<State> {
        let (_, name) = subject.target;
        let mut state = None;
        for (candidate, content) in &subject.offers {
            let (reason, lines, of) = match content {
                Ok(_) => continue,
                Err(FetchError::Absent(lines)) => (Reason::SecretWaiting, lines, State::Waits),
                Err(FetchError::Failed(lines)) => (Reason::SecretFailed, lines, State::Failed),
            };
            let lines: Vec<_> = lines
                .iter()
                .map(|line| format!("Secret {name}: {line}"))
                .collect();
            self.teller
                .tell(&candidate.pods, subject.target, reason, &lines)
                .await;
            if state != Some(State::Failed) {
                state = Some(of);
            }
        }
        state
    }

    async fn tell_error(&self, subject: &Subject<'_>, error: &ApiError) {
        let (namespace, name) = subject.target;
        tracing::warn!(
            namespace,
            secret = name,
            "a Secret is not written, trying again: {error}"
        );
        self.teller.count(SecretResult::Error);
        // Events would not be written either.
        if !error.is_of_server() {
            let line = format!("Secret {name}: it cannot be written: {error}");
            self.tell_all(subject, Reason::SecretFailed, line).await;
        }
    }

    async fn tell_all(&self, subject: &Subject<'_>, reason: Reason, line: String) {
        for (candidate, _) in &subject.offers {
            let lines = [line.clone()];
            self.teller
                .tell(&candidate.pods, subject.target, reason, &lines)
                .await;
        }
    }

    async fn write(&self, subject: &Subject<'_>) -> Result<State, ApiError> {
        for _ in 0..ATTEMPTS {
            if let Some(state) = self.try_write(subject).await? {
                return Ok(state);
            }
        }
        let error = "the Secret changes all the time; find out what else writes it";
        Err(ApiError::Other(error.to_owned()))
    }

    /// `None` if the Secret changed meanwhile.
    async fn try_write(&self, subject: &Subject<'_>) -> Result<Option<State>, ApiError> {
        let (namespace, name) = subject.target;
        let stored = self.secrets.get(namespace, name).await?;
        if let Some(line) = stored.as_ref().and_then(|stored| subject.foreign(stored)) {
            self.teller.count(SecretResult::Conflict);
            self.tell_all(subject, Reason::SecretConflict, line).await;
            return Ok(Some(State::Blocked));
        }
        let recorded = stored
            .as_ref()
            .and_then(|stored| stored.source(&self.source));
        let desired = match subject.choose(stored.as_ref(), recorded) {
            Choice::Offer(index) => subject.known_at(index),
            Choice::Stays | Choice::Nothing => None,
        };
        let Some(mut desired) = desired.cloned() else {
            return self.leave(subject, stored.as_ref()).await.map(Some);
        };
        if let Some(of) = stored.as_ref().map(Stored::secret_type)
            && of != desired.secret_type
        {
            let line = format!(
                "Secret {name}: it has the type {of}, and {} asks for {}; the type of a Secret cannot change: \
                 delete the Secret, and it is written again",
                desired.source, desired.secret_type
            );
            self.teller.count(SecretResult::Conflict);
            self.tell_all(subject, Reason::SecretConflict, line).await;
            return Ok(Some(State::Blocked));
        }
        self.tell_others(subject, &desired).await;
        let owners = subject.owners_of(&desired);
        if let Some(recorded) = recorded.filter(|of| subject.is_source(&desired, of)) {
            recorded.clone_into(&mut desired.source);
        }
        let is_new = stored.is_none();
        let before = stored.unwrap_or_else(|| Stored::new(namespace, name, &desired.secret_type));
        let Some(next) = before.with(&desired, &owners, &self.source) else {
            let version = before.version().unwrap_or_default().to_owned();
            return Ok(Some(State::Right(version)));
        };
        let written = if is_new {
            self.secrets.create(namespace, &next).await?
        } else {
            self.secrets.replace(namespace, name, &next).await?
        };
        let Written::Done(version) = written else {
            return Ok(None);
        };
        let has_changed = is_new || !before.has_content_of(&desired);
        if has_changed {
            self.tell_written(subject, &desired, is_new).await;
        }
        Ok(Some(State::Right(version)))
    }

    /// Leaves the content as it is, because that of the pods whose Secret it is cannot be read now. Other pods that want it as
    /// it is own it too.
    async fn leave(
        &self,
        subject: &Subject<'_>,
        stored: Option<&Stored>,
    ) -> Result<State, ApiError> {
        let (namespace, name) = subject.target;
        let Some(stored) = stored else {
            return Ok(State::Failed);
        };
        let (same, others): (Vec<_>, Vec<_>) = subject
            .known()
            .partition(|(_, of)| stored.has_content_of(of));
        let owners: Vec<_> = same.iter().flat_map(|(of, _)| of.owners()).collect();
        if let Some(next) = stored.with_owners(&owners) {
            self.secrets.replace(namespace, name, &next).await?;
        }
        for (candidate, _) in &others {
            self.teller.count(SecretResult::Conflict);
            let line = format!(
                "Secret {name}: it has the content of {}, which stays; these pods ask for another content: give one \
                 of them another name",
                stored.source(&self.source).unwrap_or_default()
            );
            self.teller
                .tell(
                    &candidate.pods,
                    subject.target,
                    Reason::SecretConflict,
                    &[line],
                )
                .await;
        }
        Ok(State::Failed)
    }

    /// Tells pods that ask for another content, and the pods whose content it is.
    async fn tell_others(&self, subject: &Subject<'_>, desired: &Desired) {
        let (_, name) = subject.target;
        let (first, others): (Vec<_>, Vec<_>) =
            subject.known().partition(|(_, of)| of.is_same(desired));
        if others.is_empty() {
            return;
        }
        self.teller.count(SecretResult::Conflict);
        let names: Vec<_> = others
            .iter()
            .map(|(candidate, _)| described(candidate))
            .collect();
        let owner = first.first().map(|(candidate, _)| described(candidate));
        let line = format!(
            "Secret {name}: {} and {} ask for it with different contents; it has that of the first one: give one \
             of them another name",
            owner.unwrap_or_default(),
            names.join(", ")
        );
        self.tell_all(subject, Reason::SecretConflict, line).await;
    }

    async fn tell_written(&self, subject: &Subject<'_>, desired: &Desired, is_new: bool) {
        let (namespace, name) = subject.target;
        let (done, result) = if is_new {
            ("created", SecretResult::Created)
        } else {
            ("updated", SecretResult::Updated)
        };
        self.teller.count(result);
        tracing::info!(
            namespace,
            secret = name,
            source = desired.source,
            "{done} a Secret"
        );
        let line = format!("{done} Secret {name} ({})", desired.secret_type);
        for (candidate, of) in subject.known() {
            if of.is_same(desired) {
                let lines = [line.clone()];
                self.teller
                    .tell(
                        &candidate.pods,
                        subject.target,
                        Reason::SecretWritten,
                        &lines,
                    )
                    .await;
            }
        }
    }
}

impl<'a> Subject<'a> {
    /// The candidates whose content is known.
    fn known(&self) -> impl Iterator<Item = (&'a Candidate, &'a Desired)> {
        let offers = self.offers.iter();
        offers.filter_map(|(candidate, content)| Some((*candidate, content.as_ref().ok()?)))
    }

    fn known_at(&self, index: usize) -> Option<&'a Desired> {
        self.offers
            .get(index)
            .and_then(|(_, content)| content.as_ref().ok())
    }

    /// Why the Secret belongs to something else, if it does.
    fn foreign(&self, stored: &Stored) -> Option<String> {
        let (_, name) = self.target;
        match stored.belongs() {
            Belongs::Controller => None,
            // A class asks for it, as it asked the driver.
            Belongs::Driver if self.known().any(|(_, of)| of.is_of_class) => None,
            Belongs::Driver => Some(format!(
                "Secret {name}: it belongs to the Secrets Store CSI driver, and no class asks for it here; use \
                 another name"
            )),
            Belongs::Other => Some(format!(
                "Secret {name}: it exists, and kees did not write it (it has no label \
                 app.kubernetes.io/managed-by: kees); delete it, or use another name"
            )),
        }
    }

    fn choose(&self, stored: Option<&Stored>, recorded: Option<&str>) -> Choice {
        let known: Vec<&Desired> = self.known().map(|(_, desired)| desired).collect();
        let number = |of: &Desired| known.iter().position(|other| other.is_same(of));
        let content = stored.and_then(|stored| {
            let same = known
                .iter()
                .find(|desired| stored.has_content_of(desired))?;
            number(same)
        });
        let offers: Vec<Offer> = self
            .offers
            .iter()
            .map(|(candidate, content)| Offer {
                sources: candidate.sources.clone(),
                since: candidate.since(),
                content: content.as_ref().ok().and_then(number),
            })
            .collect();
        choose(&offers, recorded, content)
    }

    /// The owners of all pods that want this content.
    fn owners_of(&self, desired: &Desired) -> Vec<OwnerReference> {
        let same = self.known().filter(|(_, of)| of.is_same(desired));
        same.flat_map(|(candidate, _)| candidate.owners()).collect()
    }

    /// Whether `source` asks for this content.
    fn is_source(&self, desired: &Desired, source: &str) -> bool {
        let mut same = self.known().filter(|(_, of)| of.is_same(desired));
        same.any(|(candidate, _)| candidate.sources.iter().any(|of| of == source))
    }
}

/// The source of a candidate, with its oldest pod.
fn described(candidate: &Candidate) -> String {
    let source = candidate.sources.first().map_or("", String::as_str);
    let pod = candidate.pods.first().map_or("", |pod| pod.name());
    format!("{source} (pod {pod})")
}
