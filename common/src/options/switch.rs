//! The options of a few words, such as `inject` with `true` and `false`.

use crate::{error::AnnotationErrorKind, names::init};

/// The error of an option whose value is not one of its words.
///
/// The original ignores such a value, and so does `kees-init`. The webhook denies it, because
/// `inject: "False"` is probably not meant to inject the pod.
pub(crate) fn unknown_value(option: &str, value: &str) -> Option<AnnotationErrorKind> {
    let (option, is_known, right) = match option {
        // Not trimmed: the API server's match conditions compare the whole value.
        init::INJECT => (
            init::INJECT,
            matches!(value, "true" | "false"),
            "use \"true\" or \"false\", in lower case",
        ),
        init::LOCAL_MODE => (
            init::LOCAL_MODE,
            matches!(value.trim(), "true" | "false" | "remote-then-local"),
            "use \"true\", \"false\" or remote-then-local, in lower case",
        ),
        _ => return None,
    };
    (!is_known).then(|| AnnotationErrorKind::invalid(option, value, right))
}
