//! The answer to a review: an `AdmissionReview` of `admission.k8s.io/v1`.

use std::fmt;

use crate::{Decision, PodError, SkipReason, patch::json::JsonWriter, review::uid};

/// The version of the reviews that are understood.
pub(crate) const API_VERSION: &str = "admission.k8s.io/v1";

/// The answer, with what may be logged and counted of it: never a value or a patch, which is why
/// its `Debug` leaves the body out.
#[derive(Clone, PartialEq, Eq)]
pub struct ReviewResponse {
    /// The body: an `AdmissionReview` as JSON, always to be sent with HTTP status 200.
    pub json: Vec<u8>,
    /// What became of the pod.
    pub outcome: Outcome,
    /// How many faults a denial names.
    pub faults: usize,
    /// How many warnings are sent along.
    pub warnings: usize,
    /// The namespace of the request, where it could be read.
    pub namespace: Option<String>,
    /// The uid of the request, which the API server's audit log has too, where it could be read.
    pub uid: Option<String>,
}

impl fmt::Debug for ReviewResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            json,
            outcome,
            faults,
            warnings,
            uid,
            namespace,
        } = self;
        f.debug_struct("ReviewResponse")
            .field("bytes", &json.len())
            .field("outcome", outcome)
            .field("faults", faults)
            .field("warnings", warnings)
            .field("uid", uid)
            .field("namespace", namespace)
            .finish()
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Allowed, with a patch.
    Patched,
    /// Allowed; ours was there already, as it should be.
    Unchanged,
    /// Allowed, left as it is.
    Skipped(SkipReason),
    /// Refused: the pod cannot work or may not.
    Denied,
    /// Refused: the body could not be read.
    Malformed,
}

impl Outcome {
    /// A word for metrics and logs, without the reason of [`Outcome::Skipped`].
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
    /// Refuses a body that cannot be read, with code 400. `body` may be all of it or its
    /// beginning: the uid is taken from there if it can be found.
    pub fn malformed(body: &[u8], message: &str) -> Self {
        Self::refused(API_VERSION, &uid::find(body).unwrap_or_default(), message)
    }

    /// Refuses a review that cannot be answered otherwise, with code 400.
    pub(crate) fn refused(api_version: &str, uid: &str, message: &str) -> Self {
        let json = response(api_version, uid, false, |json| {
            json.key("status").object(|json| {
                json.member("status", "Failure");
                json.member("message", &one_line(message));
                json.member("reason", "BadRequest");
                json.key("code").raw("400");
            });
        });
        Self {
            json,
            outcome: Outcome::Malformed,
            faults: 0,
            warnings: 0,
            namespace: None,
            uid: (!uid.is_empty()).then(|| uid.to_owned()),
        }
    }

    /// Answers the request of that uid.
    pub(crate) fn new(uid: &str, namespace: &str, decision: &Decision) -> Self {
        let (outcome, faults, warnings) = match decision {
            Decision::Skip { reason, warnings } => (Outcome::Skipped(*reason), 0, warnings),
            Decision::Deny { faults, warnings } => (Outcome::Denied, faults.len(), warnings),
            Decision::Patch {
                operations,
                warnings,
            } if operations.is_empty() => (Outcome::Unchanged, 0, warnings),
            Decision::Patch { warnings, .. } => (Outcome::Patched, 0, warnings),
        };
        let warnings = shortened(warnings);
        let allowed = outcome != Outcome::Denied;
        let json = response(API_VERSION, uid, allowed, |json| {
            match decision {
                Decision::Deny { faults, .. } => write_denial(json.key("status"), faults),
                Decision::Patch { operations, .. } if !operations.is_empty() => {
                    json.member("patchType", "JSONPatch");
                    json.key("patch").base64(operations.as_json().as_bytes());
                }
                Decision::Patch { .. } | Decision::Skip { .. } => {}
            }
            if !warnings.is_empty() {
                json.key("warnings").array(|json| {
                    for warning in &warnings {
                        json.string(warning);
                    }
                });
            }
        });
        Self {
            json,
            outcome,
            faults,
            warnings: warnings.len(),
            namespace: Some(namespace.to_owned()),
            uid: Some(uid.to_owned()),
        }
    }
}

fn response(
    api_version: &str,
    uid: &str,
    allowed: bool,
    rest: impl FnOnce(&mut JsonWriter),
) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(8192);
    json.object(|json| {
        json.member("apiVersion", api_version);
        json.member("kind", "AdmissionReview");
        json.key("response").object(|json| {
            json.member("uid", uid);
            json.key("allowed").bool(allowed);
            rest(json);
        });
    });
    json.into_bytes()
}

/// How many faults are told one by one. More are of nobody who means well.
const FAULTS: usize = 100;

/// The status of a denial. Its reason is `Forbidden`: with `Invalid`, kubectl leaves out which
/// webhook it was.
fn write_denial(json: &mut JsonWriter, faults: &[PodError]) {
    json.object(|json| {
        json.member("status", "Failure");
        json.member("message", &denial(faults));
        json.member("reason", "Forbidden");
        json.key("details").object(|json| {
            json.key("causes").array(|json| {
                for fault in faults.iter().take(FAULTS) {
                    json.object(|json| {
                        json.member("reason", "FieldValueInvalid");
                        json.member("message", &one_line(&fault.problem().to_string()));
                        json.member("field", &one_line(&fault.field()));
                    });
                }
            });
        });
        json.key("code").raw("403");
    });
}

/// Every fault in one line: of a controller's pod, an event shows no more than the beginning.
pub(crate) fn denial(faults: &[PodError]) -> String {
    if let [fault] = faults {
        return one_line(&fault.to_string());
    }
    let mut message = format!("{} faults: ", faults.len());
    for (index, fault) in faults.iter().take(FAULTS).enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        message.extend([separator, &format!("({}) {fault}", index + 1)]);
    }
    if faults.len() > FAULTS {
        message.push_str("; see `kees lint` for the others");
    }
    one_line(&message)
}

/// A text without line breaks and other control characters.
fn one_line(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// What the API server passes on: it cuts warnings of more than 256 characters, and all of those
/// that go beyond 4,096 together (`AdmissionResponse.warnings`).
fn shortened(warnings: &[String]) -> Vec<String> {
    const EACH: usize = 256;
    const TOTAL: usize = 4096 - EACH;
    let mut shortened = Vec::new();
    let mut total = 0;
    for (index, warning) in warnings.iter().enumerate() {
        let mut line = one_line(warning);
        if line.len() > EACH {
            let end = (0..=EACH - '…'.len_utf8())
                .rev()
                .find(|end| line.is_char_boundary(*end));
            line.truncate(end.unwrap_or_default());
            line.push('…');
        }
        total += line.len();
        if total > TOTAL {
            shortened.push(format!(
                "{} more warnings; see `kees lint`",
                warnings.len() - index
            ));
            break;
        }
        shortened.push(line);
    }
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Place, PodErrorKind};

    #[test]
    fn a_message_is_one_line_whatever_is_in_it() {
        let place = Place::Field("spec.containers[a\r\nb\u{7}]".to_owned());
        let fault = PodError::Pod {
            place,
            problem: PodErrorKind::Unreadable,
        };
        let message = denial(&[fault]);
        assert!(
            message.starts_with(r"spec.containers[a\r\nb\u{7}]: "),
            "{message}"
        );
    }

    #[test]
    fn a_long_warning_is_cut_between_characters() {
        let [cut] = &shortened(&["ä".repeat(200)])[..] else {
            panic!("one in, one out")
        };
        assert_eq!(*cut, "ä".repeat(126) + "…");
        assert_eq!(shortened(&["ä".repeat(128)]), ["ä".repeat(128)]);
    }
}
