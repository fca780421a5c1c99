//! Restarts the workloads of pods with `on-change: restart` when their files have changed, one at a time
//! and within their `PodDisruptionBudget`s.
//!
//! The sidecar of a pod asks by the message with which it ends. This stays in the status of the pod, so
//! nothing is remembered here but which rollout is under way, and when to look at a pod again. After a
//! start, the workloads tell which rollout that is.

mod api;
mod budget;
mod decision;
mod state;
mod under_way;
mod workload;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::OwnerReference, jiff::Timestamp};
use kees_common::Domain;
use kube::{Client, runtime::reflector::Store};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};

use self::{
    api::{ApiError, ApiServer, Owner},
    budget::Budget,
    decision::{Decision, Never, decide},
    state::{Group, LONGEST_PAUSE, SWEEP, Seen, State},
    under_way::{Progress, UnderWay},
    workload::{Place, Workload},
};
use crate::{
    events::{Events, Reason},
    leader::until_it_leads,
    metrics::Metrics,
    pod::{Restart, WatchedPod},
};

/// The least time between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// How many workloads are looked at, at the same time, after a start.
const CONCURRENT: usize = 8;

/// Restarts workloads.
pub(crate) struct Restarter {
    /// `None`: pods that ask are told that nothing is restarted.
    pub(crate) settings: Option<RestartSettings>,
    pub(crate) client: Client,
    pub(crate) domain: Domain,
    /// Whether this replica restarts.
    pub(crate) leads: watch::Receiver<bool>,
    pub(crate) reader: Store<WatchedPod>,
    pub(crate) events: Events,
    pub(crate) metrics: Metrics,
    /// Tells that a pod may have asked.
    pub(crate) asked: Arc<Notify>,
}

/// How workloads are restarted.
#[derive(Debug, Clone, Copy)]
pub struct RestartSettings {
    /// A rollout that makes no progress for so long delays no other restart.
    pub deadline: Duration,
}

/// One look at all groups.
struct Look {
    api: ApiServer,
    deadline: Duration,
    /// The budgets of the namespaces that were asked for.
    budgets: HashMap<String, Vec<Budget>>,
}

impl Restarter {
    /// Restarts while this replica leads. Never ends.
    pub(crate) async fn run(self) {
        let mut leads = self.leads.clone();
        // The first list tells. `Store::wait_until_ready` wakes only one of those that wait, and kube's applier
        // waits too.
        self.asked.notified().await;
        let mut state = None;
        loop {
            if !*leads.borrow() {
                state = None;
                self.metrics.restarts_waiting(0);
                until_it_leads(&mut leads).await;
            }
            let state = match &mut state {
                Some(state) => state,
                none => none.insert(self.state().await),
            };
            self.look(state).await;
            let waiting = state.known.values().filter(|known| known.is_waiting);
            let waiting = waiting.count();
            self.metrics.restarts_waiting(waiting);
            sleep(PAUSE).await;
            let is_idle = state.known.is_empty() && state.under_way.is_empty();
            let sweep = if is_idle { LONGEST_PAUSE } else { SWEEP };
            tokio::select! {
                () = sleep(sweep.saturating_sub(PAUSE)) => {}
                () = self.asked.notified() => {}
            }
        }
    }

    /// What an earlier leader has left.
    async fn state(&self) -> State {
        let mut state = State::default();
        let Some(settings) = self.settings else {
            return state;
        };
        let look = self.new_look(settings);
        let owners: BTreeMap<Group, Arc<WatchedPod>> = self
            .reader
            .state()
            .into_iter()
            .filter_map(|pod| Some((Group::of(&pod, pod.restart()?), pod)))
            .collect();
        let look = &look;
        let found = stream::iter(owners.into_values()).map(async |pod| {
            let owner = pod.restart()?.owner.as_ref()?;
            let found = look.workload(pod.namespace(), owner).await;
            found
                .inspect_err(|error| tracing::warn!("a rollout cannot be looked at: {error}"))
                .ok()
        });
        let mut found = found.buffer_unordered(CONCURRENT);
        while let Some(found) = found.next().await {
            if let Some(Found::Workload(workload)) = found
                && workload.asks
                && workload.restarted_at.is_some()
                && !workload.rollout.has_replaced()
                && !state.is_under_way(&workload.place)
            {
                tracing::info!("the rollout of {} is under way", workload.place);
                state.under_way.push(UnderWay::new(workload.place));
            }
        }
        state
    }

    fn new_look(&self, settings: RestartSettings) -> Look {
        Look {
            api: ApiServer {
                client: self.client.clone(),
                domain: self.domain.clone(),
            },
            deadline: settings.deadline,
            budgets: HashMap::new(),
        }
    }

    /// Looks at the rollouts that are under way, and at the pods that ask.
    async fn look(&self, state: &mut State) {
        let groups = self.groups();
        state.known.retain(|group, _| groups.contains_key(group));
        let mut look = self.settings.map(|settings| self.new_look(settings));
        if let Some(look) = &look {
            self.look_at_rollouts(look, state).await;
        }
        let mut order: Vec<_> = groups.into_iter().collect();
        let number = |group: &Group| {
            state
                .known
                .get(group)
                .map_or(u64::MAX, |known| known.number)
        };
        order.sort_by_cached_key(|(group, _)| number(group));
        for (group, pod) in order {
            if !*self.leads.borrow() {
                return;
            }
            let known = state.known.get(&group);
            let is_busy = !state.under_way.is_empty();
            if known.is_some_and(|known| is_busy || Instant::now() < known.next) {
                continue;
            }
            let Some(restart) = pod.restart() else {
                continue;
            };
            self.events.records.know(&pod);
            let seen = if let Some(look) = &mut look {
                self.look_at(look, &pod, restart, state).await
            } else {
                self.never(&pod, &Never::Off).await;
                Seen::NothingToDo
            };
            state.note(group, seen);
        }
    }

    /// The groups that ask, each with its first pod.
    fn groups(&self) -> BTreeMap<Group, Arc<WatchedPod>> {
        let mut groups: BTreeMap<Group, Arc<WatchedPod>> = BTreeMap::new();
        for pod in self.reader.state() {
            let Some(restart) = pod.restart().filter(|restart| restart.is_asked) else {
                continue;
            };
            if pod.is_ending() {
                continue;
            }
            let group = Group::of(&pod, restart);
            let first = groups.get(&group);
            if first.is_none_or(|first| pod.name() < first.name()) {
                groups.insert(group, pod);
            }
        }
        groups
    }

    async fn look_at_rollouts(&self, look: &Look, state: &mut State) {
        for mut rollout in std::mem::take(&mut state.under_way) {
            let place = rollout.place.clone();
            let progress = match look.api.workload(&place).await {
                Ok(Some(workload)) => rollout.look(Some(workload.rollout), look.deadline),
                Ok(None) => Progress::Complete,
                Err(error) => {
                    tracing::warn!("the rollout of {place} cannot be looked at: {error}");
                    rollout.look(None, look.deadline)
                }
            };
            match progress {
                Progress::GoesOn => state.under_way.push(rollout),
                Progress::Complete => tracing::info!("the rollout of {place} is complete"),
                Progress::Stalled => {
                    self.metrics.restarts_stalled.inc();
                    let seconds = look.deadline.as_secs();
                    let line = format!(
                        "its rollout makes no progress for {seconds} s; the controller does not wait \
                         for it any more before it restarts other workloads"
                    );
                    tracing::warn!("{place}: {line}");
                    let object = place.reference();
                    self.events
                        .publish_on(&object, Reason::RestartStalled, line)
                        .await;
                }
            }
        }
    }

    async fn look_at(
        &self,
        look: &mut Look,
        pod: &WatchedPod,
        restart: &Restart,
        state: &mut State,
    ) -> Seen {
        match self.decided(look, pod, restart, state).await {
            Ok((Decision::Restart, Some(workload))) => {
                self.restart(look, pod, &workload, state).await
            }
            Ok((Decision::Restart | Decision::Done, _)) => Seen::NothingToDo,
            Ok((Decision::Wait(wait), workload)) => {
                let place = workload.map_or_else(String::new, |of| of.place.to_string());
                let line = format!("{place} is restarted later: {wait}");
                self.events
                    .publish(pod, Reason::RestartWaiting, &[line])
                    .await;
                Seen::Waits
            }
            Ok((Decision::Never(never), _)) => {
                self.never(pod, &never).await;
                Seen::NothingToDo
            }
            Err(error) => self.failed(pod, &error).await,
        }
    }

    /// The decision about a pod, with its workload if it has one.
    async fn decided(
        &self,
        look: &mut Look,
        pod: &WatchedPod,
        restart: &Restart,
        state: &State,
    ) -> Result<(Decision, Option<Workload>), ApiError> {
        let Some(owner) = &restart.owner else {
            return Ok((Decision::Never(Never::NoOwner), None));
        };
        let workload = match look.workload(pod.namespace(), owner).await? {
            Found::Workload(workload) => workload,
            Found::Other(kind) => return Ok((Decision::Never(Never::Kind(kind)), None)),
            Found::Gone => return Ok((Decision::Done, None)),
        };
        let other = state.under_way.first().map(|other| &other.place);
        let budgets = look.budgets(pod.namespace()).await?;
        let decision = decide(restart, &workload, budgets, other);
        Ok((decision, Some(workload)))
    }

    async fn restart(
        &self,
        look: &Look,
        pod: &WatchedPod,
        workload: &Workload,
        state: &mut State,
    ) -> Seen {
        let place = &workload.place;
        let now = Timestamp::now().strftime("%FT%TZ").to_string();
        match look.api.restart(workload, &now).await {
            // It has changed. The next look decides anew.
            Ok(false) => Seen::Changed,
            Ok(true) => {
                self.metrics.restarted(true);
                tracing::info!(
                    namespace = pod.namespace(),
                    pod = pod.name(),
                    "restarted {place}"
                );
                state.under_way.push(UnderWay::new(place.clone()));
                let line =
                    format!("restarted {place}, because the files of this pod were replaced");
                self.events.publish(pod, Reason::Restarted, &[line]).await;
                let line = format!(
                    "restarted, because the files of pod {} were replaced",
                    pod.name()
                );
                let object = place.reference();
                self.events
                    .publish_on(&object, Reason::Restarted, line)
                    .await;
                Seen::NothingToDo
            }
            Err(error) => self.failed(pod, &error).await,
        }
    }

    async fn never(&self, pod: &WatchedPod, never: &Never) {
        let line = format!("the files were replaced, and nothing is restarted: {never}");
        self.events
            .publish(pod, Reason::NotRestarted, &[line])
            .await;
    }

    async fn failed(&self, pod: &WatchedPod, error: &ApiError) -> Seen {
        self.metrics.restarted(false);
        tracing::warn!(
            namespace = pod.namespace(),
            pod = pod.name(),
            "a restart failed, and is tried again: {error}"
        );
        let line = format!("the workload cannot be restarted: {error}");
        self.events
            .publish(pod, Reason::RestartFailed, &[line])
            .await;
        Seen::Waits
    }
}

/// What owns a pod, with the workload.
enum Found {
    Workload(Workload),
    Other(String),
    Gone,
}

impl Look {
    async fn workload(&self, namespace: &str, owner: &OwnerReference) -> Result<Found, ApiError> {
        let place: Place = match self.api.owner(namespace, owner).await? {
            Owner::Workload(place) => place,
            Owner::Other(kind) => return Ok(Found::Other(kind)),
            Owner::Gone => return Ok(Found::Gone),
        };
        let workload = self.api.workload(&place).await?;
        Ok(workload.map_or(Found::Gone, Found::Workload))
    }

    async fn budgets(&mut self, namespace: &str) -> Result<&[Budget], ApiError> {
        if !self.budgets.contains_key(namespace) {
            let budgets = self.api.budgets(namespace).await?;
            self.budgets.insert(namespace.to_owned(), budgets);
        }
        Ok(self.budgets.get(namespace).map_or(&[], Vec::as_slice))
    }
}
