//! The part of a manifest that a message is about, underlined.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use kees_common::names::{file, keys, keystore};

use crate::source::Mark;

/// The values of `init.DOMAIN/order` that look like pairs.
const ORDERS: [&str; 2] = ["before=", "after="];

/// The most columns before an annotation. The renderer replaces most of them by an ellipsis, and takes time
/// for each of them: the whole of a JSON file may be one line.
const MAX_INDENT: usize = 200;

/// Whether a message is an error or a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    Warning,
}

/// Shows the annotation of `mark`, and underlines the marked part. The values of local mode are
/// hidden.
pub(crate) fn render(mark: &Mark, severity: Severity, is_colored: bool) -> String {
    let Mark {
        source,
        range,
        shown,
        value,
    } = mark;
    let text = |range: Range<usize>| source.text().get(range).unwrap_or_default();
    let annotation = match value {
        Some(value) => {
            text(shown.start..value.start).to_owned() + &hide_values(text(value.clone()))
        }
        None => text(shown.clone()).to_owned(),
    };
    let (line, column) = source.position(shown.start);
    let indent = (usize::try_from(column).unwrap_or(1) - 1).min(MAX_INDENT);
    let code = " ".repeat(indent) + &annotation;
    let moved = |byte: usize| byte.clamp(shown.start, shown.end) - shown.start + indent;
    let underlined = first_line(&code, moved(range.start)..moved(range.end));
    let snippet = Snippet::source(code)
        .line_start(usize::try_from(line).unwrap_or(1))
        .annotation(AnnotationKind::Primary.span(underlined));
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let renderer = if is_colored {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let group = Group::with_level(level).element(snippet);
    renderer.render(&[group]) + "\n"
}

/// Only the first line of a value of several lines is underlined. Of a block scalar (`|`) it is the
/// line with the sign.
fn first_line(text: &str, range: Range<usize>) -> Range<usize> {
    let marked = text.get(range.clone()).unwrap_or_default();
    let length = marked
        .lines()
        .next()
        .map_or(0, |line| line.trim_end().len());
    range.start..range.start + length.max(1)
}

/// Replaces the value of each pair by as many stars, unless its key is a known one other than
/// `localModeValue`. A misspelled `localModeValue` has a secret value too.
fn hide_values(text: &str) -> String {
    if text.contains("{{") || text.contains("{%") {
        return hide_around_tags(text);
    }
    let is_end = |c: char| matches!(c, ',' | '\n' | '"' | '\'');
    text.split_inclusive(is_end).map(hide_value).collect()
}

/// Replaces the text of a template by as many stars. Its tags (`{{ }}` and `{% %}`) are shown.
fn hide_around_tags(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let (outside, tag) = rest.split_at(start);
        hidden.extend(outside.chars().map(star));
        let ends = ["}}", "%}"].into_iter().filter_map(|end| tag.find(end));
        let end = ends.min().map_or(tag.len(), |end| end + 2);
        let (tag, next) = tag.split_at(end);
        hidden.push_str(tag);
        rest = next;
    }
    hidden.extend(rest.chars().map(star));
    hidden
}

/// What stands for a character that is hidden. It has as many bytes, so that positions stay.
fn star(c: char) -> &'static str {
    match (c, c.len_utf8()) {
        ('\n', _) => "\n",
        (' ', _) => " ",
        ('|', _) => "|",
        (_, 1) => "*",
        (_, 2) => "**",
        (_, 3) => "***",
        _ => "****",
    }
}

fn hide_value(pair: &str) -> String {
    let blanks = pair.len() - pair.trim_start().len();
    let Some(key) = pair[blanks..].find(['=', ':', ' ']) else {
        return pair.to_owned();
    };
    let key = blanks + key;
    let name = &pair[blanks..key];
    let mut known = keys::ALL.iter().chain(file::ALL).chain(keystore::ALL);
    let is_known = known.any(|known| known.name == name);
    let is_order = ORDERS.iter().any(|order| pair[blanks..].starts_with(order));
    if is_order || is_known && name != keys::LOCAL_MODE_VALUE {
        return pair.to_owned();
    }
    let end = pair
        .trim_end_matches([',', '\n', '"', '\''])
        .len()
        .max(key + 1);
    let hidden = "*".repeat(end - key - 1);
    format!("{}{hidden}{}", &pair[..=key], &pair[end..])
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "kind=REFERENCE,localModeValue=c2Vj,size=1",
        "kind=REFERENCE,localModeValue=****,size=1"
    )]
    #[case("\"localmodevalu=c2\"", "\"localmodevalu=**\"")]
    #[case("'kind=A, x = c2'", "'kind=A, x ****'")]
    #[case("|\n  kind=A\n  x=c2\n", "|\n  kind=A\n  x=**\n")]
    #[case("|\n  a=ü{{ secret.b }}c\n", "|\n  ****{{ secret.b }}*\n")]
    #[case("'x {% if y %}z{{ w'", "** {% if y %}*{{ w'")]
    #[case("path=a,mode=0400", "path=a,mode=0400")]
    #[case("local", "local")]
    #[case("x=", "x=")]
    #[case("after=istio-init", "after=istio-init")]
    fn unknown_values_are_hidden(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(hide_values(text), expected);
    }
}
