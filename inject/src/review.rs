//! From the bytes of a review to the bytes of the answer.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Decision, InvalidPod, PodView, Reply, Settings, SkipReason, decide::decide, pod::Source,
    pod::Text, reply::API_VERSION,
};

/// Answers the `AdmissionReview` in `body`. Whatever the body is, the answer is a review.
pub fn review(body: &[u8], settings: &Settings) -> Reply {
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => return Reply::malformed(body, &format!("the body is not UTF-8: {error}")),
    };
    // Nearly every review is about a pod, which is then read in the same pass. What is not one
    // is read once more, without looking into its object.
    if let Ok(mut review) = serde_json::from_str::<Review<'_, PodView<'_>>>(text) {
        if let Some(pod) = review
            .request
            .as_mut()
            .and_then(|request| request.object.as_mut())
        {
            pod.source = Source::Review(text);
        }
        return review.answer(settings);
    }
    match serde_json::from_str::<Review<'_, &RawValue>>(text) {
        Ok(review) => review.answer(settings),
        Err(error) => Reply::malformed(
            body,
            &format!("the body is not an AdmissionReview: {error}"),
        ),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>"))]
struct Review<'a, O> {
    #[serde(borrow, default)]
    api_version: Option<Text<'a>>,
    #[serde(borrow, default)]
    kind: Option<Text<'a>>,
    #[serde(borrow, default = "Option::default")]
    request: Option<Request<'a, O>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>"))]
struct Request<'a, O> {
    #[serde(borrow, default)]
    uid: Text<'a>,
    #[serde(borrow, default)]
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

/// What stands in a review for the object: a pod, or anything.
trait Object {
    /// The pod; an error says why it is none.
    fn pod(&self) -> Result<Cow<'_, PodView<'_>>, InvalidPod>;
}

impl Object for PodView<'_> {
    fn pod(&self) -> Result<Cow<'_, PodView<'_>>, InvalidPod> {
        Ok(Cow::Borrowed(self))
    }
}

impl Object for &RawValue {
    fn pod(&self) -> Result<Cow<'_, PodView<'_>>, InvalidPod> {
        PodView::from_json(self.get()).map(Cow::Owned)
    }
}

impl<O: Object> Review<'_, O> {
    fn answer(&self, settings: &Settings) -> Reply {
        self.decided(settings)
            .unwrap_or_else(|message| self.refused(&message))
    }

    /// Answers the request; an error says why it cannot be answered.
    fn decided(&self, settings: &Settings) -> Result<Reply, String> {
        let version = self.api_version.as_deref().unwrap_or_default();
        let kind = self.kind.as_deref().unwrap_or_default();
        if (version, kind) != (API_VERSION, "AdmissionReview") {
            return Err(format!(
                "'{}' of '{}' is not understood; send an AdmissionReview of {API_VERSION}",
                kind.escape_debug(),
                version.escape_debug(),
            ));
        }
        let request = self.request.as_ref().ok_or("the review has no request")?;
        let namespace = request.namespace.as_deref().filter(|name| !name.is_empty());
        if !request.is_pod_creation() {
            let reason = SkipReason::NotPodCreation;
            let warnings = Vec::new();
            let decision = Decision::Skip { reason, warnings };
            let namespace = namespace.unwrap_or_default();
            return Ok(Reply::new(&request.uid, namespace, &decision));
        }
        let object = request.object.as_ref().ok_or("the request has no object")?;
        let pod = object.pod().map_err(|error| error.to_string())?;
        let namespace = namespace.or(pod.namespace()).unwrap_or("default");
        Ok(Reply::new(
            &request.uid,
            namespace,
            &decide(&pod, namespace, settings),
        ))
    }

    /// Refuses the review, in its own version where there is one.
    fn refused(&self, message: &str) -> Reply {
        let version = self
            .api_version
            .as_deref()
            .filter(|version| version.starts_with("admission.k8s.io/"))
            .unwrap_or(API_VERSION);
        let uid = self.request.as_ref().map_or("", |request| &*request.uid);
        Reply::refused(version, uid, message)
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
