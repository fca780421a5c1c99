//! Text of others as messages and logs repeat it: short, and on one line.

/// The longest excerpt, in characters.
const MAX_CHARS: usize = 100;

/// The beginning of `text` for a message.
pub(crate) fn excerpt(text: &str) -> String {
    escaped_beginning(text, MAX_CHARS)
}

/// The first `max_chars` characters of `text`. Control characters, quotes and backslashes are
/// escaped, and '…' is at the end if there are more.
pub fn escaped_beginning(text: &str, max_chars: usize) -> String {
    // Most texts are names and paths, which need no escapes.
    if text.len() <= max_chars && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    let mut beginning: String = text
        .chars()
        .take(max_chars)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(max_chars).is_some() {
        beginning.push('…');
    }
    beginning
}

fn is_plain(byte: u8) -> bool {
    (byte == b' ' || byte.is_ascii_graphic()) && !matches!(byte, b'"' | b'\'' | b'\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_excerpt_is_one_short_line() {
        assert_eq!(escaped_beginning("a\nb", 3), "a\\nb");
        assert_eq!(escaped_beginning("äää", 3), "äää");
        assert_eq!(escaped_beginning("äääb", 3), "äää…");
        assert_eq!(escaped_beginning("abcd", 3), "abc…");
    }

    proptest! {
        #[test]
        fn every_text_is_escaped(text in r#"[ -~\PC\n\t'"\\]{0,12}"#) {
            let escaped: String = text.chars().flat_map(char::escape_debug).collect();
            prop_assert_eq!(escaped_beginning(&text, 12), escaped);
        }
    }
}
