//! The downward-API file in which the kubelet writes a pod's annotations: `key="value"` on each line,
//! sorted by key, with the value quoted as by Go's `strconv.Quote`.

use std::{
    collections::{BTreeMap, btree_map},
    fmt::{self, Write as _},
};

/// The longest key that Kubernetes accepts: a prefix of 253 characters, `/` and a name of 63.
const LONGEST_KEY: usize = 253 + 1 + 63;

/// The annotations of a file, and the errors of its other lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DownwardFile {
    /// Keys and unquoted values, in the order of the file.
    pub annotations: Vec<(String, String)>,
    /// One error for each invalid line. No error contains a part of a value.
    pub errors: Vec<ParseDownwardError>,
}

/// Parses a file. The last line needs no newline at its end, and lines may be empty.
pub fn parse(text: &[u8]) -> DownwardFile {
    let mut file = DownwardFile::default();
    let mut lines = BTreeMap::new();
    for (line, text) in (1..).zip(text.split(|b| *b == b'\n')) {
        if text.is_empty() {
            continue;
        }
        let (key, value) = match annotation(line, text) {
            Ok(annotation) => annotation,
            Err(error) => {
                file.errors.push(error);
                continue;
            }
        };
        match lines.entry(key.clone()) {
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert(line);
                file.annotations.push((key, value));
            }
            btree_map::Entry::Occupied(first) => {
                let first = *first.get();
                file.errors
                    .push(ParseDownwardError::Duplicate { line, key, first });
            }
        }
    }
    file
}

/// The file that the kubelet writes for `annotations`: sorted by key, quoted, and without a newline
/// at the end. Of two values for one key, the last one is written.
///
/// Go escapes the characters that are not printable in its own version of Unicode, and this function
/// those of the Rust library's version. A character that is new in one of them is therefore escaped
/// by only one. [`parse`] reads both forms.
pub fn write<'a>(annotations: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let sorted: BTreeMap<_, _> = annotations.into_iter().collect();
    let lines: Vec<_> = sorted
        .into_iter()
        .map(|(key, value)| format!("{key}={}", Quoted(value)))
        .collect();
    lines.join("\n")
}

fn annotation(line: usize, text: &[u8]) -> Result<(String, String), ParseDownwardError> {
    let mut parts = text.splitn(2, |b| *b == b'=');
    let (Some(key), Some(value)) = (parts.next(), parts.next()) else {
        return Err(ParseDownwardError::Line { line });
    };
    let is_allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-_./".contains(b);
    if key.is_empty() || key.len() > LONGEST_KEY || !key.iter().all(is_allowed) {
        return Err(ParseDownwardError::Line { line });
    }
    let key: String = key.iter().copied().map(char::from).collect();
    let inside = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""));
    let Some(inside) = inside else {
        return Err(ParseDownwardError::NotQuoted { line, key });
    };
    let Some(bytes) = unquote(inside) else {
        return Err(ParseDownwardError::Escape { line, key });
    };
    match String::from_utf8(bytes) {
        Ok(value) => Ok((key, value)),
        Err(_) => Err(ParseDownwardError::NotText { line, key }),
    }
}

/// The text between two quotes, as Go's `strconv.Unquote` reads it; `None` if it is invalid.
fn unquote(inside: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((first, tail)) = rest.split_first() {
        rest = match first {
            b'"' => return None,
            b'\\' => unescape(tail, &mut bytes)?,
            plain => {
                bytes.push(*plain);
                tail
            }
        };
    }
    Some(bytes)
}

/// Appends the character of the escape whose backslash is before `text`, and returns the rest.
fn unescape<'t>(text: &'t [u8], bytes: &mut Vec<u8>) -> Option<&'t [u8]> {
    let (kind, tail) = text.split_first()?;
    let byte = match kind {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' | b'"' => *kind,
        b'x' => {
            bytes.push(u8::try_from(number(tail.get(..2)?, 16)?).ok()?);
            return tail.get(2..);
        }
        b'0'..=b'7' => {
            bytes.push(u8::try_from(number(text.get(..3)?, 8)?).ok()?);
            return text.get(3..);
        }
        b'u' | b'U' => {
            let digits = if *kind == b'u' { 4 } else { 8 };
            let c = char::from_u32(number(tail.get(..digits)?, 16)?)?;
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return tail.get(digits..);
        }
        _ => return None,
    };
    bytes.push(byte);
    Some(tail)
}

/// At most eight digits as a number.
fn number(digits: &[u8], radix: u32) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        Some(number * radix + char::from(*digit).to_digit(radix)?)
    })
}

/// Prints a text as Go's `strconv.Quote`.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}"),
                '\u{7}' => f.write_str("\\a"),
                '\u{8}' => f.write_str("\\b"),
                '\u{c}' => f.write_str("\\f"),
                '\n' => f.write_str("\\n"),
                '\r' => f.write_str("\\r"),
                '\t' => f.write_str("\\t"),
                '\u{b}' => f.write_str("\\v"),
                c if is_printable(c) => f.write_char(c),
                c if c.is_ascii() => write!(f, "\\x{:02x}", u32::from(c)),
                '\0'..='\u{ffff}' => write!(f, "\\u{:04x}", u32::from(c)),
                c => write!(f, "\\U{:08x}", u32::from(c)),
            }?;
        }
        f.write_char('"')
    }
}

/// Whether the Rust library prints `c` without an escape. It escapes the same categories of Unicode
/// as Go's `IsPrint`: control, format, surrogate, private, unassigned, and every separator except
/// the blank.
fn is_printable(c: char) -> bool {
    // After another character, because a combining mark is escaped at the beginning of a text.
    let mut pair = String::from("a");
    pair.push(c);
    c.is_ascii_graphic() || c == ' ' || pair.escape_debug().count() == 2
}

/// What is wrong with a line of a downward-API file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseDownwardError {
    /// A line without the key of an annotation before `=`.
    #[error("line {line} is not key=\"value\" with the key of an annotation")]
    Line {
        /// The line, from 1.
        line: usize,
    },
    /// A value without its quotes.
    #[error("line {line}: the value of {key} is not in double quotes")]
    NotQuoted {
        /// The line, from 1.
        line: usize,
        /// The annotation.
        key: String,
    },
    /// A backslash before something that Go does not write, or a quote without a backslash.
    #[error(
        "line {line}: the value of {key} has a quote or a backslash that is not an escape of Go's %q"
    )]
    Escape {
        /// The line, from 1.
        line: usize,
        /// The annotation.
        key: String,
    },
    /// Bytes that are not UTF-8. The API server does not accept such an annotation.
    #[error("line {line}: the value of {key} is not UTF-8 text")]
    NotText {
        /// The line, from 1.
        line: usize,
        /// The annotation.
        key: String,
    },
    /// A key that is also on an earlier line.
    #[error("line {line}: {key} is already on line {first}")]
    Duplicate {
        /// The line, from 1.
        line: usize,
        /// The annotation.
        key: String,
        /// The earlier line.
        first: usize,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn value(quoted: &str) -> Result<String, ParseDownwardError> {
        let mut file = parse(format!("k={quoted}").as_bytes());
        match file.errors.pop() {
            Some(error) => Err(error),
            None => Ok(file.annotations.pop().unwrap().1),
        }
    }

    /// The end-to-end test `downward` compares the fixture with what a real kubelet writes.
    #[test]
    fn what_the_kubelet_wrote_is_read_and_written_alike() {
        let annotations = include_str!("../tests/fixtures/kubelet.json");
        let annotations: BTreeMap<String, String> = serde_json::from_str(annotations).unwrap();
        let file = include_str!("../tests/fixtures/kubelet.txt");
        let read: BTreeMap<_, _> = parse(file.as_bytes()).annotations.into_iter().collect();
        assert_eq!(read, annotations);
        let pairs = annotations.iter().map(|(key, value)| (&**key, &**value));
        assert_eq!(write(pairs), file);
    }

    #[test]
    fn what_go_quotes_is_read_and_written_alike() {
        let fixture = include_str!("../tests/fixtures/quoted.txt");
        let mut invalid = 0;
        for line in fixture.lines() {
            let (hex, quoted) = line.split_once(' ').unwrap();
            let bytes: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
                .collect();
            if let Ok(text) = String::from_utf8(bytes) {
                assert_eq!(value(quoted), Ok(text.clone()), "{quoted}");
                assert_eq!(write([("k", text.as_str())]), format!("k={quoted}"));
            } else {
                invalid += 1;
                assert_eq!(
                    value(quoted),
                    Err(ParseDownwardError::NotText {
                        line: 1,
                        key: "k".to_owned()
                    }),
                    "{quoted}"
                );
            }
        }
        assert!(invalid > 0 && fixture.lines().count() > 200 + invalid);
    }

    #[rstest]
    #[case(r#""\101\x42\u0043\U00000044""#, "ABCD")]
    #[case(r#""\303\xa4""#, "ä")]
    #[case("\"raw\ttab\"", "raw\ttab")]
    #[case(r#""a=\"b\"""#, "a=\"b\"")]
    #[case(r#""""#, "")]
    fn every_escape_of_go_is_undone(#[case] quoted: &str, #[case] text: &str) {
        assert_eq!(value(quoted).as_deref(), Ok(text));
    }

    #[rstest]
    #[case(r#""\q""#)]
    #[case(r#""\'""#)]
    #[case(r#""\""#)]
    #[case(r#""\x4""#)]
    #[case(r#""\x+4""#)]
    #[case(r#""\400""#)]
    #[case(r#""\18""#)]
    #[case(r#""\ud800""#)]
    #[case(r#""\U00110000""#)]
    #[case(r#""\UFFFFFFFF""#)]
    #[case(r#""a"b""#)]
    fn what_go_does_not_write_is_an_error(#[case] quoted: &str) {
        assert_eq!(
            value(quoted),
            Err(ParseDownwardError::Escape {
                line: 1,
                key: "k".to_owned()
            })
        );
    }

    #[rstest]
    #[case("", "")]
    #[case("=\"v\"", "line 1 is not key=\"value\" with the key of an annotation")]
    #[case(
        "a=\"v\"\ngarbage",
        "line 2 is not key=\"value\" with the key of an annotation"
    )]
    #[case(
        "a b=\"v\"",
        "line 1 is not key=\"value\" with the key of an annotation"
    )]
    #[case("a=v", "line 1: the value of a is not in double quotes")]
    #[case("a=\"", "line 1: the value of a is not in double quotes")]
    #[case("a=\"v\" ", "line 1: the value of a is not in double quotes")]
    #[case("a=\"1\"\nb=\"2\"\na=\"3\"", "line 3: a is already on line 1")]
    fn an_error_names_the_line_and_the_key(#[case] file: &str, #[case] message: &str) {
        let errors = parse(file.as_bytes()).errors;
        let messages: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(messages.join("; "), message);
    }

    #[test]
    fn one_invalid_line_hides_no_other() {
        let file = parse(b"a=\"1\"\nb=\"\xff\"\nc=plain\nd=\"2\"");
        let errors: Vec<_> = file.errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "line 2: the value of b is not UTF-8 text",
                "line 3: the value of c is not in double quotes"
            ]
        );
        let keys: Vec<_> = file
            .annotations
            .iter()
            .map(|(key, _)| key.as_str())
            .collect();
        assert_eq!(keys, ["a", "d"]);
    }

    #[test]
    fn bytes_that_are_not_text_are_an_error() {
        let key = "k".to_owned();
        assert_eq!(
            parse(b"k=\"\xff\"").errors,
            [ParseDownwardError::NotText { line: 1, key }]
        );
        assert_eq!(
            parse(b"\xff=\"v\"").errors,
            [ParseDownwardError::Line { line: 1 }]
        );
    }

    #[test]
    fn a_newline_at_the_end_changes_nothing() {
        assert_eq!(parse(b"a=\"1\"\n"), parse(b"a=\"1\""));
    }

    #[test]
    fn keys_are_sorted_and_the_last_value_of_a_key_is_written() {
        assert_eq!(
            write([("b", "2"), ("a", "1"), ("b", "3")]),
            "a=\"1\"\nb=\"3\""
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            annotations in prop::collection::btree_map("[a-z][a-zA-Z0-9_./-]{0,20}", any::<String>(), 0..6)
        ) {
            let file = write(annotations.iter().map(|(k, v)| (k.as_str(), v.as_str())));
            let read = parse(file.as_bytes()).annotations;
            prop_assert_eq!(read, annotations.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn nothing_panics(file in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&file);
        }

        #[test]
        fn nothing_that_looks_like_a_value_panics(inside in r#"([\\"xuU0-9a-f]|.){0,40}"#) {
            let _ = value(&format!("\"{inside}\""));
        }
    }
}
