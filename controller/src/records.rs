//! What the controller remembers of each pod that it watches, so that a change of a pod's status, or
//! a list of all pods, causes no work, and a pod with errors is tried again after growing pauses.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kube::runtime::reflector::Store;
use tokio::time::Instant;

use crate::pod::WatchedPod;

/// The pause after the first attempt that failed. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause, without jitter.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The longest time until a pod that waits for a number looks again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// After this time, an Event is written again although nothing has changed. Kubernetes keeps Events
/// for an hour.
const REPEAT: Duration = Duration::from_mins(50);

/// The records of all pods, by uid.
#[derive(Debug, Default)]
pub(crate) struct Records(Mutex<HashMap<String, Record>>);

/// The record of one pod.
#[derive(Debug)]
struct Record {
    /// What the last attempt was made for.
    fingerprint: u64,
    state: State,
    /// For each subject, the hash of the last Event, and when it was written.
    events: HashMap<u64, (u64, Instant)>,
    /// The status and the hash of the last condition.
    condition: Option<ConditionHash>,
}

/// The status of a condition, and the hash of its reason and its message.
pub(crate) type ConditionHash = (&'static str, u64);

/// A condition that differs from the last one of its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConditionChange {
    /// Whether its status differs too.
    pub(crate) is_transition: bool,
    pub(crate) content: ConditionHash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Done,
    Failed { attempts: u32, next: Instant },
}

/// What to do with a pod now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Try.
    Now,
    /// Try after this pause.
    Later(Duration),
    /// Nothing has changed since all was done.
    Never,
}

impl Records {
    /// Whether it is the turn of `pod`, whose annotations are decided on with the policy of this
    /// number.
    pub(crate) fn turn(&self, pod: &WatchedPod, policy: u64) -> Turn {
        let fingerprint = fingerprint(pod, policy);
        let mut records = self.records();
        let record = records.entry(pod.uid().to_owned()).or_insert(Record {
            fingerprint,
            state: State::Open,
            events: HashMap::new(),
            condition: None,
        });
        if record.fingerprint != fingerprint {
            record.fingerprint = fingerprint;
            record.state = State::Open;
        }
        match record.state {
            State::Open => Turn::Now,
            State::Done => Turn::Never,
            State::Failed { next, .. } => match next.saturating_duration_since(Instant::now()) {
                Duration::ZERO => Turn::Now,
                pause => Turn::Later(pause),
            },
        }
    }

    /// Remembers of a living pod which Events it got, also before its first turn.
    pub(crate) fn know(&self, pod: &WatchedPod) {
        let mut records = self.records();
        records.entry(pod.uid().to_owned()).or_insert(Record {
            fingerprint: 0,
            state: State::Open,
            events: HashMap::new(),
            condition: None,
        });
    }

    /// Nothing is left to do for `pod` as it is with the policy of this number.
    pub(crate) fn done(&self, pod: &WatchedPod, policy: u64) {
        if let Some(record) = self.records().get_mut(pod.uid())
            && record.fingerprint == fingerprint(pod, policy)
        {
            record.state = State::Done;
        }
    }

    /// An attempt for `pod` failed. Returns the pause until the next one.
    pub(crate) fn failed(&self, pod: &WatchedPod) -> Duration {
        self.pauses(pod, LONGEST_PAUSE)
    }

    /// `pod` waits for a number that becomes free. Returns the pause until the next look, which nobody
    /// has to wait for if [`Records::wake`] comes first.
    pub(crate) fn waits(&self, pod: &WatchedPod) -> Duration {
        self.pauses(pod, LONGEST_WAIT)
    }

    /// The pod with this uid has its next attempt now.
    pub(crate) fn wake(&self, uid: &str) {
        if let Some(record) = self.records().get_mut(uid)
            && matches!(record.state, State::Failed { .. })
        {
            record.state = State::Open;
        }
    }

    fn pauses(&self, pod: &WatchedPod, longest: Duration) -> Duration {
        let mut records = self.records();
        let Some(record) = records.get_mut(pod.uid()) else {
            return FIRST_PAUSE;
        };
        let attempts = match record.state {
            State::Failed { attempts, .. } => attempts.saturating_add(1),
            State::Open | State::Done => 1,
        };
        let pause = FIRST_PAUSE
            .saturating_mul(1 << (attempts - 1).min(16))
            .min(longest);
        // Between a half and the whole, so that pods that fail together do not try again together.
        let pause = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
        let next = Instant::now() + pause;
        record.state = State::Failed { attempts, next };
        pause
    }

    /// Whether an Event about `subject` with this content is to be written: it differs from the last one that the pod got
    /// about it, or that one is old.
    pub(crate) fn is_news(
        &self,
        pod: &WatchedPod,
        subject: &str,
        content: impl std::hash::Hash,
    ) -> bool {
        let (subject, hash, now) = (hash(subject), hash(content), Instant::now());
        let mut records = self.records();
        let Some(record) = records.get_mut(pod.uid()) else {
            // The pod is gone.
            return false;
        };
        let last = record.events.get(&subject);
        if last.is_some_and(|(last, at)| *last == hash && now < *at + REPEAT) {
            return false;
        }
        record.events.insert(subject, (hash, now));
        true
    }

    /// The change, if the condition of `pod` is to be written because it differs from the last one.
    /// `content` is the reason and the message.
    pub(crate) fn condition_change(
        &self,
        pod: &WatchedPod,
        status: &'static str,
        content: (&str, &str),
    ) -> Option<ConditionChange> {
        let next = (status, hash(content));
        let mut records = self.records();
        // Without a record, the pod is gone.
        let record = records.get_mut(pod.uid())?;
        let is_transition = match record.condition.replace(next) {
            Some(last) if last == next => return None,
            Some((last, _)) => last != status,
            // Another process may have written it.
            None => match pod.condition() {
                Some(last) if last == (status, content.0, content.1) => return None,
                last => last.is_none_or(|(last, ..)| last != status),
            },
        };
        Some(ConditionChange {
            is_transition,
            content: next,
        })
    }

    /// Whether the last condition of the pod with this uid is `content`.
    pub(crate) fn is_last_condition(&self, uid: &str, content: ConditionHash) -> bool {
        self.records()
            .get(uid)
            .is_some_and(|record| record.condition == Some(content))
    }

    /// How many pods wait for their next attempt.
    pub(crate) fn failing(&self) -> usize {
        let records = self.records();
        let failed = records
            .values()
            .filter(|record| matches!(record.state, State::Failed { .. }));
        failed.count()
    }

    /// Forgets which attempts failed, because another replica makes the next ones.
    pub(crate) fn stand_by(&self) {
        for record in self.records().values_mut() {
            if matches!(record.state, State::Failed { .. }) {
                record.state = State::Open;
            }
        }
    }

    /// Forgets a pod that is gone.
    pub(crate) fn forget(&self, pod: &WatchedPod) {
        self.records().remove(pod.uid());
    }

    /// Forgets every pod that is not in `store`.
    pub(crate) fn retain(&self, store: &Store<WatchedPod>) {
        let pods = store.state();
        let uids: HashSet<&str> = pods.iter().map(|pod| pod.uid()).collect();
        self.records().retain(|uid, _| uids.contains(uid.as_str()));
    }

    fn records(&self) -> MutexGuard<'_, HashMap<String, Record>> {
        // A panic cannot interrupt a change, so the records behind a poisoned lock are complete.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(content: impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

/// What decides about a pod: its annotations and the policy.
fn fingerprint(pod: &WatchedPod, policy: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    policy.hash(&mut hasher);
    for annotation in pod.annotations() {
        annotation.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(uid: &str, value: &str) -> WatchedPod {
        let json = serde_json::json!({"metadata": {
            "name": uid, "uid": uid, "annotations": {"secret.bsycorp.com/a": value},
        }});
        serde_json::from_value(json).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_is_done_has_a_turn_again_when_it_or_the_policy_changes() {
        let records = Records::default();
        assert_eq!(records.turn(&pod("a", "1"), 1), Turn::Now);
        records.done(&pod("a", "1"), 1);
        assert_eq!(records.turn(&pod("a", "1"), 1), Turn::Never);
        assert_eq!(records.turn(&pod("a", "2"), 1), Turn::Now);
        records.done(&pod("a", "2"), 1);
        assert_eq!(records.turn(&pod("a", "2"), 2), Turn::Now);
        assert_eq!(records.turn(&pod("b", "2"), 2), Turn::Now, "another pod");
    }

    #[test]
    fn a_pod_that_is_known_has_its_turn_and_gets_events() {
        let (records, pod) = (Records::default(), pod("a", "1"));
        records.know(&pod);
        assert!(records.is_news(&pod, "", "x"));
        assert_eq!(records.turn(&pod, 1), Turn::Now);
        records.done(&pod, 1);
        records.know(&pod);
        assert!(!records.is_news(&pod, "", "x"));
        assert_eq!(records.turn(&pod, 1), Turn::Never);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_whose_annotations_changed_meanwhile_is_not_done() {
        let records = Records::default();
        records.turn(&pod("a", "1"), 1);
        records.turn(&pod("a", "2"), 1);
        records.done(&pod("a", "1"), 1);
        assert_eq!(records.turn(&pod("a", "2"), 1), Turn::Now);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pauses_grow_up_to_five_minutes_and_a_change_ends_them() {
        let (records, broken) = (Records::default(), pod("a", "1"));
        records.turn(&broken, 1);
        let mut longest = FIRST_PAUSE;
        for _ in 0..20 {
            let pause = records.failed(&broken);
            assert!(
                longest / 2 <= pause && pause <= longest,
                "{pause:?} of {longest:?}"
            );
            assert_eq!(records.turn(&broken, 1), Turn::Later(pause));
            tokio::time::advance(pause).await;
            assert_eq!(records.turn(&broken, 1), Turn::Now);
            longest = (longest * 2).min(LONGEST_PAUSE);
        }
        records.failed(&broken);
        assert_eq!(records.failing(), 1);
        assert_eq!(records.turn(&pod("a", "2"), 1), Turn::Now);
        assert_eq!(records.failing(), 0);
    }

    #[test]
    fn a_replica_that_stands_by_has_no_failed_pods() {
        let (records, pod) = (Records::default(), pod("a", "1"));
        records.turn(&pod, 1);
        records.failed(&pod);
        assert_eq!(records.failing(), 1);
        records.stand_by();
        assert_eq!(records.failing(), 0);
        assert_eq!(records.turn(&pod, 1), Turn::Now);
    }

    #[test]
    fn an_earlier_condition_is_not_the_last_one() {
        let (records, pod) = (Records::default(), pod("a", "1"));
        records.turn(&pod, 1);
        let change = |status| records.condition_change(&pod, status, ("R", "x")).unwrap();
        let (first, second) = (change("False").content, change("True").content);
        assert!(!records.is_last_condition(pod.uid(), first));
        assert!(records.is_last_condition(pod.uid(), second));
        records.forget(&pod);
        assert!(!records.is_last_condition(pod.uid(), second));
    }

    #[test]
    fn a_condition_is_written_when_it_differs_from_the_last_one_of_any_process() {
        let (records, new) = (Records::default(), pod("a", "1"));
        assert_eq!(
            records.condition_change(&new, "False", ("Failed", "x")),
            None
        );
        records.turn(&new, 1);
        let change = |status, message| {
            let change = records.condition_change(&new, status, ("R", message))?;
            assert!(records.is_last_condition(new.uid(), change.content));
            Some(change.is_transition)
        };
        assert_eq!(change("False", "x"), Some(true), "the first one");
        assert_eq!(change("False", "x"), None);
        assert_eq!(change("False", "y"), Some(false));
        assert_eq!(change("True", "y"), Some(true));
        assert_eq!(change("True", "y"), None);

        let json = serde_json::json!({
            "metadata": {"uid": "b"},
            "status": {"conditions": [
                {"type": "Ready", "status": "True"},
                {"type": "kees.bsycorp.com/secrets-created", "status": "True", "reason": "R", "message": "y"},
            ]},
        });
        let mut known: WatchedPod = serde_json::from_value(json).unwrap();
        known.reduce(&"bsycorp.com".parse().unwrap());
        records.turn(&known, 1);
        assert_eq!(records.condition_change(&known, "True", ("R", "y")), None);
        assert_eq!(
            records
                .condition_change(&known, "True", ("R", "z"))
                .map(|change| change.is_transition),
            Some(false)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_written_once_until_it_differs_or_is_old() {
        let (records, pod) = (Records::default(), pod("a", "1"));
        assert!(!records.is_news(&pod, "", "x"), "the pod is not known");
        records.turn(&pod, 1);
        assert!(records.is_news(&pod, "", "x"));
        assert!(!records.is_news(&pod, "", "x"));
        assert!(records.is_news(&pod, "", "y"));
        tokio::time::advance(REPEAT).await;
        assert!(records.is_news(&pod, "", "y"));
        assert!(records.is_news(&pod, "other", "y"), "about something else");
        assert!(!records.is_news(&pod, "", "y"));
        records.forget(&pod);
        assert!(!records.is_news(&pod, "", "z"));
    }
}
