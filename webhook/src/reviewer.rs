//! Decides about a complete body. Decisions about long bodies run one after the other in a thread of
//! their own, so that other requests do not wait for them.

use std::sync::Arc;

use kees_inject::{InjectSettings, ReviewResponse, review};
use tokio::{
    sync::{Semaphore, watch},
    task::spawn_blocking,
};

use crate::{
    body::{CompleteBody, beginning},
    memory::Deadline,
};

/// The longest body that is decided in the thread that serves all connections. Its decision takes
/// less than a millisecond.
const SHORT_BODY: usize = 32 * 1024;

/// Decides with the settings that are current.
#[derive(Debug)]
pub(crate) struct Reviewer {
    settings: watch::Receiver<Arc<InjectSettings>>,
    /// One decision about a long body at a time, because each takes memory besides its body.
    turn: Arc<Semaphore>,
}

impl Reviewer {
    pub(crate) fn new(settings: watch::Receiver<Arc<InjectSettings>>) -> Self {
        Self {
            settings,
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// The response to a body. `is_json` says whether the client calls it JSON.
    pub(crate) async fn review(
        &self,
        body: CompleteBody,
        is_json: bool,
        deadline: Deadline,
    ) -> ReviewResponse {
        if body.bytes.len() <= SHORT_BODY {
            return respond(&body, is_json, &self.settings.borrow());
        }
        let Some(turn) = deadline.acquire(&self.turn, 1).await else {
            return ReviewResponse::malformed(
                beginning(&body.bytes),
                &format!(
                    "the webhook was busy with other long bodies for {} s",
                    deadline.timeout.as_secs_f64()
                ),
            );
        };
        let settings = Arc::clone(&self.settings.borrow());
        let decision = spawn_blocking(move || {
            let response = respond(&body, is_json, &settings);
            drop((body, turn));
            response
        });
        decision.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a decision failed");
            ReviewResponse::malformed(&[], "the webhook could not decide")
        })
    }
}

fn respond(body: &CompleteBody, is_json: bool, settings: &InjectSettings) -> ReviewResponse {
    if is_json {
        review(&body.bytes, settings)
    } else {
        ReviewResponse::malformed(
            &body.bytes,
            "the content type is not application/json; send an AdmissionReview as JSON",
        )
    }
}
