//! The texts of a response: the message of a denial, and the warnings.

use crate::error::PodError;

/// How many errors a message lists. A pod that somebody wrote by hand has fewer.
pub(super) const MAX_ERRORS: usize = 100;

/// The message of a denial: all errors in one line, because an event of a controller shows only
/// the beginning.
pub(super) fn denial(errors: &[PodError]) -> String {
    if let [error] = errors {
        return one_line(&error.to_string());
    }
    let mut message = format!("{} errors: ", errors.len());
    for (index, error) in errors.iter().take(MAX_ERRORS).enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        message.extend([separator, &format!("({}) {error}", index + 1)]);
    }
    if errors.len() > MAX_ERRORS {
        message.push_str("; see `kees lint` for the others");
    }
    one_line(&message)
}

/// The text with line breaks and other control characters escaped.
pub(super) fn one_line(text: &str) -> String {
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

/// The warnings that the API server passes on. It cuts a warning after 256 characters, and drops
/// those after 4,096 characters in total (`AdmissionResponse.warnings`).
pub(super) fn shortened(warnings: &[String]) -> Vec<String> {
    const EACH: usize = 256;
    const TOTAL: usize = 4096 - EACH;
    let mut shortened = Vec::new();
    let mut total = 0;
    for (index, warning) in warnings.iter().enumerate() {
        let mut line = one_line(warning);
        if line.len() > EACH {
            line.truncate(line.floor_char_boundary(EACH - '…'.len_utf8()));
            line.push('…');
        }
        total += line.len();
        if total > TOTAL {
            let rest = warnings.len() - index;
            shortened.push(format!("{rest} more warnings; see `kees lint`"));
            break;
        }
        shortened.push(line);
    }
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Place, PodErrorKind};

    #[test]
    fn a_message_is_one_line_for_every_content() {
        let error = PodError::Pod {
            place: Place::field("spec.containers[a\r\nb\u{7}]"),
            kind: PodErrorKind::ExistingUnreadable,
        };
        let message = denial(&[error]);
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
