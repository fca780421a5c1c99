//! From the bytes of a review to the bytes of the answer.

pub(crate) mod response;
mod uid;

use serde::{Deserialize, de::IgnoredAny};

use crate::{
    Decision, InjectSettings, ParsePodError, PodView, ReviewResponse, SkipReason,
    decide::decide,
    decode::error::DecodeError,
    decode::object::{self, Object},
    pod::view::{Source, Text},
    review::response::API_VERSION,
};

/// Answers the `AdmissionReview` in `body`. Whatever the body is, the answer is a review.
pub fn review(body: &[u8], settings: &InjectSettings) -> ReviewResponse {
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            return ReviewResponse::malformed(body, &format!("the body is not UTF-8: {error}"));
        }
    };
    // Nearly every review is about a pod, which is then read in the same pass. What is not one
    // is read once more, without looking into its object.
    let unread = match serde_json::from_str::<OfPod<'_>>(text) {
        Ok(Object(mut review)) => {
            let request = review.request.as_mut();
            if let Some(Object(pod)) = request.and_then(|request| request.object.as_mut()) {
                pod.source = Source::Review(text);
            }
            return review.answer(settings, |Object(pod)| Ok(pod));
        }
        Err(error) => error,
    };
    match serde_json::from_str::<OfAnything<'_>>(text) {
        // All but the object is read in the same way: that is where the first pass failed.
        Ok(Object(review)) => review.answer(settings, |_| {
            Err(ParsePodError(DecodeError::of::<OfPod<'_>>(text, unread)))
        }),
        Err(error) => ReviewResponse::malformed(
            body,
            &format!(
                "the body is not an AdmissionReview: {}",
                DecodeError::of::<OfAnything<'_>>(text, error)
            ),
        ),
    }
}

type OfPod<'a> = Object<Review<'a, Object<PodView<'a>>>>;
type OfAnything<'a> = Object<Review<'a, IgnoredAny>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>"))]
struct Review<'a, O> {
    #[serde(borrow, default)]
    api_version: Option<Text<'a>>,
    #[serde(borrow, default)]
    kind: Option<Text<'a>>,
    #[serde(
        borrow,
        default = "Option::default",
        deserialize_with = "object::optional"
    )]
    request: Option<Request<'a, O>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>"))]
struct Request<'a, O> {
    #[serde(borrow, default)]
    uid: Text<'a>,
    #[serde(borrow, default, deserialize_with = "object::optional")]
    resource: Option<Resource<'a>>,
    #[serde(borrow, default)]
    sub_resource: Option<Text<'a>>,
    #[serde(borrow, default)]
    operation: Text<'a>,
    #[serde(borrow, default)]
    namespace: Option<Text<'a>>,
    #[serde(default = "Option::default")]
    object: Option<O>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "Kubernetes's own words")]
struct Resource<'a> {
    #[serde(borrow)]
    group: Text<'a>,
    #[serde(borrow)]
    version: Text<'a>,
    #[serde(borrow)]
    resource: Text<'a>,
}

impl<O> Review<'_, O> {
    /// Answers the request. `pod` gives the pod of an object, or says why it is none.
    fn answer<'p>(
        &'p self,
        settings: &InjectSettings,
        pod: impl FnOnce(&'p O) -> Result<&'p PodView<'p>, ParsePodError>,
    ) -> ReviewResponse {
        self.decided(settings, pod)
            .unwrap_or_else(|message| self.refused(&message))
    }

    /// Answers the request; an error says why it cannot be answered.
    fn decided<'p>(
        &'p self,
        settings: &InjectSettings,
        pod: impl FnOnce(&'p O) -> Result<&'p PodView<'p>, ParsePodError>,
    ) -> Result<ReviewResponse, String> {
        let version = self.api_version.as_deref().unwrap_or_default();
        let kind = self.kind.as_deref().unwrap_or_default();
        if version != API_VERSION {
            return Err(format!(
                "the apiVersion is not understood; send an AdmissionReview of {API_VERSION}"
            ));
        }
        if kind != "AdmissionReview" {
            return Err(format!(
                "the kind is not understood; send an AdmissionReview of {API_VERSION}"
            ));
        }
        let request = self.request.as_ref().ok_or("the review has no request")?;
        let namespace = request.namespace.as_deref().filter(|name| !name.is_empty());
        if !request.is_pod_creation() {
            let reason = SkipReason::NotPodCreation;
            let warnings = Vec::new();
            let decision = Decision::Skip { reason, warnings };
            let namespace = namespace.unwrap_or_default();
            return Ok(ReviewResponse::new(&request.uid, namespace, &decision));
        }
        let object = request.object.as_ref().ok_or("the request has no object")?;
        let pod = pod(object).map_err(|error| error.to_string())?;
        let namespace = namespace.or(pod.namespace()).unwrap_or("default");
        Ok(ReviewResponse::new(
            &request.uid,
            namespace,
            &decide(pod, namespace, settings),
        ))
    }

    /// Refuses the review, in its own version where there is one.
    fn refused(&self, message: &str) -> ReviewResponse {
        let version = self
            .api_version
            .as_deref()
            .filter(|version| version.starts_with("admission.k8s.io/"))
            .unwrap_or(API_VERSION);
        let uid = self.request.as_ref().map_or("", |request| &*request.uid);
        ReviewResponse::refused(version, uid, message)
    }
}

impl<O> Request<'_, O> {
    fn is_pod_creation(&self) -> bool {
        let pods = self.resource.as_ref().is_some_and(|resource| {
            (&*resource.group, &*resource.version, &*resource.resource) == ("", "v1", "pods")
        });
        let whole = self.sub_resource.as_deref().is_none_or(str::is_empty);
        pods && whole && &*self.operation == "CREATE"
    }
}
