//! Manifests: YAML in, documents out, and back.
//!
//! Read as `kubectl` reads them: octal numbers as in YAML 1.1 (`defaultMode: 0400`), `yes` and `no`
//! as booleans. JSON is YAML too.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde_json::Value;
use serde_saphyr::{Options, SerializerOptions, Spanned, UserMessageFormatter};

use crate::fault::{CliError, CliErrorKind, Place};

/// One document that is not empty.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// Reads all documents of all files; `-` is standard input.
pub(crate) fn read(files: &[PathBuf]) -> (Vec<Document>, Vec<CliError>) {
    let mut documents = Vec::new();
    let mut faults = Vec::new();
    for path in files {
        let (name, bytes) = if path == Path::new("-") {
            let mut bytes = Vec::new();
            let read = io::stdin().read_to_end(&mut bytes);
            ("standard input".to_owned(), read.map(|_| bytes))
        } else {
            (path.display().to_string(), fs::read(path))
        };
        let text = bytes
            .map_err(CliErrorKind::Unreadable)
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| CliErrorKind::NotText));
        let file = Place {
            file: Some(name),
            ..Place::default()
        };
        let parsed = match text {
            Ok(text) => parse(&file, &text),
            Err(problem) => Err(CliError {
                place: file,
                problem,
            }),
        };
        match parsed {
            Ok(parsed) => documents.extend(parsed),
            Err(fault) => faults.push(fault),
        }
    }
    (documents, faults)
}

/// The documents of one file.
fn parse(file: &Place, text: &str) -> Result<Vec<Document>, CliError> {
    let mut options = Options::default();
    options.legacy_octal_numbers = true;
    options.with_snippet = false;
    let place = |line| Place {
        line: Some(line),
        ..file.clone()
    };
    let documents = serde_saphyr::from_multiple_with_options::<Spanned<Value>>(text, options);
    let documents = documents.map_err(|error| {
        let error = error.without_snippet();
        CliError {
            place: error
                .location()
                .map_or_else(|| file.clone(), |location| place(location.line())),
            problem: CliErrorKind::Yaml(error.render_with_formatter(&UserMessageFormatter)),
        }
    })?;
    Ok(documents
        .into_iter()
        .map(|document| Document {
            place: place(document.referenced.line()),
            value: document.value,
        })
        .collect())
}

/// Prints documents as YAML, separated.
///
/// # Errors
/// What the YAML library could not print.
pub(crate) fn print(documents: &[Document]) -> Result<String, CliErrorKind> {
    let mut options = SerializerOptions::default();
    // A long line stays one line.
    options.folded_wrap_chars = usize::MAX;
    let values: Vec<&Value> = documents.iter().map(|document| &document.value).collect();
    serde_saphyr::to_string_multiple_with_options(&values, options)
        .map_err(|error| CliErrorKind::Yaml(error.to_string()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn documents(text: &str) -> Vec<Document> {
        parse(&Place::default(), text).unwrap()
    }

    fn printed(text: &str) -> String {
        print(&documents(text)).unwrap()
    }

    #[test]
    fn empty_documents_are_passed_over_and_lines_are_kept() {
        let lines: Vec<_> = documents("# one\n---\nkind: A\n---\n---\n# b\n---\nkind: B\n")
            .into_iter()
            .map(|document| (document.place.line.unwrap(), document.value))
            .collect();
        assert_eq!(
            lines,
            [(3, json!({"kind": "A"})), (8, json!({"kind": "B"}))]
        );
    }

    #[rstest]
    #[case("mode: 0400", "mode: 256\n")]
    #[case(
        "b: \"yes\"\na: \"0400\"\nc: '1e3'",
        "b: \"yes\"\na: \"0400\"\nc: \"1e3\"\n"
    )]
    #[case("a: &x {k: 1}\nb: *x", "a:\n  k: 1\nb:\n  k: 1\n")]
    #[case(
        "{\"kind\": \"A\", \"big\": 12345678901234567890}",
        "kind: A\nbig: 12345678901234567890\n"
    )]
    #[case("a: |\n  one\n  two\n", "a: |\n  one\n  two\n")]
    #[case("a: 1\n---\nb: 2\n", "a: 1\n---\nb: 2\n")]
    fn what_is_printed_means_the_same(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(printed(text), expected);
        assert_eq!(
            documents(expected)[0].value,
            documents(text)[0].value,
            "{expected}"
        );
    }

    #[test]
    fn a_long_line_stays_one_line() {
        let long = format!("a: {}\n", "word ".repeat(40).trim());
        assert_eq!(printed(&long), long);
    }

    #[rstest]
    #[case("kind: A\nb: [1,\nc: d\n", 2)]
    #[case("a: 1\na: 2\n", 2)]
    #[case("a: *nothing\n", 1)]
    #[case("a: \"open", 1)]
    #[case("ok: 1\n---\na: b: c\n", 3)]
    fn what_is_not_yaml_is_refused_with_its_line(#[case] text: &str, #[case] line: u64) {
        let fault = parse(&Place::default(), text).unwrap_err();
        assert_eq!(fault.place.line, Some(line), "{fault}");
        assert!(matches!(fault.problem, CliErrorKind::Yaml(_)));
    }
}
