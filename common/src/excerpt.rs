//! Text of others as messages repeat it: short, and on one line.

/// The longest excerpt, in characters.
const MAX_CHARS: usize = 100;

/// `text` with control characters escaped, cut to [`MAX_CHARS`] characters.
pub(crate) fn excerpt(text: &str) -> String {
    let mut excerpt: String = text
        .chars()
        .take(MAX_CHARS)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        excerpt.push('…');
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_short_line() {
        assert_eq!(excerpt("a\nb"), "a\\nb");
        let text = "ä".repeat(MAX_CHARS);
        assert_eq!(excerpt(&text), text);
        assert_eq!(excerpt(&format!("{text}b")), format!("{text}…"));
    }
}
