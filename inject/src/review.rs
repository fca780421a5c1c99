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
    classes::ClassAccess,
    cluster::ClusterView,
    decide::{Decision, SkipReason, decide_and_list},
    decode::{error::DecodeError, object::Object},
    pod::{
        limits::NAME_BYTES,
        view::{ParsePodError, PodView, Source},
    },
    settings::InjectSettings,
};

/// The longest version that a response repeats.
const VERSION_LENGTH: usize = 64;

/// A review whose object is a pod. Nearly all are.
type PodReview<'a> = Object<Review<'a, Object<PodView<'a>>>>;
/// A review whose object is skipped.
type OtherReview<'a> = Object<Review<'a, IgnoredAny>>;

/// Answers the `AdmissionReview` in `body`. The response is always an `AdmissionReview`.
///
/// Volumes of `SecretProviderClass` objects are left to the CSI driver.
pub fn review(body: &[u8], settings: &InjectSettings) -> ReviewResponse {
    review_with_classes(body, settings, ClassAccess::Off)
}

/// [`review`], for pods whose volumes of `SecretProviderClass` objects may be replaced, and whose Secrets other pods may want.
pub fn review_with_classes<'c>(
    body: &[u8],
    settings: &InjectSettings,
    cluster: impl Into<ClusterView<'c>>,
) -> ReviewResponse {
    let cluster = cluster.into();
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
            return respond(&review, settings, cluster, |Object(pod)| Ok(pod));
        }
        Err(error) => error,
    };
    match serde_json::from_str::<OtherReview<'_>>(text) {
        // The rest is decoded in the same way, so the error is in the object.
        Ok(Object(review)) => respond(&review, settings, cluster, |_| {
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
    cluster: ClusterView<'_>,
    pod: impl FnOnce(&'p O) -> Result<&'p PodView<'p>, ParsePodError>,
) -> ReviewResponse {
    match check(review).and_then(|request| decision(request, settings, cluster, pod)) {
        Ok(response) => response,
        Err(message) => {
            // In the version of the review, if it has one of its group.
            let version = review.api_version.as_deref().filter(|version| {
                version.starts_with("admission.k8s.io/") && version.len() <= VERSION_LENGTH
            });
            let uid = review.request.as_ref().map(|request| &*request.uid);
            let uid = uid.filter(|uid| uid.len() <= uid::MAX_LENGTH);
            let version = version.unwrap_or(API_VERSION);
            ReviewResponse::bad_request(version, uid.unwrap_or_default(), &message)
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
    let request = request.ok_or_else(|| "the review has no request".to_owned())?;
    if request.uid.len() > uid::MAX_LENGTH {
        let limit = uid::MAX_LENGTH;
        return Err(format!("the uid is longer than {limit} bytes"));
    }
    Ok(request)
}

/// The response with the decision about the request's pod.
fn decision<'p, O>(
    request: &'p Request<'p, O>,
    settings: &InjectSettings,
    cluster: ClusterView<'_>,
    pod: impl FnOnce(&'p O) -> Result<&'p PodView<'p>, ParsePodError>,
) -> Result<ReviewResponse, String> {
    let namespace = request.namespace.as_deref().filter(|name| !name.is_empty());
    check_namespace(namespace)?;
    let audit = Audit::of_request(request.user(), request.dry_run);
    if !request.is_pod_creation() {
        let decision = Decision::Skip {
            reason: SkipReason::NotPodCreation,
            warnings: Vec::new(),
            policy: None,
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
    check_namespace(pod.namespace())?;
    let namespace = namespace.or(pod.namespace()).unwrap_or("default");
    let (decision, entries) = decide_and_list(pod, namespace, settings, cluster);
    let audit = audit.with_pod(pod, entries);
    Ok(ReviewResponse::new(
        &request.uid,
        namespace,
        &decision,
        audit,
    ))
}

/// Checks the length, because responses and logs repeat the name.
fn check_namespace(namespace: Option<&str>) -> Result<(), String> {
    if namespace.is_some_and(|name| name.len() > NAME_BYTES) {
        return Err(format!("the namespace is longer than {NAME_BYTES} bytes"));
    }
    Ok(())
}
