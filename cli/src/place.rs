//! What a message is about: the field of an object, and the part of an annotation.

use std::ops::Range;

/// What a message is about, in a pod or another object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The steps from the object: keys, indexes, and names of items.
    pub(crate) path: Vec<String>,
    pub(crate) part: Part,
}

/// The part of a field that a message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Key,
    Value,
    /// The pair of the annotation's value that this message names, else its key.
    NamedOrKey(String),
    /// The pair of the annotation's value that this message names, else the whole value.
    NamedOrValue(String),
    /// A line and a column of the annotation's value, both counted from 1, if it is a block of lines (`|`).
    /// Else the whole value.
    Line(usize, usize),
    /// The same in a field that has no secret value, so that all of the line can be shown.
    TextLine(usize, usize),
}

impl Place {
    pub(crate) fn annotation(key: &str, part: Part) -> Self {
        let path = ["metadata", "annotations", key].map(str::to_owned);
        Self {
            path: path.to_vec(),
            part,
        }
    }

    /// A field such as `spec.containers[app].env[0]` or `metadata.annotations[a.b/c]`.
    pub(crate) fn field(field: &str, part: Part) -> Self {
        Self {
            path: steps(field),
            part,
        }
    }

    /// What a warning is about. It begins with one of `annotations`, or with a field.
    pub(crate) fn of_warning<'a>(
        warning: &str,
        annotations: impl IntoIterator<Item = &'a String>,
    ) -> Self {
        let mut annotations = annotations.into_iter();
        let message = |key: &str| Some(warning.strip_prefix(key)?.strip_prefix(": ")?.to_owned());
        let annotation = annotations.find_map(|key| Some((key, message(key)?)));
        if let Some((key, message)) = annotation {
            Self::annotation(key, Part::NamedOrKey(message))
        } else {
            let (field, _) = warning.split_once(": ").unwrap_or_default();
            Self::field(field, Part::Key)
        }
    }
}

/// The steps of `a.b[c.d/e][0]`: `a`, `b`, `c.d/e` and `0`.
fn steps(field: &str) -> Vec<String> {
    let mut steps = Vec::new();
    let mut rest = field;
    while !rest.is_empty() {
        let (step, next) = match rest.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']').unwrap_or((bracketed, "")),
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        steps.push(step.to_owned());
        rest = next.strip_prefix('.').unwrap_or(next);
    }
    steps
}

/// The part of `value`, the text of an annotation in a manifest, that `message` names: the first word in
/// quotes, or the first `key=` with its value. What follows a semicolon is a remedy.
pub(crate) fn named(message: &str, value: &str) -> Option<Range<usize>> {
    let (wrong, _) = message.split_once(';').unwrap_or((message, ""));
    let quoted = wrong.split('\'').skip(1).step_by(2);
    let quoted = quoted.filter_map(|word| find_word(value, word));
    let keys = wrong.split_whitespace().filter_map(|word| {
        let (key, _) = word.split_once('=')?;
        find_pair(value, key)
    });
    let paths = wrong
        .contains(": the path")
        .then(|| find_pair(value, "storageKey"));
    quoted.chain(keys).chain(paths.flatten()).next()
}

/// The rest of a line of `value`, the text of a block scalar in a manifest, from a column on. The first line of
/// the text is the sign `|`, and the indentation of the next line is that of all.
pub(crate) fn in_block(value: &str, line: usize, column: usize) -> Option<Range<usize>> {
    if !value.starts_with('|') {
        return None;
    }
    let mut start = 0;
    let lines = value.split_inclusive('\n').map(|line| {
        let begin = start;
        start += line.len();
        (begin, line.trim_end())
    });
    let lines: Vec<_> = lines.skip(1).collect();
    let (_, first) = lines.iter().find(|(_, line)| !line.is_empty())?;
    let indent = first.len() - first.trim_start_matches(' ').len();
    let (begin, text) = lines.get(line.checked_sub(1)?)?;
    let content = text.get(indent..)?;
    let (at, _) = content.char_indices().nth(column.checked_sub(1)?)?;
    Some(begin + indent + at..begin + text.len())
}

/// A word that is no part of a longer one.
fn find_word(value: &str, word: &str) -> Option<Range<usize>> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    value
        .match_indices(word)
        .map(|(start, _)| start..start + word.len())
        .find(|range| {
            !word.is_empty()
                && !value[..range.start].ends_with(is_part)
                && !value[range.end..].starts_with(is_part)
        })
}

/// A pair `key=value`.
fn find_pair(value: &str, key: &str) -> Option<Range<usize>> {
    let key = find_word(value, key)?;
    let after = &value[key.end..];
    if !after.trim_start().starts_with(['=', ':']) {
        return None;
    }
    let length = after.find([',', '\n', '"', '\'']).unwrap_or(after.len());
    let pair = after[..length].trim_end();
    Some(key.start..key.end + pair.len())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("spec.containers[app].env[0].value", &["spec", "containers", "app", "env", "0", "value"])]
    #[case("metadata.annotations[a.b/c]", &["metadata", "annotations", "a.b/c"])]
    #[case("", &[])]
    fn a_field_has_steps(#[case] field: &str, #[case] expected: &[&str]) {
        assert_eq!(steps(field), expected);
    }

    #[rstest]
    #[case("|\n  a\n  b {{ c }}\n", 2, 6, Some("c }}"))]
    #[case("|-\n\n    ü{{ c }}", 2, 2, Some("{{ c }}"))]
    #[case("|\n  a\n", 2, 1, None)]
    #[case("|\n  a\n", 1, 2, None)]
    #[case("|\n  a\n", 0, 0, None)]
    #[case("|\n  ab\n b\n", 2, 1, None)]
    #[case("\"a\"", 1, 1, None)]
    #[case("", 1, 1, None)]
    fn a_line_and_a_column_are_a_part_of_a_block(
        #[case] value: &str,
        #[case] line: usize,
        #[case] column: usize,
        #[case] expected: Option<&str>,
    ) {
        let range = in_block(value, line, column);
        assert_eq!(range.map(|range| &value[range]), expected);
    }

    #[rstest]
    #[case(
        "size=12 is wrong; use size=64",
        "kind=DYNAMIC,size=12",
        Some("size=12")
    )]
    #[case("size=12 is wrong", "kind=DYNAMIC, size = 12 ,x=1", Some("size = 12"))]
    #[case("size=12 is wrong", "'kind=DYNAMIC,size=12'", Some("size=12"))]
    #[case(
        "size=12 is wrong",
        "|\n  kind=DYNAMIC\n  size=12\n  type=RSA\n",
        Some("size=12")
    )]
    #[case("size= is missing; use size=64", "kind=DYNAMIC", None)]
    #[case(
        "the key 'sise' is unknown; did you mean size=",
        "size=1,sise=2",
        Some("sise")
    )]
    #[case("the key 'sise' is unknown", "sises=2", None)]
    #[case(
        "/a//b: the path has",
        "kind=REFERENCE,storageKey=/b",
        Some("storageKey=/b")
    )]
    #[case("/a//b: the path has", "kind=REFERENCE", None)]
    #[case("no part", "kind=REFERENCE", None)]
    fn a_message_names_a_part_of_a_value(
        #[case] message: &str,
        #[case] value: &str,
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(named(message, value).map(|range| &value[range]), expected);
    }
}
