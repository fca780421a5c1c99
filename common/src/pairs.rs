//! The inside of an annotation's value: `k=v` pairs split at commas, each read as a line of a Java
//! properties file, because that is how the original reads them.

use std::borrow::Cow;

/// A key and its value, borrowed unless an escape was undone.
pub(crate) type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The pairs of `value`, in order.
///
/// Pairs are split at commas and line breaks. Inside one, blanks around the separator fall away,
/// the separator is `=`, `:` or a blank, a backslash escapes, and a pair that begins with `#` or
/// `!` is a comment. Blanks at the end of a value are dropped, which the original does not do.
pub(crate) fn parse(value: &str) -> Result<Vec<Pair<'_>>, ParsePairsError> {
    value
        .split([',', '\n', '\r'])
        .map(str::trim_start)
        .filter(|pair| !pair.is_empty() && !pair.starts_with(['#', '!']))
        .map(pair)
        .collect()
}

fn pair(text: &str) -> Result<Pair<'_>, ParsePairsError> {
    let (key, rest) = unescape(text, |c| is_blank(c) || c == '=' || c == ':')?;
    // The key may have ended at a blank with the real separator behind it.
    let value = rest.trim_start_matches(is_blank);
    let value = value.strip_prefix(['=', ':']).unwrap_or(value);
    let (value, _) = unescape(value.trim_start_matches(is_blank), |_| false)?;
    Ok((key, value))
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Reads `text` up to the first unescaped character that `ends`, and hands back the rest. Blanks
/// at the end are dropped unless they were escaped.
fn unescape(
    text: &str,
    ends: impl Fn(char) -> bool,
) -> Result<(Cow<'_, str>, &str), ParsePairsError> {
    let split = |text: &str| text.find(|c| c == '\\' || ends(c)).unwrap_or(text.len());
    let (plain, mut rest) = text.split_at(split(text));
    let solid = plain.trim_end_matches(is_blank);
    if !rest.starts_with('\\') {
        return Ok((Cow::Borrowed(solid), rest));
    }
    let mut kept = solid.len();
    let mut unescaped = plain.to_owned();
    while let Some(escaped) = rest.strip_prefix('\\') {
        let mut escaped = escaped.chars();
        unescaped.push(escape(&mut escaped)?);
        kept = unescaped.len();
        let (plain, next) = escaped.as_str().split_at(split(escaped.as_str()));
        let solid = plain.trim_end_matches(is_blank);
        kept += solid.len();
        unescaped.push_str(plain);
        rest = next;
    }
    unescaped.truncate(kept);
    Ok((Cow::Owned(unescaped), rest))
}

/// What stands behind a backslash.
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

/// Prints pairs so that [`parse`], and the original, read them back.
#[derive(Default)]
pub(crate) struct Printer(String);

impl Printer {
    /// Appends one pair; `key` is one of ours, which has nothing to escape.
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
                // Blanks at both ends would fall away.
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

/// A value that cannot be split into pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParsePairsError {
    /// A backslash with nothing behind it. A comma ends a pair even behind a backslash.
    #[error(
        "a backslash stands before a comma or at the end; a value cannot hold a comma, and a backslash is written '\\\\'"
    )]
    LoneBackslash,
    /// `\u` without four hexadecimal digits, or half of a surrogate pair.
    #[error("'\\u' must be followed by four hexadecimal digits that make a character")]
    Unicode,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn owned(value: &str) -> Vec<(String, String)> {
        let pairs = parse(value).unwrap().into_iter();
        pairs
            .map(|(k, v)| (k.into_owned(), v.into_owned()))
            .collect()
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
    fn an_escape_that_says_nothing_is_refused(
        #[case] text: &str,
        #[case] problem: ParsePairsError,
    ) {
        assert_eq!(parse(text), Err(problem));
    }

    #[test]
    fn empty_pairs_and_comments_are_passed_over() {
        assert_eq!(parse(",, #x=y, !z ,").unwrap(), []);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = parse(&text);
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
