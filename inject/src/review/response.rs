//! The response to a review: an `AdmissionReview` of `admission.k8s.io/v1`.

use std::{collections::BTreeMap, fmt};

use base64_simd::STANDARD;
use serde::Serialize;

use super::{
    message::{MAX_ERRORS, denial, one_line, shortened},
    uid,
};
use crate::{
    audit::Audit,
    decide::{Decision, SkipReason},
    denial::DenialReason,
    error::PodError,
    policy::result::PolicyResult,
};

/// The supported version of `AdmissionReview`.
pub(super) const API_VERSION: &str = "admission.k8s.io/v1";

/// The response to a review, and what a program may log and count of it. Its `Debug` leaves out the
/// body, which contains values of the pod.
#[derive(Clone, PartialEq, Eq)]
pub struct ReviewResponse {
    /// The body: an `AdmissionReview` as JSON. It is always sent with HTTP status 200.
    pub json: Vec<u8>,
    /// The outcome for the pod.
    pub outcome: Outcome,
    /// Why the pod was skipped or denied: [`SkipReason`], [`DenialReason`], or empty.
    pub reason: &'static str,
    /// The number of errors of a denial.
    pub errors: usize,
    /// The number of warnings in the response.
    pub warnings: usize,
    /// The namespace of the request, if it could be read.
    pub namespace: Option<String>,
    /// The uid of the request, if it could be read. The API server's audit log contains it too.
    pub uid: Option<String>,
    /// Who asks for what.
    pub audit: Audit,
    /// What the policy decided, if there is a policy file and it applies to the pod.
    pub policy: Option<PolicyResult>,
}

impl fmt::Debug for ReviewResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            json,
            outcome,
            reason,
            errors,
            warnings,
            uid,
            namespace,
            audit,
            policy,
        } = self;
        f.debug_struct("ReviewResponse")
            .field("bytes", &json.len())
            .field("outcome", outcome)
            .field("reason", reason)
            .field("errors", errors)
            .field("warnings", warnings)
            .field("uid", uid)
            .field("namespace", namespace)
            .field("audit", audit)
            .field("policy", policy)
            .finish()
    }
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Allowed, with a patch.
    Patched,
    /// Allowed. The pod is already injected in the same way.
    Unchanged,
    /// Allowed, not injected.
    Skipped(SkipReason),
    /// Denied: the pod has errors.
    Denied,
    /// Denied: the body could not be read.
    Malformed,
}

impl Outcome {
    /// The outcome in metrics and logs, without the reason of [`Outcome::Skipped`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patched => "patched",
            Self::Unchanged => "unchanged",
            Self::Skipped(_) => "skipped",
            Self::Denied => "denied",
            Self::Malformed => "malformed",
        }
    }
}

impl ReviewResponse {
    /// The response to a body that cannot be read, with code 400. `body` may be incomplete: the uid
    /// is taken from it if it is there.
    pub fn malformed(body: &[u8], message: &str) -> Self {
        let uid = uid::find(body).unwrap_or_default();
        Self::bad_request(API_VERSION, &uid, message)
    }

    /// The response to a request for which the program has no memory or no time, with code 400.
    pub fn overloaded(uid: &str, message: &str) -> Self {
        Self::bad_request(API_VERSION, uid, message)
    }

    /// The response to a request that cannot be answered, with code 400.
    pub(super) fn bad_request(api_version: &str, uid: &str, message: &str) -> Self {
        let status = Status {
            status: "Failure",
            message: one_line(message),
            reason: "BadRequest",
            details: None,
            code: 400,
        };
        let response = AdmissionResponse {
            status: Some(status),
            ..AdmissionResponse::new(uid, false)
        };
        Self {
            json: to_json(api_version, response),
            outcome: Outcome::Malformed,
            reason: "",
            errors: 0,
            warnings: 0,
            namespace: None,
            uid: (!uid.is_empty()).then(|| uid.to_owned()),
            audit: Audit::default(),
            policy: None,
        }
    }

    /// The response with a decision.
    pub(super) fn new(uid: &str, namespace: &str, decision: &Decision, audit: Audit) -> Self {
        let (outcome, errors, warnings) = match decision {
            Decision::Skip {
                reason, warnings, ..
            } => (Outcome::Skipped(*reason), 0, warnings),
            Decision::Deny {
                errors, warnings, ..
            } => (Outcome::Denied, errors.len(), warnings),
            Decision::Patch {
                operations,
                warnings,
                ..
            } if operations.is_empty() => (Outcome::Unchanged, 0, warnings),
            Decision::Patch { warnings, .. } => (Outcome::Patched, 0, warnings),
        };
        let mut response = AdmissionResponse::new(uid, outcome != Outcome::Denied);
        response.warnings = shortened(warnings);
        match decision {
            Decision::Deny { errors, .. } => response.status = Some(Status::denied(errors)),
            Decision::Patch { operations, .. } if !operations.is_empty() => {
                response.patch_type = Some("JSONPatch");
                response.patch = Some(STANDARD.encode_to_string(operations.as_json()));
            }
            Decision::Patch { .. } | Decision::Skip { .. } => {}
        }
        let reason = match decision {
            Decision::Skip { reason, .. } => reason.as_str(),
            Decision::Deny { errors, .. } => {
                DenialReason::of(errors).map_or("", DenialReason::as_str)
            }
            Decision::Patch { .. } => "",
        };
        response.audit_annotations = audit_annotations(outcome, reason, decision.policy(), &audit);
        Self {
            warnings: response.warnings.len(),
            json: to_json(API_VERSION, response),
            outcome,
            reason,
            errors,
            namespace: Some(namespace.to_owned()),
            uid: Some(uid.to_owned()),
            audit,
            policy: decision.policy().cloned(),
        }
    }
}

/// What the API server adds to its audit event, each key after the name of the webhook. It knows the
/// user, the pod and its namespace itself.
fn audit_annotations(
    outcome: Outcome,
    reason: &str,
    policy: Option<&PolicyResult>,
    audit: &Audit,
) -> BTreeMap<&'static str, String> {
    let annotations = [
        ("outcome", outcome.as_str()),
        ("reason", reason),
        (
            "rule",
            policy
                .and_then(|policy| policy.rule.as_deref())
                .unwrap_or_default(),
        ),
        (
            "policy",
            policy.map_or("", |policy| policy.outcome.as_str()),
        ),
        ("entries", &audit.entries),
        ("class-objects", &audit.class_objects),
    ];
    annotations
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key, value.to_owned()))
        .collect()
}

fn to_json(api_version: &str, response: AdmissionResponse<'_>) -> Vec<u8> {
    let review = AdmissionReview {
        api_version,
        kind: "AdmissionReview",
        response,
    };
    // These types always serialize. The API server would treat an empty body as a failed call.
    serde_json::to_vec(&review).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AdmissionReview<'a> {
    api_version: &'a str,
    kind: &'static str,
    response: AdmissionResponse<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AdmissionResponse<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    /// A JSON patch in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<&'static str, String>,
}

impl<'a> AdmissionResponse<'a> {
    fn new(uid: &'a str, allowed: bool) -> Self {
        Self {
            uid,
            allowed,
            status: None,
            patch_type: None,
            patch: None,
            warnings: Vec::new(),
            audit_annotations: BTreeMap::new(),
        }
    }
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names of Kubernetes")]
struct Status {
    status: &'static str,
    message: String,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
    code: u16,
}

impl Status {
    /// The status of a denied pod. With the reason `Invalid`, kubectl would leave out the name of
    /// the webhook.
    fn denied(errors: &[PodError]) -> Self {
        let causes = errors.iter().take(MAX_ERRORS);
        let causes = causes.map(|error| Cause {
            reason: "FieldValueInvalid",
            message: one_line(&error.message()),
            field: one_line(&error.field()),
        });
        Self {
            status: "Failure",
            message: denial(errors),
            reason: "Forbidden",
            details: Some(Details {
                causes: causes.collect(),
            }),
            code: 403,
        }
    }
}

#[derive(Serialize)]
struct Details {
    causes: Vec<Cause>,
}

#[derive(Serialize)]
struct Cause {
    reason: &'static str,
    message: String,
    field: String,
}
