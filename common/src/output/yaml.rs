//! Texts of format `yaml`: double-quoted scalars, in which every character can be written.

/// Puts `text` as a double-quoted scalar of YAML 1.2, piece by piece.
pub(super) fn scalar(text: &str, put: &mut dyn FnMut(&[u8])) {
    put(b"\"");
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        if is_plain(c) {
            continue;
        }
        put(&text.as_bytes()[plain..at]);
        plain = at + c.len_utf8();
        match c {
            '"' => put(b"\\\""),
            '\\' => put(b"\\\\"),
            '\n' => put(b"\\n"),
            '\r' => put(b"\\r"),
            '\t' => put(b"\\t"),
            other => hex(u32::from(other), put),
        }
    }
    put(&text.as_bytes()[plain..]);
    put(b"\"");
}

/// Whether a character stands for itself: printable in YAML, no line break, and no byte order mark.
fn is_plain(c: char) -> bool {
    let is_printable = matches!(
        c,
        ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}'
    );
    is_printable && !matches!(c, '"' | '\\' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// A character by its number: `\xNN` or `\uNNNN`. Those with a larger number are plain.
fn hex(number: u32, put: &mut dyn FnMut(&[u8])) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let (begin, digits) = if number < 0x100 {
        (b"\\x", 2)
    } else {
        (b"\\u", 4)
    };
    put(begin);
    for place in (0..digits).rev() {
        let digit = usize::try_from(number >> (4 * place) & 0xf).unwrap_or_default();
        put(&DIGITS[digit..=digit]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn written(text: &str) -> String {
        let mut bytes = Vec::new();
        scalar(text, &mut |piece| bytes.extend_from_slice(piece));
        String::from_utf8(bytes).unwrap()
    }

    #[rstest]
    #[case("no", "\"no\"")]
    #[case("a\"b\\\n\t\r", r#""a\"b\\\n\t\r""#)]
    #[case(
        "\0\u{7f}\u{85}\u{2028}\u{feff}\u{ffff}",
        r#""\x00\x7f\x85\u2028\ufeff\uffff""#
    )]
    #[case("ü😀", "\"ü😀\"")]
    fn what_is_not_printable_is_escaped(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(written(text), expected);
    }

    proptest! {
        #[test]
        fn a_scalar_reads_back(text: String) {
            let read: String = serde_saphyr::from_str(&written(&text)).unwrap();
            prop_assert_eq!(read, text);
        }
    }
}
