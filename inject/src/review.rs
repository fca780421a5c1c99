//! The review of a request: from the bytes of an `AdmissionReview` to the bytes of the response.

mod message;
mod request;
pub(crate) mod response;
mod uid;

use serde::de::IgnoredAny;

use self::{
    request::{Request, Review},
    response::{API_VERSION, ReviewResponse},
};
use crate::{
    audit::Audit,
    decide::{Decision, SkipReason, decide_and_list},
    decode::{error::DecodeError, object::Object},
    pod::view::{ParsePodError, PodView, Source},
    settings::InjectSettings,
};

/// A review whose object is a pod. Nearly all are.
type PodReview<'a> = Object<Review<'a, Object<PodView<'a>>>>;
/// A review whose object is skipped.
type OtherReview<'a> = Object<Review<'a, IgnoredAny>>;

/// Answers the `AdmissionReview` in `body`. The response is always an `AdmissionReview`.
pub fn review(body: &[u8], settings: &InjectSettings) -> ReviewResponse {
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            return ReviewResponse::malformed(body, &format!("the body is not UTF-8: {error}"));
        }
    };
    let error = match serde_json::from_str::<PodReview<'_>>(text) {
        Ok(Object(mut review)) => {
            let request = review.request.as_mut();
            if let Some(Object(pod)) = request.and_then(|request| request.object.as_mut()) {
                pod.source = Source::Review(text);
            }
            return respond(&review, settings, |Object(pod)| Ok(pod));
        }
        Err(error) => error,
    };
    match serde_json::from_str::<OtherReview<'_>>(text) {
        // The rest is decoded in the same way, so the error is in the object.
        Ok(Object(review)) => respond(&review, settings, |_| {
            Err(ParsePodError(DecodeError::new::<PodReview<'_>>(
                text, error,
            )))
        }),
        Err(error) => ReviewResponse::malformed(
            body,
            &format!(
                "the body is not an AdmissionReview: {}",
                DecodeError::new::<OtherReview<'_>>(text, error)
            ),
        ),
    }
}

/// The response to a review. `pod` returns the pod of its object, or an error if the object is not
/// a pod.
fn respond<'p, O>(
    review: &'p Review<'p, O>,
    settings: &InjectSettings,
    pod: impl FnOnce(&'p O) -> Result<&'p PodView<'p>, ParsePodError>,
) -> ReviewResponse {
    match check(review).and_then(|request| decision(request, settings, pod)) {
        Ok(response) => response,
        Err(message) => {
            // In the version of the review, if it has one of its group.
            let version = review.api_version.as_deref();
            let version = version.filter(|version| version.starts_with("admission.k8s.io/"));
            let uid = review.request.as_ref().map_or("", |request| &*request.uid);
            ReviewResponse::bad_request(version.unwrap_or(API_VERSION), uid, &message)
        }
    }
}

/// The request of a review of the supported version.
fn check<'r, 'a, O>(review: &'r Review<'a, O>) -> Result<&'r Request<'a, O>, String> {
    if review.api_version.as_deref() != Some(API_VERSION) {
        return Err(format!(
            "the apiVersion is not supported; send an AdmissionReview of {API_VERSION}"
        ));
    }
    if review.kind.as_deref() != Some("AdmissionReview") {
        return Err(format!(
            "the kind is not supported; send an AdmissionReview of {API_VERSION}"
        ));
    }
    let request = review.request.as_ref();
    request.ok_or_else(|| "the review has no request".to_owned())
}

/// The response with the decision about the request's pod.
fn decision<'p, O>(
    request: &'p Request<'p, O>,
    settings: &InjectSettings,
    pod: impl FnOnce(&'p O) -> Result<&'p PodView<'p>, ParsePodError>,
) -> Result<ReviewResponse, String> {
    let namespace = request.namespace.as_deref().filter(|name| !name.is_empty());
    let audit = Audit::of_request(request.user(), request.dry_run.unwrap_or(false));
    if !request.is_pod_creation() {
        let decision = Decision::Skip {
            reason: SkipReason::NotPodCreation,
            warnings: Vec::new(),
        };
        let namespace = namespace.unwrap_or_default();
        return Ok(ReviewResponse::new(
            &request.uid,
            namespace,
            &decision,
            audit,
        ));
    }
    let object = request.object.as_ref().ok_or("the request has no object")?;
    let pod = pod(object).map_err(|error| error.to_string())?;
    let namespace = namespace.or(pod.namespace()).unwrap_or("default");
    let (decision, entries) = decide_and_list(pod, namespace, settings);
    let audit = audit.with_pod(pod, entries);
    Ok(ReviewResponse::new(
        &request.uid,
        namespace,
        &decision,
        audit,
    ))
}
