//! Decides about a complete body. Decisions about long bodies, and about volumes of classes, run one after the other in a
//! thread of their own, so that other requests do not wait for them.

use std::sync::Arc;

use kees_common::names::init::CLASS_VOLUMES;
use kees_inject::{
    ClassAccess, ClusterView, InjectSettings, OtherPods, ReviewResponse, review_with_classes,
};
use kees_secret_provider_class::DRIVER;
use tokio::{
    sync::{Semaphore, watch},
    task::spawn_blocking,
};

use crate::{
    body::{CompleteBody, beginning},
    classes::{ClassSource, Fetched, Lookups},
    live_pods::{PodSource, Surroundings},
    memory::Deadline,
    metrics::Metrics,
};

/// The longest body that is decided in the thread that serves all connections. Its decision takes
/// less than a millisecond.
const SHORT_BODY: usize = 32 * 1024;

/// The most attempts to decide: the first one misses a class, the second one its role.
const ROUNDS: u32 = 3;

/// Decides with the settings that are current.
#[derive(Debug)]
pub(crate) struct Reviewer {
    settings: watch::Receiver<Arc<InjectSettings>>,
    cluster: KnownCluster,
    metrics: Metrics,
    /// One decision about a long body at a time, because each takes memory besides its body.
    turn: Arc<Semaphore>,
}

/// What is known of the cluster.
#[derive(Debug, Clone, Default)]
pub struct KnownCluster {
    /// The classes, if volumes of classes are replaced.
    pub classes: Option<ClassSource>,
    /// The live pods with Kubernetes Secrets, if pods that want different contents in one Secret are denied.
    pub live_pods: Option<PodSource>,
}

impl KnownCluster {
    /// Decides with these classes, and with the other pods if they are known.
    fn respond(
        &self,
        review: &Review,
        settings: &InjectSettings,
        classes: ClassAccess<'_>,
    ) -> ReviewResponse {
        let surroundings = self.live_pods.as_ref().map(|pods| Surroundings {
            pods,
            classes: self.classes.as_ref(),
        });
        let pods = surroundings.as_ref().map(|of| of as &dyn OtherPods);
        review.respond(settings, ClusterView { classes, pods })
    }
}

/// A body, and what its request says of it.
struct Review {
    body: CompleteBody,
    /// Whether the client calls it JSON.
    is_json: bool,
    /// Whether the API server asks for the volumes of classes.
    for_classes: bool,
}

impl Reviewer {
    pub(crate) fn new(
        settings: watch::Receiver<Arc<InjectSettings>>,
        cluster: KnownCluster,
        metrics: Metrics,
    ) -> Self {
        Self {
            settings,
            cluster,
            metrics,
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// The response to a body. `is_json` says whether the client calls it JSON, and `for_classes` whether the API server
    /// asks for the volumes of classes.
    pub(crate) async fn review(
        &self,
        body: CompleteBody,
        is_json: bool,
        for_classes: bool,
        deadline: Deadline,
    ) -> ReviewResponse {
        let review = Review {
            body,
            is_json,
            for_classes,
        };
        match &self.cluster.classes {
            Some(classes) if names_classes(&review.body.bytes) => {
                self.with_classes(review, classes, deadline).await
            }
            _ if review.body.bytes.len() <= SHORT_BODY => {
                let settings = Arc::clone(&self.settings.borrow());
                self.cluster.respond(&review, &settings, ClassAccess::Off)
            }
            _ => {
                let cluster = self.cluster.clone();
                let decide = move |review: &Review, settings: &InjectSettings| {
                    cluster.respond(review, settings, ClassAccess::Off)
                };
                let decision = self.in_turn(Arc::new(review), deadline, decide).await;
                decision.unwrap_or_else(|response| response)
            }
        }
    }

    /// The response to a body that may have volumes of classes. A class can be as long as a long body.
    async fn with_classes(
        &self,
        review: Review,
        classes: &ClassSource,
        deadline: Deadline,
    ) -> ReviewResponse {
        let review = Arc::new(review);
        let mut fetched = Fetched::default();
        let mut round = 0;
        loop {
            let (source, known) = (classes.clone(), fetched.clone());
            let cluster = self.cluster.clone();
            let decide = move |review: &Review, settings: &InjectSettings| {
                let lookups = Lookups::new(&source, &known);
                let access = ClassAccess::On {
                    classes: &lookups,
                    requested: review.for_classes,
                };
                let response = cluster.respond(review, settings, access);
                (response, lookups.missed())
            };
            let decision = self.in_turn(Arc::clone(&review), deadline, decide).await;
            let (response, missed) = match decision {
                Ok(decision) => decision,
                Err(response) => return response,
            };
            round += 1;
            match missed {
                Some(missed) if round < ROUNDS => {
                    fetched.fetch(missed, classes, &self.metrics).await;
                }
                _ => return response,
            }
        }
    }

    /// Decides in a thread of its own, one decision after the other.
    async fn in_turn<T: Send + 'static>(
        &self,
        review: Arc<Review>,
        deadline: Deadline,
        decide: impl FnOnce(&Review, &InjectSettings) -> T + Send + 'static,
    ) -> Result<T, ReviewResponse> {
        let Some(turn) = deadline.acquire(&self.turn, 1).await else {
            let seconds = deadline.timeout.as_secs_f64();
            return Err(ReviewResponse::malformed(
                beginning(&review.body.bytes),
                &format!("the webhook was busy with other long bodies for {seconds} s"),
            ));
        };
        let settings = Arc::clone(&self.settings.borrow());
        let decision = spawn_blocking(move || {
            let decision = decide(&review, &settings);
            drop((review, turn));
            decision
        });
        decision.await.map_err(|error| {
            tracing::error!(%error, "a decision failed");
            ReviewResponse::malformed(&[], "the webhook could not decide")
        })
    }
}

impl Review {
    fn respond(&self, settings: &InjectSettings, cluster: ClusterView<'_>) -> ReviewResponse {
        if self.is_json {
            review_with_classes(&self.body.bytes, settings, cluster)
        } else {
            ReviewResponse::malformed(
                &self.body.bytes,
                "the content type is not application/json; send an AdmissionReview as JSON",
            )
        }
    }
}

/// Whether a body may be that of a pod with volumes of classes: it names the driver, or volumes that were replaced.
fn names_classes(body: &[u8]) -> bool {
    let text = std::str::from_utf8(body).unwrap_or_default();
    // A name with an escape in it is no name that Kubernetes writes.
    text.contains(DRIVER) || text.contains(CLASS_VOLUMES)
}
