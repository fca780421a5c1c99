//! Rotates the secrets of pods whose annotations say `rotate=`.
//!
//! Nothing is remembered but when to look again: from time to time the pods are read anew, and each
//! generation that a pod names with `rotate=` is looked at in its store when it may be due. The store
//! decides whether it is: two replicas, or a replica after a restart, rotate nothing twice.

mod due;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{StreamExt as _, stream};
use kees_common::{Generation, Period, Rotation, StoragePath, StoreName, names::keys};
use kees_init::Generator;
use kees_inject::{Creation, CreatorPod, creation};
use kees_store::{
    RetryBudget, StoreError,
    protocol::StoreSet,
    rotation::{self, Current, RotateError, RotateStore, Rotated},
};
use kube::runtime::reflector::Store;
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

use self::due::Times;
use crate::{
    events::{Events, Reason},
    leader::until_it_leads,
    metrics::Metrics,
    pod::WatchedPod,
    policy,
};

/// The most time between two looks at the pods.
const SWEEP: Duration = Duration::from_secs(30);

/// The least time between two looks at the pods.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a secret is left alone whose rotation has failed.
const AFTER_ERROR: u64 = 60;

/// How many secrets are looked at, at the same time.
const CONCURRENT: usize = 16;

/// Rotates what is due.
pub(crate) struct Rotator<S> {
    pub(crate) stores: Arc<S>,
    pub(crate) policy: watch::Receiver<Arc<policy::Current>>,
    /// Whether this replica rotates.
    pub(crate) leads: watch::Receiver<bool>,
    pub(crate) reader: Store<WatchedPod>,
    pub(crate) generator: Generator,
    pub(crate) events: Events,
    pub(crate) metrics: Metrics,
    /// A shorter `rotate=` counts as this.
    pub(crate) minimum: Period,
    /// Tells that the secrets of a pod that wants a rotation are stored.
    pub(crate) created: Arc<Notify>,
    /// How long one secret may take.
    pub(crate) timeout: Duration,
}

/// Where a generation is stored.
type Place = (StoreName, StoragePath);

/// A generation that a pod wants rotated.
struct Wanted {
    generation: Generation,
    rotation: Rotation,
    /// The pod that gets the Events.
    pod: Arc<WatchedPod>,
    annotation: String,
}

impl<S> Rotator<S>
where
    S: StoreSet + Send + Sync + 'static,
    S::Store: RotateStore + Sync,
{
    /// Rotates while this replica leads. Never ends.
    pub(crate) async fn run(self) {
        // When each secret is looked at again, in seconds since 1970.
        let mut next: HashMap<(Place, Rotation), u64> = HashMap::new();
        let mut leads = self.leads.clone();
        loop {
            if !*leads.borrow() {
                next.clear();
                until_it_leads(&mut leads).await;
            }
            let wanted = self.wanted();
            let is_wanted = |(place, rotation): &(Place, Rotation)| {
                wanted.get(place).is_some_and(|of| of.rotation == *rotation)
            };
            next.retain(|key, _| is_wanted(key));
            let now = now();
            let is_open = |(place, of): &(Place, Wanted)| {
                let next = next.get(&(place.clone(), of.rotation));
                next.is_none_or(|next| *next <= now)
            };
            let open = wanted.into_iter().filter(is_open);
            let looks = open.map(|(place, wanted)| {
                let this = &self;
                async move {
                    let again = this.look(&place, &wanted).await;
                    ((place, wanted.rotation), again)
                }
            });
            let looks: Vec<_> = looks.collect();
            let mut looks = stream::iter(looks).buffer_unordered(CONCURRENT);
            while let Some((key, again)) = looks.next().await {
                next.insert(key, again);
            }
            let first = next.values().min().copied().unwrap_or(u64::MAX);
            let until = Duration::from_secs(first.saturating_sub(self::now()));
            sleep(PAUSE).await;
            tokio::select! {
                () = sleep(until.min(SWEEP).saturating_sub(PAUSE)) => {}
                () = self.created.notified() => {}
            }
        }
    }

    /// What the pods want rotated, as the policy allows it. Of several pods that name a secret, the
    /// shortest period counts.
    fn wanted(&self) -> HashMap<Place, Wanted> {
        let current = Arc::clone(&self.policy.borrow());
        let mut all: HashMap<Place, Wanted> = HashMap::new();
        for pod in self.reader.state() {
            let annotations: Vec<_> = pod.annotations().collect();
            let asks = annotations
                .iter()
                .any(|(_, value)| value.contains(keys::ROTATE));
            if !asks || pod.is_ending() {
                continue;
            }
            let subject = CreatorPod {
                namespace: pod.namespace(),
                service_account: pod.service_account(),
            };
            let Creation::Create { parsed, plan } =
                creation(subject, &annotations, &current.settings)
            else {
                continue;
            };
            for generation in plan.generations {
                let entries = generation.entries.iter();
                let mut entries = entries.filter_map(|at| parsed.entries.get(*at));
                let found = entries.find_map(|entry| Some((entry, entry.rotation?)));
                let Some((entry, rotation)) = found else {
                    continue;
                };
                let place = (generation.store, generation.path.clone());
                let wanted = Wanted {
                    generation,
                    rotation,
                    pod: Arc::clone(&pod),
                    annotation: entry.annotation.clone(),
                };
                let known = all.get(&place).map(|known| known.rotation.every);
                if known.is_none_or(|every| rotation.every < every) {
                    all.insert(place, wanted);
                }
            }
        }
        self.metrics.rotating(all.len());
        all
    }

    /// Rotates and removes what is due. Returns when to look again.
    async fn look(&self, place: &Place, wanted: &Wanted) -> u64 {
        let Some(store) = self.stores.get(place.0) else {
            // The policy allows only stores that were opened.
            return u64::MAX;
        };
        match self.look_at(store, place, wanted).await {
            Ok(next) => next,
            Err(error) => {
                self.metrics.rotation_failed();
                tracing::warn!(
                    namespace = wanted.pod.namespace(),
                    pod = wanted.pod.name(),
                    "a rotation failed, and is tried again: {error}"
                );
                let line = format!("{}: {error}", wanted.annotation);
                self.events
                    .publish(&wanted.pod, Reason::RotationFailed, &[line])
                    .await;
                now() + AFTER_ERROR
            }
        }
    }

    async fn look_at(
        &self,
        store: &S::Store,
        place: &Place,
        wanted: &Wanted,
    ) -> Result<u64, String> {
        let mut budget = RetryBudget::new(self.timeout);
        let generation = &wanted.generation;
        let times = |current: &Current| {
            Times::of(current, wanted.rotation, self.minimum, (place.0, &place.1))
        };
        let is_due = |current: &Current| times(current).is_some_and(|times| times.rotate <= now());
        let rotated = rotation::rotate(store, generation, &self.generator, is_due, &mut budget);
        match rotated.await.map_err(|error| told(&error))? {
            Rotated::Rotated => self.rotated(wanted).await,
            Rotated::Changed | Rotated::NotDue => {}
            // The creator creates it; there is nothing to rotate until then.
            Rotated::Absent => return Ok(now() + SWEEP.as_secs()),
        }
        let is_old = |current: &Current| {
            let retire = times(current).and_then(|times| times.retire);
            retire.is_some_and(|retire| retire <= now())
        };
        let retired = rotation::retire(store, generation, is_old, &mut budget);
        if retired.await.map_err(|error| with_remedy(&error))? {
            self.metrics.retired();
            tracing::info!(path = %place.1, "removed the previous generation");
        }
        let current = store.current(generation).await;
        let Some(current) = current.map_err(|error| with_remedy(&error))? else {
            return Ok(now() + SWEEP.as_secs());
        };
        if let Some(times) = times(&current) {
            return Ok(times.next());
        }
        let remembered = store.remember_since(generation, &current, now()).await;
        remembered.map_err(|error| with_remedy(&error))?;
        Ok(now() + PAUSE.as_secs())
    }

    async fn rotated(&self, wanted: &Wanted) {
        self.metrics.rotated();
        let path = &wanted.generation.path;
        tracing::info!(
            namespace = wanted.pod.namespace(),
            pod = wanted.pod.name(),
            path = %path,
            "rotated"
        );
        let line = format!("{}: rotated {path}", wanted.annotation);
        self.events
            .publish(&wanted.pod, Reason::Rotated, &[line])
            .await;
    }
}

fn told<E: std::error::Error>(error: &RotateError<E>) -> String {
    match error {
        RotateError::Store(error) => with_remedy(error),
        RotateError::Generate(source) => format!("{error}: {source}"),
        RotateError::Randomness(error) => error.to_string(),
    }
}

fn with_remedy(error: &StoreError) -> String {
    format!("{error}; {}", error.remedy)
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
