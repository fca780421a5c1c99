//! From the bytes of a review to the bytes of the answer.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Decision, PodView, Reply, Settings, SkipReason, decide::decide, pod::Text, reply::API_VERSION,
};

/// Answers the `AdmissionReview` in `body`. Whatever the body is, the answer is a review.
pub fn review(body: &[u8], settings: &Settings) -> Reply {
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => return Reply::malformed(body, &format!("the body is not UTF-8: {error}")),
    };
    let review: Review<'_> = match serde_json::from_str(text) {
        Ok(review) => review,
        Err(error) => {
            return Reply::malformed(
                body,
                &format!("the body is not an AdmissionReview: {error}"),
            );
        }
    };
    match review.request(settings) {
        Ok(reply) => reply,
        Err(message) => review.refuse(&message),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    #[serde(borrow, default)]
    api_version: Option<Text<'a>>,
    #[serde(borrow, default)]
    kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    request: Option<Request<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    uid: Text<'a>,
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
    #[serde(borrow)]
    sub_resource: Option<Text<'a>>,
    #[serde(borrow)]
    operation: Text<'a>,
    #[serde(borrow)]
    namespace: Option<Text<'a>>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
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

impl Review<'_> {
    /// Answers the request; an error says why it cannot be answered.
    fn request(&self, settings: &Settings) -> Result<Reply, String> {
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
            let decision = Decision::Skip {
                reason,
                warnings: Vec::new(),
            };
            return Ok(Reply::new(
                &request.uid,
                namespace.unwrap_or_default(),
                &decision,
            ));
        }
        let object = request.object.ok_or("the request has no object")?;
        let pod = PodView::from_json(object.get()).map_err(|error| error.to_string())?;
        let namespace = namespace.or(pod.namespace()).unwrap_or("default");
        Ok(Reply::new(
            &request.uid,
            namespace,
            &decide(&pod, namespace, settings),
        ))
    }

    /// Refuses the review, in its own version where there is one.
    fn refuse(&self, message: &str) -> Reply {
        let version = self
            .api_version
            .as_deref()
            .filter(|version| version.starts_with("admission.k8s.io/"))
            .unwrap_or(API_VERSION);
        let uid = self.request.as_ref().map_or("", |request| &*request.uid);
        Reply::refused(version, uid, message)
    }
}

impl Request<'_> {
    fn is_pod_creation(&self) -> bool {
        let pods = self.resource.as_ref().is_some_and(|resource| {
            (&*resource.group, &*resource.version, &*resource.resource) == ("", "v1", "pods")
        });
        let whole = self.sub_resource.as_deref().is_none_or(str::is_empty);
        pods && whole && &*self.operation == "CREATE"
    }
}
