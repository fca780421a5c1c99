//! The value of an annotation: `k=v` pairs separated by commas. Each is read as a line of a Java
//! properties file, because the original does so.

use std::{borrow::Cow, fmt};

/// One `k=v` of a value. Both parts are borrowed unless they contain an escape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) value: Result<PairValue<'a>, ParsePairsError>,
}

/// The value of a pair. Its `Debug` leaves out the text, which may be a `localModeValue`.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct PairValue<'a> {
    pub(crate) text: Cow<'a, str>,
    /// Whether blanks at the end, which were not escaped, are left out of `text`. For the original
    /// they are part of the value.
    pub(crate) is_trimmed: bool,
}

impl fmt::Debug for PairValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairValue").finish_non_exhaustive()
    }
}

/// The pairs of `value`, in order.
///
/// Pairs end at commas and line breaks. In a pair, the separator is `=`, `:` or a blank, blanks
/// around it are skipped, and a backslash escapes. A pair that begins with `#` or `!` is a comment.
/// Blanks at the end of a value are left out.
pub(crate) fn parse(value: &str) -> impl Iterator<Item = Result<Pair<'_>, ParsePairsError>> {
    value
        .split([',', '\n', '\r'])
        .map(str::trim_start)
        .filter(|pair| !pair.is_empty() && !pair.starts_with(['#', '!']))
        .map(pair)
}

/// A key that is invalid is the error of the whole pair.
fn pair(text: &str) -> Result<Pair<'_>, ParsePairsError> {
    let (key, rest) = unescape(text, |c| is_blank(c) || c == '=' || c == ':')?;
    // A blank may have ended the key before the separator.
    let value = rest.trim_start_matches(is_blank);
    let value = value.strip_prefix(['=', ':']).unwrap_or(value);
    let value = unescape(value.trim_start_matches(is_blank), |_| false);
    Ok(Pair {
        key: key.text,
        value: value.map(|(value, _)| value),
    })
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Reads `text` up to the first unescaped character for which `ends` holds, and returns the rest as
/// well. Blanks at the end are left out unless they are escaped.
fn unescape(
    text: &str,
    ends: impl Fn(char) -> bool,
) -> Result<(PairValue<'_>, &str), ParsePairsError> {
    let split = |text: &str| text.find(|c| c == '\\' || ends(c)).unwrap_or(text.len());
    let (plain, mut rest) = text.split_at(split(text));
    let mut length = plain.trim_end_matches(is_blank).len();
    if !rest.starts_with('\\') {
        let value = PairValue {
            text: Cow::Borrowed(&plain[..length]),
            is_trimmed: length < plain.len(),
        };
        return Ok((value, rest));
    }
    let mut unescaped = plain.to_owned();
    while let Some(escaped) = rest.strip_prefix('\\') {
        let mut escaped = escaped.chars();
        unescaped.push(escape(&mut escaped)?);
        let (plain, next) = escaped.as_str().split_at(split(escaped.as_str()));
        length = unescaped.len() + plain.trim_end_matches(is_blank).len();
        unescaped.push_str(plain);
        rest = next;
    }
    let is_trimmed = length < unescaped.len();
    unescaped.truncate(length);
    let value = PairValue {
        text: Cow::Owned(unescaped),
        is_trimmed,
    };
    Ok((value, rest))
}

/// The character that the text after a backslash stands for.
fn escape(rest: &mut std::str::Chars<'_>) -> Result<char, ParsePairsError> {
    Ok(match rest.next().ok_or(ParsePairsError::LoneBackslash)? {
        't' => '\t',
        'n' => '\n',
        'r' => '\r',
        'f' => '\u{c}',
        'u' => {
            let first = utf16_unit(rest)?;
            let mut units = vec![first];
            if (0xd800..0xdc00).contains(&first) {
                if rest.next() != Some('\\') || rest.next() != Some('u') {
                    return Err(ParsePairsError::Unicode);
                }
                units.push(utf16_unit(rest)?);
            }
            char::decode_utf16(units)
                .next()
                .and_then(Result::ok)
                .ok_or(ParsePairsError::Unicode)?
        }
        c => c,
    })
}

fn utf16_unit(rest: &mut std::str::Chars<'_>) -> Result<u16, ParsePairsError> {
    (0..4).try_fold(0, |unit, _| {
        let digit = rest
            .next()
            .and_then(|c| c.to_digit(16))
            .ok_or(ParsePairsError::Unicode)?;
        Ok(unit << 4 | u16::try_from(digit).map_err(|_| ParsePairsError::Unicode)?)
    })
}

/// Prints pairs. [`parse`] and the original read them back.
#[derive(Default)]
pub(crate) struct Printer(String);

impl Printer {
    /// Appends one pair. `key` is a known one and needs no escapes.
    pub(crate) fn pair(&mut self, key: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(key);
        self.0.push('=');
        let end = value.trim_end_matches(' ').len();
        for (at, c) in value.char_indices() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                // Blanks at both ends would be skipped.
                ' ' if at == 0 || at >= end => self.0.push_str("\\ "),
                ',' => self.0.push_str("\\u002c"),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                '\t' => self.0.push_str("\\t"),
                '\u{c}' => self.0.push_str("\\f"),
                c => self.0.push(c),
            }
        }
    }

    /// The pairs, separated by commas.
    pub(crate) fn finish(self) -> String {
        self.0
    }
}

/// A value that is not a list of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParsePairsError {
    /// A backslash at the end of a pair. A comma ends a pair even after a backslash.
    #[error(
        "a backslash is before a comma or at the end; a value cannot contain a comma, and a backslash is written '\\\\'"
    )]
    LoneBackslash,
    /// `\u` without four hexadecimal digits, or an incomplete surrogate pair.
    #[error("'\\u' must be followed by four hexadecimal digits that make a character")]
    Unicode,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn owned(value: &str) -> Vec<(String, String)> {
        let owned = |pair: Result<Pair<'_>, _>| {
            let pair = pair.unwrap();
            (pair.key.into_owned(), pair.value.unwrap().text.into_owned())
        };
        parse(value).map(owned).collect()
    }

    fn one(value: &str) -> (String, String) {
        let pairs = owned(value);
        assert_eq!(pairs.len(), 1, "{pairs:?}");
        pairs.into_iter().next().unwrap()
    }

    #[rstest]
    #[case("kind=DYNAMIC", "kind", "DYNAMIC")]
    #[case("  kind = DYNAMIC  ", "kind", "DYNAMIC")]
    #[case("kind:DYNAMIC", "kind", "DYNAMIC")]
    #[case("kind DYNAMIC", "kind", "DYNAMIC")]
    #[case("localModeValue=YQ==", "localModeValue", "YQ==")]
    #[case("userId=a <b@c>", "userId", "a <b@c>")]
    #[case(r"a\=b=c", "a=b", "c")]
    #[case(r"a=b\ ", "a", "b ")]
    #[case(r"a=\u00e4\t\\", "a", "ä\t\\")]
    #[case(r"a=\ud83d\ude00", "a", "😀")]
    #[case("a", "a", "")]
    #[case("a= =b", "a", "=b")]
    fn a_pair_is_a_line_of_a_java_properties_file(
        #[case] text: &str,
        #[case] key: &str,
        #[case] value: &str,
    ) {
        assert_eq!(one(text), (key.to_owned(), value.to_owned()));
    }

    #[rstest]
    #[case(r"a=b\", ParsePairsError::LoneBackslash)]
    #[case(r"a=b\,c=d", ParsePairsError::LoneBackslash)]
    #[case(r"a=\u12", ParsePairsError::Unicode)]
    #[case(r"a=\ud83d", ParsePairsError::Unicode)]
    #[case(r"a=\ud83d\u0041", ParsePairsError::Unicode)]
    #[case(r"\u12=b", ParsePairsError::Unicode)]
    fn an_incomplete_escape_is_an_error(#[case] text: &str, #[case] expected: ParsePairsError) {
        let errors: Vec<_> = parse(text)
            .filter_map(|pair| pair.and_then(|pair| pair.value).err())
            .collect();
        assert_eq!(errors, [expected]);
    }

    #[rstest]
    #[case("a=b", false)]
    #[case("a=b ", true)]
    #[case("a=b\t", true)]
    #[case(r"a=b\ ", false)]
    #[case(r"a=b\  ", true)]
    #[case(r"a=\u0062 ", true)]
    #[case(r"a=\u0062", false)]
    #[case("a= ", false)]
    #[case("a =b", false)]
    fn a_value_tells_whether_blanks_at_its_end_are_left_out(
        #[case] text: &str,
        #[case] is_trimmed: bool,
    ) {
        let pair = parse(text).next().unwrap().unwrap();
        assert_eq!(pair.value.unwrap().is_trimmed, is_trimmed);
    }

    #[test]
    fn empty_pairs_and_comments_are_skipped() {
        assert_eq!(parse(",, #x=y, !z ,").count(), 0);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>()) {
            parse(&text).for_each(drop);
        }

        #[test]
        fn what_is_printed_is_read_back(
            pairs in prop::collection::vec(("[a-zA-Z]{1,8}", printable()), 0..6)
        ) {
            let mut printer = Printer::default();
            for (key, value) in &pairs {
                printer.pair(key, value);
            }
            prop_assert_eq!(owned(&printer.finish()), pairs);
        }
    }

    /// Any text, more often than not with what needs escaping.
    fn printable() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), r"[ \t\n\r,=:#!\\\x0ca-c]{0,8}"]
    }
}
